//! How many requests there may be at a time, over all clients and workers.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::Error;

/// The requests that are being served.
#[derive(Debug)]
// All workers write to it, and look at what stands beside it.
#[repr(align(128))]
pub(crate) struct Crowd {
    limit: usize,
    count: AtomicUsize,
}

// === impl Crowd ===

impl Crowd {
    /// Admits so many at a time; 0 is any number.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, count: AtomicUsize::new(0) }
    }

    /// Admits a request, from its head to the end of its response, unless there are too many. Whoever is admitted
    /// [leaves](Self::leave) once.
    pub(crate) fn enter(&self) -> Result<(), Error> {
        if self.limit == 0 || self.count.fetch_add(1, Relaxed) < self.limit {
            return Ok(());
        }
        self.leave();
        Err(Error::TooManyRequests { limit: self.limit })
    }

    /// Counts a request no longer.
    pub(crate) fn leave(&self) {
        if self.limit > 0 {
            self.count.fetch_sub(1, Relaxed);
        }
    }
}
