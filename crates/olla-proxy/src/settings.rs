//! What an embedder may set.

use std::{num::NonZeroUsize, time::Duration};

use http::StatusCode;
use olla_balancer::Balancer;
use olla_core::{EjectionRules, KeySource, lasting};

use crate::ConnectTimeouts;

/// The options of a [`Proxy`](crate::Proxy). `Default` suits a single-user machine and an embedder alike.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// How a backend is chosen among equals. Default: the one with the fewest requests in flight.
    pub balancer: Balancer,
    /// What to do with a request for a model that is not available. Default: [`Routing::Strict`].
    pub routing: Routing,
    /// Limits of a request.
    pub limits: Limits,
    /// Limits of opening a connection to a backend.
    pub connect: ConnectTimeouts,
    /// Limits of a response.
    pub timeouts: Timeouts,
    /// When another backend is tried.
    pub retry: Retry,
    /// How requests wait where every backend has as many as it may have.
    pub queue: Queue,
    /// When an endpoint whose requests fail is left out for a while. Default: [`EjectionRules::default`].
    pub ejection: EjectionRules,
    /// How requests of one conversation stay with one endpoint. Default `None`: each is balanced on its own.
    pub sticky: Option<Sticky>,
    /// How clients of Anthropic's Messages are served.
    pub anthropic: AnthropicClients,
    /// How clients of OpenAI's Responses are served.
    pub responses: Responses,
    /// How clients of Ollama's API are served.
    pub ollama: OllamaClients,
    /// Product and version for `Via`, `X-Served-By` and `X-Proxied-By`. Default `Olla/<version>`.
    pub product: Product,
}

/// What happens to a request for a model that no available backend has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Routing {
    /// It is refused.
    #[default]
    Strict,
    /// The fallback decides.
    Optimistic(Fallback),
    /// The backends are asked for their models once more; then the fallback decides.
    Discovery {
        /// Where it goes if nobody has the model then either.
        fallback: Fallback,
        /// The longest that is waited for the listings; `None` asks for none, and refuses. They come from
        /// [`ProxyBuilder::rediscover`](crate::ProxyBuilder::rediscover).
        refresh: Option<Duration>,
    },
}

/// Where a request goes whose model no available backend has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fallback {
    /// Nowhere.
    Nowhere,
    /// To backends that have the model, of which there are none: it is refused, with reasons of its own.
    #[default]
    CompatibleOnly,
    /// To any available backend.
    All,
}

/// Limits of a request. Zero turns a limit off.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest body, bytes. Default 100 MiB.
    pub max_body_bytes: u64,
    /// Largest head, bytes, counted as name, value and four for each field. Default 1 MiB.
    pub max_header_bytes: u64,
    /// Longest time for the body to arrive. Default 30 s.
    pub body_timeout: Duration,
    /// Requests at a time, each from its head to the end of its response. Default: any number.
    pub max_in_flight: usize,
}

/// Limits of a response. Zero turns a limit off.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// From the request to the response head. Default 10 min: a cold model may have to be loaded first, and
    /// a response that is not streamed has no head before its last token.
    pub first_byte: Duration,
    /// Where another backend could be asked, a stream is given three times as long to begin as the slowest of late,
    /// but never less than this; zero expects nothing. Only models that are loaded are held to it, and only after
    /// ten streams with prompts of about the same size and about as many requests, or more, under way. Default
    /// 10 s.
    pub least_first_output: Duration,
    /// Between two pieces of a response body. Default 10 min.
    pub stall: Duration,
    /// The whole exchange. Default: none.
    pub total: Duration,
}

/// When another backend is tried.
#[derive(Debug, Clone)]
pub struct Retry {
    /// Attempts for one request; `None` tries every candidate once. Default `None`.
    pub max_attempts: Option<NonZeroUsize>,
    /// The time after the request within which a further attempt may begin; zero is any. Default 15 min.
    pub deadline: Duration,
    /// Whether a connection failure or timeout moves on. Default true.
    pub on_failure: bool,
    /// Response statuses that move on while another candidate is left. Default 429, 502, 503, 504.
    pub on_status: Vec<StatusCode>,
    /// Retries within ten seconds, as a share of the requests, percent; a hundred more are always allowed.
    /// Attempts that no backend has noticed cost nothing. Default 20.
    pub budget_percent: u32,
}

/// How requests of one conversation stay with the endpoint that has served it, whose caches hold it.
///
/// A conversation is remembered by a keyed hash of what tells it, for each model on its own; never by the text
/// itself. Strategies see the endpoint as [`Hint::pinned`](olla_balancer::Hint::pinned).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sticky {
    /// What tells a conversation: the first of these that a request has. Default: session header, prefix hash,
    /// credentials.
    pub key_sources: Vec<KeySource>,
    /// A conversation is forgotten when it has had no request for this long; zero: never. Default 10 min.
    pub idle_ttl: Duration,
    /// Conversations remembered; beyond, the one that has been idle for the longest is forgotten. Zero: no limit,
    /// so that only `idle_ttl` bounds the memory. Default 10,000.
    pub max_sessions: u64,
    /// For the prefix hash, how many bytes of each text count; zero: all. Default 512.
    pub prefix_hash_bytes: usize,
    /// How much of the mean load by weight the endpoint may have and still get the conversation's next request,
    /// percent; zero: any. Default 125.
    pub max_load_percent: u32,
}

