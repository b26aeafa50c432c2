//! Raw configuration turned into settings, with every rule that concerns more than one value.

use std::{net::IpAddr, num::NonZeroU32, path::PathBuf, time::Duration};

use http::{HeaderName, Method};
use olla_balancer::Balancer;
use olla_core::{EjectionRules, Glob};
use olla_profiles::{ProfileFilter, Profiles};
use olla_proxy::{AnthropicClients, Fallback, OllamaClients, Responses, Routing, Sticky};

use super::{
    LoadOptions, aliases, endpoints,
    env::Env,
    problem::{Part, Problem, Report},
    raw::{self, Raw},
    scalar,
    settings::{
        Capacity, Cors, Discovery, LogFormat, LogLevel, Logging, Proxy, RateLimits, RequestLimits, Server,
        Settings,
    },
};

/// The smallest limit on a request head; ordinary requests do not fit below it.
const MIN_HEADER_BYTES: u64 = 4096;

/// Resolves everything. What is wrong is reported and takes some harmless value.
pub(crate) fn settings(
    raw: Raw,
    profiles: Option<&Profiles>,
    options: &LoadOptions,
    report: &mut Report,
) -> Settings {
    let lists =
        [("endpoints", &*raw.endpoints), ("discovery.static.endpoints", &*raw.discovery.listed.endpoints)];
    let endpoints = endpoints::resolve(&lists, profiles, options, report);
    let lists_models = raw.discovery.model_discovery.enabled;
    Settings {
        server: server(raw.server, report),
        proxy: proxy(raw.proxy, report),
        discovery: Discovery {
            local: raw.discovery.local.unwrap_or(lists.iter().all(|(_, list)| list.is_empty())),
            endpoints,
            models: raw.discovery.model_discovery,
        },
        routing: routing(&raw.model_registry.routing_strategy, lists_models, report),
        aliases: aliases::resolve(raw.model_aliases, report),
        anthropic: AnthropicClients {
            enabled: raw.translators.anthropic.enabled,
            passthrough: raw.translators.anthropic.passthrough_enabled,
            max_message_bytes: raw.translators.anthropic.max_message_size,
        },
        responses: Responses {
            passthrough: raw.translators.responses.passthrough_enabled,
            store: raw.translators.responses.store,
            store_bytes: raw.translators.responses.store_size,
            idle_ttl: raw.translators.responses.store_ttl,
        },
        ollama: OllamaClients {
            enabled: raw.translators.ollama.enabled,
            at_root: raw.translators.ollama.at_root,
        },
        logging: logging(raw.logging, &options.env, report),
        show_nerdstats: raw.engineering.show_nerdstats,
    }
}

/// Resolves which profiles are loaded.
pub(crate) fn profile_filter(filter: &raw::Filter) -> ProfileFilter {
    ProfileFilter { include: globs(&filter.include), exclude: globs(&filter.exclude) }
}

/// Compiles patterns, each of which is known to be valid.
pub(crate) fn globs(patterns: &[String]) -> Vec<Glob> {
    patterns.iter().filter_map(|pattern| Glob::parse(pattern).ok()).collect()
}

fn server(raw: raw::Server, report: &mut Report) -> Server {
    let limits = RequestLimits {
        max_body_bytes: Some(raw.request_limits.max_body_size).filter(|size| *size > 0),
        max_header_bytes: usize::try_from(raw.request_limits.max_header_size.max(MIN_HEADER_BYTES))
            .unwrap_or(usize::MAX),
    };
    let capacity = Capacity {
        max_connections: Some(raw.limits.max_connections).filter(|count| *count > 0),
        max_in_flight: Some(raw.limits.max_in_flight).filter(|count| *count > 0),
    };
    Server {
        capacity,
        host: host(&raw.host, report),
        port: raw.port,
        workers: Some(raw.workers).filter(|count| *count > 0),
        read_timeout: limit(raw.read_timeout),
        read_header_timeout: raw.read_header_timeout,
        write_timeout: limit(raw.write_timeout),
        idle_timeout: raw.idle_timeout,
        shutdown_timeout: raw.shutdown_timeout,
        request_logging: raw.request_logging,
        limits,
        rate_limits: rate_limits(&raw.rate_limits, report),
        cors: if raw.cors.enabled { Some(cors(raw.cors, report)) } else { None },
    }
}

