//! What the engine remembers: the requests it received, the ones their client abandoned, and counters.
//! Bounded by count and bytes; the oldest go first. Headers are parsed only when somebody asks.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::Notify;

use crate::http1::{self, Framing, RequestHead};

/// Most bytes of one body that are kept.
const BODY_LIMIT_BYTES: usize = 64 * 1024;
/// Most bytes of all requests together that are kept.
const TOTAL_LIMIT_BYTES: usize = 64 * 1024 * 1024;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// Number of the request, from 1, in order of arrival.
    pub id: u64,
    /// Request method.
    pub method: String,
    /// Path and query, byte for byte.
    pub target: String,
    /// Header fields in order, names as sent.
    pub headers: Vec<(String, String)>,
    /// The body, without transfer coding; at most 64 KiB of it.
    pub body: Bytes,
    /// The length of the whole body in bytes.
    pub body_bytes: u64,
    /// How the body was delimited.
    pub framing: Framing,
    /// When its head had arrived, since the start of the engine.
    pub at: Duration,
}

/// How far the answer was when the client went away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The request body was still arriving.
    Request,
    /// No byte of the response had been sent.
    BeforeHead,
    /// The response had begun.
    Response,
}

/// A request whose client closed the connection, or its side of it, before the response was complete.
#[derive(Debug, Clone, Serialize)]
pub struct Abandoned {
    /// Number of the request, as in [`Received::id`].
    pub id: u64,
    /// Request method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// How far the answer was.
    pub phase: Phase,
    /// Milliseconds from the request head to the moment the engine noticed.
    pub after_ms: f64,
}

/// Counters since the start of the engine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Connections accepted.
    pub connections: u64,
    /// Connections open now.
    pub open: u64,
    /// Connections that their client closed before it had sent the head of a request.
    pub unused: u64,
    /// Requests received, those below `/sim/` not counted.
    pub received: u64,
    /// Responses sent to their end.
    pub completed: u64,
    /// Requests abandoned by their client.
    pub abandoned: u64,
    /// Requests that met a fault.
    pub faulted: u64,
    /// Requests in progress.
    pub in_flight: u64,
}

/// Identifies a request in progress.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket {
    pub(crate) id: u64,
    pub(crate) since: Instant,
}

#[derive(Debug)]
pub(crate) struct Ledger {
    start: Instant,
    limit: usize,
    records: Mutex<Records>,
    changed: Notify,
    connections: AtomicU64,
    closed: AtomicU64,
    pub(crate) unused: AtomicU64,
    pub(crate) faulted: AtomicU64,
    numbers: AtomicU64,
    received: AtomicU64,
    completed: AtomicU64,
    abandoned: AtomicU64,
    finished: AtomicU64,
}

/// Counts a connection as open while it lives.
pub(crate) struct Open<'a>(&'a Ledger);

#[derive(Debug, Default)]
struct Records {
    received: VecDeque<Entry>,
    bytes: usize,
    abandoned: VecDeque<Abandoned>,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    at: Instant,
    head: RequestHead,
    body: Bytes,
    body_bytes: u64,
}

// === impl Ledger ===

impl Ledger {
    /// Keeps at most `limit` requests; 0 keeps counters only.
    pub(crate) fn new(limit: usize) -> Self {
        Ledger {
            start: Instant::now(),
            limit,
            records: Mutex::default(),
            changed: Notify::new(),
            connections: AtomicU64::new(0),
            closed: AtomicU64::new(0),
            unused: AtomicU64::new(0),
            faulted: AtomicU64::new(0),
            numbers: AtomicU64::new(0),
            received: AtomicU64::new(0),
            completed: AtomicU64::new(0),
            abandoned: AtomicU64::new(0),
            finished: AtomicU64::new(0),
        }
    }

