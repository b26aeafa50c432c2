//! Every key of the configuration: one table.
//!
//! The table decides which keys exist, what they hold, what they default to, and which environment
//! variable overrides them. `docs/configuration.md` is held against it by a test.

use super::scalar::{
    CIDR, COUNT, DURATION, FLAG, GLOB, HEADER, LIMIT, LOAD, METHOD, NONZERO_SIZE, PATH_RULE, PERCENT, PERIOD,
    PORT, POSITIVE, RATE, SECRET, SIZE, STATUS, Scalar, TARGET, TEXT, TIMEOUT, URL, WORKERS,
};

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    /// Its path; for a key of an endpoint, the path inside the entry.
    pub(crate) path: &'static str,
    /// What it holds.
    pub(crate) shape: Shape,
    /// Its default as it would be written; empty where there is none.
    pub(crate) default: &'static str,
    /// What it does.
    pub(crate) meaning: &'static str,
    /// The variable that overrides it, where that does not follow from the path.
    variable: Option<&'static str>,
}

/// What a key holds.
#[derive(Debug)]
pub(crate) enum Shape {
    /// A single value.
    One(Scalar),
    /// A list of them; a single one is a list of one.
    Many(Scalar),
    /// A mapping from any name to one of them.
    Map(Scalar),
    /// A list of such mappings.
    Entries(Entry),
    /// One such mapping.
    Nested(Entry),
    /// A mapping from any name to such a mapping.
    Named(Entry),
}

/// A mapping with keys of its own.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its keys.
    pub(crate) keys: &'static [Key],
    /// The key that what stands in the place of the mapping belongs to.
    pub(crate) short: &'static str,
}

/// The balancers, in the order of preference.
const BALANCERS: Scalar = Scalar::choice(&["priority", "round-robin", "least-connections"]);

/// What tells conversations apart.
const KEY_SOURCES: Scalar = Scalar::choice(&["session_header", "prefix_hash", "auth_header", "ip"]);

use Shape::{Entries, Many, Map, Named, Nested, One};

