//! The limit of open files, which everything that has a socket lives under.

use rustix::process::{Resource, getrlimit, setrlimit};
use tracing::warn;

/// Raises the limit as far as it goes: the usual soft limit of 1,024 is from another age, and any process may
/// raise it to its hard limit.
pub(crate) fn allow_many() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        warn!(%error, "cannot raise the limit of open files");
    }
}

/// Returns how many clients, and how many requests, there may be at a time so that files suffice: a request
/// needs two, one to each side. `None` is any number.
pub(crate) fn half() -> Option<usize> {
    let limit = getrlimit(Resource::Nofile).current?;
    Some(usize::try_from(limit / 2).unwrap_or(usize::MAX).max(1))
}
