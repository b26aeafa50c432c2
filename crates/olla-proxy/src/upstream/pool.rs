//! Idle connections, one stack for each endpoint: the last used is the first reused.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use olla_core::{EndpointId, Failure};
use tokio::time::{Instant, sleep};

use super::{
    OwnRequest,
    answer::Answer,
    http1::{Connection, Unanswered},
};
use crate::{
    clock,
    deadline::{TooLate, within},
};

/// Idle connections kept for one endpoint and worker.
const MAX_IDLE: usize = 256;
/// How long an idle connection is trusted when the backend does not say.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// How much earlier than the backend's own limit a connection is given up: it may close it any time then.
const KEEP_ALIVE_MARGIN: Duration = Duration::from_secs(1);

/// How often connections are looked at that nobody has come back for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(15);

/// The idle connections of one worker.
#[derive(Debug, Clone, Default)]
pub(super) struct Pool(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// By the index of the endpoint. One lock for all: a worker is one thread. It is held for a moment, but while
    /// connections are closed that nobody has come back for.
    idle: Mutex<Vec<Vec<Idle>>>,
    /// Whether a task is looking for expired connections; there is none while no connection is idle.
    sweeping: AtomicBool,
}

#[derive(Debug)]
struct Idle {
    connection: Box<Connection>,
    expires: Instant,
}

/// A connection that is being used, and where it returns to.
#[derive(Debug)]
pub(super) struct Pooled {
    connection: Box<Connection>,
    home: Option<Home>,
    reused: bool,
}

/// Where a connection returns to.
#[derive(Debug)]
pub(super) struct Home {
    pool: Pool,
    endpoint: EndpointId,
}

/// Puts a connection back when its response has been read to the end.
#[derive(Debug)]
pub(super) struct Return {
    home: Home,
    idle_timeout: Duration,
}

/// An attempt without an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failed {
    pub(super) failure: Failure,
    /// Whether the backend may have seen any of the request.
    pub(super) sent: bool,
}

// === impl Pool ===

impl Pool {
    /// Takes the most recently used connection that is still open.
    pub(super) fn take(&self, endpoint: EndpointId, now: Instant) -> Option<Pooled> {
        loop {
            let Idle { mut connection, expires } = self.0.idle().get_mut(endpoint.index())?.pop()?;
            if connection.is_open() && now < expires {
                return Some(Pooled { connection, home: Some(self.home(endpoint)), reused: true });
            }
        }
    }

    /// Returns the place of an endpoint's connections.
    pub(super) fn home(&self, endpoint: EndpointId) -> Home {
        Home { pool: self.clone(), endpoint }
    }

    /// Sees to it that idle connections are closed in time, also when no request comes any more.
    fn sweep_later(&self) {
        // Stored only when it changes: every response comes by here.
        if self.0.sweeping.load(Relaxed) || self.0.sweeping.swap(true, Relaxed) {
            return;
        }
        let pool = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            loop {
                sleep(SWEEP_INTERVAL).await;
                let Some(pool) = pool.upgrade() else { return };
                pool.sweeping.store(false, Relaxed);
                if !pool.sweep(Instant::now()) || pool.sweeping.swap(true, Relaxed) {
                    return;
                }
            }
        });
    }
}

// === impl Shared ===

impl Shared {
    /// Closes what has expired and returns whether anything is left.
    fn sweep(&self, now: Instant) -> bool {
        let mut all = self.idle();
        for idle in &mut *all {
            idle.retain_mut(|idle| idle.expires > now && idle.connection.is_open());
            idle.shrink_to_fit();
        }
        all.iter().any(|idle| !idle.is_empty())
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Vec<Idle>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Pooled ===

impl Pooled {
    /// Wraps a connection that has just been opened.
    pub(super) fn fresh(connection: Box<Connection>, home: Home) -> Self {
        Self { connection, home: Some(home), reused: false }
    }

    /// Wraps a connection that is used once.
    pub(super) fn unpooled(connection: Box<Connection>) -> Self {
        Self { connection, home: None, reused: false }
    }

    /// Sends a request and waits for the response head.
    pub(super) async fn send(
        self,
        request: &OwnRequest<'_>,
        now: Instant,
        head_timeout: Duration,
    ) -> Result<Answer, Failed> {
        let Self { connection, home, reused } = self;
        let deadline = if head_timeout.is_zero() { None } else { now.checked_add(head_timeout) };
        match within(deadline, connection.exchange(request)).await {
            Ok(Ok((head, incoming, keeps_idle))) => {
                let idle_timeout = idle_timeout(keeps_idle);
                Ok(Answer::new(head, incoming, home.map(|home| Return { home, idle_timeout })))
            }
            // It had served before: the backend tired of waiting for us.
            Ok(Err(Unanswered::Closed { sent })) if reused => Err(Failed { failure: Failure::Stale, sent }),
            Ok(Err(Unanswered::Closed { sent })) => Err(Failed { failure: Failure::ResetBeforeHead, sent }),
            Ok(Err(Unanswered::Malformed)) => Err(Failed { failure: Failure::MalformedHead, sent: true }),
            Err(TooLate) => Err(Failed { failure: Failure::HeadTimeout, sent: true }),
        }
    }
}

// === impl Return ===

impl Return {
    /// Puts the connection on top of the others.
    pub(super) fn put_back(self, connection: Box<Connection>) {
        let expires = clock::instant() + self.idle_timeout;
        let Home { pool, endpoint } = self.home;
        let mut all = pool.0.idle();
        if all.len() <= endpoint.index() {
            all.resize_with(endpoint.index() + 1, Vec::new);
        }
        if let Some(idle) = all.get_mut(endpoint.index()).filter(|idle| idle.len() < MAX_IDLE) {
            idle.push(Idle { connection, expires });
        }
        drop(all);
        pool.sweep_later();
    }
}

/// Returns how long an idle connection is trusted that the backend `keeps` for so long.
fn idle_timeout(keeps: Option<Duration>) -> Duration {
    keeps.map_or(IDLE_TIMEOUT, |limit| limit.saturating_sub(KEEP_ALIVE_MARGIN).min(IDLE_TIMEOUT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trusts_an_idle_connection_less_long_than_the_backend_says() {
        assert_eq!(idle_timeout(None), IDLE_TIMEOUT);
        for (says, trusted) in [(5, 4), (0, 0), (9999, 90)] {
            assert_eq!(idle_timeout(Some(Duration::from_secs(says))), Duration::from_secs(trusted), "{says}");
        }
    }
}
