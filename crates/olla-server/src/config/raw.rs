//! What the configuration says, merged from defaults, file and environment, before it means anything.

use std::{collections::BTreeMap, time::Duration};

use figment::{
    Figment,
    providers::Serialized,
    value::{Dict, Value},
};
use serde::{Deserialize, de::DeserializeOwned};

use super::settings::{ModelDiscovery, Queue, Retry};

/// Merges trees, later ones over earlier ones: a mapping is merged, anything else replaced.
///
/// # Errors
/// Fails when a value does not fit its place, which a tree that went through `conform` always does.
pub(crate) fn merge<T: DeserializeOwned>(
    trees: impl IntoIterator<Item = Dict>,
) -> Result<T, Box<figment::Error>> {
    let merged =
        trees.into_iter().fold(Figment::new(), |figment, tree| figment.merge(Serialized::defaults(tree)));
    merged.extract().map_err(Box::new)
}

/// The whole configuration.
#[derive(Debug, Deserialize)]
pub(crate) struct Raw {
    pub(crate) server: Server,
    pub(crate) proxy: Proxy,
    pub(crate) discovery: Discovery,
    #[serde(default)]
    pub(crate) endpoints: Vec<Value>,
    pub(crate) model_registry: ModelRegistry,
    #[serde(default)]
    pub(crate) model_aliases: BTreeMap<String, Alias>,
    pub(crate) translators: Translators,
    pub(crate) logging: Logging,
    pub(crate) engineering: Engineering,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Translators {
    pub(crate) anthropic: Anthropic,
    pub(crate) responses: Responses,
    pub(crate) ollama: Ollama,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Ollama {
    pub(crate) enabled: bool,
    pub(crate) at_root: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Anthropic {
    pub(crate) enabled: bool,
    pub(crate) passthrough_enabled: bool,
    pub(crate) max_message_size: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Responses {
    pub(crate) passthrough_enabled: bool,
    pub(crate) store: bool,
    pub(crate) store_size: u64,
    pub(crate) store_ttl: Duration,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) workers: usize,
    pub(crate) read_timeout: Duration,
    pub(crate) read_header_timeout: Duration,
    pub(crate) write_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) request_logging: bool,
    pub(crate) request_limits: RequestLimits,
    pub(crate) limits: Capacity,
    pub(crate) rate_limits: RateLimits,
    pub(crate) cors: Cors,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Capacity {
    pub(crate) max_connections: usize,
    pub(crate) max_in_flight: usize,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RequestLimits {
    pub(crate) max_body_size: u64,
    pub(crate) max_header_size: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RateLimits {
    pub(crate) global_requests_per_minute: u32,
    pub(crate) per_ip_requests_per_minute: u32,
    pub(crate) health_requests_per_minute: u32,
    pub(crate) burst_size: u32,
    pub(crate) cleanup_interval: Duration,
    pub(crate) trust_proxy_headers: bool,
    pub(crate) trusted_proxy_cidrs: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Cors {
    pub(crate) enabled: bool,
    pub(crate) allowed_origins: Vec<String>,
    pub(crate) allowed_methods: Vec<String>,
    pub(crate) allowed_headers: Vec<String>,
    #[serde(default)]
    pub(crate) exposed_headers: Vec<String>,
    pub(crate) allow_credentials: bool,
    pub(crate) max_age: u32,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Proxy {
    pub(crate) load_balancer: String,
    pub(crate) connection_timeout: Duration,
    pub(crate) connection_keep_alive: Duration,
    pub(crate) tls_handshake_timeout: Duration,
    pub(crate) response_header_timeout: Duration,
    pub(crate) first_output_timeout_floor: Duration,
    pub(crate) read_timeout: Duration,
    pub(crate) response_timeout: Duration,
    pub(crate) retry: Retry,
    pub(crate) outlier_ejection: OutlierEjection,
    pub(crate) sticky_sessions: StickySessions,
    pub(crate) queue: Queue,
    #[serde(default)]
    pub(crate) profile_filter: Filter,
}

#[derive(Debug, Deserialize)]
pub(crate) struct OutlierEjection {
    pub(crate) enabled: bool,
    pub(crate) consecutive_failures: u32,
    pub(crate) min_success_percent: u32,
    pub(crate) min_requests: u32,
}

#[derive(Debug, Deserialize)]
pub(crate) struct StickySessions {
    pub(crate) enabled: bool,
    pub(crate) key_sources: Vec<String>,
    pub(crate) idle_ttl_seconds: u32,
    pub(crate) max_sessions: u32,
    pub(crate) prefix_hash_bytes: u32,
    pub(crate) max_load_percent: u32,
}

/// Names to include and exclude.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Filter {
    pub(crate) include: Vec<String>,
    pub(crate) exclude: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Discovery {
    #[serde(default, rename = "static")]
    pub(crate) listed: Listed,
    pub(crate) local: Option<bool>,
    pub(crate) model_discovery: ModelDiscovery,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Listed {
    pub(crate) endpoints: Vec<Value>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ModelRegistry {
    pub(crate) routing_strategy: RoutingStrategy,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RoutingStrategy {
    #[serde(rename = "type")]
    pub(crate) name: String,
    pub(crate) options: RoutingOptions,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RoutingOptions {
    pub(crate) fallback_behavior: String,
    pub(crate) discovery_refresh_on_miss: bool,
    pub(crate) discovery_timeout: Duration,
}

/// A virtual model name, in either of its forms.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Alias {
    /// The models alone.
    List(Vec<String>),
    /// With options.
    Full(FullAlias),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FullAlias {
    pub(crate) models: Vec<String>,
    pub(crate) strategy: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Logging {
    pub(crate) level: String,
    pub(crate) format: String,
    pub(crate) output: String,
    pub(crate) dir: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Engineering {
    pub(crate) show_nerdstats: bool,
}

/// One endpoint.
#[derive(Deserialize)]
pub(crate) struct Endpoint {
    pub(crate) url: Option<String>,
    pub(crate) name: Option<String>,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) priority: u32,
    pub(crate) weight: u32,
    pub(crate) max_concurrent: u32,
    pub(crate) model_url: Option<String>,
    pub(crate) health_check_url: Option<String>,
    pub(crate) check_interval: Duration,
    pub(crate) check_timeout: Duration,
    pub(crate) preserve_path: bool,
    #[serde(default)]
    pub(crate) allow_paths: Vec<String>,
    #[serde(default)]
    pub(crate) models: Models,
    #[serde(default)]
    pub(crate) model_filter: Filter,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) tls: Tls,
    pub(crate) auth: Auth,
}

#[derive(Deserialize)]
pub(crate) struct Tls {
    pub(crate) ca_file: Option<String>,
    pub(crate) insecure_skip_verify: bool,
}

/// The models of an endpoint, in either form.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Models {
    /// Declared ones alone.
    List(Vec<Value>),
    /// With rules.
    Full(PlacedModels),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PlacedModels {
    pub(crate) declare: Vec<Value>,
    pub(crate) include: Vec<String>,
    pub(crate) exclude: Vec<String>,
    pub(crate) prefer: Vec<String>,
    pub(crate) avoid: Vec<String>,
    pub(crate) never: Vec<String>,
}

/// A declared model.
#[derive(Debug, Deserialize)]
pub(crate) struct Model {
    pub(crate) name: Option<String>,
    pub(crate) context_length: Option<u64>,
}

/// The credentials of an endpoint, as written.
#[derive(Deserialize)]
pub(crate) struct Auth {
    #[serde(rename = "type")]
    pub(crate) scheme: Option<String>,
    pub(crate) header: Option<String>,
    /// Everything else: the fields of which each type takes its own.
    #[serde(flatten)]
    pub(crate) fields: BTreeMap<String, String>,
}

// === impl Models ===

impl Default for Models {
    fn default() -> Self {
        Self::List(vec![])
    }
}
