//! `GET /internal/status`: the whole system on one page.

use std::{collections::BTreeMap, time::SystemTime};

use olla_core::TotalsView;
use olla_profiles::Profiles;
use serde::Serialize;

use super::{
    Admin, format,
    roster::{self, Facts, Row},
};
use crate::stats::StatsView;

/// Above this many violations, or blocked clients, security is elevated.
const MAX_VIOLATIONS: u64 = 100;
const MAX_BLOCKED: usize = 10;
/// The mean latency above which it is an issue.
const SLOW_MS: u64 = 5000;

/// The document.
#[derive(Serialize)]
pub(super) struct Document {
    timestamp: String,
    proxy: Proxy,
    endpoints: Vec<Entry>,
    security: Security,
    system: System,
}

#[derive(Serialize)]
struct Proxy {
    engine: &'static str,
    balancer: &'static str,
}

#[derive(Serialize)]
struct Entry {
    #[serde(flatten)]
    facts: Facts,
    models: Models,
    success_rate: String,
    avg_latency: String,
    traffic: String,
    last_check: String,
    next_check: String,
    issues: String,
    connections: u32,
    requests: u64,
}

#[derive(Serialize)]
struct Models {
    last_updated: String,
    count: usize,
}

#[derive(Serialize)]
struct Security {
    status: &'static str,
    blocked_ips: usize,
    violations: Violations,
}

#[derive(Serialize)]
struct Violations {
    rate_limits: u64,
    size_limits: u64,
}

#[derive(Serialize)]
struct System {
    start_time: String,
    status: &'static str,
    endpoints_up: String,
    endpoints_routable: usize,
    endpoints_total: usize,
    success_rate: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    success_rate_percent: Option<f64>,
    avg_latency: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    avg_latency_ms: Option<u64>,
    total_traffic: String,
    traffic_bytes: u64,
    uptime: String,
    uptime_seconds: u64,
    version: &'static str,
    commit: &'static str,
    active_connections: u64,
    waiting_requests: usize,
    security_violations: u64,
    total_requests: u64,
    total_successes: u64,
    total_failures: u64,
    total_cancelled: u64,
    total_refused: u64,
    refused: BTreeMap<&'static str, u64>,
    has_traffic: bool,
}

/// Writes the document as of `now`.
pub(super) fn document(admin: &Admin, now: SystemTime) -> Document {
    let rows = roster::read(&admin.fleet.load(), now);
    let stats = admin.stats.snapshot(now);
    Document {
        timestamp: format::timestamp(now),
        proxy: Proxy { engine: "olla", balancer: admin.balancer },
        endpoints: rows.iter().map(|row| entry(row, &admin.profiles, now)).collect(),
        security: security(&stats),
        system: system(admin, &rows, stats, now),
    }
}

fn entry(row: &Row, profiles: &Profiles, now: SystemTime) -> Entry {
    let Row { endpoint, totals, checkup, .. } = row;
    Entry {
        facts: row.facts(profiles),
        models: Models {
            last_updated: checkup.listed_at.map_or_else(|| format::NEVER.into(), format::timestamp),
            count: endpoint.models.len(),
        },
        success_rate: format::percent(totals.success_percent().unwrap_or(0.0)),
        avg_latency: format::latency(totals.mean_latency()),
        traffic: format::bytes(totals.bytes),
        last_check: format::ago(checkup.checked_at, now),
        next_check: format::until(checkup.next_check, now),
        issues: issues(row).join(", "),
        connections: row.in_flight,
        requests: totals.requests,
    }
}

fn issues(row: &Row) -> Vec<&'static str> {
    let checks = [
        (row.is_unstable(), "consecutive failures"),
        (row.often_fails(), "low success rate"),
        (format::millis(row.totals.mean_latency()) > SLOW_MS, "high latency"),
        (!row.status.is_routable(), "unavailable"),
        (row.endpoint.live.is_draining(), "draining"),
        (row.is_ejected(), "ejected"),
    ];
    checks.into_iter().filter_map(|(found, issue)| found.then_some(issue)).collect()
}

