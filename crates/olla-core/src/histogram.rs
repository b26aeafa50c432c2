//! A lock-free latency histogram with fixed buckets.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Sub-buckets per power of two: a reported value is at most 12.5 % above the real one.
const SUB_BITS: u32 = 3;
const SUB: usize = 1 << SUB_BITS;
/// Microsecond values up to 2^36 (19 hours); larger ones fall into the last bucket.
const BUCKETS: usize = (36 - SUB_BITS as usize + 1) * SUB;

/// Counts durations in log-linear buckets of microseconds.
#[derive(Debug)]
pub struct Histogram {
    // In place: who counts need not look up first where they are.
    buckets: [AtomicU64; BUCKETS],
}

// === impl Histogram ===

impl Histogram {
    /// Creates an empty histogram.
    #[must_use]
    pub const fn new() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; BUCKETS] }
    }

    /// Counts one duration.
    pub fn record(&self, value: Duration) {
        let micros = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get(bucket_of(micros)) {
            bucket.fetch_add(1, Relaxed);
        }
    }

    /// Adds this histogram's counts to `counts`, so that several can be read as one.
    pub fn add_to(&self, counts: &mut Vec<u64>) {
        counts.resize(BUCKETS, 0);
        for (sum, bucket) in counts.iter_mut().zip(&self.buckets) {
            *sum += bucket.load(Relaxed);
        }
    }

    /// Returns the duration that `percent` of the counted ones do not exceed, or zero when there is none.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Duration {
        let mut counts = Vec::new();
        self.add_to(&mut counts);
        Self::percentile_of(&counts, percent)
    }

    /// As [`Histogram::percentile`], over counts collected with [`Histogram::add_to`].
    #[must_use]
    pub fn percentile_of(counts: &[u64], percent: f64) -> Duration {
        let total: u64 = counts.iter().sum();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            clippy::cast_possible_truncation,
            reason = "a rank"
        )]
        let rank = ((total as f64) * percent / 100.0).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_micros(upper_bound(bucket));
            }
        }
        Duration::ZERO
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

fn bucket_of(micros: u64) -> usize {
    if micros < SUB as u64 {
        return micros as usize;
    }
    let exponent = 63 - micros.leading_zeros();
    let sub = (micros >> (exponent - SUB_BITS)) as usize & (SUB - 1);
    (((exponent - SUB_BITS + 1) as usize) * SUB + sub).min(BUCKETS - 1)
}

fn upper_bound(bucket: usize) -> u64 {
    if bucket < SUB {
        return bucket as u64;
    }
    let shift = (bucket / SUB - 1) as u32;
    (((SUB + bucket % SUB + 1) as u64) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_empty_at_first() {
        assert_eq!(Histogram::new().percentile(99.0), Duration::ZERO);
    }

    #[test]
    fn finds_percentiles() {
        let histogram = Histogram::new();
        for ms in 1..=100 {
            histogram.record(Duration::from_millis(ms));
        }

        let p50 = histogram.percentile(50.0).as_micros();
        assert!((50_000..57_000).contains(&p50), "{p50}");
        let p99 = histogram.percentile(99.0).as_micros();
        assert!((99_000..112_000).contains(&p99), "{p99}");
    }

    proptest::proptest! {
        #[test]
        fn a_value_lies_within_its_bucket(micros in 0u64..(1 << 36)) {
            let bound = upper_bound(bucket_of(micros));
            proptest::prop_assert!(bound >= micros);
            proptest::prop_assert!(bound <= micros + micros / 8 + 1);
        }
    }
}
