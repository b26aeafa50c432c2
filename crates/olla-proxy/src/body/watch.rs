//! When a body has taken too long.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use olla_core::{EjectionRules, Failure};
use tokio::time::Instant;

use crate::deadline::Timer;

/// When a body has taken too long. Zero durations mean no limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) stall: Duration,
    /// From the start of the request.
    pub(crate) deadline: Option<Instant>,
    /// When the endpoint is left out for breaking off.
    pub(crate) ejection: EjectionRules,
}

/// Watches for a stall with one lazy timer: it is only armed when there is nothing to forward, and
/// looks at when the waiting began when it fires.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) limits: Limits,
    /// Since when the backend has owed us a frame; a client that does not ask for one is not its fault.
    waiting_since: Option<Instant>,
    timer: Timer,
}

// === impl Watch ===

impl Watch {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, waiting_since: None, timer: Timer::default() }
    }

    pub(super) fn saw_frame(&mut self) {
        self.waiting_since = None;
    }

    /// A backend that never makes us wait is held to the deadline too.
    pub(super) fn is_past_deadline(&self, now: Instant) -> bool {
        self.limits.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Completes when nothing has come for too long.
    pub(super) fn poll_expired(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<Failure> {
        loop {
            let Some((at, failure)) = self.expiry(now) else { return Poll::Pending };
            if self.timer.poll_until(at, cx).is_pending() {
                return Poll::Pending;
            }
            // The clock itself: where time stands still, this might have no end.
            if at <= Instant::now() {
                return Poll::Ready(failure);
            }
        }
    }

    fn expiry(&mut self, now: Instant) -> Option<(Instant, Failure)> {
        let waiting_since = *self.waiting_since.get_or_insert(now);
        let stall =
            if self.limits.stall.is_zero() { None } else { waiting_since.checked_add(self.limits.stall) };
        match (stall, self.limits.deadline) {
            (Some(stall), Some(deadline)) if deadline < stall => Some((deadline, Failure::Deadline)),
            (Some(stall), _) => Some((stall, Failure::Stall)),
            (None, deadline) => deadline.map(|at| (at, Failure::Deadline)),
        }
    }
}
