//! A load generator that trusts nothing: a response counts as good only if it is 200 and complete, and every other
//! outcome is counted by what went wrong.
//!
//! In a closed loop each connection sends its next request when it has its answer. With a rate, requests have a
//! schedule; one that has to wait for a free connection is measured from its scheduled time, so that a slow server
//! cannot hide its delays by slowing the generator down (coordinated omission).

mod cancels;
mod client;
mod histogram;
mod metronome;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

pub use cancels::Cancels;
use client::{Client, Outcome};
use histogram::Histogram;
pub use histogram::Quantiles;
use metronome::Metronome;

/// More tokens than an engine says.
const MOST_TOKENS: u32 = 32_000;

/// What load to make.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The address to connect to.
    pub addr: SocketAddr,
    /// Value of `Host`.
    pub host: String,
    /// Path and query.
    pub target: String,
    /// Header fields beyond the usual ones.
    pub headers: Vec<(String, String)>,
    /// The request body.
    pub body: Bytes,
    /// Connections, each with one request at a time.
    pub connections: usize,
    /// When to end.
    pub limit: Limit,
    /// Requests per second; as many as possible if absent.
    pub rate: Option<f64>,
    /// A request that takes longer has failed.
    pub timeout: Duration,
    /// Requests that the client leaves before their answer is complete; none if absent.
    pub cancels: Option<Cancels>,
}

/// When a run ends. Requests in progress are finished.
#[derive(Debug, Clone, Copy)]
pub enum Limit {
    /// After so many requests.
    Requests(u64),
    /// After so much time.
    Time(Duration),
}

/// What happened. Times are milliseconds.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Requests sent.
    pub requests: u64,
    /// Requests answered 200 and completely.
    pub ok: u64,
    /// Requests that the client left, as planned; they have neither succeeded nor failed.
    pub cancelled: u64,
    /// Failures by kind.
    pub errors: BTreeMap<&'static str, u64>,
    /// Failures after the first byte of a body.
    pub begun: u64,
    /// Responses by status code.
    pub statuses: BTreeMap<u16, u64>,
    /// Good responses by the engine that answered (`x-sim-engine`).
    pub engines: BTreeMap<String, u64>,
    /// Duration of the run.
    pub seconds: f64,
    /// Good responses per second.
    pub rps: f64,
    /// Time to the end of a good response.
    pub latency_ms: Quantiles,
    /// Time to the first byte of the body of a good response.
    pub ttft_ms: Quantiles,
    /// Time between arrivals of body bytes in good event streams.
    pub inter_chunk_ms: Quantiles,
    /// Bytes sent.
    pub bytes_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
}

/// What one connection, or all together, have seen.
#[derive(Debug, Default)]
struct Tally {
    requests: u64,
    ok: u64,
    cancelled: u64,
    errors: BTreeMap<&'static str, u64>,
    begun: u64,
    statuses: BTreeMap<u16, u64>,
    engines: BTreeMap<String, u64>,
    latency: Histogram,
    ttft: Histogram,
    inter_chunk: Histogram,
    bytes_sent: u64,
    bytes_received: u64,
}

/// Hands out requests: which number, and from when it is measured.
#[derive(Debug)]
struct Schedule {
    start: Instant,
    limit: Limit,
    metronome: Option<Metronome>,
    next: AtomicU64,
}

/// Makes the load and returns what happened.
pub async fn run(plan: Plan) -> Report {
    let start = Instant::now();
    let Ok(metronome) = plan.rate.map(|rate| Metronome::start(start, rate)).transpose() else {
        return Report { errors: [("generator", 1)].into(), ..Report::default() };
    };
    let schedule = Arc::new(Schedule { start, limit: plan.limit, metronome, next: AtomicU64::new(0) });
    let plan = Arc::new(plan);
    let mut connections = JoinSet::new();
    for connection in 0..plan.connections {
        connections.spawn(drive(connection, Arc::clone(&plan), Arc::clone(&schedule)));
    }
    let mut total = Tally::default();
    while let Some(tally) = connections.join_next().await {
        match tally {
            Ok(tally) => total.add(tally),
            Err(_) => *total.errors.entry("generator").or_default() += 1,
        }
    }
    total.report(schedule.start.elapsed())
}

/// Builds the body of a chat request of about `size_bytes`; never smaller than what the fields need.
#[must_use]
pub fn chat_body(model: &str, size_bytes: usize, stream: bool) -> Bytes {
    padded(size_bytes, |text| fields(model, text, stream))
}

/// Builds the body of a request of Anthropic's Messages of about `size_bytes`, as [`chat_body`] does.
#[must_use]
pub fn messages_body(model: &str, size_bytes: usize, stream: bool) -> Bytes {
    padded(size_bytes, |text| {
        let mut body = fields(model, text, stream);
        // These insist on a limit.
        body.insert("max_tokens".to_owned(), json!(MOST_TOKENS));
        body
    })
}

/// What chats and messages have in common.
fn fields(model: &str, text: &str, stream: bool) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(model));
    body.insert("messages".to_owned(), json!([{"role": "user", "content": text}]));
    if stream {
        body.insert("stream".to_owned(), json!(true));
    }
    body
}

