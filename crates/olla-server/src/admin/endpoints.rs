//! `GET /internal/status/endpoints`: each backend, its health and its counters.

use std::{sync::Arc, time::SystemTime};

use olla_core::{Endpoint, Status};
use olla_profiles::Profiles;
use serde::Serialize;

use super::{
    Admin, format,
    roster::{self, Facts, Row},
};

/// The document.
#[derive(Serialize)]
pub(super) struct Document {
    timestamp: String,
    endpoints: Vec<Entry>,
    total_count: usize,
    healthy_count: usize,
    routable_count: usize,
}

#[derive(Serialize)]
struct Entry {
    #[serde(flatten)]
    facts: Facts,
    model_count: usize,
    /// The models in memory; absent where the endpoint does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    loaded_models: Option<Vec<Arc<str>>>,
    health_check: String,
    success_rate: String,
    request_count: u64,
    active_connections: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_model_sync: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_model_sync_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_time_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issues: Option<&'static str>,
}

/// Writes the document as of `now`.
pub(super) fn document(admin: &Admin, now: SystemTime) -> Document {
    let rows = roster::read(&admin.fleet.load(), now);
    Document {
        timestamp: format::timestamp(now),
        total_count: rows.len(),
        healthy_count: rows.iter().filter(|row| row.status == Status::Healthy).count(),
        routable_count: rows.iter().filter(|row| row.is_routable()).count(),
        endpoints: rows.iter().map(|row| entry(row, &admin.profiles, now)).collect(),
    }
}

fn entry(row: &Row, profiles: &Profiles, now: SystemTime) -> Entry {
    let Row { endpoint, totals, checkup, .. } = row;
    Entry {
        facts: row.facts(profiles),
        model_count: endpoint.models.len(),
        loaded_models: loaded_models(endpoint),
        health_check: checkup.checked_at.map_or_else(String::new, |at| format::ago(Some(at), now)),
        success_rate: totals.success_percent().map_or_else(|| format::NOT_AVAILABLE.into(), format::percent),
        request_count: totals.requests,
        active_connections: row.in_flight,
        last_model_sync: checkup.listed_at.map(|at| format::ago(Some(at), now)),
        last_model_sync_at: checkup.listed_at.map(format::timestamp),
        response_time: checkup.check_latency.map(format::latency),
        response_time_ms: checkup.check_latency.map(format::millis),
        issues: worst_issue(row),
    }
}

fn loaded_models(endpoint: &Endpoint) -> Option<Vec<Arc<str>>> {
    let models = endpoint.models.iter().zip(&*endpoint.model_live);
    let known: Vec<_> = models.filter_map(|(model, live)| Some((model, live.loaded()?))).collect();
    let loaded = known.iter().filter(|(_, is_loaded)| *is_loaded);
    (!known.is_empty()).then(|| loaded.map(|(model, _)| Arc::clone(&model.name)).collect())
}

fn worst_issue(row: &Row) -> Option<&'static str> {
    if row.endpoint.live.is_draining() {
        Some("draining")
    } else if !row.is_routable() {
        Some("unavailable")
    } else if row.is_ejected() {
        Some("ejected")
    } else if row.is_unstable() {
        Some("unstable")
    } else {
        row.often_fails().then_some("low success rate")
    }
}
