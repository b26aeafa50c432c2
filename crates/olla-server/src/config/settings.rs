//! The configuration, resolved: plain values, each read by the part that owns it.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use http::{HeaderName, Method, StatusCode};
use ipnet::IpNet;
use olla_balancer::Balancer;
use olla_core::{Aliases, EjectionRules, EndpointSpec};
use olla_proxy::{AnthropicClients, OllamaClients, Responses, Routing, Sticky};
use serde::Deserialize;

/// Everything that can be configured.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The listener and what guards it.
    pub(crate) server: Server,
    /// How requests reach backends.
    pub(crate) proxy: Proxy,
    /// Which backends there are, and how their models are learnt.
    pub(crate) discovery: Discovery,
    /// What happens to requests for models that no healthy endpoint has.
    pub(crate) routing: Routing,
    /// Virtual model names.
    pub(crate) aliases: Aliases,
    /// How clients of Anthropic's Messages are served.
    pub(crate) anthropic: AnthropicClients,
    /// How clients of OpenAI's Responses are served.
    pub(crate) responses: Responses,
    /// How clients of Ollama's API are served.
    pub(crate) ollama: OllamaClients,
    /// What is logged, how, and where to.
    pub(crate) logging: Logging,
    /// Logs memory and task figures at exit.
    pub(crate) show_nerdstats: bool,
}

/// The listener and what guards it.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// Address or name to listen on; an IPv6 address has no brackets.
    pub(crate) host: String,
    /// Port to listen on.
    pub(crate) port: u16,
    /// Worker threads; `None` is one for each core.
    pub(crate) workers: Option<usize>,
    /// Time in which a request body must arrive.
    pub(crate) read_timeout: Option<Duration>,
    /// Time in which a request head must arrive.
    pub(crate) read_header_timeout: Duration,
    /// Longest time to write a response.
    pub(crate) write_timeout: Option<Duration>,
    /// How long an idle connection is kept.
    pub(crate) idle_timeout: Duration,
    /// How long requests in flight may take to finish at the end.
    pub(crate) shutdown_timeout: Duration,
    /// Writes one log line for each request.
    pub(crate) request_logging: bool,
    /// Sizes of requests.
    pub(crate) limits: RequestLimits,
    /// Numbers of clients and requests.
    pub(crate) capacity: Capacity,
    /// Frequency of requests.
    pub(crate) rate_limits: RateLimits,
    /// Cross-origin access; `None` is off.
    pub(crate) cors: Option<Cors>,
}

/// How large a request may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestLimits {
    /// Largest body; `None` is any.
    pub(crate) max_body_bytes: Option<u64>,
    /// Largest head.
    pub(crate) max_header_bytes: usize,
}

/// How much there may be at a time; `None` is what the limit of open files allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Capacity {
    /// Client connections.
    pub(crate) max_connections: Option<usize>,
    /// Requests, from the head to the end of the response.
    pub(crate) max_in_flight: Option<usize>,
}

/// How often requests may come, each a minute; `None` is any number.
#[derive(Debug, Clone)]
pub(crate) struct RateLimits {
    /// All clients together.
    pub(crate) global: Option<NonZeroU32>,
    /// One client address.
    pub(crate) per_ip: Option<NonZeroU32>,
    /// One client address asking for `/internal/health`.
    pub(crate) health: Option<NonZeroU32>,
    /// Requests that may come at once.
    pub(crate) burst: NonZeroU32,
    /// How often clients that went away are forgotten; `None` is never.
    pub(crate) cleanup_interval: Option<Duration>,
    /// Takes the client address from headers that a trusted proxy sent.
    pub(crate) trust_proxy_headers: bool,
    /// The proxies to trust.
    pub(crate) trusted_proxy_cidrs: Vec<IpNet>,
}

/// Cross-origin access.
#[derive(Debug, Clone)]
pub(crate) struct Cors {
    /// Origins that may call; `*` is any, one `*` inside an origin is a wildcard.
    pub(crate) origins: Vec<String>,
    /// Methods that may be used.
    pub(crate) methods: Vec<Method>,
    /// Request headers that may be sent; `None` is any.
    pub(crate) headers: Option<Vec<HeaderName>>,
    /// Response headers that a page may read; empty is all headers of our own.
    pub(crate) exposed: Vec<HeaderName>,
    /// Lets pages send credentials.
    pub(crate) credentials: bool,
    /// How long a browser may keep a preflight answer; `None` does not say.
    pub(crate) max_age: Option<Duration>,
}