/// How requests wait where every backend that could serve them has as many in flight as it may have. They are
/// served in the order in which they came. Zero turns waiting off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// Requests that may wait for one backend, over all workers. Default 100.
    pub max_waiting: usize,
    /// The longest that a request waits. Default 60 s.
    pub timeout: Duration,
}

/// How clients of Anthropic's Messages are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnthropicClients {
    /// Whether there is `/olla/anthropic/…`, and whether their requests are translated for backends that speak
    /// another format. Default true.
    pub enabled: bool,
    /// Whether their requests are passed on as they are to backends that speak Anthropic's dialect. Otherwise
    /// these are asked in another format too, if they speak one. Default true.
    pub passthrough: bool,
    /// Largest body, bytes, besides [`Limits::max_body_bytes`]; zero: only that counts. Default 32 MiB, as
    /// Anthropic has it.
    pub max_message_bytes: u64,
}

/// How clients of OpenAI's Responses are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Responses {
    /// Whether their requests are passed on as they are to backends that speak Responses. Otherwise these are asked
    /// in another format, if they speak one. Default true.
    pub passthrough: bool,
    /// Whether translated responses are kept in memory, and those of backends that speak Responses are found again,
    /// so that requests can go on from them (`previous_response_id`). Default true.
    pub store: bool,
    /// The most that is kept, bytes; beyond, what nobody has gone on from for the longest is forgotten. Default
    /// 64 MiB.
    pub store_bytes: u64,
    /// A response is forgotten when nobody has gone on from it for this long; zero: never. Default 24 h.
    pub idle_ttl: Duration,
}

/// How clients of Ollama's own API are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OllamaClients {
    /// Whether `/olla/ollama/api/…` leads to backends of every kind, and whether their requests are translated for
    /// backends that speak another format. Default true.
    pub enabled: bool,
    /// Whether what is below `/olla/ollama` for them is at the root too: `/api/…` and `/`. Default false.
    pub at_root: bool,
}

/// How this proxy names itself to clients and backends.
#[derive(Debug, Clone)]
pub struct Product {
    pub(crate) served_by: &'static str,
    pub(crate) via: &'static str,
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            balancer: Balancer::default(),
            routing: Routing::default(),
            limits: Limits::default(),
            connect: ConnectTimeouts::default(),
            timeouts: Timeouts::default(),
            retry: Retry::default(),
            queue: Queue::default(),
            ejection: EjectionRules::default(),
            sticky: None,
            anthropic: AnthropicClients::default(),
            responses: Responses::default(),
            ollama: OllamaClients::default(),
            product: Product::new(env!("CARGO_PKG_VERSION")),
        }
    }
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 100 * 1024 * 1024,
            max_header_bytes: 1024 * 1024,
            body_timeout: Duration::from_secs(30),
            max_in_flight: 0,
        }
    }
}

// === impl Timeouts ===

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(600),
            least_first_output: Duration::from_secs(10),
            stall: Duration::from_secs(600),
            total: Duration::ZERO,
        }
    }
}

// === impl Retry ===

impl Default for Retry {
    fn default() -> Self {
        let on_status = vec![
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::BAD_GATEWAY,
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::GATEWAY_TIMEOUT,
        ];
        Self {
            max_attempts: None,
            deadline: Duration::from_secs(15 * 60),
            on_failure: true,
            on_status,
            budget_percent: 20,
        }
    }
}

// === impl Sticky ===

impl Default for Sticky {
    fn default() -> Self {
        Self {
            key_sources: vec![KeySource::SessionHeader, KeySource::PrefixHash, KeySource::AuthHeader],
            idle_ttl: Duration::from_secs(600),
            max_sessions: 10_000,
            prefix_hash_bytes: 512,
            max_load_percent: 125,
        }
    }
}

// === impl Queue ===

impl Queue {
    /// Returns whether requests wait at all.
    #[must_use]
    pub const fn is_on(self) -> bool {
        self.max_waiting > 0 && !self.timeout.is_zero()
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self { max_waiting: 100, timeout: Duration::from_secs(60) }
    }
}

// === impl AnthropicClients ===

impl Default for AnthropicClients {
    fn default() -> Self {
        Self { enabled: true, passthrough: true, max_message_bytes: 32 * 1024 * 1024 }
    }
}

// === impl Responses ===

impl Default for Responses {
    fn default() -> Self {
        Self {
            passthrough: true,
            store: true,
            store_bytes: 64 * 1024 * 1024,
            idle_ttl: Duration::from_secs(24 * 60 * 60),
        }
    }
}

// === impl OllamaClients ===

impl Default for OllamaClients {
    fn default() -> Self {
        Self { enabled: true, at_root: false }
    }
}

// === impl Product ===

impl Product {
    /// Names a version of Olla, as in `v1.2.3`. A version that cannot stand in a header is left out.
    #[must_use]
    pub fn new(version: &str) -> Self {
        let version = Some(version).filter(|version| version.bytes().all(|byte| byte.is_ascii_graphic()));
        let named =
            |name: &str| version.map_or(lasting(name), |version| lasting(&format!("{name}/{version}")));
        Self { served_by: named("Olla"), via: named("1.1 olla") }
    }
}
