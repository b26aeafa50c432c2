//! Idle connections, one stack for each endpoint: the last used is the first reused.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{HeaderMap, HeaderName};
use olla_core::{EndpointId, Failure};
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    OwnRequest,
    answer::Answer,
    http1::{Connection, Unanswered},
};

/// Idle connections kept for one endpoint and worker.
const MAX_IDLE: usize = 256;
/// How long an idle connection is trusted when the backend does not say.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// How much earlier than the backend's own limit a connection is given up: it may close it any time then.
const KEEP_ALIVE_MARGIN: Duration = Duration::from_secs(1);

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// A limit that is none.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// How often connections are looked at that nobody has come back for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(15);

/// The idle connections of one worker.
#[derive(Debug, Clone, Default)]
pub(super) struct Pool(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    slots: Mutex<HashMap<EndpointId, Slot>>,
    /// Whether a task is looking for expired connections; there is none while no connection is idle.
    sweeping: AtomicBool,
}

/// The idle connections to one endpoint.
type Slot = Arc<Mutex<Vec<Idle>>>;

#[derive(Debug)]
struct Idle {
    connection: Box<Connection>,
    expires: Instant,
}

/// A connection that is being used, and the slot it returns to.
#[derive(Debug)]
pub(super) struct Pooled {
    connection: Box<Connection>,
    home: Option<Home>,
    reused: bool,
}

/// Where a connection returns to.
#[derive(Debug, Clone)]
pub(super) struct Home {
    pool: Pool,
    slot: Slot,
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
        let home = self.home(endpoint);
        loop {
            let Idle { mut connection, expires } = lock(&home.slot).pop()?;
            if connection.is_open() && now < expires {
                return Some(Pooled { connection, home: Some(home), reused: true });
            }
        }
    }

    /// Returns the place of an endpoint's connections.
    pub(super) fn home(&self, endpoint: EndpointId) -> Home {
        let slot = Arc::clone(lock(&self.0.slots).entry(endpoint).or_default());
        Home { pool: self.clone(), slot }
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
        let slots: Vec<Slot> = lock(&self.slots).values().cloned().collect();
        let mut left = 0;
        for slot in slots {
            let mut idle = lock(&slot);
            idle.retain_mut(|idle| idle.expires > now && idle.connection.is_open());
            left += idle.len();
        }
        left > 0
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
        let limit = if head_timeout.is_zero() { FOREVER } else { head_timeout.min(FOREVER) };
        match timeout_at(now + limit, connection.exchange(request)).await {
            Ok(Ok((head, incoming))) => {
                let idle_timeout = idle_timeout(&head.headers);
                Ok(Answer::new(head, incoming, home.map(|home| Return { home, idle_timeout })))
            }
            // It had served before: the backend tired of waiting for us.
            Ok(Err(Unanswered::Closed { sent })) if reused => Err(Failed { failure: Failure::Stale, sent }),
            Ok(Err(Unanswered::Closed { sent })) => Err(Failed { failure: Failure::ResetBeforeHead, sent }),
            Ok(Err(Unanswered::Malformed)) => Err(Failed { failure: Failure::MalformedHead, sent: true }),
            Err(_) => Err(Failed { failure: Failure::HeadTimeout, sent: true }),
        }
    }
}

// === impl Return ===

impl Return {
    /// Puts the connection on top of its slot.
    pub(super) fn put_back(self, connection: Box<Connection>) {
        let expires = Instant::now() + self.idle_timeout;
        let mut idle = lock(&self.home.slot);
        if idle.len() < MAX_IDLE {
            idle.push(Idle { connection, expires });
        }
        drop(idle);
        self.home.pool.sweep_later();
    }
}

/// Reads how long the backend keeps an idle connection: `Keep-Alive: timeout=5` (RFC 2068 §19.7.1.1).
fn idle_timeout(headers: &HeaderMap) -> Duration {
    let Some(value) = headers.get(KEEP_ALIVE).and_then(|v| v.to_str().ok()) else {
        return IDLE_TIMEOUT;
    };
    let seconds = value.split(',').find_map(|part| part.trim().strip_prefix("timeout=")?.parse().ok());
    match seconds {
        Some(seconds) => Duration::from_secs(seconds).saturating_sub(KEEP_ALIVE_MARGIN).min(IDLE_TIMEOUT),
        None => IDLE_TIMEOUT,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trusts_an_idle_connection_less_long_than_the_backend_says() {
        let mut headers = HeaderMap::new();
        assert_eq!(idle_timeout(&headers), IDLE_TIMEOUT);

        for (value, seconds) in
            [("timeout=5, max=100", 4), ("max=3,timeout=1", 0), ("timeout=9999", 90), ("x", 90)]
        {
            headers.insert("keep-alive", value.parse().unwrap());
            assert_eq!(idle_timeout(&headers), Duration::from_secs(seconds), "{value}");
        }
    }
}