/// Makes the text so long that the body has the size.
fn padded(size_bytes: usize, body: impl Fn(&str) -> Map<String, Value>) -> Bytes {
    let written = |text: &str| Value::Object(body(text)).to_string();
    let missing = size_bytes.saturating_sub(written("Hello there").len());
    let padding = "word ".repeat(missing.div_ceil(5));
    let padding = padding.get(..missing).unwrap_or_default();
    written(&format!("Hello there{padding}")).into()
}

/// One connection to the end of the run.
async fn drive(connection: usize, plan: Arc<Plan>, schedule: Arc<Schedule>) -> Tally {
    let mut tally = Tally::default();
    let mut client = Client::new(&plan);
    while let Some(since) = schedule.next().await {
        let leaves = plan.cancels.and_then(|cancels| cancels.moment(connection, tally.requests));
        let limit = leaves.unwrap_or(plan.timeout);
        let outcome = tokio::time::timeout(limit, client.exchange(since)).await;
        let outcome = outcome.unwrap_or_else(|_| {
            client.disconnect();
            if leaves.is_some() { Outcome::cancelled() } else { Outcome::failed("timeout") }
        });
        tally.note(outcome, since);
    }
    (tally.bytes_sent, tally.bytes_received) = client.bytes();
    tally
}

// === impl Schedule ===

impl Schedule {
    /// Waits for the time of the next request; `None` at the end of the run. Returns from when it is measured.
    async fn next(&self) -> Option<Instant> {
        let index = self.next.fetch_add(1, Relaxed);
        if matches!(self.limit, Limit::Requests(count) if index >= count) {
            return None;
        }
        let due = self.metronome.as_ref().map_or_else(Instant::now, |metronome| metronome.due(index));
        if matches!(self.limit, Limit::Time(time) if due.saturating_duration_since(self.start) >= time) {
            return None;
        }
        match &self.metronome {
            // This connection was free: that the beat came late is the generator's doing, not the server's.
            Some(metronome) if metronome.beat().await => Some(Instant::now()),
            Some(_) | None => Some(due),
        }
    }
}

// === impl Tally ===

impl Tally {
    fn note(&mut self, outcome: Outcome, since: Instant) {
        self.requests += 1;
        if let Some(status) = outcome.status {
            *self.statuses.entry(status).or_default() += 1;
        }
        if outcome.cancelled {
            self.cancelled += 1;
            return;
        }
        if let Some(error) = outcome.error {
            *self.errors.entry(error).or_default() += 1;
            self.begun += u64::from(outcome.ttft.is_some());
            return;
        }
        self.ok += 1;
        self.latency.record(since.elapsed());
        if let Some(ttft) = outcome.ttft {
            self.ttft.record(ttft);
        }
        for gap in outcome.gaps {
            self.inter_chunk.record(gap);
        }
        if let Some(engine) = outcome.engine {
            *self.engines.entry(engine).or_default() += 1;
        }
    }

    fn add(&mut self, other: Tally) {
        self.requests += other.requests;
        self.ok += other.ok;
        self.cancelled += other.cancelled;
        self.begun += other.begun;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.latency.add(&other.latency);
        self.ttft.add(&other.ttft);
        self.inter_chunk.add(&other.inter_chunk);
        merge(&mut self.errors, other.errors);
        merge(&mut self.statuses, other.statuses);
        merge(&mut self.engines, other.engines);
    }

    fn report(self, time: Duration) -> Report {
        let seconds = time.as_secs_f64();
        Report {
            requests: self.requests,
            ok: self.ok,
            cancelled: self.cancelled,
            errors: self.errors,
            begun: self.begun,
            statuses: self.statuses,
            engines: self.engines,
            seconds,
            rps: self.ok as f64 / seconds.max(f64::MIN_POSITIVE),
            latency_ms: self.latency.quantiles(),
            ttft_ms: self.ttft.quantiles(),
            inter_chunk_ms: self.inter_chunk.quantiles(),
            bytes_sent: self.bytes_sent,
            bytes_received: self.bytes_received,
        }
    }
}

fn merge<K: Ord>(into: &mut BTreeMap<K, u64>, from: BTreeMap<K, u64>) {
    for (key, count) in from {
        *into.entry(key).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_the_size_that_was_asked_for() {
        for size in [200, 201, 1000, 4096] {
            assert_eq!(chat_body("m", size, true).len(), size);
            assert_eq!(messages_body("m", size, true).len(), size);
        }
    }

    fn schedule(start: Instant) -> Schedule {
        let metronome = Metronome::start(start, 100.0).unwrap();
        Schedule { start, limit: Limit::Requests(3), metronome: Some(metronome), next: AtomicU64::new(0) }
    }

    #[tokio::test]
    async fn a_late_request_is_measured_from_its_scheduled_time() {
        let start = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
        let schedule = schedule(start);
        let all_have_gone_by = schedule.metronome.as_ref().unwrap();
        while all_have_gone_by.missed() < 3 {
            tokio::task::yield_now().await;
        }

        for millis in [0, 10, 20] {
            assert_eq!(schedule.next().await, Some(start + Duration::from_millis(millis)));
        }
        assert_eq!(schedule.next().await, None);
    }

    #[tokio::test]
    async fn a_request_that_is_not_due_is_waited_for() {
        let start = Instant::now() + Duration::from_millis(5);
        let schedule = schedule(start);

        for millis in [0, 10, 20] {
            assert!(schedule.next().await.unwrap() >= start + Duration::from_millis(millis));
        }
    }
}