/// All keys but those of an endpoint.
#[rustfmt::skip]
pub(crate) const KEYS: &[Key] = &[
    key("server.host", One(TEXT), "localhost", "Address or name to listen on; `0.0.0.0` or `::` for every interface."),
    key("server.port", One(PORT), "40114", "Port to listen on."),
    key("server.workers", One(WORKERS), "0", "Worker threads, at most 1024; `0` is one for each core."),
    key("server.read_timeout", One(DURATION), "30s", "Time in which a request body must arrive; `0` for no limit."),
    key("server.read_header_timeout", One(TIMEOUT), "10s", "Time in which a request head must arrive."),
    key("server.write_timeout", One(DURATION), "0s", "Longest time to write a response; `0` for no limit, which is right for streams."),
    key("server.idle_timeout", One(TIMEOUT), "120s", "How long an idle client connection is kept."),
    key("server.shutdown_timeout", One(DURATION), "10s", "How long requests in flight may take to finish when the server stops."),
    key("server.request_logging", One(FLAG), "true", "Writes one log line for each request."),
    key("server.request_limits.max_body_size", One(SIZE), "100MB", "Largest request body; `0` for no limit.").variable("OLLA_SERVER_MAX_BODY_SIZE"),
    key("server.request_limits.max_header_size", One(NONZERO_SIZE), "1MB", "Largest request head; less than 4 KB counts as 4 KB.").variable("OLLA_SERVER_MAX_HEADER_SIZE"),
    key("server.limits.max_connections", One(COUNT), "0", "Client connections at a time; further ones wait until one ends. `0` is half of the limit of open files."),
    key("server.limits.max_in_flight", One(COUNT), "0", "Requests at a time, each from its head to the end of its answer; further ones get 503. `0` is half of the limit of open files."),
    key("server.rate_limits.global_requests_per_minute", One(RATE), "1000", "Requests a minute from all clients together; `0` for no limit.").variable("OLLA_SERVER_GLOBAL_RATE_LIMIT"),
    key("server.rate_limits.per_ip_requests_per_minute", One(RATE), "100", "Requests a minute from one client address, or one IPv6 network; `0` for no limit.").variable("OLLA_SERVER_PER_IP_RATE_LIMIT"),
    key("server.rate_limits.health_requests_per_minute", One(RATE), "1000", "Requests a minute for `/internal/health` from one client address; `0` for no limit.").variable("OLLA_SERVER_HEALTH_RATE_LIMIT"),
    key("server.rate_limits.burst_size", One(RATE), "50", "Requests that may come at once before a limit holds.").variable("OLLA_SERVER_RATE_BURST_SIZE"),
    key("server.rate_limits.cleanup_interval", One(DURATION), "5m", "How often clients that went away are forgotten; `0` for never.").variable("OLLA_SERVER_RATE_CLEANUP_INTERVAL"),
    key("server.rate_limits.trust_proxy_headers", One(FLAG), "false", "Takes the client address from `X-Forwarded-For` where a trusted proxy sent it.").variable("OLLA_SERVER_TRUST_PROXY_HEADERS"),
    key("server.rate_limits.trusted_proxy_cidrs", Many(CIDR), "127.0.0.0/8, 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16", "Address blocks of the proxies to trust.").variable("OLLA_SERVER_TRUSTED_PROXY_CIDRS"),
    key("server.cors.enabled", One(FLAG), "false", "Lets web pages of other origins call Olla."),
    key("server.cors.allowed_origins", Many(TEXT), "*", "Origins that may call; one `*` inside an origin is a wildcard."),
    key("server.cors.allowed_methods", Many(METHOD), "GET, POST, OPTIONS", "Methods that may be used."),
    key("server.cors.allowed_headers", Many(HEADER), "*", "Request headers that may be sent."),
    key("server.cors.exposed_headers", Many(HEADER), "", "Response headers that a page may read; none given means all `X-Olla-*` headers."),
    key("server.cors.allow_credentials", One(FLAG), "false", "Lets pages send credentials; needs `allowed_origins` by name."),
    key("server.cors.max_age", One(COUNT), "300", "Seconds for which a browser may keep a preflight answer; `0` sends no such header."),

    key("proxy.load_balancer", One(BALANCERS), "least-connections", "How one of several equal endpoints is chosen: `priority`, `round-robin` or `least-connections`."),
    key("proxy.connection_timeout", One(TIMEOUT), "60s", "Time in which a connection to a backend must stand."),
    key("proxy.connection_keep_alive", One(TIMEOUT), "30s", "Period of TCP keep-alive probes to backends."),
    key("proxy.tls_handshake_timeout", One(TIMEOUT), "10s", "Time in which a TLS handshake with a backend must end."),
    key("proxy.response_header_timeout", One(TIMEOUT), "10m", "Time in which the response head must arrive after the request was sent."),
    key("proxy.first_output_timeout_floor", One(DURATION), "10s", "A stream may take three times as long to begin as the slowest like it of late, but never less than this; `0` expects nothing."),
    key("proxy.read_timeout", One(TIMEOUT), "10m", "Longest silence within a response body."),
    key("proxy.response_timeout", One(DURATION), "0s", "Longest time for a whole exchange, retries and stream included; `0` for no limit."),
    key("proxy.retry.enabled", One(FLAG), "true", "Tries another endpoint where an attempt fails before the response begins."),
    key("proxy.retry.on_connection_failure", One(FLAG), "true", "Retries attempts that failed without a response: refused, reset, timed out."),
    key("proxy.retry.max_attempts", One(COUNT), "0", "Attempts for one request; `0` tries each endpoint once."),
    key("proxy.retry.deadline", One(DURATION), "15m", "No further attempt begins later than this after the request; `0` for no limit."),
    key("proxy.retry.on_status", Many(STATUS), "429, 502, 503, 504", "Statuses of a backend that are retried."),
    key("proxy.retry.budget_percent", One(COUNT), "20", "Retries within ten seconds, as a share of the requests, percent; a hundred more are always allowed."),
    key("proxy.outlier_ejection.enabled", One(FLAG), "true", "Leaves an endpoint out for a few seconds when its requests fail."),
    key("proxy.outlier_ejection.consecutive_failures", One(COUNT), "5", "Failed requests in a row after which it is left out; `0` for any number."),
    key("proxy.outlier_ejection.min_success_percent", One(PERCENT), "50", "Least share of successful requests within ten seconds, percent; `0` for any."),
    key("proxy.outlier_ejection.min_requests", One(POSITIVE), "20", "Requests within ten seconds before that share counts."),
    key("proxy.sticky_sessions.enabled", One(FLAG), "false", "Keeps the requests of one conversation with the endpoint that has served it, whose caches hold it."),
    key("proxy.sticky_sessions.key_sources", Many(KEY_SOURCES), "session_header, prefix_hash, auth_header", "What tells a conversation: the first of these that a request has. `session_header`, `prefix_hash`, `auth_header`, `ip`."),
    key("proxy.sticky_sessions.idle_ttl_seconds", One(LIMIT), "600", "Seconds without a request after which a conversation is forgotten; `0` for never."),
    key("proxy.sticky_sessions.max_sessions", One(LIMIT), "10000", "Conversations remembered; beyond, the one that has been idle for the longest is forgotten. `0` for no limit."),
    key("proxy.sticky_sessions.prefix_hash_bytes", One(LIMIT), "512", "Bytes of each text that count for `prefix_hash`; `0` for all."),
    key("proxy.sticky_sessions.max_load_percent", One(LOAD), "125", "How much of the mean load the endpoint may have and still keep its conversations; at least `100`, `0` for any."),
    key("proxy.queue.max_waiting", One(COUNT), "100", "Requests that may wait for one endpoint, where all that could serve them have `max_concurrent` in flight; `0` refuses them at once."),
    key("proxy.queue.timeout", One(DURATION), "60s", "The longest that a request waits so; `0` refuses it at once."),
    key("proxy.profile_filter.include", Many(GLOB), "", "Backend kinds to load, by name or prefix, or a pattern; none given means all."),
    key("proxy.profile_filter.exclude", Many(GLOB), "", "Backend kinds to leave out; wins over `include`."),

    key("endpoints", ENTRIES, "", "The backends: mappings with the keys below, or just URLs."),
    key("discovery.static.endpoints", ENTRIES, "", "The same list at its traditional place; both lists are used."),
    key("discovery.local", One(FLAG), "", "Looks for backends on the usual local ports. Default: only when no endpoint is configured."),
    key("discovery.model_discovery.enabled", One(FLAG), "true", "Asks backends for their models."),
    key("discovery.model_discovery.interval", One(PERIOD), "5m", "Time between two listings of a backend."),
    key("discovery.model_discovery.timeout", One(PERIOD), "30s", "Time in which a listing must arrive."),
    key("discovery.model_discovery.concurrent_workers", One(POSITIVE), "5", "Listings that may be under way at once."),
    key("discovery.model_discovery.retry_attempts", One(COUNT), "3", "Further attempts at a listing that failed."),
    key("discovery.model_discovery.retry_backoff", One(DURATION), "1s", "Pause before the first further attempt; doubles with each."),

    key("model_registry.routing_strategy.type", One(Scalar::choice(&["strict", "optimistic", "discovery"])), "strict", "What happens to a request for a model that no healthy endpoint has: `strict` refuses it, `optimistic` goes by `fallback_behavior`, `discovery` lists all models anew first."),
    key("model_registry.routing_strategy.options.fallback_behavior", One(Scalar::choice(&["compatible_only", "none", "all"])), "compatible_only", "With `optimistic` and `discovery`: `all` tries any healthy endpoint; `none` and `compatible_only` refuse, each with its own reason."),
    key("model_registry.routing_strategy.options.discovery_refresh_on_miss", One(FLAG), "false", "With `discovery`: asks every endpoint for its models before the request is given up. Without it, the request is refused at once."),
    key("model_registry.routing_strategy.options.discovery_timeout", One(TIMEOUT), "2s", "With `discovery`: the longest that a request waits for these listings."),
    key("model_aliases", Named(Entry { keys: ALIAS_KEYS, short: "models" }), "", "Virtual model names, each with the real names it stands for, best first, or with the keys below."),

    key("translators.anthropic.enabled", One(FLAG), "true", "Serves clients of Anthropic's Messages at `/olla/anthropic`, and translates their requests for backends that speak another format."),
    key("translators.anthropic.passthrough_enabled", One(FLAG), "true", "Passes their requests on unchanged to backends that speak Anthropic's dialect; otherwise these are asked in another format too, if they speak one."),
    key("translators.anthropic.max_message_size", One(SIZE), "32MB", "Largest body of their requests; `0`: only `server.request_limits.max_body_size` counts."),
    key("translators.ollama.enabled", One(FLAG), "true", "Serves clients of Ollama at `/olla/ollama` from backends of every kind, and translates their requests for backends that speak another format. Otherwise `/olla/ollama` leads to Ollama servers only."),
    key("translators.ollama.at_root", One(FLAG), "false", "Serves at the root what is below `/olla/ollama` for them: `/api/…`, and `/`, which says that Ollama is running."),

    key("translators.responses.passthrough_enabled", One(FLAG), "true", "Passes requests of OpenAI's Responses on unchanged to backends that speak that format; otherwise these are asked in another one, if they speak one."),
    key("translators.responses.store", One(FLAG), "true", "Keeps translated responses in memory, and remembers which backend has made the others, so that requests can go on from them (`previous_response_id`)."),
    key("translators.responses.store_size", One(NONZERO_SIZE), "64MB", "The most that is kept; beyond, what nobody has gone on from for the longest is forgotten."),
    key("translators.responses.store_ttl", One(DURATION), "24h", "A response is forgotten when nobody has gone on from it for this long; `0` for never."),

    key("logging.level", One(Scalar::choice(&["debug", "info", "warn", "warning", "error"])), "info", "Least severe log lines to write: `debug`, `info`, `warn` or `error`."),
    key("logging.format", One(Scalar::choice(&["json", "text"])), "json", "`json` or `text`. A terminal always gets text, unless the variable says otherwise."),
    key("logging.output", One(Scalar::choice(&["stdout", "file"])), "stdout", "`stdout`, or `file` for standard output and a file."),
    key("logging.dir", One(TEXT), "./logs", "Directory of the log file.").variable("OLLA_LOG_DIR"),
    key("engineering.show_nerdstats", One(FLAG), "false", "Logs memory and task figures at exit.").variable("OLLA_SHOW_NERD_STATS"),
];

