//! How many requests there may be at a time, over all clients and workers.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use crate::Error;

/// The requests that are being served.
#[derive(Debug)]
pub(crate) struct Crowd {
    limit: usize,
    count: AtomicUsize,
}

/// Keeps a request counted, from its head to the end of its response.
#[derive(Debug)]
pub(crate) struct Presence(Arc<Crowd>);

// === impl Crowd ===

impl Crowd {
    /// Admits so many at a time; returns `None` for 0, which is any number.
    pub(crate) fn new(limit: usize) -> Option<Arc<Self>> {
        (limit > 0).then(|| Arc::new(Self { limit, count: AtomicUsize::new(0) }))
    }

    /// Admits a request unless there are too many.
    pub(crate) fn enter(self: &Arc<Self>) -> Result<Presence, Error> {
        if self.count.fetch_add(1, Relaxed) < self.limit {
            return Ok(Presence(Arc::clone(self)));
        }
        self.count.fetch_sub(1, Relaxed);
        Err(Error::TooManyRequests { limit: self.limit })
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Relaxed);
    }
}
