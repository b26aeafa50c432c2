//! Builds the parts from the settings and connects them. Every setting is read here, once.

use std::{
    num::NonZeroUsize,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, SystemTime},
};

use axum::Router;
use http::HeaderValue;
use olla_core::FleetCell;
use olla_health::{Monitor, MonitorSettings};
use olla_profiles::Profiles;
use olla_proxy::{
    ConnectTimeouts, Limits, OLLA_HEADERS, Product, Proxy, Queue, RateLimits, Rates, Retry, Routing,
    Timeouts, TrustedProxies, Upstream,
};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

use crate::{
    access_log::AccessLog,
    admin::{Admin, Identity, Refreshed},
    config::settings::{self, Settings},
    dispatch::{Dispatch, Routes},
    fetch::ProbeClient,
    listen::Room,
    open_files,
    rediscovery::rediscover,
    stats::Stats,
};

/// The parts of a running server.
pub(crate) struct App {
    pub(crate) fleet: Arc<FleetCell>,
    pub(crate) profiles: Arc<Profiles>,
    pub(crate) monitor: Arc<Monitor<ProbeClient>>,
    /// Room for client connections, for all workers together.
    pub(crate) room: Room,
    /// All limits that remember clients.
    pub(crate) rate_limits: Vec<Arc<RateLimits>>,
    /// Set when the server stops: it is not ready any more.
    pub(crate) stopping: Arc<AtomicBool>,
    routes: Routes,
    cors: Option<CorsLayer>,
}

/// The version that headers and documents name.
pub(crate) const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));

// === impl App ===

impl App {
    /// Builds the parts.
    pub(crate) fn new(settings: &Settings, profiles: Profiles) -> Self {
        let profiles = Arc::new(profiles);
        let fleet = Arc::new(FleetCell::new(settings.discovery.endpoints.clone(), settings.aliases.clone()));
        let monitor = monitor(settings, &fleet, &profiles);
        let stats = Arc::new(Stats::default());
        let stopping = Arc::new(AtomicBool::new(false));
        let rate_limits = rate_limits(&settings.server.rate_limits);
        let proxy = proxy(settings, (&fleet, &profiles), (&stats, &monitor), rate_limits.clone());
        let admin = admin(settings, (&proxy, &fleet, &profiles), (&stats, &monitor), &stopping);
        let health_limits = health_limits(&settings.server.rate_limits);
        let rate_limits = rate_limits.into_iter().chain(health_limits.clone()).collect();
        let routes = Routes { proxy, admin, health_limits };
        let cors = settings.server.cors.as_ref().map(cors);
        let room = Room::new(settings.server.capacity.max_connections.or_else(open_files::half));
        Self { fleet, profiles, monitor, room, rate_limits, stopping, routes, cors }
    }

    /// Returns the service for one worker, with connections to backends of its own.
    pub(crate) fn dispatch(&self) -> Dispatch {
        let routes = Routes { proxy: self.routes.proxy.worker(), ..self.routes.clone() };
        Dispatch::new(routes, self.cors.as_ref())
    }
}

/// Returns a monitor that checks nothing yet.
pub(crate) fn monitor(
    settings: &Settings,
    fleet: &Arc<FleetCell>,
    profiles: &Arc<Profiles>,
) -> Arc<Monitor<ProbeClient>> {
    let models = &settings.discovery.models;
    let schedule = MonitorSettings {
        discovery_enabled: models.enabled,
        interval: models.interval,
        timeout: models.timeout,
        concurrent_workers: models.concurrent_workers,
        retry_attempts: models.retry_attempts,
        retry_backoff: models.retry_backoff,
        version: VERSION.to_owned(),
    };
    let client = ProbeClient(Upstream::new(connect(&settings.proxy)));
    Arc::new(Monitor::new(Arc::clone(fleet), Arc::clone(profiles), Arc::new(client), schedule))
}

