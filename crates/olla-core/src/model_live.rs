//! The part of a model on an endpoint that changes all the time: whether it is in memory, and counters.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::{Histogram, Moment, Outcome, Totals};

/// Live state of one model on one endpoint; it survives new listings that still hold the model.
#[derive(Debug, Default)]
// What a choice looks at comes first; see `Live`.
#[repr(C)]
pub struct ModelLive {
    /// Until when the backend asked to be spared, in milliseconds, plus one; 0 is not at all.
    aside_until: AtomicU64,
    loaded: AtomicU8,
    totals: Totals,
    /// How long successes took.
    latencies: Histogram,
    /// By the size of the prompt, and by how many requests the endpoint had.
    starts: [[Starts; CROWDS]; PROMPT_SIZES.len() + 1],
    residency: Mutex<Option<Residency>>,
}

/// How long streams took to begin.
#[derive(Debug, Default)]
struct Starts {
    /// The slowest of late, milliseconds; it fades with each quicker one.
    slowest: AtomicU64,
    count: AtomicU32,
}

/// What a backend tells of a model that it holds in memory. Unknown facts stay `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Residency {
    /// Bytes of graphics memory it takes.
    pub vram_bytes: Option<u64>,
    /// Bytes it takes in all.
    pub size_bytes: Option<u64>,
    /// When it will be unloaded, as reported: RFC 3339.
    pub expires: Option<Box<str>>,
    /// The context it was loaded with, tokens.
    pub context_length: Option<u64>,
}

/// Prompts of fewer bytes than this, and of no fewer than the one before, take about as long.
const PROMPT_SIZES: [u64; 5] = [4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20];
/// One request, two, up to four, up to eight, up to sixteen, and more: a backend that serves one at a time keeps
/// the others waiting.
const CROWDS: usize = 6;
/// With each quicker start, the slowest loses this part.
const FADING: u64 = 32;
/// Starts that must be known before anything is expected of the next.
const ENOUGH_STARTS: u32 = 10;

const UNKNOWN: u8 = 0;
const COLD: u8 = 1;
const LOADED: u8 = 2;

// === impl ModelLive ===

impl ModelLive {
    /// Returns the counters of finished requests.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Returns how long successes took.
    #[must_use]
    pub fn latencies(&self) -> &Histogram {
        &self.latencies
    }

    /// Counts one request that has finished so long after the beginning of 1970.
    pub fn record(&self, outcome: Outcome, latency: Duration, bytes: u64, since_1970: Duration) {
        self.totals.record(outcome, latency, bytes, since_1970);
        if outcome == Outcome::Success {
            self.latencies.record(latency);
        }
    }

    /// Returns whether the backend holds the model in memory; `None` where it does not tell.
    #[must_use]
    pub fn loaded(&self) -> Option<bool> {
        match self.loaded.load(Relaxed) {
            LOADED => Some(true),
            COLD => Some(false),
            _ => None,
        }
    }

    /// Returns whether a request would have to wait until the model is loaded, as far as is known.
    #[must_use]
    pub fn is_cold(&self) -> bool {
        self.loaded.load(Relaxed) == COLD
    }

    /// Notes that the model is in memory.
    pub fn set_loaded(&self, residency: Residency) {
        *self.lock() = Some(residency);
        self.loaded.store(LOADED, Relaxed);
    }

    /// Notes that the model is not in memory.
    pub fn set_cold(&self) {
        *self.lock() = None;
        self.loaded.store(COLD, Relaxed);
    }

    /// Notes that nobody knows.
    pub fn forget_residency(&self) {
        *self.lock() = None;
        self.loaded.store(UNKNOWN, Relaxed);
    }

    /// Notes that the model has just answered: what was cold is loaded now. Hot: takes no lock.
    pub fn has_answered(&self) {
        if self.is_cold() {
            self.loaded.store(LOADED, Relaxed);
        }
    }

    /// Returns what the backend tells of the loaded model; `None` unless it is loaded.
    #[must_use]
    pub fn residency(&self) -> Option<Residency> {
        (self.loaded() == Some(true)).then(|| self.lock().clone().unwrap_or_default())
    }

    /// Spares the model until `until`: the backend has said that it is rate-limited.
    pub fn set_aside(&self, until: Moment) {
        self.aside_until.fetch_max(until.as_millis().saturating_add(1), Relaxed);
    }

    /// Ends that: the backend has answered after all.
    pub fn take_back(&self) {
        if self.aside_until.load(Relaxed) != 0 {
            self.aside_until.store(0, Relaxed);
        }
    }

