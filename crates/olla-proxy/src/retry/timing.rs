//! How long an attempt may take: as long as the settings allow, and where another backend could be asked instead,
//! not much longer than is usual.
//!
//! What is usual is learnt from streams: how long they took to their first output, for each model on each
//! endpoint, each size of prompt and each number of requests under way there. A model that has to be loaded
//! first, and a response that is not streamed, whose head comes with its last token, are given all the time
//! there is.

use std::time::Duration;

use olla_balancer::Lease;
use olla_core::{Failure, Placement, Standing};
use tokio::time::Instant;

use crate::{clock, opening, rewrite::Outbound, shared::Shared, ticket::Ticket};

/// What is expected of one attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    pub(super) begun: Instant,
    /// Limit from the sending to the response head.
    pub(super) head: Duration,
    /// Requests at the endpoint, this one included.
    in_flight: u32,
    /// Whether the model was there to answer at once, as far as is known.
    is_ready: bool,
    /// By when a stream has usually brought some output, with a wide margin, where that is known.
    usual: Option<Duration>,
    /// Time between two looks at whether the endpoint has been found to hang; `None` where nothing is expected.
    pace: Option<Duration>,
}

/// A start that takes longer than so many times the slowest of late is none.
const MARGIN: u32 = 3;

// === impl Timing ===

impl Timing {
    /// Works out what is expected of an attempt that has `begun`; `placement` is the model there, where somebody
    /// else has it too.
    pub(super) fn of(
        shared: &Shared,
        lease: &Lease,
        placement: Option<&Placement>,
        (outbound, begun): (&Outbound, Instant),
    ) -> Self {
        let loading = loading_time(shared, lease);
        let configured = shared.settings.timeouts.first_byte;
        let in_flight = lease.endpoint().live.in_flight();
        let floor = Some(shared.settings.timeouts.least_first_output).filter(|floor| !floor.is_zero());
        let ready = placement
            .map(|placement| &placement.live)
            .filter(|live| outbound.streams() && live.loaded().unwrap_or(loading.is_none()));
        let slowest = ready.and_then(|live| live.slowest_start(outbound.body_bytes(), in_flight));
        Self {
            begun,
            head: match loading {
                Some(least) if !configured.is_zero() => configured.max(least),
                Some(_) | None => configured,
            },
            in_flight,
            is_ready: ready.is_some(),
            usual: floor.zip(slowest).map(|(floor, slowest)| slowest.saturating_mul(MARGIN).max(floor)),
            pace: floor.filter(|_| ready.is_some()),
        }
    }

    /// Returns when to look for the first time, or again after `last`, whether the stream is late.
    pub(super) fn look(&self, last: Option<Instant>) -> Option<Instant> {
        match (last, self.usual) {
            (None, Some(usual)) => self.begun.checked_add(usual),
            (last, _) => last.unwrap_or(self.begun).checked_add(self.pace?),
        }
    }

    /// Returns whether the stream is late: later than is usual, or at an endpoint that has been found to hang
    /// since it was sent there.
    pub(super) fn is_late(&self, lease: &Lease) -> bool {
        let live = &lease.endpoint().live;
        let hangs = || matches!(live.checkup().ejected_for, Some(Failure::SlowStart | Failure::HeadTimeout));
        self.usual.is_some() || (live.outlier().standing(clock::now()) != Standing::Good && hangs())
    }

    /// Learns from a stream that has just brought its first output.
    pub(super) fn learn(&self, placement: Option<&Placement>, prompt_bytes: u64) {
        // How long a model took to be loaded is no measure for others.
        if let Some(placement) = placement.filter(|_| self.is_ready) {
            placement.live.has_started(prompt_bytes, self.in_flight, clock::since(self.begun));
        }
    }

    /// Returns until when a stream may be held back that has begun `now`.
    pub(super) fn hold_until(&self, now: Instant) -> Instant {
        // Past the look, which comes first then.
        let look = self.usual.and_then(|usual| self.begun.checked_add(usual + opening::GRACE));
        look.map_or(now + opening::LONGEST, |look| look.max(now + opening::LONGEST))
    }
}

/// Kinds that load a model when it is first asked for need more time than a setting for all allows.
fn loading_time(shared: &Shared, lease: &Lease) -> Option<Duration> {
    let profile = lease.endpoint().kind.and_then(|kind| shared.profiles.get(kind));
    profile.and_then(|profile| profile.first_byte_timeout)
}

// === impl Timeouts ===

impl crate::settings::Timeouts {
    /// Returns when the whole exchange must be over.
    pub(crate) fn deadline(&self, ticket: &Ticket) -> Option<Instant> {
        if self.total.is_zero() {
            return None;
        }
        ticket.started().checked_add(self.total)
    }
}