fn proxy(
    settings: &Settings,
    (fleet, profiles): (&Arc<FleetCell>, &Arc<Profiles>),
    (stats, monitor): (&Arc<Stats>, &Arc<Monitor<ProbeClient>>),
    rate_limits: Option<Arc<RateLimits>>,
) -> Proxy {
    let mut options = olla_proxy::Settings::default();
    options.balancer = settings.proxy.balancer;
    options.routing = settings.routing;
    options.limits = limits(&settings.server);
    options.connect = connect(&settings.proxy);
    options.timeouts = timeouts(settings);
    options.retry = retry(&settings.proxy.retry);
    options.ejection = settings.proxy.ejection;
    options.sticky.clone_from(&settings.proxy.sticky);
    options.anthropic = settings.anthropic;
    options.responses = settings.responses;
    options.ollama = settings.ollama;
    let settings::Queue { max_waiting, timeout } = settings.proxy.queue;
    options.queue = Queue { max_waiting, timeout };
    options.product = Product::new(VERSION);

    let limits = &settings.server.rate_limits;
    let trusted = if limits.trust_proxy_headers { limits.trusted_proxy_cidrs.clone() } else { Vec::new() };
    let mut builder = Proxy::builder(Arc::clone(fleet), Arc::clone(profiles))
        .settings(options)
        .recorder(Arc::clone(stats) as _)
        .trusted_proxies(TrustedProxies::new(trusted));
    if settings.server.request_logging {
        builder = builder.recorder(Arc::new(AccessLog));
    }
    if let Some(rate_limits) = rate_limits {
        builder = builder.rate_limits(rate_limits);
    }
    if let Routing::Discovery { refresh: Some(limit), .. } = settings.routing {
        builder = builder.rediscover(rediscover(Arc::clone(monitor), limit));
    }
    builder.build()
}

fn admin(
    settings: &Settings,
    (proxy, fleet, profiles): (&Proxy, &Arc<FleetCell>, &Arc<Profiles>),
    (stats, monitor): (&Arc<Stats>, &Arc<Monitor<ProbeClient>>),
    stopping: &Arc<AtomicBool>,
) -> Router {
    let monitor = Arc::clone(monitor);
    let refresh = move || {
        let monitor = Arc::clone(&monitor);
        Box::pin(async move {
            let refreshed = monitor.refresh().await.into_iter();
            refreshed
                .map(|r| Refreshed {
                    endpoint: r.endpoint,
                    models: r.outcome.map_err(|error| error.to_string()),
                })
                .collect()
        }) as _
    };
    let admin = Admin {
        proxy: proxy.clone(),
        fleet: Arc::clone(fleet),
        profiles: Arc::clone(profiles),
        stats: Arc::clone(stats),
        balancer: settings.proxy.balancer.as_str(),
        product: Identity {
            version: VERSION,
            commit: option_env!("OLLA_BUILD_COMMIT"),
            built: option_env!("OLLA_BUILD_DATE"),
        },
        started: SystemTime::now(),
        refresh: Arc::new(refresh),
        drain: Arc::clone(stopping),
    };
    admin.router()
}

fn limits(server: &settings::Server) -> Limits {
    Limits {
        max_body_bytes: server.limits.max_body_bytes.unwrap_or(0),
        max_header_bytes: server.limits.max_header_bytes as u64,
        body_timeout: server.read_timeout.unwrap_or_default(),
        max_in_flight: server.capacity.max_in_flight.or_else(open_files::half).unwrap_or(0),
    }
}

fn connect(proxy: &settings::Proxy) -> ConnectTimeouts {
    ConnectTimeouts {
        connect: proxy.connection_timeout,
        tls_handshake: proxy.tls_handshake_timeout,
        keep_alive: proxy.connection_keep_alive,
    }
}

/// A response is cut off when it takes too long to come or too long to write, whichever is set shorter.
fn timeouts(settings: &Settings) -> Timeouts {
    let total = [settings.proxy.response_timeout, settings.server.write_timeout].into_iter().flatten().min();
    Timeouts {
        first_byte: settings.proxy.response_header_timeout,
        least_first_output: settings.proxy.first_output_timeout_floor,
        stall: settings.proxy.read_timeout,
        total: total.unwrap_or_default(),
    }
}

fn retry(retry: &settings::Retry) -> Retry {
    let max_attempts =
        if retry.enabled { NonZeroUsize::new(retry.max_attempts) } else { Some(NonZeroUsize::MIN) };
    Retry {
        max_attempts,
        deadline: retry.deadline,
        on_failure: retry.on_connection_failure,
        on_status: retry.on_status.clone(),
        budget_percent: retry.budget_percent,
    }
}

