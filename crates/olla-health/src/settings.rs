//! What an embedder may set.

use std::time::Duration;

/// How model discovery works, and who asks. Health intervals belong to the endpoints.
#[derive(Debug, Clone)]
pub struct MonitorSettings {
    /// Whether models are listed at all; without, only declared models are used. Default true.
    pub discovery_enabled: bool,
    /// Time between two listings of an endpoint. Default 5 min.
    pub interval: Duration,
    /// Time limit of one listing. Default 30 s.
    pub timeout: Duration,
    /// Listings under way at a time, at least 1. Default 5.
    pub concurrent_workers: usize,
    /// Further tries after a listing that failed. Default 3.
    pub retry_attempts: u32,
    /// Wait before the first further try; doubles each time, up to `interval`. Default 1 s.
    pub retry_backoff: Duration,
    /// Version in the `User-Agent` of probes and listings.
    pub version: String,
}

// === impl MonitorSettings ===

impl Default for MonitorSettings {
    fn default() -> Self {
        Self {
            discovery_enabled: true,
            interval: Duration::from_secs(300),
            timeout: Duration::from_secs(30),
            concurrent_workers: 5,
            retry_attempts: 3,
            retry_backoff: Duration::from_secs(1),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}
