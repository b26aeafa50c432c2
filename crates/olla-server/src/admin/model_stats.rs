//! `GET /internal/stats/models`: how requests for each model went, over all endpoints and for each.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use olla_core::{Endpoint, Fleet, Histogram, ModelLive, TotalsView};
use serde::Serialize;

use super::format;

/// A model asked for within this time is active.
const ACTIVE_FOR: Duration = Duration::from_secs(3600);

/// What the document holds beside one entry for each model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Detail {
    /// Each model's share of each endpoint.
    pub(super) endpoints: bool,
    /// One entry for each endpoint.
    pub(super) summary: bool,
}

/// The document.
#[derive(Serialize)]
pub(super) struct Document {
    timestamp: String,
    models: Vec<Entry>,
    endpoints: BTreeMap<Arc<str>, EndpointEntry>,
    summary: Summary,
}

#[derive(Serialize)]
struct Entry {
    name: Arc<str>,
    total_requests: u64,
    successful_requests: u64,
    failed_requests: u64,
    cancelled_requests: u64,
    success_rate: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    success_rate_percent: Option<f64>,
    total_traffic: String,
    traffic_bytes: u64,
    average_latency: String,
    average_latency_ms: u64,
    p95_latency: String,
    p95_latency_ms: u64,
    p99_latency: String,
    p99_latency_ms: u64,
    last_requested: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_requested_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint_breakdown: Option<BTreeMap<Arc<str>, EndpointEntry>>,
}

#[derive(Serialize)]
struct EndpointEntry {
    endpoint_name: Arc<str>,
    request_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    success_rate: Option<f64>,
    average_latency: String,
    average_latency_ms: u64,
    traffic_bytes: u64,
    consecutive_errors: u64,
    last_used: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<String>,
}

#[derive(Serialize)]
struct Summary {
    overall_success_rate: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    overall_success_rate_percent: Option<f64>,
    total_traffic: String,
    traffic_bytes: u64,
    total_requests: u64,
    total_models: usize,
    active_models: usize,
    most_popular_model: Arc<str>,
    least_popular_model: Arc<str>,
}

/// The counters of one model, summed.
#[derive(Default)]
struct Sum {
    name: Arc<str>,
    view: TotalsView,
    latencies: Vec<u64>,
    parts: Vec<(Arc<str>, TotalsView)>,
}

/// Writes the document as of `now`. Models that nobody has asked for are not in it.
pub(super) fn document(fleet: &Fleet, detail: Detail, now: SystemTime) -> Document {
    let mut sums = sums(fleet);
    sums.sort_by(|a, b| (Reverse(a.view.requests), &a.name).cmp(&(Reverse(b.view.requests), &b.name)));
    let endpoints = fleet.endpoints().iter().filter(|_| detail.summary);
    Document {
        timestamp: format::timestamp(now),
        endpoints: endpoints.map(|endpoint| of_endpoint(endpoint, now)).collect(),
        summary: summary(&sums, now),
        models: sums.into_iter().map(|sum| sum.entry(detail, now)).collect(),
    }
}

fn sums(fleet: &Fleet) -> Vec<Sum> {
    let mut sums = BTreeMap::<_, Sum>::new();
    for endpoint in fleet.endpoints() {
        for (model, live) in endpoint.models.iter().zip(&*endpoint.model_live) {
            sums.entry(&*model.name)
                .or_insert_with(|| Sum { name: Arc::clone(&model.name), ..Sum::default() })
                .add(&endpoint.spec.name, live);
        }
    }
    sums.into_values().filter(|sum| sum.view.requests > 0).collect()
}

fn of_endpoint(endpoint: &Endpoint, now: SystemTime) -> (Arc<str>, EndpointEntry) {
    let name = &endpoint.spec.name;
    (Arc::clone(name), endpoint_entry(name, &endpoint.live.totals().view(), now))
}

fn endpoint_entry(name: &Arc<str>, view: &TotalsView, now: SystemTime) -> EndpointEntry {
    EndpointEntry {
        endpoint_name: Arc::clone(name),
        request_count: view.requests,
        success_rate: view.success_percent(),
        average_latency: format::latency(view.mean_latency()),
        average_latency_ms: format::millis(view.mean_latency()),
        traffic_bytes: view.bytes,
        consecutive_errors: view.consecutive_failures,
        last_used: format::ago(view.last_used, now),
        last_used_at: view.last_used.map(format::timestamp),
    }
}

/// Sums up models that are sorted by popularity.
fn summary(sums: &[Sum], now: SystemTime) -> Summary {
    let mut all = TotalsView::default();
    for sum in sums {
        merge(&mut all, &sum.view);
    }
    let active = |used: SystemTime| now.duration_since(used).is_ok_and(|age| age < ACTIVE_FOR) || used > now;
    let name = |sum: Option<&Sum>| sum.map_or_else(Arc::default, |sum| Arc::clone(&sum.name));
    Summary {
        overall_success_rate: rate(&all),
        overall_success_rate_percent: all.success_percent(),
        total_traffic: format::bytes(all.bytes),
        traffic_bytes: all.bytes,
        total_requests: all.requests,
        total_models: sums.len(),
        active_models: sums.iter().filter(|sum| sum.view.last_used.is_some_and(active)).count(),
        most_popular_model: name(sums.first()),
        least_popular_model: name(sums.last()),
    }
}

fn rate(view: &TotalsView) -> String {
    view.success_percent().map_or_else(|| format::NOT_AVAILABLE.into(), format::percent)
}

/// Adds what the document shows of a sum; the shortest request and the failures in a row are not in it.
fn merge(into: &mut TotalsView, part: &TotalsView) {
    into.requests += part.requests;
    into.successes += part.successes;
    into.failures += part.failures;
    into.cancelled += part.cancelled;
    into.bytes += part.bytes;
    into.latency_sum += part.latency_sum;
    into.latency_max = into.latency_max.max(part.latency_max);
    into.last_used = into.last_used.max(part.last_used);
}

// === impl Sum ===

impl Sum {
    fn add(&mut self, endpoint: &Arc<str>, live: &ModelLive) {
        let view = live.totals().view();
        if view.requests == 0 {
            return;
        }
        merge(&mut self.view, &view);
        live.latencies().add_to(&mut self.latencies);
        self.parts.push((Arc::clone(endpoint), view));
    }

    fn entry(self, detail: Detail, now: SystemTime) -> Entry {
        let Self { name, view, latencies, parts } = self;
        // A bucket's upper end may lie above every request in it.
        let percentile = |percent| Histogram::percentile_of(&latencies, percent).min(view.latency_max);
        let (p95, p99) = (percentile(95.0), percentile(99.0));
        let breakdown =
            || parts.iter().map(|(name, view)| (Arc::clone(name), endpoint_entry(name, view, now))).collect();
        Entry {
            name,
            total_requests: view.requests,
            successful_requests: view.successes,
            failed_requests: view.failures,
            cancelled_requests: view.cancelled,
            success_rate: rate(&view),
            success_rate_percent: view.success_percent(),
            total_traffic: format::bytes(view.bytes),
            traffic_bytes: view.bytes,
            average_latency: format::latency(view.mean_latency()),
            average_latency_ms: format::millis(view.mean_latency()),
            p95_latency: format::latency(p95),
            p95_latency_ms: format::millis(p95),
            p99_latency: format::latency(p99),
            p99_latency_ms: format::millis(p99),
            last_requested: format::ago(view.last_used, now),
            last_requested_at: view.last_used.map(format::timestamp),
            endpoint_breakdown: detail.endpoints.then(breakdown),
        }
    }
}
