//! What one request was and how it went: the single source of every counter, log line and statistic.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{Method, StatusCode, Uri};
use smallvec::SmallVec;

use crate::{Affinity, Endpoint, Failure, Fault, ModelLive};

/// The record of one proxied request, handed over once, when its response body has ended or was abandoned.
#[derive(Debug)]
#[non_exhaustive]
pub struct RequestRecord {
    /// The request's identity, as in `X-Olla-Request-ID`.
    pub id: Box<str>,
    /// When the request head arrived.
    pub started: SystemTime,
    /// Request method.
    pub method: Method,
    /// Request target as received; its query may hold secrets.
    pub uri: Uri,
    /// The client's address, where the transport tells.
    pub client: Option<IpAddr>,
    /// The model asked for, in the client's spelling.
    pub model: Option<Arc<str>>,
    /// Whether the request makes a model work. One that asks about a model, or of another kind, does not.
    pub is_inference: bool,
    /// Every attempt at a backend, in order; the one whose answer was used is the last.
    pub attempts: SmallVec<[Attempt; 2]>,
    /// In which formats the conversation is held; `None` for requests that are none.
    pub formats: Option<Formats>,
    /// What sticky sessions made of it; `None` where they are off, or no backend answered.
    pub affinity: Option<Affinity>,
    /// The status sent to the client; `None` when the client left before a head was sent.
    pub status: Option<StatusCode>,
    /// Why Olla itself refused or failed the request: the stable code of its error.
    pub error: Option<&'static str>,
    /// Request body bytes.
    pub bytes_in: u64,
    /// Response body bytes.
    pub bytes_out: u64,
    /// Time from the request head to the first response body byte.
    pub first_byte: Option<Duration>,
    /// Time from the request head to the end of the response body.
    pub duration: Duration,
    /// How it ended.
    pub outcome: Outcome,
}

/// One attempt at one backend.
#[derive(Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// Where it went.
    pub endpoint: Arc<Endpoint>,
    /// Live state of the requested model there, when the model is known.
    pub model: Option<Arc<ModelLive>>,
    /// Why it failed; `None` for the attempt whose response was used, if that went well.
    pub failure: Option<Failure>,
    /// How long it took until it failed or its response head arrived.
    pub took: Duration,
}

/// In which formats a conversation is held, by their short names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Formats {
    /// That of the client, such as `messages`.
    pub client: &'static str,
    /// That in which the last backend was asked; `None` before any was.
    pub backend: Option<&'static str>,
    /// Whether the client asks for a stream.
    pub streams: bool,
}

/// How a request, or an attempt, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The client got a complete answer that is not a backend's or Olla's failure.
    Success,
    /// It failed, or the backend answered with a status that counts as a failure.
    Failure,
    /// The client left first.
    Cancelled,
}

/// Receives each finished request. Implementations return at once: they run on the request path.
pub trait Recorder: Send + Sync {
    /// Takes note of a finished request.
    fn record(&self, record: &RequestRecord);
}

// === impl RequestRecord ===

impl RequestRecord {
    /// Starts the record of a request that has just arrived.
    #[must_use]
    pub fn start(id: Box<str>, method: Method, uri: Uri, client: Option<IpAddr>, now: SystemTime) -> Self {
        Self {
            id,
            started: now,
            method,
            uri,
            client,
            model: None,
            is_inference: false,
            attempts: SmallVec::new(),
            formats: None,
            affinity: None,
            status: None,
            error: None,
            bytes_in: 0,
            bytes_out: 0,
            first_byte: None,
            duration: Duration::ZERO,
            outcome: Outcome::Cancelled,
        }
    }

    /// Counts each attempt with its endpoint and model, exactly once.
    ///
    /// The last attempt shares the request's fate; the ones before it failed. What was not the backend's fault
    /// counts neither for nor against it.
    pub fn count(&self) {
        let now = self.ended();
        let Some((last, earlier)) = self.attempts.split_last() else { return };
        for attempt in earlier {
            attempt.count(attempt.outcome(Outcome::Failure), attempt.took, 0, now);
        }
        let outcome = last.outcome(self.outcome);
        last.count(outcome, self.duration, self.bytes_out, now);
        if let Some(model) = last.model.as_ref().filter(|_| outcome == Outcome::Success && self.has_run()) {
            model.has_answered();
        }
    }

    /// Returns when the request ended, from the beginning of 1970 on.
    #[must_use]
    pub fn ended(&self) -> Duration {
        self.started.duration_since(UNIX_EPOCH).unwrap_or_default() + self.duration
    }

    /// Returns whether a model must have been in memory for this. Refusals and descriptions need none.
    fn has_run(&self) -> bool {
        self.is_inference && self.status.is_some_and(|status| status.is_success())
    }
}

// === impl Attempt ===

impl Attempt {
    /// Notes an attempt at `endpoint`.
    #[must_use]
    pub fn new(endpoint: Arc<Endpoint>, model: Option<Arc<ModelLive>>, took: Duration) -> Self {
        Self { endpoint, model, failure: None, took }
    }

    fn outcome(&self, without_failure: Outcome) -> Outcome {
        match self.failure.map(Failure::fault) {
            Some(Fault::Backend) => Outcome::Failure,
            Some(Fault::Client | Fault::Gateway) => Outcome::Cancelled,
            None => without_failure,
        }
    }

    fn count(&self, outcome: Outcome, latency: Duration, bytes: u64, now: Duration) {
        self.endpoint.live.totals().record(outcome, latency, bytes, now);
        if let Some(model) = &self.model {
            model.record(outcome, latency, bytes, now);
        }
    }
}

// === impl Formats ===

impl Formats {
    /// Notes the format of a client.
    #[must_use]
    pub const fn new(client: &'static str, streams: bool) -> Self {
        Self { client, backend: None, streams }
    }

    /// Returns whether the client's words reached the backend as they were.
    #[must_use]
    pub fn is_passed_on(&self) -> bool {
        self.backend == Some(self.client)
    }

    /// Returns whether a backend was asked in another format.
    #[must_use]
    pub fn is_translated(&self) -> bool {
        self.backend.is_some_and(|backend| backend != self.client)
    }
}

// === impl Outcome ===

impl Outcome {
    /// Returns what a backend's complete answer with this status means: 408, 429 and 5xx are its failure.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        if status.is_server_error()
            || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
        {
            Self::Failure
        } else {
            Self::Success
        }
    }
}
