//! The part of an endpoint that changes with every request: atomics, and a cold check-up note.

use std::{
    num::NonZeroU32,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use atomic_waker::AtomicWaker;

use crate::{EjectionRules, Failure, Moment, Outlier, Status, Totals};

/// Live state of one endpoint, shared by everybody who routes to it or checks it.
#[derive(Debug, Default)]
pub struct Live {
    /// A [`Status`], and [`SUSPECT`].
    status: AtomicU8,
    in_flight: AtomicU32,
    /// Position in the rotation of strategies that take turns; see `olla-balancer`.
    turn: AtomicU64,
    totals: Totals,
    outlier: Outlier,
    probe_wanted: AtomicBool,
    probe_waker: AtomicWaker,
    checkup: Mutex<Checkup>,
}

/// Set beside the status when traffic, not a probe, took the endpoint out: the next probe decides.
const SUSPECT: u8 = 0x80;

/// What health checks and discovery have noted about an endpoint. Written a few times a minute.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Checkup {
    /// When the last health check ended.
    pub checked_at: Option<SystemTime>,
    /// When the next health check is due.
    pub next_check: Option<SystemTime>,
    /// How long the last health check took.
    pub check_latency: Option<Duration>,
    /// Failed health checks since the last good one.
    pub failed_checks: u32,
    /// Why the endpoint is not routable, in words, with what to do.
    pub reason: Option<Box<str>>,
    /// When models were last listed successfully.
    pub listed_at: Option<SystemTime>,
    /// Why the last listing failed, in words.
    pub listing_error: Option<Box<str>>,
    /// Whether the first check, and the first listing where one followed, have ended.
    pub settled: bool,
    /// The failed request that ejected the endpoint last.
    pub ejected_for: Option<Failure>,
}

/// Keeps an endpoint's in-flight count raised; dropping it lowers the count.
#[derive(Debug)]
#[must_use = "the request is only counted while this is held"]
pub struct InFlight {
    live: Arc<Live>,
}

// === impl Live ===

impl Live {
    /// Returns the current health.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::from_u8(self.status.load(Relaxed) & !SUSPECT)
    }

    /// Sets the health as a probe found it, and returns what it was.
    pub fn set_status(&self, status: Status) -> Status {
        Status::from_u8(self.status.swap(status as u8, Relaxed) & !SUSPECT)
    }

    /// Takes a routable endpoint out of the rotation after a failed request, and asks for a probe.
    ///
    /// Returns whether this call did it: of many requests that fail together, one does.
    pub fn demote(&self, failure: Failure) -> bool {
        let current = self.status.load(Relaxed);
        let demoted = Status::from_u8(current & !SUSPECT).is_routable()
            && self
                .status
                .compare_exchange(current, Status::Offline as u8 | SUSPECT, Relaxed, Relaxed)
                .is_ok();
        if demoted {
            self.checkup().reason = Some(format!("a request failed: {failure}; checking again").into());
        }
        self.request_probe();
        demoted
    }

    /// Returns whether traffic took the endpoint out and no probe has confirmed it yet.
    #[must_use]
    pub fn is_suspect(&self) -> bool {
        self.status.load(Relaxed) & SUSPECT != 0
    }

    /// Asks whoever checks this endpoint to do it now.
    pub fn request_probe(&self) {
        // SeqCst pairs with `poll_probe_requested`: the flag must be visible before the wake-up.
        self.probe_wanted.store(true, SeqCst);
        self.probe_waker.wake();
    }

    /// Completes when a probe has been asked for since the last completion. One poller at a time.
    pub fn poll_probe_requested(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.probe_waker.register(cx.waker());
        if self.probe_wanted.swap(false, SeqCst) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Returns the number of requests in flight.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// Counts a request as in flight until the guard is dropped.
    pub fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Relaxed);
        InFlight { live: Arc::clone(self) }
    }

    /// Counts a request as in flight unless `limit` are already; workers that race never exceed it.
    pub fn enter_below(self: &Arc<Self>, limit: NonZeroU32) -> Option<InFlight> {
        let room = |count: u32| (count < limit.get()).then_some(count + 1);
        self.in_flight.fetch_update(Relaxed, Relaxed, room).ok()?;
        Some(InFlight { live: Arc::clone(self) })
    }

    /// Returns the rotation position, for strategies that take turns.
    #[must_use]
    pub fn turn(&self) -> &AtomicU64 {
        &self.turn
    }

    /// Returns the counters of finished requests.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Returns what the recent requests say of the endpoint.
    #[must_use]
    pub fn outlier(&self) -> &Outlier {
        &self.outlier
    }

    /// Notes a response that has begun well; it may still break off.
    pub fn response_started(&self, now: Moment) {
        self.outlier.started(now);
    }

    /// Notes a response that has come to its end, and is no failure.
    pub fn response_ended(&self, now: Moment) {
        self.outlier.succeeded(now);
    }

    /// Notes a request that the endpoint has failed; returns for how long that ejects it.
    pub fn request_failed(&self, failure: Failure, now: Moment, rules: &EjectionRules) -> Option<Duration> {
        let pause = self.outlier.failed(now, rules)?;
        self.checkup().ejected_for = Some(failure);
        Some(pause)
    }

    /// Returns the check-up note, locked. Cold: never hold it across an await.
    pub fn checkup(&self) -> MutexGuard<'_, Checkup> {
        self.checkup.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl InFlight ===

impl Drop for InFlight {
    fn drop(&mut self) {
        self.live.in_flight.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_flight_returns_to_zero_when_guards_drop() {
        let live = Arc::new(Live::default());

        let guards: Vec<_> = (0..3).map(|_| live.enter()).collect();
        assert_eq!(live.in_flight(), 3);
        drop(guards);

        assert_eq!(live.in_flight(), 0);
    }

    #[test]
    fn nobody_enters_above_the_limit() {
        let live = Arc::new(Live::default());
        let limit = NonZeroU32::new(2).unwrap();

        let guards: Vec<_> = (0..3).filter_map(|_| live.enter_below(limit)).collect();

        assert_eq!((guards.len(), live.in_flight()), (2, 2));
    }

    #[test]
    fn only_the_first_failure_demotes_and_a_probe_settles_it() {
        let live = Live::default();
        live.set_status(Status::Healthy);

        assert!(live.demote(Failure::Refused));
        assert!(!live.demote(Failure::Refused));
        assert!(live.is_suspect() && live.status() == Status::Offline);
        live.set_status(Status::Healthy);

        assert!(!live.is_suspect() && live.status() == Status::Healthy);
    }

    #[test]
    fn a_demotion_wakes_the_prober_once() {
        let live = Live::default();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        live.set_status(Status::Healthy);

        assert!(live.poll_probe_requested(&mut cx).is_pending());
        live.demote(Failure::HeadTimeout);

        assert!(live.poll_probe_requested(&mut cx).is_ready());
        assert!(live.poll_probe_requested(&mut cx).is_pending());
    }
}