fn security(stats: &StatsView) -> Security {
    let violations = Violations { rate_limits: stats.rate_limits(), size_limits: stats.size_limits() };
    let total = violations.rate_limits + violations.size_limits;
    let elevated = total > MAX_VIOLATIONS || stats.limited_clients > MAX_BLOCKED;
    Security {
        status: if elevated { "elevated" } else { "normal" },
        blocked_ips: stats.limited_clients,
        violations,
    }
}

fn system(admin: &Admin, rows: &[Row], stats: StatsView, now: SystemTime) -> System {
    let totals = &stats.totals;
    let up = rows.iter().filter(|row| row.is_routable()).count();
    let success = totals.success_percent();
    let uptime = now.duration_since(admin.started).unwrap_or_default();
    System {
        start_time: format::timestamp(admin.started),
        status: verdict(up, rows.len(), totals),
        endpoints_up: format!("{up}/{}", rows.len()),
        endpoints_routable: up,
        endpoints_total: rows.len(),
        success_rate: success.map_or_else(|| format::NOT_AVAILABLE.into(), format::percent),
        success_rate_percent: success,
        avg_latency: format::latency(totals.mean_latency()),
        avg_latency_ms: (totals.successes > 0).then(|| format::millis(totals.mean_latency())),
        total_traffic: format::bytes(totals.bytes),
        traffic_bytes: totals.bytes,
        uptime: format::uptime(uptime),
        uptime_seconds: uptime.as_secs(),
        version: admin.product.version,
        commit: admin.product.commit.unwrap_or("unknown"),
        active_connections: rows.iter().map(|row| u64::from(row.in_flight)).sum(),
        waiting_requests: admin.proxy.waiting(),
        security_violations: stats.rate_limits() + stats.size_limits(),
        total_requests: totals.requests,
        total_successes: totals.successes,
        total_failures: totals.failures,
        total_cancelled: totals.cancelled,
        total_refused: stats.refusals.values().sum(),
        has_traffic: totals.requests > 0,
        refused: stats.refusals,
    }
}

/// Judges the system by the share of endpoints that are up, and by the share of requests that succeed.
fn verdict(up: usize, all: usize, totals: &TotalsView) -> &'static str {
    let up_percent = if all == 0 { 0.0 } else { up as f64 * 100.0 / all as f64 };
    let success_percent = totals.success_percent().unwrap_or(100.0);
    if up_percent < 50.0 || success_percent < 90.0 {
        "critical"
    } else if up_percent < 80.0 || success_percent < 95.0 {
        "degraded"
    } else {
        "healthy"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(successes: u64, failures: u64) -> TotalsView {
        TotalsView { requests: successes + failures, successes, failures, ..TotalsView::default() }
    }

    #[test]
    fn the_verdict_takes_the_worse_of_endpoints_and_requests() {
        let cases = [
            (0, 0, totals(0, 0), "critical"),
            (1, 3, totals(0, 0), "critical"),
            (2, 3, totals(0, 0), "degraded"),
            (4, 5, totals(0, 0), "healthy"),
            (1, 1, totals(94, 6), "degraded"),
            (1, 1, totals(89, 11), "critical"),
            (1, 1, totals(95, 5), "healthy"),
        ];

        for (up, all, totals, expected) in cases {
            assert_eq!(verdict(up, all, &totals), expected, "{up}/{all} {totals:?}");
        }
    }

    #[test]
    fn security_is_elevated_by_many_violations_or_many_clients() {
        let with = |count, limited_clients| StatsView {
            refusals: BTreeMap::from([("rate_limited", count), ("body_too_large", 1), ("no_endpoint", 900)]),
            limited_clients,
            ..StatsView::default()
        };

        assert_eq!(security(&with(99, 10)).status, "normal");
        assert_eq!(security(&with(100, 0)).status, "elevated");
        assert_eq!(security(&with(11, 11)).status, "elevated");
    }
}
