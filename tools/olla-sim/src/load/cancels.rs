//! Which requests the client leaves, and when: it looks random, and is the same in each run.

use std::time::Duration;

/// Requests that their client leaves before it has the whole answer.
#[derive(Debug, Clone, Copy)]
pub struct Cancels {
    /// Share of the requests, percent.
    pub percent: u8,
    /// Each leaves at some moment within this time from its start. One that is answered sooner is not left.
    pub within: Duration,
}

// === impl Cancels ===

impl Cancels {
    /// Returns how long after its start a connection's request of this number is left, if it is one of those.
    pub(super) fn moment(self, connection: usize, number: u64) -> Option<Duration> {
        let bits = scatter(scatter(connection as u64) ^ number);
        let is_left = bits % 100 < u64::from(self.percent);
        is_left.then(|| self.within.mul_f64((bits >> 32) as f64 / f64::from(u32::MAX)))
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): neighbours get values that have nothing in common.
fn scatter(number: u64) -> u64 {
    let mut bits = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_kept_and_the_moments_are_spread_over_the_time() {
        let cancels = Cancels { percent: 30, within: Duration::from_secs(1) };

        let moments: Vec<_> = (0..10_000).filter_map(|number| cancels.moment(7, number)).collect();

        assert!((2_800..3_200).contains(&moments.len()), "{}", moments.len());
        for quarter in 0..4 {
            let bounds = Duration::from_millis(quarter * 250)..Duration::from_millis((quarter + 1) * 250);
            let share = moments.iter().filter(|moment| bounds.contains(moment)).count() * 100 / moments.len();
            assert!((20..30).contains(&share), "{share} % in quarter {quarter}");
        }
    }

    #[test]
    fn nobody_leaves_at_0_percent_and_everybody_at_100() {
        let left = |percent| {
            let cancels = Cancels { percent, within: Duration::from_secs(1) };
            (0..1_000).filter(|number| cancels.moment(7, *number).is_some()).count()
        };

        assert_eq!((left(0), left(100)), (0, 1_000));
    }
}