const ENTRIES: Shape = Entries(Entry { keys: ENDPOINT_KEYS, short: "url" });

/// The keys of one endpoint.
#[rustfmt::skip]
pub(crate) const ENDPOINT_KEYS: &[Key] = &[
    key("url", One(URL), "", "Where the backend is. Required. May have a base path, and may hold `${VAR}` or `${VAR:-default}`."),
    key("name", One(TEXT), "", "Unique name. Default: kind, host and port."),
    key("type", One(TEXT), "auto", "Backend kind, by name or prefix; `auto` recognises it."),
    key("priority", One(COUNT), "100", "Higher is preferred by the `priority` balancer."),
    key("weight", One(POSITIVE), "1", "Share of the traffic relative to other endpoints."),
    key("model_url", One(TARGET), "", "Path or URL of the model list. Default: that of the kind. May hold variables like `url`."),
    key("health_check_url", One(TARGET), "", "Path or URL of the health check. Default: that of the kind. May hold variables like `url`."),
    key("check_interval", One(DURATION), "5s", "Time between health checks, at least 1s."),
    key("check_timeout", One(DURATION), "2s", "Time limit of a health check; shorter than `check_interval`, at most 30s."),
    key("preserve_path", One(FLAG), "false", "Puts the base path of `url` before every path, even one that begins with it."),
    key("allow_paths", Many(PATH_RULE), "", "Paths forwarded in addition to those of the kind, such as `/key/*`."),
    key("max_concurrent", One(COUNT), "0", "Requests it is sent at a time; further ones go to other endpoints, or wait. `0` for no limit."),
    key("models", Nested(Entry { keys: PLACEMENT_KEYS, short: "declare" }), "", "Which models are asked for here, and how gladly: a mapping with the keys below. A list is short for one with nothing but `declare`."),
    key("model_filter.include", Many(GLOB), "", "The same as `models.include`, at its traditional place."),
    key("model_filter.exclude", Many(GLOB), "", "The same as `models.exclude`, at its traditional place."),
    key("headers", Map(SECRET), "", "Headers set on every request to the backend. Values may hold `${VAR}` or `${VAR:-default}`."),
    key("tls.ca_file", One(TEXT), "", "PEM file of certificate authorities to trust besides those of the system."),
    key("tls.insecure_skip_verify", One(FLAG), "false", "Accepts any certificate. Anyone on the way can then read and change the traffic."),
    key("auth.type", One(Scalar::choice(&["bearer", "api_key", "basic", "forward"])), "", "`bearer`, `api_key`, `basic`, or `forward`, which passes the client's own credentials on."),
    key("auth.token", One(SECRET), "", "For `bearer`. May hold `${VAR}` or `${VAR:-default}`, as every value of `auth` without `_file`."),
    key("auth.token_file", One(TEXT), "", "File that holds the token."),
    key("auth.key", One(SECRET), "", "For `api_key`."),
    key("auth.key_file", One(TEXT), "", "File that holds the key."),
    key("auth.header", One(HEADER), "X-Api-Key", "Header that carries the key of `api_key`."),
    key("auth.username", One(SECRET), "", "For `basic`."),
    key("auth.username_file", One(TEXT), "", "File that holds the user name."),
    key("auth.password", One(SECRET), "", "For `basic`."),
    key("auth.password_file", One(TEXT), "", "File that holds the password."),
];

