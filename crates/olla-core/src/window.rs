//! Two counts over the last ten seconds, without a lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::Moment;

/// Counts two kinds of events and forgets what is older than [`Window::SECONDS`]. Relaxed throughout: a reader
/// may miss an event that is being counted.
#[derive(Debug, Default)]
pub struct Window {
    /// One for each second, in turn: the second (upper half), and 16 bits for each kind.
    seconds: [AtomicU64; Self::LEN],
}

const FIRST: u64 = 1 << 16;
const SECOND: u64 = 1;
const MAX: u64 = 0xffff;
const COUNTS: u64 = 0xffff_ffff;

// === impl Window ===

impl Window {
    const LEN: usize = 10;
    /// How long events count: this second and the nine before it.
    pub const SECONDS: u32 = Self::LEN as u32;

    /// Counts an event of the first kind.
    pub fn count_first(&self, now: Moment) {
        self.count(now, FIRST);
    }

    /// Counts an event of the second kind.
    pub fn count_second(&self, now: Moment) {
        self.count(now, SECOND);
    }

    /// Returns both counts over the last `seconds`, the current one included.
    #[must_use]
    pub fn recent(&self, now: Moment, seconds: u32) -> (u32, u32) {
        let (current, _) = self.slot(now);
        let mut sums = (0, 0);
        for slot in &self.seconds {
            let seen = slot.load(Relaxed);
            let age = current.wrapping_sub(seen >> 32) & COUNTS;
            if age < u64::from(seconds) {
                sums.0 += ((seen & COUNTS) >> 16) as u32;
                sums.1 += (seen & MAX) as u32;
            }
        }
        sums
    }

    /// Forgets everything.
    pub fn clear(&self) {
        for second in &self.seconds {
            second.store(0, Relaxed);
        }
    }

    fn count(&self, now: Moment, one: u64) {
        let (second, slot) = self.slot(now);
        let mut seen = slot.load(Relaxed);
        loop {
            let counts = if seen >> 32 == second { seen & COUNTS } else { 0 };
            let full = (counts >> 16) & MAX == MAX || counts & MAX == MAX;
            let next = second << 32 | if full { halved(counts) + one } else { counts + one };
            match slot.compare_exchange_weak(seen, next, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(other) => seen = other,
            }
        }
    }

    /// Returns the number of the current second and its slot.
    #[expect(clippy::indexing_slicing, reason = "a remainder is smaller than the length")]
    fn slot(&self, now: Moment) -> (u64, &AtomicU64) {
        // Ahead of time, so that an empty slot belongs to no second that is asked for.
        let second = (now.as_millis() / 1000 + Self::LEN as u64 + 1) & COUNTS;
        (second, &self.seconds[(second % Self::LEN as u64) as usize])
    }
}

/// Keeps the proportion of a second that has seen more than fits.
fn halved(counts: u64) -> u64 {
    ((counts >> 17) << 16) | ((counts & MAX) >> 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_count_for_ten_seconds() {
        let window = Window::default();
        window.count_first(Moment::from_millis(500));
        window.count_second(Moment::from_millis(1500));

        assert_eq!(window.recent(Moment::from_millis(1500), 10), (1, 1));
        assert_eq!(window.recent(Moment::from_millis(1500), 1), (0, 1));
        assert_eq!(window.recent(Moment::from_millis(9999), 10), (1, 1));
        assert_eq!(window.recent(Moment::from_millis(10_000), 10), (0, 1));
        assert_eq!(Window::default().recent(Moment::from_millis(0), 10), (0, 0));
    }

    #[test]
    fn a_second_that_is_full_keeps_its_proportion() {
        let window = Window::default();
        for _ in 0..100_000 {
            window.count_first(Moment::from_millis(0));
            window.count_second(Moment::from_millis(0));
        }

        let (first, second) = window.recent(Moment::from_millis(0), 10);

        assert!(first > 20_000 && first.abs_diff(second) <= 1, "{first} {second}");
    }
}