fn host(written: &str, report: &mut Report) -> String {
    let host = written.trim();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() {
        return "0.0.0.0".to_owned();
    }
    if host.parse::<IpAddr>().is_err() && host.contains([':', '/', ' ']) {
        let problem = Problem::new("server.host", "is not a host name or address");
        report.add(problem.help("write only the host here, and the port at `server.port`"));
    }
    host.to_owned()
}

fn rate_limits(raw: &raw::RateLimits, report: &mut Report) -> RateLimits {
    let limits = RateLimits {
        global: NonZeroU32::new(raw.global_requests_per_minute),
        per_ip: NonZeroU32::new(raw.per_ip_requests_per_minute),
        health: NonZeroU32::new(raw.health_requests_per_minute),
        burst: NonZeroU32::new(raw.burst_size).unwrap_or(NonZeroU32::MIN),
        cleanup_interval: limit(raw.cleanup_interval),
        trust_proxy_headers: raw.trust_proxy_headers,
        trusted_proxy_cidrs: raw.trusted_proxy_cidrs.iter().filter_map(|net| scalar::cidr(net)).collect(),
    };
    let limited = limits.global.or(limits.per_ip).or(limits.health).is_some();
    if raw.burst_size == 0 && limited {
        let problem =
            Problem::new("server.rate_limits.burst_size", "must be at least 1, or no request passes");
        report.add(problem.help("to switch rate limits off, set each `…_requests_per_minute` to 0"));
    }
    limits
}

fn cors(raw: raw::Cors, report: &mut Report) -> Cors {
    let any = |list: &[String]| list.iter().any(|item| item.trim() == "*");
    if raw.allowed_origins.is_empty() {
        let problem = Problem::new("server.cors.allowed_origins", "is empty, so that no page may call");
        report.add(problem.help("name the origins, or set `server.cors.enabled` to false"));
    }
    if raw.allow_credentials && any(&raw.allowed_origins) {
        let problem =
            Problem::new("server.cors.allow_credentials", "cannot be combined with `*` in `allowed_origins`");
        report.add(problem.help("name the origins that may send credentials"));
    }
    let names =
        |list: &[String]| list.iter().filter_map(|n| HeaderName::from_bytes(n.as_bytes()).ok()).collect();
    Cors {
        methods: raw.allowed_methods.iter().filter_map(|m| Method::from_bytes(m.as_bytes()).ok()).collect(),
        headers: if any(&raw.allowed_headers) { None } else { Some(names(&raw.allowed_headers)) },
        exposed: names(&raw.exposed_headers),
        origins: raw.allowed_origins,
        credentials: raw.allow_credentials,
        max_age: limit(Duration::from_secs(raw.max_age.into())),
    }
}

fn proxy(raw: raw::Proxy, report: &mut Report) -> Proxy {
    let balancer = raw.load_balancer.parse().unwrap_or_else(|_| {
        report.add(Problem::new("proxy.load_balancer", "is not a known balancer"));
        Balancer::default()
    });
    Proxy {
        balancer,
        connection_timeout: raw.connection_timeout,
        connection_keep_alive: raw.connection_keep_alive,
        tls_handshake_timeout: raw.tls_handshake_timeout,
        response_header_timeout: raw.response_header_timeout,
        first_output_timeout_floor: raw.first_output_timeout_floor,
        read_timeout: raw.read_timeout,
        response_timeout: limit(raw.response_timeout),
        retry: raw.retry,
        ejection: ejection(&raw.outlier_ejection),
        sticky: if raw.sticky_sessions.enabled { Some(sticky(&raw.sticky_sessions, report)) } else { None },
        queue: raw.queue,
    }
}

