//! Where a worker looks for an idle one among many candidates that are alike.

use olla_core::Moment;
use smallvec::SmallVec;

use crate::sample;

/// The part of many candidates that a worker draws from for a moment.
///
/// To which of many idle endpoints a request goes is the same to the client, but not to the machine: what an endpoint and
/// its connections have in the processor's caches is still there if they were used a moment ago, and a worker that draws
/// from all of 200 endpoints finds it gone each time. So each worker draws from a stretch of them, as wide as what it
/// has to do asks for, and goes on to another soon. That helps where answers take milliseconds; where they take seconds,
/// each endpoint is used once at most before the worker goes on, or so much is in flight that the stretch is all of them.
///
/// The stretches of several workers, and those of one worker one after the other, begin a golden ratio of the whole apart,
/// which spreads any number of them evenly (the three-distance theorem; Sós, 1958). That alone makes endpoints equal in the
/// long run: turns make up for no stretch, because who was not in it counts as absent. That a client of many servers does
/// best to use only some of them at a time is known from Twitter's Finagle as *aperture*; there it does not move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aperture {
    /// Where it begins, as a fraction of the whole in units of 2⁻⁶⁴.
    start: u64,
    width: usize,
}

/// How long a worker stays with one stretch, milliseconds: long enough to use each of it several times where a request
/// takes some milliseconds, and so short that all have been used within seconds.
const STAY_MILLIS: u64 = 128;

/// Candidates for each request in flight: if all of these are in here, one of three that are drawn is idle seven times of
/// eight. With twice as many, less is found in the caches again.
const WIDTH_PER_REQUEST: usize = 2;

/// Candidates at least.
const MIN_WIDTH: usize = 8;

/// The fraction of the golden ratio, in units of 2⁻⁶⁴.
const GOLDEN_RATIO: u64 = 0x9E37_79B9_7F4A_7C15;

// === impl Aperture ===

impl Aperture {
    /// Returns where a worker looks now that it has so many requests in flight. Workers are numbered one after the other,
    /// from any number on.
    #[must_use]
    pub fn of(worker: usize, in_flight: usize, now: Moment) -> Self {
        let step = (now.as_millis() / STAY_MILLIS).wrapping_add(worker as u64);
        let width = in_flight.saturating_mul(WIDTH_PER_REQUEST).max(MIN_WIDTH);
        Self { start: step.wrapping_mul(GOLDEN_RATIO), width }
    }

    /// Draws `count` of `total` positions, each at most once, as [`sample`] does, but of those in here. Where there are
    /// not more than in here, of all.
    // alloc: none for up to eight.
    #[must_use]
    pub fn sample(self, count: usize, total: usize) -> SmallVec<[usize; 8]> {
        let width = self.width.max(count);
        if width >= total {
            return sample(count, total);
        }
        // Less than `total`: a fraction of it.
        let start = ((u128::from(self.start) * total as u128) >> 64) as usize;
        let mut drawn = sample(count, width);
        for position in &mut drawn {
            *position = (*position + start) % total;
        }
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(aperture: Aperture, total: usize) -> SmallVec<[usize; 8]> {
        let mut drawn = aperture.sample(3, total);
        drawn.sort_unstable();
        drawn.dedup();
        drawn
    }

    #[test]
    fn three_are_drawn_of_any_number_wherever_it_begins() {
        for total in 0..300 {
            for step in 0..20 {
                let drawn = drawn(Aperture::of(step, 1, Moment::default()), total);
                assert_eq!(drawn.len(), total.min(3), "{total}");
                assert!(drawn.iter().all(|position| *position < total));
            }
        }
    }

    #[test]
    fn it_is_as_wide_as_the_requests_in_flight_ask_for() {
        for (in_flight, width) in [(0, 8), (1, 8), (4, 8), (5, 10), (99, 198), (100, 200), (1000, 200)] {
            let aperture = Aperture::of(3, in_flight, Moment::from_millis(12_345));
            let seen: std::collections::BTreeSet<_> =
                (0..10_000).flat_map(|_| aperture.sample(3, 200)).collect();
            assert_eq!(seen.len(), width, "{in_flight}");
        }
    }

    #[test]
    fn workers_look_elsewhere_and_go_on_together() {
        let of = |worker, millis| Aperture::of(worker, 8, Moment::from_millis(millis));
        let seen = |aperture: Aperture| (0..1000).flat_map(move |_| aperture.sample(3, 200));

        assert_eq!(of(0, 0), of(0, STAY_MILLIS - 1));
        assert_eq!(of(0, STAY_MILLIS), of(1, 0));
        let all: Vec<std::collections::BTreeSet<_>> =
            (0..8).map(|worker| seen(of(worker, 0)).collect()).collect();
        let union: std::collections::BTreeSet<_> = all.iter().flatten().collect();
        assert_eq!(union.len(), 8 * 16, "no two of eight workers with sixteen each meet");
    }
}
