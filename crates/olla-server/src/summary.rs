//! What a person wants to know at start: the address, the endpoints, and what to paste.

use std::{fmt, path::PathBuf, time::Duration};

use olla_core::Fleet;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::{compose::App, config::Settings};

/// Where the configuration came from.
#[derive(Debug)]
pub(crate) struct Source(pub(crate) Option<PathBuf>);

/// How long the first checks are waited for before the summary is written without them.
const PATIENCE: Duration = Duration::from_secs(3);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Writes the summary once the first checks have ended.
pub(crate) async fn announce(app: &App, settings: &Settings, (source, url): (&Source, &str)) {
    let started = Instant::now();
    while !app.fleet.load().is_settled() && started.elapsed() < PATIENCE {
        sleep(LOOK_AGAIN).await;
    }
    let fleet = app.fleet.load();
    info!(config = %source, endpoints = fleet.endpoints().len(), "ready");
    for endpoint in fleet.endpoints() {
        let kind = endpoint.kind.and_then(|k| app.profiles.get(k)).map_or("auto", |p| &p.name);
        let status = endpoint.live.status();
        let (name, models) = (&endpoint.spec.name, endpoint.models.len());
        if status.is_routable() {
            info!(endpoint = %name, kind, url = %endpoint.spec.base, %status, models, "endpoint");
        } else {
            let reason = endpoint.live.checkup().reason.clone();
            warn!(endpoint = %name, kind, url = %endpoint.spec.base, %status, reason, "endpoint");
        }
    }
    if fleet.endpoints().is_empty() {
        nothing_yet(app, settings);
    }
    info!("OpenAI clients: base_url={url}/v1");
    info!("status: {url}/internal/status/endpoints");
    if let Some(model) = first_model(&fleet) {
        info!(
            "try: curl {url}/v1/chat/completions -H 'Content-Type: application/json' -d '{}'",
            chat(&model)
        );
    }
}

/// Returns the body of a first request.
pub(crate) fn chat(model: &str) -> String {
    serde_json::json!({ "model": model, "messages": [{ "role": "user", "content": "Hello!" }] }).to_string()
}

/// Writes how much the process has used (`engineering.show_nerdstats`).
pub(crate) fn nerd_stats() {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return };
    let figure = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    info!(
        peak_memory = figure("VmHWM:"),
        memory = figure("VmRSS:"),
        threads = figure("Threads:"),
        "process figures"
    );
}

fn nothing_yet(app: &App, settings: &Settings) {
    if settings.discovery.local {
        let mut ports: Vec<_> = app.profiles.iter().flat_map(|p| p.default_ports.iter().copied()).collect();
        ports.sort_unstable();
        ports.dedup();
        warn!(?ports, "no backend found on the usual local ports yet; looking again every few seconds");
        info!("to try Olla without one: olla-server demo");
    } else {
        warn!("no endpoints are configured, and discovery.local is off: nothing can be served");
    }
}

fn first_model(fleet: &Fleet) -> Option<String> {
    let routable = fleet.endpoints().iter().filter(|e| e.live.status().is_routable());
    routable.flat_map(|e| &*e.models).find(|m| !m.is_pattern()).map(|m| m.name.to_string())
}

// === impl Source ===

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(path) => write!(f, "{}", path.display()),
            None => f.write_str("none; built-in defaults"),
        }
    }
}
