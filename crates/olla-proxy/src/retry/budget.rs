//! How many retries there may be: an outage must not multiply the requests of those who are still well.

use olla_core::{Moment, Window};

/// Allows retries in proportion to requests, over the last ten seconds and all endpoints.
#[derive(Debug, Default)]
// All workers write to it, and look at what stands beside it.
#[repr(align(128))]
pub(crate) struct Budget {
    /// Requests and retries.
    window: Window,
    percent: u32,
}

/// Retries that are always allowed within the window: a few users cause no storm.
const FLOOR: u64 = 100;

// === impl Budget ===

impl Budget {
    /// Allows retries for this share of the requests; 100 or more allows each of them one.
    pub(crate) fn new(percent: u32) -> Self {
        Self { window: Window::default(), percent }
    }

    /// Notes a request.
    pub(crate) fn deposit(&self, now: Moment) {
        self.window.count_first(now);
    }

    /// Returns whether there is a retry left.
    pub(crate) fn has_some(&self, now: Moment) -> bool {
        let (requests, retries) = self.window.recent(now, Window::SECONDS);
        let allowed = FLOOR + u64::from(requests) * u64::from(self.percent) / 100;
        u64::from(retries) < allowed
    }

    /// Takes a retry from the budget, if there is one left.
    pub(crate) fn withdraw(&self, now: Moment) -> bool {
        let granted = self.has_some(now);
        if granted {
            self.window.count_second(now);
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_a_share_of_requests_above_a_floor() {
        let (budget, now) = (Budget::new(20), Moment::from_millis(5));
        for _ in 0..1000 {
            budget.deposit(now);
        }

        let granted = (0..1000).filter(|_| budget.withdraw(now)).count();

        assert_eq!(granted, 100 + 200);
    }

    #[test]
    fn the_budget_fills_up_again() {
        let budget = Budget::new(20);
        while budget.withdraw(Moment::from_millis(0)) {}

        assert!(!budget.withdraw(Moment::from_millis(9_999)));
        assert!(budget.withdraw(Moment::from_millis(10_000)));
    }
}
