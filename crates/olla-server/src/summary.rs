//! What a person wants to know at start: the address, the endpoints, and what to paste.
//!
//! A plain block of text where log lines are text, log records where they are JSON.

use std::{
    fmt::{self, Write as _},
    io::{self, Write as _},
    path::PathBuf,
    time::Duration,
};

use olla_core::{Endpoint, Fleet};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::{
    compose::{App, VERSION},
    config::Settings,
    log,
};

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
    if log::is_json(settings.logging.format) {
        info!(base_url = %format_args!("{url}/v1"), config = %source, endpoints = fleet.endpoints().len(), "ready");
        for endpoint in fleet.endpoints() {
            log_endpoint(endpoint, app);
        }
        if let Some(advice) = advice(&fleet, app, settings) {
            warn!("{advice}");
        }
    } else {
        // A closed standard output is no reason not to serve.
        let _ = io::stdout().write_all(block(&fleet, app, settings, (source, url)).as_bytes());
    }
}

/// Returns the command for a first request.
pub(crate) fn curl(url: &str, model: &str, stream: bool) -> String {
    let (flag, stream) = if stream { ("-N ", r#""stream":true,"#) } else { ("", "") };
    // Between single quotes of a shell, only a single quote needs care.
    let model = serde_json::Value::from(model).to_string().replace('\'', r"'\''");
    format!(
        "curl {flag}{url}/v1/chat/completions -H 'Content-Type: application/json' \
         -d '{{\"model\":{model},{stream}\"messages\":[{{\"role\":\"user\",\"content\":\"Hello!\"}}]}}'"
    )
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

fn log_endpoint(endpoint: &Endpoint, app: &App) {
    let (name, kind, url) = (&endpoint.spec.name, kind(endpoint, app), &endpoint.spec.base);
    let (status, models) = (endpoint.live.status(), endpoint.models.len());
    match reason(endpoint) {
        None => info!(endpoint = %name, kind, %url, %status, models, "endpoint"),
        Some(reason) => warn!(endpoint = %name, kind, %url, %status, models, reason, "endpoint"),
    }
}

fn block(fleet: &Fleet, app: &App, settings: &Settings, (source, url): (&Source, &str)) -> String {
    let mut text = format!("\nOlla {VERSION} on {url}   config: {source}\n\n");
    let width = fleet.endpoints().iter().map(|e| e.spec.name.chars().count()).max().unwrap_or(0);
    for endpoint in fleet.endpoints() {
        let (name, status, models) = (&endpoint.spec.name, endpoint.live.status(), endpoint.models.len());
        let (kind, url) = (kind(endpoint, app), &endpoint.spec.base);
        // Writing to a string cannot fail; the same below.
        let _ =
            writeln!(text, "  {name:width$}  {:<12} {models:>3} model(s)  {kind}  {url}", status.as_str());
        if let Some(reason) = reason(endpoint) {
            let _ = writeln!(text, "  {:width$}  {reason}", "");
        }
    }
    if let Some(advice) = advice(fleet, app, settings) {
        let _ = writeln!(text, "  {advice}");
    }
    let _ = writeln!(text, "\n  OpenAI clients:  base_url={url}/v1");
    let _ = writeln!(text, "  status:          curl {url}/internal/status/endpoints");
    if let Some(model) = first_model(fleet) {
        let _ = writeln!(text, "  first request:   {}", curl(url, &model, false));
    }
    text.push('\n');
    text
}

/// Says what to do when there is no endpoint.
fn advice(fleet: &Fleet, app: &App, settings: &Settings) -> Option<String> {
    if !fleet.endpoints().is_empty() {
        return None;
    }
    if !settings.discovery.local {
        return Some(
            "no endpoints are configured, and discovery.local is off: nothing can be served".to_owned(),
        );
    }
    let mut ports: Vec<_> = app.profiles.iter().flat_map(|p| p.default_ports.iter().copied()).collect();
    ports.sort_unstable();
    ports.dedup();
    let ports = ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    Some(format!(
        "no backend on the usual local ports yet ({ports}); looking again every few seconds. \
         To try Olla without one: olla-server demo"
    ))
}

fn kind<'a>(endpoint: &Endpoint, app: &'a App) -> &'a str {
    endpoint.kind.and_then(|k| app.profiles.get(k)).map_or("auto", |p| &p.name)
}

/// Returns why an endpoint cannot be used, or why it lists no models.
fn reason(endpoint: &Endpoint) -> Option<String> {
    let checkup = endpoint.live.checkup();
    let reason = checkup.reason.as_ref().or(checkup.listing_error.as_ref());
    reason.map(ToString::to_string)
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
            None => f.write_str("none, built-in defaults"),
        }
    }
}
