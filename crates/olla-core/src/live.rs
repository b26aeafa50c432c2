//! The part of an endpoint that changes with every request: atomics, and a cold check-up note.

use std::{
    num::NonZeroU32,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use atomic_waker::AtomicWaker;

use crate::{EjectionRules, Failure, Gaps, Moment, Outlier, Status, Totals, Version, slots::Slots};

/// Live state of one endpoint, shared by everybody who routes to it or checks it.
#[derive(Debug, Default)]
// What each choice among endpoints looks at comes first, and is one cache line: it looks at several endpoints, of which
// others may be further away than the one that is chosen.
#[repr(C, align(64))]
pub struct Live {
    /// Position in the rotation of strategies that take turns; see `olla-balancer`.
    turn: AtomicU64,
    /// A [`Status`], and [`SUSPECT`].
    status: AtomicU8,
    /// Whether an operator keeps new requests away.
    draining: AtomicBool,
    slots: Slots,
    outlier: Outlier,
    totals: Totals,
    gaps: Gaps,
    /// A packed [`Version`]; zero: unknown.
    version: AtomicU64,
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
    is_counted: bool,
}

// === impl Live ===

impl Live {
    /// Creates the live state of an endpoint that takes at most so many requests at a time.
    #[must_use]
    pub fn new(max_concurrent: Option<NonZeroU32>) -> Self {
        Self { slots: Slots::new(max_concurrent), ..Self::default() }
    }

    /// Returns the current health.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::from_u8(self.status.load(Relaxed) & !SUSPECT)
    }

    /// Sets the health as a probe found it, and returns what it was.
    pub fn set_status(&self, status: Status) -> Status {
        let before = Status::from_u8(self.status.swap(status as u8, Relaxed) & !SUSPECT);
        if status.is_routable() {
            if !before.is_routable() {
                self.gaps.forget();
            }
            self.serve_line();
        }
        before
    }

    /// Keeps new requests away, whatever the health, until [`resume`](Self::resume). Those in flight go on.
    /// Returns whether that is new.
    pub fn drain(&self) -> bool {
        !self.draining.swap(true, Relaxed)
    }

    /// Ends [`drain`](Self::drain). Returns whether that is new.
    pub fn resume(&self) -> bool {
        let was_draining = self.draining.swap(false, Relaxed);
        self.serve_line();
        was_draining
    }

    /// Returns whether an operator keeps new requests away.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// Returns whether requests may be sent here: it passes its health checks, and nobody drains it.
    #[must_use]
    pub fn is_routable(&self) -> bool {
        self.status().is_routable() && !self.is_draining()
    }

    /// Returns whether new requests go here as a matter of course: it is routable and not ejected.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_routable() && !self.outlier.is_ejected()
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

    /// Notes the version that the server reports; `None`: it does not tell.
    pub fn set_version(&self, version: Option<Version>) {
        let packed = version.map_or(0, Version::packed);
        if self.version.swap(packed, Relaxed) != packed {
            self.gaps.forget();
        }
    }

    /// Returns the version that the server reports, if it does.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        Some(self.version.load(Relaxed)).filter(|packed| *packed > 0).map(Version::from_packed)
    }

    /// Returns what the endpoint was found not to have. Forgotten when it comes back or reports another version.
    #[must_use]
    pub fn gaps(&self) -> &Gaps {
        &self.gaps
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
        self.slots.taken()
    }

    /// Returns how many requests wait for one in flight to end; one that would go to several endpoints waits at
    /// each.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.slots.waiting()
    }

    /// Returns whether there is no room for a newcomer: as many requests are in flight as may be, or others wait
    /// already.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.slots.is_full(|| self.is_open())
    }

    /// Counts a request as in flight until the guard is dropped.
    pub fn enter(self: &Arc<Self>) -> InFlight {
        self.slots.enter();
        InFlight::of(self)
    }

    /// Counts a request as in flight unless it is full; workers that race never exceed the limit.
    pub fn try_enter(self: &Arc<Self>) -> Option<InFlight> {
        self.try_count().then(|| InFlight::of(self))
    }

    /// Does as [`try_enter`](Self::try_enter) for who holds the endpoint anyway, and calls [`uncount`](Self::uncount) in the
    /// end; returns whether the request is counted.
    #[must_use = "it is counted until it is uncounted"]
    pub fn try_count(&self) -> bool {
        self.slots.try_enter(|| self.is_open())
    }

    /// Counts a request no longer.
    pub fn uncount(&self) {
        self.slots.leave(|| self.is_open());
    }

    pub(crate) fn slots(&self) -> &Slots {
        &self.slots
    }

    /// Lets in whoever waits, now that the endpoint is open.
    fn serve_line(&self) {
        self.slots.serve(|| self.is_open());
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
        if self.outlier.started(now) {
            self.serve_line();
        }
    }

    /// Notes a response that has come to its end, and is no failure.
    pub fn response_ended(&self, now: Moment) {
        if self.outlier.succeeded(now) {
            self.serve_line();
        }
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

impl InFlight {
    /// Makes the guard of a request that has been counted.
    pub(crate) fn of(live: &Arc<Live>) -> Self {
        Self { live: Arc::clone(live), is_counted: true }
    }

    /// Leaves it to the caller to [`uncount`](Live::uncount) the request.
    pub fn keep(mut self) {
        self.is_counted = false;
    }

    /// Returns the endpoint at which the request is counted.
    #[must_use]
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.is_counted {
            self.live.uncount();
        }
    }
}

#[cfg(test)]
mod tests;
