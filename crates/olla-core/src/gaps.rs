//! What an endpoint was found not to have, although servers of its kind do.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::Moment;

/// What an endpoint has and has not, as its answers tell. What is meant by each number is for the caller to say.
#[derive(Debug, Default)]
pub struct Gaps {
    /// [`UNKNOWN`], [`THERE`], or until when it counts as missing, in milliseconds, plus one.
    seen: [AtomicU64; Gaps::MOST],
}

const UNKNOWN: u64 = 0;
const THERE: u64 = u64::MAX;
/// A server may have been replaced by one that has it, without a sign.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

// === impl Gaps ===

impl Gaps {
    /// How many things can be told apart; numbers beyond are never missing.
    pub const MOST: usize = 8;

    /// Notes that the endpoint has it.
    pub fn found(&self, number: usize) {
        // Stored only when it changes: all workers share it.
        if let Some(seen) = self.seen.get(number)
            && seen.load(Relaxed) != THERE
        {
            seen.store(THERE, Relaxed);
        }
    }

    /// Notes that the endpoint does not have it, for ten minutes. Returns whether that is new; what has been found
    /// is not missing, whatever a single answer says.
    pub fn missed(&self, number: usize, now: Moment) -> bool {
        let Some(seen) = self.seen.get(number) else { return false };
        let known = seen.load(Relaxed);
        let until = now.after(FORGOTTEN_AFTER).as_millis() + 1;
        known != THERE && seen.compare_exchange(known, until, Relaxed, Relaxed).is_ok()
    }

    /// Returns whether the endpoint is known not to have it. The clock is read only where that depends on it.
    pub fn has(&self, number: usize, now: impl FnOnce() -> Moment) -> bool {
        match self.seen.get(number).map(|seen| seen.load(Relaxed)) {
            None | Some(UNKNOWN | THERE) => false,
            Some(until) => now() < Moment::from_millis(until - 1),
        }
    }

    /// Forgets everything: the endpoint may be another server now.
    pub(crate) fn forget(&self) {
        for seen in &self.seen {
            seen.store(UNKNOWN, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_so_for_ten_minutes() {
        let gaps = Gaps::default();
        let at = |seconds: u64| move || Moment::from_millis(seconds * 1000);
        assert!(!gaps.has(2, at(0)));

        assert!(gaps.missed(2, at(5)()));

        assert!(gaps.has(2, at(604)) && !gaps.has(1, at(5)));
        assert!(!gaps.has(2, at(605)));
    }

    #[test]
    fn what_has_been_found_is_not_missing() {
        let gaps = Gaps::default();
        gaps.found(0);

        assert!(!gaps.missed(0, Moment::default()) && !gaps.has(0, Moment::default));
        gaps.forget();

        assert!(gaps.missed(0, Moment::default()) && gaps.has(0, Moment::default));
    }

    #[test]
    fn numbers_beyond_are_never_missing() {
        let gaps = Gaps::default();

        assert!(!gaps.missed(Gaps::MOST, Moment::default()) && !gaps.has(Gaps::MOST, Moment::default));
    }
}
