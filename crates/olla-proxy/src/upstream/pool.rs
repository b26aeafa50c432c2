//! Idle connections, one stack for each endpoint: the last used is the first reused.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use http::{HeaderMap, Request};
use hyper::client::conn::http1::SendRequest;
use olla_core::{EndpointId, Failure};
use tokio::time::{sleep, timeout};

use super::answer::Answer;
use crate::replay::ReplayBody;

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
    slots: Mutex<HashMap<EndpointId, Slot>>,
    /// Whether a task is looking for expired connections; there is none while no connection is idle.
    sweeping: AtomicBool,
}

/// The idle connections to one endpoint.
type Slot = Arc<Mutex<Vec<Idle>>>;

#[derive(Debug)]
struct Idle {
    sender: SendRequest<ReplayBody>,
    expires: Instant,
}

/// A connection that is being used, and the slot it returns to.
#[derive(Debug)]
pub(super) struct Pooled {
    sender: SendRequest<ReplayBody>,
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
    sender: SendRequest<ReplayBody>,
    home: Home,
    idle_timeout: Duration,
}

// === impl Pool ===

impl Pool {
    /// Takes the most recently used connection that is still open.
    pub(super) fn take(&self, endpoint: EndpointId) -> Option<Pooled> {
        let home = self.home(endpoint);
        loop {
            let Idle { mut sender, expires } = lock(&home.slot).pop()?;
            let mut cx = Context::from_waker(Waker::noop());
            let open = matches!(sender.poll_ready(&mut cx), Poll::Ready(Ok(())));
            if open && Instant::now() < expires {
                return Some(Pooled { sender, home: Some(home), reused: true });
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
            idle.retain(|i| i.expires > now && !i.sender.is_closed());
            left += idle.len();
        }
        left > 0
    }
}

// === impl Pooled ===

impl Pooled {
    /// Wraps a connection that has just been opened.
    pub(super) fn fresh(sender: SendRequest<ReplayBody>, home: Home) -> Self {
        Self { sender, home: Some(home), reused: false }
    }

    /// Wraps a connection that is used once.
    pub(super) fn unpooled(sender: SendRequest<ReplayBody>) -> Self {
        Self { sender, home: None, reused: false }
    }

    /// Sends a request and waits for the response head. A request that was never written comes back.
    pub(super) async fn send(
        mut self,
        request: Request<ReplayBody>,
        head_timeout: Duration,
    ) -> Result<Answer, (Failure, Option<Box<Request<ReplayBody>>>)> {
        // A limit beyond what the clock can hold is none.
        let limit = if head_timeout.is_zero() { Duration::MAX } else { head_timeout };
        match timeout(limit, self.sender.try_send_request(request)).await {
            Ok(Ok(response)) => {
                let idle_timeout = idle_timeout(response.headers());
                let give_back = self.home.map(|home| Return { sender: self.sender, home, idle_timeout });
                Ok(Answer::new(response, give_back))
            }
            Ok(Err(mut error)) => {
                let unsent = error.take_message().map(Box::new);
                Err((classify(error.error(), self.reused, unsent.is_some()), unsent))
            }
            Err(_) => Err((Failure::HeadTimeout, None)),
        }
    }
}

// === impl Return ===

impl Return {
    /// Puts the connection on top of its slot.
    pub(super) fn put_back(self) {
        let expires = Instant::now() + self.idle_timeout;
        let mut idle = lock(&self.home.slot);
        if idle.len() < MAX_IDLE {
            idle.push(Idle { sender: self.sender, expires });
        }
        drop(idle);
        self.home.pool.sweep_later();
    }
}

/// A closed connection is stale when it had served before: the backend tired of waiting for us.
fn classify(error: &hyper::Error, reused: bool, unsent: bool) -> Failure {
    let closed = error.is_canceled() || error.is_closed() || error.is_incomplete_message() || is_io(error);
    if error.is_parse() || error.is_parse_status() || error.is_parse_too_large() {
        Failure::MalformedHead
    } else if reused && (unsent || closed) {
        Failure::Stale
    } else {
        Failure::ResetBeforeHead
    }
}

fn is_io(error: &hyper::Error) -> bool {
    std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
}

/// Reads how long the backend keeps an idle connection: `Keep-Alive: timeout=5` (RFC 2068 §19.7.1.1).
fn idle_timeout(headers: &HeaderMap) -> Duration {
    let Some(value) = headers.get("keep-alive").and_then(|v| v.to_str().ok()) else {
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