/// The keys of the models of one endpoint.
#[rustfmt::skip]
pub(crate) const PLACEMENT_KEYS: &[Key] = &[
    key("declare", Entries(Entry { keys: MODEL_KEYS, short: "name" }), "", "Models that exist although the backend does not list them: names, or mappings with the keys below."),
    key("include", Many(GLOB), "", "Listed models to use, by name or pattern; none given means all."),
    key("exclude", Many(GLOB), "", "Listed models to leave out; wins over `include`."),
    key("prefer", Many(GLOB), "", "Models that go here before they go to other endpoints."),
    key("avoid", Many(GLOB), "", "Models that come here only when no other endpoint can take them; wins over `prefer`."),
    key("never", Many(GLOB), "", "Models that never come here; wins over `avoid`."),
];

/// The keys of one declared model.
#[rustfmt::skip]
pub(crate) const MODEL_KEYS: &[Key] = &[
    key("name", One(TEXT), "", "Name that the backend expects."),
    key("context_length", One(POSITIVE), "", "Longest context in tokens."),
];

/// The keys of one alias.
#[rustfmt::skip]
pub(crate) const ALIAS_KEYS: &[Key] = &[
    key("models", Many(TEXT), "", "The real names it stands for, best first. Required."),
    key("strategy", One(Scalar::choice(&["best_of_each", "equal", "in_order"])), "best_of_each", "`best_of_each`: all endpoints share the requests, each with the first of the models that it has. `equal`: endpoints share them, and on each endpoint all of the models that it has. `in_order`: a model is used only when none before it can be."),
];

