//! The limit of open files, which everything that has a socket lives under, and room for as many.

use std::{fs::File, io};

use rustix::{
    io::fcntl_dupfd_cloexec,
    process::{Resource, getrlimit, setrlimit},
};

/// Open files that there is room for from the beginning, if they are allowed. Each takes the kernel eight bytes.
const ROOM: u64 = 64 * 1024;

/// Raises the limit as far as it goes: the usual soft limit of 1,024 is from another age, and any process may
/// raise it to its hard limit. To be called before there are threads.
///
/// # Errors
/// Fails if the limit cannot be raised.
pub(crate) fn allow_many() -> io::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    // Without, it is slower, and that is all.
    let _ = make_room(limit.current.unwrap_or(ROOM).min(ROOM));
    Ok(())
}

/// Has the kernel make room for so many open files. Linux doubles the room when it is used up, and keeps the threads of a
/// process waiting meanwhile until every core has had a pause: each doubling costs those who connect tens of milliseconds.
fn make_room(count: u64) -> io::Result<()> {
    let highest = i32::try_from(count.saturating_sub(1)).unwrap_or(i32::MAX);
    // It is closed at once, and the room stays.
    fcntl_dupfd_cloexec(File::open("/dev/null")?, highest)?;
    Ok(())
}

/// Returns how many clients, and how many requests, there may be at a time so that files suffice: a request
/// needs two, one to each side. `None` is any number.
pub(crate) fn half() -> Option<usize> {
    let limit = getrlimit(Resource::Nofile).current?;
    Some(usize::try_from(limit / 2).unwrap_or(usize::MAX).max(1))
}