fn sticky(raw: &raw::StickySessions, report: &mut Report) -> Sticky {
    let key_sources = "proxy.sticky_sessions.key_sources";
    if raw.key_sources.is_empty() && !report.mentions(key_sources) {
        let problem = Problem::new(key_sources, "is empty, so that no conversation is ever recognised");
        report.add(problem.help("name at least one, or set `proxy.sticky_sessions.enabled` to false"));
    }
    if raw.max_sessions == 0 && raw.idle_ttl_seconds == 0 {
        let problem =
            Problem::new("proxy.sticky_sessions.max_sessions", "is 0, and so is `idle_ttl_seconds`");
        report.add(problem.help("limit one of them, or conversations are remembered until memory runs out"));
    }
    Sticky {
        key_sources: raw.key_sources.iter().filter_map(|source| source.parse().ok()).collect(),
        idle_ttl: Duration::from_secs(raw.idle_ttl_seconds.into()),
        max_sessions: raw.max_sessions.into(),
        prefix_hash_bytes: usize::try_from(raw.prefix_hash_bytes).unwrap_or(usize::MAX),
        max_load_percent: raw.max_load_percent,
    }
}

fn ejection(raw: &raw::OutlierEjection) -> EjectionRules {
    let off = |n| if raw.enabled { n } else { 0 };
    EjectionRules {
        consecutive_failures: off(raw.consecutive_failures),
        min_success_percent: off(raw.min_success_percent),
        min_requests: raw.min_requests,
    }
}

fn routing(raw: &raw::RoutingStrategy, lists_models: bool, report: &mut Report) -> Routing {
    const OPTION: &str = "model_registry.routing_strategy.options.discovery_refresh_on_miss";

    let fallback = match raw.options.fallback_behavior.as_str() {
        "all" => Fallback::All,
        "none" => Fallback::Nowhere,
        _ => Fallback::CompatibleOnly,
    };
    let refresh = raw.options.discovery_refresh_on_miss.then_some(raw.options.discovery_timeout);
    match raw.name.as_str() {
        "optimistic" => Routing::Optimistic(fallback),
        "discovery" => {
            if refresh.is_none() {
                let text = "model_registry.routing_strategy: `discovery` looks for no model anew while \
                            `options.discovery_refresh_on_miss` is not true; what is missing is refused with 503";
                report.notice(Part::Config, text);
            } else if !lists_models {
                let problem = Problem::new(
                    OPTION,
                    "cannot be: `discovery.model_discovery.enabled` is false, so that no models are listed",
                );
                report.add(problem.help("set one of the two the other way"));
            }
            Routing::Discovery { fallback, refresh }
        }
        _ => Routing::Strict,
    }
}

fn logging(raw: raw::Logging, env: &Env, report: &Report) -> Logging {
    let format_is_forced = report.sources.variables.contains_key("logging.format");
    Logging {
        level: match raw.level.as_str() {
            "debug" => LogLevel::Debug,
            "warn" | "warning" => LogLevel::Warn,
            "error" => LogLevel::Error,
            _ => LogLevel::Info,
        },
        format: match (raw.format.as_str(), format_is_forced) {
            ("text", _) => LogFormat::Text,
            (_, true) => LogFormat::Json,
            (_, false) => LogFormat::JsonUnlessTerminal,
        },
        file_dir: if raw.output == "file" { Some(PathBuf::from(raw.dir)) } else { None },
        colors: match (env.get("NO_COLOR"), env.get("FORCE_COLOR"), env.get("OLLA_FORCE_COLORS")) {
            (Some(_), _, _) => Some(false),
            (None, Some(force), _) => Some(force != "0"),
            (None, None, Some(force)) => Some(force.eq_ignore_ascii_case("true")),
            (None, None, None) => None,
        },
    }
}

/// Turns a duration of 0 into no limit.
fn limit(duration: Duration) -> Option<Duration> {
    Some(duration).filter(|d| !d.is_zero())
}
