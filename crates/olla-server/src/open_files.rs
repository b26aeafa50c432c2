//! The limit of open files, which everything that has a socket lives under, and room for as many.

use std::{fs::File, io};

use rustix::{
    io::fcntl_dupfd_cloexec,
    process::{Resource, getrlimit, setrlimit},
};
use tracing::warn;

/// Open files that there is room for from the beginning, if they are allowed: 256 KiB of the kernel's memory.
const ROOM: u64 = 32 * 1024;

/// Raises the limit as far as it goes: the usual soft limit of 1,024 is from another age, and any process may
/// raise it to its hard limit.
pub(crate) fn allow_many() {
    if let Err(error) = raise_limit() {
        warn!(%error, "cannot raise the limit of open files");
    }
}

/// Has the kernel make room for many open files. To be called before there are threads: Linux doubles the room when it is
/// used up, and keeps the threads of a process waiting meanwhile until every core has had a pause. Each doubling costs those
/// who connect tens of milliseconds.
pub(crate) fn make_room() {
    // Without, it is slower, and that is all; where the limit cannot be raised, others say so.
    let _ = raise_limit();
    let count = getrlimit(Resource::Nofile).current.unwrap_or(ROOM).min(ROOM);
    let highest = i32::try_from(count.saturating_sub(1)).unwrap_or(i32::MAX);
    // It is closed at once, and the room stays.
    let _ = File::open("/dev/null").and_then(|file| Ok(fcntl_dupfd_cloexec(file, highest)?));
}

fn raise_limit() -> io::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}

/// Returns how many clients, and how many requests, there may be at a time so that files suffice: a request
/// needs two, one to each side. `None` is any number.
pub(crate) fn half() -> Option<usize> {
    let limit = getrlimit(Resource::Nofile).current?;
    Some(usize::try_from(limit / 2).unwrap_or(usize::MAX).max(1))
}
