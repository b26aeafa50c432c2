//! The endpoints as status documents show them: each read once, all sorted, with the facts that the
//! documents share.

use std::{cmp::Reverse, num::NonZeroU32, sync::Arc, time::SystemTime};

use olla_core::{Checkup, Endpoint, Fleet, Moment, Standing, Status, TotalsView};
use olla_profiles::Profiles;
use serde::Serialize;

use super::{format, standing};

/// Failures in a row above which an endpoint counts as unstable.
const MAX_FAILURES_IN_ROW: u64 = 3;
/// Requests that must have been seen before a success rate means anything.
const MIN_REQUESTS_JUDGED: u64 = 10;
const MIN_SUCCESS_PERCENT: f64 = 90.0;
/// The kind of an endpoint that has not been recognised.
const UNRECOGNISED: &str = "auto";

/// One endpoint, read once, so that everything said about it agrees.
pub(super) struct Row {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) status: Status,
    pub(super) totals: TotalsView,
    pub(super) checkup: Checkup,
    pub(super) in_flight: u32,
    /// When it was read, by both clocks.
    at: (Moment, SystemTime),
}

/// What each document tells about an endpoint.
#[derive(Serialize)]
pub(super) struct Facts {
    name: Arc<str>,
    id: String,
    url: String,
    /// The canonical kind; `kind` is the same under the name that the rest of the project uses.
    r#type: Arc<str>,
    kind: Arc<str>,
    status: &'static str,
    routable: bool,
    draining: bool,
    #[serde(flatten)]
    standing: standing::Facts,
    /// Why it is not used and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    listing_error: Option<Box<str>>,
    priority: u32,
    weight: u32,
    /// Requests that it is sent at a time, where that is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_concurrent: Option<NonZeroU32>,
    waiting: u32,
    models_count: usize,
    consecutive_failures: u64,
    failed_checks: u32,
    successes: u64,
    failures: u64,
    cancelled: u64,
    traffic_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    success_rate_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avg_latency_ms: Option<u64>,
    min_latency_ms: u64,
    max_latency_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    health_check_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_check_at: Option<String>,
}

/// Reads all endpoints as they are `now`: highest priority first, then routable ones, then by name.
pub(super) fn read(fleet: &Fleet, now: SystemTime) -> Vec<Row> {
    let at = (olla_proxy::clock::now(), now);
    let mut rows: Vec<_> = fleet.endpoints().iter().map(|endpoint| Row::read(endpoint, at)).collect();
    rows.sort_by(|a, b| a.rank().cmp(&b.rank()));
    rows
}

// === impl Row ===

impl Row {
    fn read(endpoint: &Arc<Endpoint>, at: (Moment, SystemTime)) -> Self {
        let live = &endpoint.live;
        Self {
            status: live.status(),
            totals: live.totals().view(),
            checkup: live.checkup().clone(),
            in_flight: live.in_flight(),
            at,
            endpoint: Arc::clone(endpoint),
        }
    }

    fn rank(&self) -> (Reverse<u32>, bool, &str) {
        let spec = &self.endpoint.spec;
        (Reverse(spec.priority), !self.is_routable(), &*spec.name)
    }

    pub(super) fn facts(&self, profiles: &Profiles) -> Facts {
        let Self { endpoint, status, totals, checkup, .. } = self;
        let profile = endpoint.kind.and_then(|kind| profiles.get(kind));
        let kind = profile.map_or_else(|| UNRECOGNISED.into(), |profile| Arc::clone(&profile.name));
        Facts {
            name: Arc::clone(&endpoint.spec.name),
            id: self.id(),
            url: endpoint.spec.base.to_string(),
            r#type: Arc::clone(&kind),
            kind,
            status: status.as_str(),
            routable: self.is_routable(),
            draining: endpoint.live.is_draining(),
            standing: standing::Facts::read(endpoint, self.at),
            reason: self.reason(),
            listing_error: checkup.listing_error.clone(),
            priority: endpoint.spec.priority,
            weight: endpoint.spec.weight,
            max_concurrent: endpoint.spec.max_concurrent,
            waiting: endpoint.live.waiting(),
            models_count: endpoint.models.len(),
            consecutive_failures: totals.consecutive_failures,
            failed_checks: checkup.failed_checks,
            successes: totals.successes,
            failures: totals.failures,
            cancelled: totals.cancelled,
            traffic_bytes: totals.bytes,
            success_rate_percent: totals.success_percent(),
            avg_latency_ms: (totals.successes > 0).then(|| format::millis(totals.mean_latency())),
            min_latency_ms: format::millis(totals.latency_min),
            max_latency_ms: format::millis(totals.latency_max),
            health_check_at: checkup.checked_at.map(format::timestamp),
            next_check_at: checkup.next_check.map(format::timestamp),
        }
    }

    /// Returns an identity that stays the same as long as the URL does.
    pub(super) fn id(&self) -> String {
        base36(fnv1a(self.endpoint.spec.base.to_string().as_bytes()))
    }

    pub(super) fn is_routable(&self) -> bool {
        self.status.is_routable() && !self.endpoint.live.is_draining()
    }

    pub(super) fn is_ejected(&self) -> bool {
        self.endpoint.live.outlier().standing(self.at.0) != Standing::Good
    }

    pub(super) fn is_unstable(&self) -> bool {
        let failed_checks = u64::from(self.checkup.failed_checks);
        self.totals.consecutive_failures.max(failed_checks) > MAX_FAILURES_IN_ROW
    }

    pub(super) fn often_fails(&self) -> bool {
        let rate = self.totals.success_percent();
        self.totals.requests > MIN_REQUESTS_JUDGED && rate.is_some_and(|rate| rate < MIN_SUCCESS_PERCENT)
    }

    fn reason(&self) -> Option<Box<str>> {
        if self.endpoint.live.is_draining() {
            return Some(
                "an operator drains it; POST to its path /resume to send requests there again".into(),
            );
        }
        match self.status {
            status if status.is_routable() => standing::reason(&self.endpoint, self.at.0),
            Status::Unknown if self.checkup.reason.is_none() => {
                Some("waiting for its first health check".into())
            }
            _ => self.checkup.reason.clone(),
        }
    }
}

/// FNV-1a, 32 bits.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

fn base36(mut number: u32) -> String {
    let mut digits = vec![];
    while digits.is_empty() || number > 0 {
        digits.extend(char::from_digit(number % 36, 36));
        number /= 36;
    }
    digits.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_the_base_36_of_fnv_1a() {
        assert_eq!((fnv1a(b""), fnv1a(b"a")), (0x811c_9dc5, 0xe40c_292c));
        assert_eq!([0, 35, 36, u32::MAX].map(base36), ["0", "z", "10", "1z141z3"]);
    }
}
