//! Idle connections, one stack for each endpoint: the last used is the first reused.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use http::{HeaderMap, Request};
use hyper::client::conn::http1::SendRequest;
use olla_core::{EndpointId, Failure};
use tokio::time::timeout;

use super::answer::Answer;
use crate::replay::ReplayBody;

/// Idle connections kept for one endpoint and worker.
const MAX_IDLE: usize = 256;
/// How long an idle connection is trusted when the backend does not say.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// How much earlier than the backend's own limit a connection is given up: it may close it any time then.
const KEEP_ALIVE_MARGIN: Duration = Duration::from_secs(1);

/// The idle connections of one worker.
#[derive(Debug, Clone, Default)]
pub(super) struct Pool {
    slots: Arc<Mutex<HashMap<EndpointId, Slot>>>,
}

/// The idle connections to one endpoint.
pub(super) type Slot = Arc<Mutex<Vec<Idle>>>;

#[derive(Debug)]
pub(super) struct Idle {
    sender: SendRequest<ReplayBody>,
    expires: Instant,
}

/// A connection that is being used, and the slot it returns to.
#[derive(Debug)]
pub(super) struct Pooled {
    sender: SendRequest<ReplayBody>,
    slot: Option<Slot>,
    reused: bool,
}

/// Puts a connection back when its response has been read to the end.
#[derive(Debug)]
pub(super) struct Return {
    sender: SendRequest<ReplayBody>,
    slot: Slot,
    idle_timeout: Duration,
}

// === impl Pool ===

impl Pool {
    /// Takes the most recently used connection that is still open.
    pub(super) fn take(&self, endpoint: EndpointId) -> Option<Pooled> {
        let slot = self.slot(endpoint);
        loop {
            let Idle { mut sender, expires } = lock(&slot).pop()?;
            let mut cx = Context::from_waker(Waker::noop());
            let open = matches!(sender.poll_ready(&mut cx), Poll::Ready(Ok(())));
            if open && Instant::now() < expires {
                return Some(Pooled { sender, slot: Some(slot), reused: true });
            }
        }
    }

    /// Returns the slot of an endpoint.
    pub(super) fn slot(&self, endpoint: EndpointId) -> Slot {
        Arc::clone(lock(&self.slots).entry(endpoint).or_default())
    }
}

// === impl Pooled ===

impl Pooled {
    /// Wraps a connection that has just been opened.
    pub(super) fn fresh(sender: SendRequest<ReplayBody>, slot: Slot) -> Self {
        Self { sender, slot: Some(slot), reused: false }
    }

    /// Wraps a connection that is used once.
    pub(super) fn unpooled(sender: SendRequest<ReplayBody>) -> Self {
        Self { sender, slot: None, reused: false }
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
                let give_back = self.slot.map(|slot| Return { sender: self.sender, slot, idle_timeout });
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
        let now = Instant::now();
        let mut idle = lock(&self.slot);
        // The oldest are at the bottom: when the first is still good, all are.
        if idle.first().is_some_and(|oldest| oldest.expires <= now) {
            idle.retain(|i| i.expires > now);
        }
        if idle.len() < MAX_IDLE {
            idle.push(Idle { sender: self.sender, expires: now + self.idle_timeout });
        }
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