    /// Counts a connection as open until the guard is dropped.
    pub(crate) fn connect(&self) -> Open<'_> {
        self.connections.fetch_add(1, Relaxed);
        Open(self)
    }

    /// Notes a request; `since` is when its head had arrived.
    pub(crate) fn receive(&self, head: &RequestHead, body: &Bytes, since: Instant) -> Ticket {
        let id = self.numbers.fetch_add(1, Relaxed) + 1;
        if self.limit > 0 {
            let kept = body.slice(..body.len().min(BODY_LIMIT_BYTES));
            let entry =
                Entry { id, at: since, head: head.clone(), body: kept, body_bytes: body.len() as u64 };
            self.lock().keep(entry, self.limit);
        }
        // Counted after it is kept: whoever waits for the count finds the request.
        self.received.fetch_add(1, Relaxed);
        self.changed.notify_waiters();
        Ticket { id, since }
    }

    pub(crate) fn complete(&self) {
        self.completed.fetch_add(1, Relaxed);
        self.finished.fetch_add(1, Relaxed);
    }

    /// Notes a response that a fault ended early.
    pub(crate) fn cut(&self) {
        self.finished.fetch_add(1, Relaxed);
    }

    pub(crate) fn abandon(&self, ticket: Ticket, head: &RequestHead, phase: Phase) {
        self.finished.fetch_add(1, Relaxed);
        if self.limit > 0 {
            let mut records = self.lock();
            if records.abandoned.len() >= self.limit {
                records.abandoned.pop_front();
            }
            records.abandoned.push_back(Abandoned {
                id: ticket.id,
                method: head.method().to_owned(),
                target: head.target().to_owned(),
                phase,
                after_ms: ticket.since.elapsed().as_secs_f64() * 1e3,
            });
        }
        self.abandoned.fetch_add(1, Relaxed);
        self.changed.notify_waiters();
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.lock().received.iter().map(|entry| entry.to_received(self.start)).collect()
    }

    pub(crate) fn abandoned(&self) -> Vec<Abandoned> {
        self.lock().abandoned.iter().cloned().collect()
    }

    /// Forgets requests; counters go on.
    pub(crate) fn clear(&self) {
        *self.lock() = Records::default();
    }

    pub(crate) fn stats(&self) -> Stats {
        let finished = self.finished.load(Relaxed);
        let received = self.received.load(Relaxed);
        let closed = self.closed.load(Relaxed);
        let connections = self.connections.load(Relaxed);
        Stats {
            connections,
            open: connections.saturating_sub(closed),
            unused: self.unused.load(Relaxed),
            received,
            completed: self.completed.load(Relaxed),
            abandoned: self.abandoned.load(Relaxed),
            faulted: self.faulted.load(Relaxed),
            in_flight: received.saturating_sub(finished),
        }
    }

    /// Returns once `reached` holds for the counters.
    pub(crate) async fn wait(&self, reached: impl Fn(Stats) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before the check, so that a change between check and await is not lost.
            changed.as_mut().enable();
            if reached(self.stats()) {
                return;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.closed.fetch_add(1, Relaxed);
    }
}

impl Records {
    fn keep(&mut self, entry: Entry, limit: usize) {
        self.bytes += entry.bytes();
        self.received.push_back(entry);
        while self.received.len() > limit || self.bytes > TOTAL_LIMIT_BYTES {
            let Some(oldest) = self.received.pop_front() else { break };
            self.bytes -= oldest.bytes();
        }
    }
}

impl Entry {
    fn bytes(&self) -> usize {
        self.head.raw().len() + self.body.len()
    }

    fn to_received(&self, start: Instant) -> Received {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Received {
            id: self.id,
            method: self.head.method().to_owned(),
            target: self.head.target().to_owned(),
            headers: http1::fields(self.head.raw()).map(|(name, value)| (text(name), text(value))).collect(),
            body: self.body.clone(),
            body_bytes: self.body_bytes,
            framing: self.head.framing,
            at: self.at.duration_since(start),
        }
    }
}

// === impl Received ===

impl Received {
    /// Returns the first value of a header, whatever the case of its name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Returns the body as JSON, or `Null` if it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Returns the path without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}
