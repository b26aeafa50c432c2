//! The admin API: `/internal/…` and `/version`.
//!
//! It reads the fleet and the statistics and writes documents. All it changes is whether an endpoint is drained.
//! Each document is one file, `format` writes numbers and times, and `conditional` saves sending what has not changed.

mod conditional;
mod drain;
mod endpoints;
pub(crate) mod explain;
mod failure;
mod format;
mod health;
mod model_stats;
mod models;
mod process;
mod refresh;
mod roster;
mod standing;
mod status;
mod sticky;
mod translators;
mod version;
mod vitals;

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::SystemTime,
};

use axum::{
    Json, Router,
    extract::{Extension, Path, RawQuery, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderMap, header};
use olla_core::FleetCell;
use olla_profiles::Profiles;
use olla_proxy::{ClientAddr, Proxy};
use serde::Serialize;
use tower_http::compression::{CompressionLayer, predicate::SizeAbove};

use crate::stats::Stats;

/// The smallest body that is worth compressing.
const MIN_COMPRESSED_BYTES: u16 = 256;

/// What the documents are written from.
pub(crate) struct Admin {
    /// The endpoints.
    pub(crate) fleet: Arc<FleetCell>,
    /// The backend kinds, for their names.
    pub(crate) profiles: Arc<Profiles>,
    /// Judges requests that are only thought of.
    pub(crate) proxy: Proxy,
    /// Process-wide statistics.
    pub(crate) stats: Arc<Stats>,
    /// The name of the balancing strategy.
    pub(crate) balancer: &'static str,
    /// What this program is.
    pub(crate) product: Identity,
    /// When the process started.
    pub(crate) started: SystemTime,
    /// Lists the models of every endpoint anew.
    pub(crate) refresh: Refresh,
    /// Set while the process is stopping: it is not ready for new requests.
    pub(crate) drain: Arc<AtomicBool>,
}

/// What this program is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    /// Its version.
    pub(crate) version: &'static str,
    /// The commit it was built from, where known.
    pub(crate) commit: Option<&'static str>,
    /// When it was built, where known.
    pub(crate) built: Option<&'static str>,
}

/// Starts a refresh of all model lists; the future ends when every endpoint has answered or failed.
pub(crate) type Refresh = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Vec<Refreshed>> + Send>> + Send + Sync>;

/// What a refresh found at one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refreshed {
    /// The endpoint's name.
    pub(crate) endpoint: Arc<str>,
    /// How many models it has now, or why they could not be listed.
    pub(crate) models: Result<usize, String>,
}

// === impl Admin ===

impl Admin {
    /// Returns the routes, complete with 404 and 405.
    pub(crate) fn router(self) -> Router {
        let compression = CompressionLayer::new().compress_when(SizeAbove::new(MIN_COMPRESSED_BYTES));
        let status = Router::new()
            .route("/internal/status", get(show_status))
            .route("/internal/status/endpoints", get(show_endpoints))
            .route("/internal/status/models", get(show_models))
            .route_layer(compression);
        Router::new()
            .route("/internal/health", get(async || health::alive()))
            .route("/internal/ready", get(show_ready))
            .route("/internal/stats/models", get(show_model_stats))
            .route("/internal/stats/sticky", get(show_sticky))
            .route("/internal/stats/translators", get(show_translators))
            .route("/internal/explain", get(show_explanation))
            .route("/internal/process", get(show_process))
            .route("/internal/discovery/refresh", post(run_refresh))
            .route("/internal/endpoints/{name}/{action}", post(change_endpoint))
            .route("/version", get(show_version))
            .merge(status)
            .method_not_allowed_fallback(failure::method_not_allowed)
            .fallback(failure::not_found)
            .with_state(Arc::new(self))
    }
}

async fn show_ready(State(admin): State<Arc<Admin>>) -> Response {
    health::ready(&admin.fleet.load(), admin.drain.load(Relaxed))
}

async fn show_status(State(admin): State<Arc<Admin>>, headers: HeaderMap) -> Response {
    conditional::answer(&headers, &status::document(&admin, SystemTime::now()))
}

async fn show_endpoints(State(admin): State<Arc<Admin>>, headers: HeaderMap) -> Response {
    conditional::answer(&headers, &endpoints::document(&admin, SystemTime::now()))
}

async fn show_models(
    State(admin): State<Arc<Admin>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let grouped = asks(query.as_deref(), "detailed=true") && asks(query.as_deref(), "group=family");
    conditional::answer(&headers, &models::document(&admin.fleet.load(), grouped, SystemTime::now()))
}

async fn show_model_stats(State(admin): State<Arc<Admin>>, RawQuery(query): RawQuery) -> Response {
    let detail = model_stats::Detail {
        endpoints: asks(query.as_deref(), "include_endpoints=true"),
        summary: asks(query.as_deref(), "include_summary=true"),
    };
    fresh(&model_stats::document(&admin.fleet.load(), detail, SystemTime::now()))
}

async fn show_sticky(State(admin): State<Arc<Admin>>) -> Response {
    fresh(&sticky::document(&admin))
}

async fn show_translators(State(admin): State<Arc<Admin>>) -> Response {
    fresh(&translators::document(admin.stats.translators(), SystemTime::now()))
}

async fn show_explanation(
    State(admin): State<Arc<Admin>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    explain::answer(&admin, query.as_deref(), &headers, SystemTime::now())
}

async fn show_process(State(admin): State<Arc<Admin>>) -> Response {
    fresh(&process::document(&vitals::read(), admin.started, SystemTime::now()))
}

async fn show_version(State(admin): State<Arc<Admin>>) -> Response {
    fresh(&version::document(&admin))
}

async fn change_endpoint(
    State(admin): State<Arc<Admin>>,
    Path((name, action)): Path<(String, String)>,
    peer: Option<Extension<ClientAddr>>,
    headers: HeaderMap,
) -> Response {
    drain::answer(&admin, (&name, &action), (peer.map(|Extension(peer)| peer), &headers))
}

async fn run_refresh(State(admin): State<Arc<Admin>>) -> Response {
    let found = (admin.refresh)().await;
    fresh(&refresh::document(found, SystemTime::now()))
}

/// Returns whether the query holds this pair, exactly so written; everything else in it is ignored.
fn asks(query: Option<&str>, pair: &str) -> bool {
    query.is_some_and(|query| query.split('&').any(|part| part == pair))
}

fn fresh(document: &impl Serialize) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(document)).into_response()
}

#[cfg(test)]
mod tests;