    /// Returns until when the model is spared, if it still is.
    #[must_use]
    pub fn aside_until(&self, now: Moment) -> Option<Moment> {
        let until = self.aside_until.load(Relaxed).checked_sub(1).map(Moment::from_millis)?;
        (until > now).then_some(until)
    }

    /// Learns how long a stream took from the request to its first output, while the model was loaded and the
    /// endpoint had so many requests, this one included.
    pub fn has_started(&self, prompt_bytes: u64, in_flight: u32, after: Duration) {
        let starts = self.starts.get(size_class(prompt_bytes));
        let Some(starts) = starts.and_then(|starts| starts.get(crowd(in_flight))) else { return };
        let millis = u64::try_from(after.as_millis()).unwrap_or(u64::MAX).max(1);
        let slowest = starts.slowest.load(Relaxed);
        // A race loses one sample of many.
        starts.slowest.store(millis.max(slowest - slowest / FADING), Relaxed);
        starts.count.fetch_add(1, Relaxed);
    }

    /// Returns the slowest start of late with prompts of about this size while the endpoint had about as many
    /// requests, or more, once enough are known.
    #[must_use]
    pub fn slowest_start(&self, prompt_bytes: u64, in_flight: u32) -> Option<Duration> {
        let starts = self.starts.get(size_class(prompt_bytes))?.get(crowd(in_flight)..)?;
        let known = starts.iter().find(|starts| starts.count.load(Relaxed) >= ENOUGH_STARTS)?;
        Some(Duration::from_millis(known.slowest.load(Relaxed)))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Residency>> {
        self.residency.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn crowd(in_flight: u32) -> usize {
    let doublings = in_flight.clamp(1, 1 << CROWDS).next_power_of_two().trailing_zeros() as usize;
    doublings.min(CROWDS - 1)
}

fn size_class(prompt_bytes: u64) -> usize {
    PROMPT_SIZES.iter().take_while(|limit| prompt_bytes >= **limit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_spared_until_the_latest_moment_that_was_named() {
        let live = ModelLive::default();
        let at = Moment::from_millis;
        assert_eq!(live.aside_until(at(0)), None);

        live.set_aside(at(2000));
        live.set_aside(at(1000));

        assert_eq!((live.aside_until(at(1999)), live.aside_until(at(2000))), (Some(at(2000)), None));
        live.take_back();
        assert_eq!(live.aside_until(at(0)), None);
    }

    #[test]
    fn the_slowest_start_is_known_after_ten_and_fades() {
        let live = ModelLive::default();
        let start = |millis| live.has_started(100, 1, Duration::from_millis(millis));

        start(800);
        (0..8).for_each(|_| start(10));
        assert_eq!(live.slowest_start(100, 1), None);
        start(10);
        assert!(live.slowest_start(100, 1).unwrap() > Duration::from_millis(500));
        assert_eq!(live.slowest_start(1 << 30, 1), None, "nothing is known of such prompts");
        (0..500).for_each(|_| start(10));

        assert!(live.slowest_start(4095, 1).unwrap() < Duration::from_millis(40));
    }

    #[test]
    fn a_start_in_a_crowd_tells_of_smaller_crowds_and_not_of_larger_ones() {
        let live = ModelLive::default();
        let start = |in_flight, millis| {
            (0..10).for_each(|_| live.has_started(0, in_flight, Duration::from_millis(millis)));
        };

        start(1, 10);
        assert_eq!(live.slowest_start(0, 2), None, "it may have to wait for the one before");
        start(7, 900);

        let known = |in_flight| live.slowest_start(0, in_flight).map(|slowest| slowest.as_millis());
        assert_eq!([known(1), known(2), known(8), known(9)], [Some(10), Some(900), Some(900), None]);
        assert_eq!([0, 1, 2, 3, 4, 5, 16, 17, u32::MAX].map(crowd), [0, 0, 1, 2, 2, 3, 4, 5, 5]);
    }

    #[test]
    fn an_answer_warms_a_cold_model_and_tells_nothing_of_an_unknown_one() {
        let (cold, unknown) = (ModelLive::default(), ModelLive::default());
        cold.set_cold();

        cold.has_answered();
        unknown.has_answered();

        assert_eq!((cold.loaded(), unknown.loaded()), (Some(true), None));
        assert_eq!((cold.residency(), unknown.residency()), (Some(Residency::default()), None));
    }
}