/// How requests reach backends.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    /// How one of several endpoints is chosen.
    pub(crate) balancer: Balancer,
    /// Time in which a connection must stand.
    pub(crate) connection_timeout: Duration,
    /// Period of TCP keep-alive probes.
    pub(crate) connection_keep_alive: Duration,
    /// Time in which a TLS handshake must end.
    pub(crate) tls_handshake_timeout: Duration,
    /// Time in which a response head must arrive.
    pub(crate) response_header_timeout: Duration,
    /// The least that a stream is given to begin; zero expects nothing of it.
    pub(crate) first_output_timeout_floor: Duration,
    /// Longest silence within a response body.
    pub(crate) read_timeout: Duration,
    /// Longest time for a whole exchange.
    pub(crate) response_timeout: Option<Duration>,
    /// When another endpoint is tried.
    pub(crate) retry: Retry,
    /// When an endpoint whose requests fail is left out.
    pub(crate) ejection: EjectionRules,
    /// How conversations stay with an endpoint; `None` is not at all.
    pub(crate) sticky: Option<Sticky>,
    /// How requests wait where all endpoints are full.
    pub(crate) queue: Queue,
}

/// When another endpoint is tried.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Retry {
    /// At all.
    pub(crate) enabled: bool,
    /// After attempts that failed without a response.
    pub(crate) on_connection_failure: bool,
    /// Attempts for one request; 0 is as many as there are endpoints.
    pub(crate) max_attempts: usize,
    /// Time after the request within which a further attempt may begin; zero is any.
    pub(crate) deadline: Duration,
    /// After these statuses.
    #[serde(deserialize_with = "statuses")]
    pub(crate) on_status: Vec<StatusCode>,
    /// Retries within ten seconds, as a share of the requests, percent.
    pub(crate) budget_percent: u32,
}

/// How requests wait where all endpoints are full; a zero turns waiting off.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Queue {
    /// Requests that may wait for one endpoint.
    pub(crate) max_waiting: usize,
    /// The longest that a request waits.
    pub(crate) timeout: Duration,
}

/// Which backends there are, and how their models are learnt.
#[derive(Debug, Clone)]
pub(crate) struct Discovery {
    /// The configured backends, in the order of the file.
    pub(crate) endpoints: Vec<EndpointSpec>,
    /// How models are learnt.
    pub(crate) models: ModelDiscovery,
    /// Looks for backends on the usual local ports.
    pub(crate) local: bool,
}

/// How the models of backends are learnt.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ModelDiscovery {
    /// At all.
    pub(crate) enabled: bool,
    /// Time between two listings of a backend.
    pub(crate) interval: Duration,
    /// Time in which a listing must arrive.
    pub(crate) timeout: Duration,
    /// Listings under way at once.
    pub(crate) concurrent_workers: usize,
    /// Further attempts at a listing that failed.
    pub(crate) retry_attempts: u32,
    /// Pause before the first further attempt; doubles with each.
    pub(crate) retry_backoff: Duration,
}

/// What is logged, how, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Logging {
    /// Least severe lines to write.
    pub(crate) level: LogLevel,
    /// How lines look on standard output.
    pub(crate) format: LogFormat,
    /// Directory of the log file, where one is written besides standard output.
    pub(crate) file_dir: Option<PathBuf>,
    /// Colours; `None` means on a terminal.
    pub(crate) colors: Option<bool>,
}

/// Severity of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogLevel {
    /// Decisions.
    Debug,
    /// Life cycle and requests.
    Info,
    /// Something is degraded.
    Warn,
    /// An operator must act.
    Error,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    JsonUnlessTerminal,
    /// JSON always.
    Json,
    /// Text always.
    Text,
}

fn statuses<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<StatusCode>, D::Error> {
    let numbers = Vec::<u16>::deserialize(deserializer)?;
    Ok(numbers.into_iter().filter_map(|n| StatusCode::from_u16(n).ok()).collect())
}