fn rate_limits(limits: &settings::RateLimits) -> Option<Arc<RateLimits>> {
    let rates = Rates {
        global_per_minute: limits.global.map_or(0, Into::into),
        per_client_per_minute: limits.per_ip.map_or(0, Into::into),
        burst: limits.burst.into(),
    };
    RateLimits::new(rates).map(Arc::new)
}

fn health_limits(limits: &settings::RateLimits) -> Option<Arc<RateLimits>> {
    let rates = Rates {
        global_per_minute: 0,
        per_client_per_minute: limits.health.map_or(0, Into::into),
        burst: limits.burst.into(),
    };
    RateLimits::new(rates).map(Arc::new)
}

/// With credentials, a `*` means nothing to a browser (Fetch §3.3.5): what was asked for is named instead.
fn cors(cors: &settings::Cors) -> CorsLayer {
    let any_method = cors.methods.iter().any(|method| method.as_str() == ANY);
    let methods = match (any_method, cors.credentials) {
        (true, true) => AllowMethods::mirror_request(),
        (true, false) => AllowMethods::any(),
        (false, _) => AllowMethods::list(cors.methods.clone()),
    };
    let headers = match (&cors.headers, cors.credentials) {
        (None, true) => AllowHeaders::mirror_request(),
        (None, false) => AllowHeaders::any(),
        (Some(headers), _) => AllowHeaders::list(headers.clone()),
    };
    let own = cors.exposed.is_empty() || cors.exposed.iter().any(|name| name.as_str() == ANY);
    let exposed = if own { OLLA_HEADERS.to_vec() } else { cors.exposed.clone() };
    let layer = CorsLayer::new()
        .allow_origin(origins(&cors.origins))
        .allow_methods(methods)
        .allow_headers(headers)
        .expose_headers(exposed)
        .allow_credentials(cors.credentials);
    match cors.max_age {
        Some(age) => layer.max_age(age),
        None => layer,
    }
}

const ANY: &str = "*";

fn origins(patterns: &[String]) -> AllowOrigin {
    if patterns.iter().any(|p| p == "*") {
        return AllowOrigin::any();
    }
    let patterns = patterns.to_vec();
    AllowOrigin::predicate(move |origin: &HeaderValue, _| {
        let Ok(origin) = origin.to_str() else { return false };
        patterns.iter().any(|pattern| match pattern.split_once('*') {
            Some((head, tail)) => {
                origin.len() >= head.len() + tail.len() && origin.starts_with(head) && origin.ends_with(tail)
            }
            None => origin == pattern,
        })
    })
}

/// How often clients that went away are forgotten, where rate limits are kept at all.
pub(crate) fn clean_up_interval(settings: &Settings) -> Option<Duration> {
    settings.server.rate_limits.cleanup_interval
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Env, LoadOptions, load};

    #[test]
    fn limits_and_retries_reach_the_proxy_as_they_are_configured() {
        let env = Env::from([
            ("OLLA_PROXY_RESPONSE_HEADER_TIMEOUT", "1s"),
            ("OLLA_PROXY_FIRST_OUTPUT_TIMEOUT_FLOOR", "2s"),
            ("OLLA_PROXY_READ_TIMEOUT", "3s"),
            ("OLLA_PROXY_RESPONSE_TIMEOUT", "5s"),
            ("OLLA_SERVER_WRITE_TIMEOUT", "4s"),
            ("OLLA_PROXY_RETRY_BUDGET_PERCENT", "7"),
            ("OLLA_PROXY_RETRY_MAX_ATTEMPTS", "6"),
            ("OLLA_PROXY_RETRY_DEADLINE", "8s"),
        ]);
        let directory = tempfile::tempdir().unwrap();
        let options = LoadOptions { env, directory: directory.path().into(), ..LoadOptions::default() };
        let settings = load(&options).unwrap().settings;

        let (timeouts, retry) = (timeouts(&settings), retry(&settings.proxy.retry));

        let seconds = [timeouts.first_byte, timeouts.least_first_output, timeouts.stall, timeouts.total];
        assert_eq!(seconds.map(|time| time.as_secs()), [1, 2, 3, 4]);
        assert_eq!((retry.budget_percent, retry.max_attempts), (7, NonZeroUsize::new(6)));
        assert_eq!(retry.deadline.as_secs(), 8);
    }
}
