//! Counts durations in logarithmic buckets: constant memory, no sorting, errors below 1 percent.

use std::time::Duration;

use serde::Serialize;

/// Buckets per power of two.
const SUB: usize = 128;
const SUB_BITS: u32 = SUB.trailing_zeros();

/// Quantiles in milliseconds; all 0 if nothing was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// Half are faster.
    pub p50: f64,
    /// 90 in 100 are faster.
    pub p90: f64,
    /// 99 in 100 are faster.
    pub p99: f64,
    /// 999 in 1,000 are faster.
    pub p999: f64,
    /// The slowest.
    pub max: f64,
    /// The mean.
    pub mean: f64,
}

#[derive(Debug, Default)]
pub(super) struct Histogram {
    /// Grown on demand.
    counts: Vec<u64>,
    total: u64,
    sum: Duration,
    max: Duration,
}

impl Histogram {
    pub(super) fn record(&mut self, time: Duration) {
        let index = bucket(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        if index >= self.counts.len() {
            self.counts.resize(index + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(index) {
            *count += 1;
        }
        self.total += 1;
        self.sum += time;
        self.max = self.max.max(time);
    }

    pub(super) fn add(&mut self, other: &Histogram) {
        if other.counts.len() > self.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }

    pub(super) fn quantiles(&self) -> Quantiles {
        if self.total == 0 {
            return Quantiles::default();
        }
        Quantiles {
            p50: self.quantile(0.5),
            p90: self.quantile(0.9),
            p99: self.quantile(0.99),
            p999: self.quantile(0.999),
            max: self.max.as_secs_f64() * 1e3,
            mean: self.sum.as_secs_f64() * 1e3 / self.total as f64,
        }
    }

    fn quantile(&self, share: f64) -> f64 {
        let rank = (share * self.total as f64).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return middle(index) / 1e6;
            }
        }
        self.max.as_secs_f64() * 1e3
    }
}

/// Small values have a bucket each; above, the leading bits choose it.
fn bucket(nanos: u64) -> usize {
    if nanos < SUB as u64 {
        return nanos as usize;
    }
    let shift = nanos.ilog2() - SUB_BITS;
    let leading = (nanos >> shift) as usize - SUB;
    (shift as usize + 1) * SUB + leading
}

/// The middle of a bucket in nanoseconds.
fn middle(index: usize) -> f64 {
    if index < SUB {
        return index as f64;
    }
    let shift = (index / SUB - 1) as i32;
    ((SUB + index % SUB) as f64 + 0.5) * 2f64.powi(shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_value_within_one_percent() {
        for nanos in [0, 1, 127, 128, 129, 255, 256, 1_000, 123_456_789, 60_000_000_000, u64::MAX] {
            let middle = middle(bucket(nanos));
            assert!((middle - nanos as f64).abs() <= nanos as f64 * 0.01, "{nanos} became {middle}");
        }
    }

    #[test]
    fn quantiles_of_merged_counts_are_those_of_all_values() {
        let (mut low, mut high) = (Histogram::default(), Histogram::default());
        (1..=500).for_each(|ms| low.record(Duration::from_millis(ms)));
        (501..=1000).for_each(|ms| high.record(Duration::from_millis(ms)));

        low.add(&high);

        let q = low.quantiles();
        assert!((q.p50 - 500.0).abs() < 5.0 && (q.p99 - 990.0).abs() < 10.0, "{q:?}");
        assert!((q.max - 1000.0).abs() < 1e-9 && (q.mean - 500.5).abs() < 1e-6, "{q:?}");
    }
}
