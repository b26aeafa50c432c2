//! Monotonic counters of finished requests.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::Outcome;

/// Counters of finished requests, for one endpoint, one model on it, or the whole process.
#[derive(Debug, Default)]
// What each success has to do with comes first, and is less than a cache line.
#[repr(C)]
pub struct Totals {
    successes: AtomicU64,
    bytes: AtomicU64,
    /// Of successes, microseconds.
    latency_sum: AtomicU64,
    /// Of successes, microseconds plus one; zero means none yet.
    latency_min: AtomicU64,
    latency_max: AtomicU64,
    /// Unix milliseconds of the last finished request; zero means none yet.
    last_used: AtomicU64,
    consecutive_failures: AtomicU64,
    failures: AtomicU64,
    cancelled: AtomicU64,
}

/// The values of [`Totals`] at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TotalsView {
    /// All finished requests: successes, failures and those the client cancelled.
    pub requests: u64,
    /// Requests answered in full, with a status that is not the backend's fault.
    pub successes: u64,
    /// Requests that failed.
    pub failures: u64,
    /// Requests that the client left; neither successes nor failures.
    pub cancelled: u64,
    /// Failures since the last success.
    pub consecutive_failures: u64,
    /// Response body bytes.
    pub bytes: u64,
    /// Sum of the durations of successes.
    pub latency_sum: Duration,
    /// Shortest success.
    pub latency_min: Duration,
    /// Longest success.
    pub latency_max: Duration,
    /// When the last request finished.
    pub last_used: Option<SystemTime>,
}

// === impl Totals ===

impl Totals {
    /// Counts one request that has finished so long after the beginning of 1970.
    pub fn record(&self, outcome: Outcome, latency: Duration, bytes: u64, since_1970: Duration) {
        self.bytes.fetch_add(bytes, Relaxed);
        self.last_used.store(u64::try_from(since_1970.as_millis()).unwrap_or(0), Relaxed);
        match outcome {
            Outcome::Success => {
                // Stored only when it changes: the counter is shared by all workers.
                if self.consecutive_failures.load(Relaxed) != 0 {
                    self.consecutive_failures.store(0, Relaxed);
                }
                self.successes.fetch_add(1, Relaxed);
                self.record_latency(latency);
            }
            Outcome::Failure => {
                self.failures.fetch_add(1, Relaxed);
                self.consecutive_failures.fetch_add(1, Relaxed);
            }
            Outcome::Cancelled => {
                self.cancelled.fetch_add(1, Relaxed);
            }
        }
    }

    /// Returns the current values.
    #[must_use]
    pub fn view(&self) -> TotalsView {
        let (successes, failures, cancelled) =
            (self.successes.load(Relaxed), self.failures.load(Relaxed), self.cancelled.load(Relaxed));
        let last_used = match self.last_used.load(Relaxed) {
            0 => None,
            ms => Some(UNIX_EPOCH + Duration::from_millis(ms)),
        };
        TotalsView {
            requests: successes + failures + cancelled,
            successes,
            failures,
            cancelled,
            consecutive_failures: self.consecutive_failures.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            latency_sum: Duration::from_micros(self.latency_sum.load(Relaxed)),
            latency_min: Duration::from_micros(self.latency_min.load(Relaxed).saturating_sub(1)),
            latency_max: Duration::from_micros(self.latency_max.load(Relaxed)),
            last_used,
        }
    }

    fn record_latency(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latency_sum.fetch_add(micros, Relaxed);
        if self.latency_max.load(Relaxed) < micros {
            self.latency_max.fetch_max(micros, Relaxed);
        }
        let shifted = micros.saturating_add(1);
        let lowest = self.latency_min.load(Relaxed);
        if lowest == 0 || shifted < lowest {
            // A race may lose one minimum to another that is just as recent.
            self.latency_min.store(shifted, Relaxed);
        }
    }
}

// === impl TotalsView ===

impl TotalsView {
    /// Returns the mean duration of successes, or zero without any.
    #[must_use]
    pub fn mean_latency(&self) -> Duration {
        match u32::try_from(self.successes) {
            Ok(0) => Duration::ZERO,
            Ok(n) => self.latency_sum / n,
            Err(_) => Duration::from_secs_f64(self.latency_sum.as_secs_f64() / self.successes as f64),
        }
    }

    /// Returns successes in percent of successes and failures, or `None` without either.
    #[must_use]
    pub fn success_percent(&self) -> Option<f64> {
        let judged = self.successes + self.failures;
        (judged > 0).then(|| self.successes as f64 * 100.0 / judged as f64)
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn a_success_is_counted_in_less_than_a_cache_line() {
        assert!(offset_of!(Totals, failures) < 64);
    }

    #[test]
    fn counts_each_outcome_once() {
        let totals = Totals::default();
        let now = Duration::from_secs(1);

        totals.record(Outcome::Success, Duration::from_millis(10), 100, now);
        totals.record(Outcome::Failure, Duration::from_millis(1), 5, now);
        totals.record(Outcome::Cancelled, Duration::from_millis(1), 0, now);
        totals.record(Outcome::Success, Duration::from_millis(30), 100, now);

        let view = totals.view();
        assert_eq!((view.requests, view.successes, view.failures, view.cancelled), (4, 2, 1, 1));
        assert_eq!((view.bytes, view.consecutive_failures), (205, 0));
        assert_eq!(view.mean_latency(), Duration::from_millis(20));
        assert_eq!(
            (view.latency_min, view.latency_max),
            (Duration::from_millis(10), Duration::from_millis(30))
        );
        assert_eq!(view.success_percent().unwrap().round(), 67.0);
    }
}