const fn key(path: &'static str, shape: Shape, default: &'static str, meaning: &'static str) -> Key {
    Key { path, shape, default, meaning, variable: None }
}

// === impl Key ===

impl Key {
    const fn variable(self, name: &'static str) -> Self {
        Self { variable: Some(name), ..self }
    }

    /// Returns the environment variable that overrides the key.
    pub(crate) fn env(&self) -> String {
        match self.variable {
            Some(name) => name.to_owned(),
            None => format!("OLLA_{}", self.path.to_uppercase().replace('.', "_")),
        }
    }
}

// === impl Shape ===

impl Shape {
    /// Returns what the key holds, for the documentation.
    pub(crate) fn describe(&self) -> String {
        match self {
            One(scalar) => scalar.name.to_owned(),
            Many(scalar) => format!("list of {}", scalar.name),
            Map(scalar) => format!("mapping to {}", scalar.name),
            Entries(_) => "list of mappings".to_owned(),
            Nested(entry) => format!("{} or mapping", entry.describe_short()),
            Named(entry) => format!("mapping to {} or mapping", entry.describe_short()),
        }
    }

    /// Returns the keys of the mapping that the key holds, or of each of them.
    pub(crate) fn keys(&self) -> &'static [Key] {
        match self {
            One(_) | Many(_) | Map(_) => &[],
            Entries(entry) | Nested(entry) | Named(entry) => entry.keys,
        }
    }
}

// === impl Entry ===

impl Entry {
    /// Returns what may stand in the place of the mapping.
    pub(crate) fn short(&self) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.path == self.short)
    }

    fn describe_short(&self) -> String {
        self.short().map_or_else(String::new, |key| key.shape.describe())
    }
}
