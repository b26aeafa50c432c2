//! How many client connections there may be at a time, over all workers.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room for connections. Cloning shares it.
#[derive(Debug, Clone)]
pub(crate) struct Room(Option<Arc<Semaphore>>);

/// The room of one connection.
pub(super) type Seat = OwnedSemaphorePermit;

// === impl Room ===

impl Room {
    /// Makes room for so many connections, or for any number.
    pub(crate) fn new(max_connections: Option<usize>) -> Self {
        Self(max_connections.map(|most| Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)))))
    }

    /// Waits for room; who comes first is first. Returns `None` where there is no limit.
    pub(super) async fn take(&self) -> Option<Seat> {
        // It is never closed.
        Arc::clone(self.0.as_ref()?).acquire_owned().await.ok()
    }
}
