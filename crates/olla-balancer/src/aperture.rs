//! Where a worker looks for an idle one among many candidates that are alike.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use olla_core::Moment;

use crate::Candidate;

/// The part of many candidates that a worker goes through, one after the other, for a moment.
///
/// To which of many idle endpoints a request goes is the same to the client, but not to the machine: what an endpoint and
/// its connections have in the processor's caches is still there if they were used a moment ago, and a worker that uses
/// all of 200 endpoints finds it gone each time. So each worker goes round a stretch of them, as wide as what it has to do
/// asks for, and goes on to another soon. That helps where answers take milliseconds; where they take seconds, each
/// endpoint is used once at most before the worker goes on, or so much is in flight that the stretch is all of them.
///
/// It goes round and does not draw: whom it comes to is the one of these that it used longest ago, and so most likely to be
/// idle.
///
/// The stretches of several workers, and those of one worker one after the other, begin a golden ratio of the whole apart,
/// which spreads any number of them evenly (the three-distance theorem; Sós, 1958). That alone makes endpoints equal in the
/// long run. That a client of many servers does best to use only some of them at a time is known from Twitter's Finagle as
/// *aperture*; there it does not move.
#[derive(Debug)]
pub struct Aperture {
    worker: usize,
    /// How far into the stretch the last one was.
    place: AtomicUsize,
}

/// How long a worker stays with one stretch, milliseconds: long enough to use each of it several times where a request
/// takes some milliseconds, and so short that all have been used within seconds.
const STAY_MILLIS: u64 = 128;

/// Candidates for each request in flight: whoever is next is then idle though some requests take twice as long as others.
/// With more, less is found in the caches again.
const WIDTH_PER_REQUEST: usize = 2;

/// Candidates at least.
const MIN_WIDTH: usize = 8;

/// How many are looked at for one that is free; more would take time for nothing where nobody is.
const LOOKS: usize = 3;

/// The fraction of the golden ratio, in units of 2⁻⁶⁴.
const GOLDEN_RATIO: u64 = 0x9E37_79B9_7F4A_7C15;

// === impl Aperture ===

impl Aperture {
    /// Creates that of a worker. Workers are numbered one after the other, from any number on.
    #[must_use]
    pub const fn new(worker: usize) -> Self {
        Self { worker, place: AtomicUsize::new(0) }
    }

    /// Returns the first of the next few of `total` candidates that is [free](Candidate::is_free), now that the worker has
    /// so many requests in flight. `candidate` returns the one at a position.
    pub fn free<'f>(
        &self,
        (total, in_flight): (usize, usize),
        now: Moment,
        candidate: impl Fn(usize) -> Option<Candidate<'f>>,
    ) -> Option<Candidate<'f>> {
        // With more in flight than there are candidates, hardly any is.
        if in_flight > total {
            return None;
        }
        let mut next = (0..LOOKS).filter_map(|_| candidate(self.next(total, in_flight, now)));
        next.find(|next| next.is_free(now))
    }

    /// Returns the position of the next of `total` candidates, or 0 where there are none.
    fn next(&self, total: usize, in_flight: usize, now: Moment) -> usize {
        let width = in_flight.saturating_mul(WIDTH_PER_REQUEST).max(MIN_WIDTH).min(total);
        // A worker is one thread; where several share one, they may come to the same candidate.
        let place = self.place.load(Relaxed);
        self.place.store(if place + 1 < width { place + 1 } else { 0 }, Relaxed);
        let step = (now.as_millis() / STAY_MILLIS).wrapping_add(self.worker as u64);
        // A fraction of the whole in units of 2⁻⁶⁴.
        let start = u128::from(step.wrapping_mul(GOLDEN_RATIO));
        // Less than `total`.
        let start = ((start * total as u128) >> 64) as usize;
        (start + place).checked_rem(total).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Returns whom a worker with so many requests in flight comes to in two rounds or more.
    fn seen(aperture: &Aperture, in_flight: usize, millis: u64) -> BTreeSet<usize> {
        (0..800).map(|_| aperture.next(200, in_flight, Moment::from_millis(millis))).collect()
    }

    #[test]
    fn it_is_as_wide_as_the_requests_in_flight_ask_for() {
        for (in_flight, width) in [(0, 8), (1, 8), (4, 8), (5, 10), (99, 198), (100, 200), (200, 200)] {
            assert_eq!(seen(&Aperture::new(3), in_flight, 12_345).len(), width, "{in_flight}");
        }
    }

    #[test]
    fn nobody_comes_again_before_all_others() {
        let aperture = Aperture::new(3);
        for in_flight in [1, 10, 100, 150] {
            let width = seen(&aperture, in_flight, 0).len();
            let next = || aperture.next(200, in_flight, Moment::default());
            let round: Vec<_> = (0..width).map(|_| next()).collect();
            assert!((0..width).map(|_| next()).eq(round.iter().copied()), "{in_flight}");
            assert_eq!(round.into_iter().collect::<BTreeSet<_>>().len(), width, "{in_flight}");
        }
    }

    #[test]
    fn any_number_of_candidates_will_do() {
        let aperture = Aperture::new(3);
        for total in 1..300 {
            for step in 0..20 {
                assert!(aperture.next(total, step, Moment::from_millis(step as u64 * STAY_MILLIS)) < total);
            }
        }
        assert_eq!(aperture.next(0, 1, Moment::default()), 0);
    }

    #[test]
    fn workers_look_elsewhere_and_go_on_together() {
        let seen = |worker, millis| seen(&Aperture::new(worker), 8, millis);

        assert_eq!(seen(0, 0), seen(0, STAY_MILLIS - 1));
        assert_eq!(seen(0, STAY_MILLIS), seen(1, 0));
        let all: BTreeSet<_> = (0..8).flat_map(|worker| seen(worker, 0)).collect();
        assert_eq!(all.len(), 8 * 16, "no two of eight workers with sixteen each meet");
    }
}
