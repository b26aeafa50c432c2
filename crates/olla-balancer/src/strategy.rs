//! The seam: what a strategy is given and what it answers.

use std::{fmt, sync::Arc};

use olla_core::{Endpoint, Moment, Placement, Standing, Status};

use crate::Tried;

/// Chooses one of the candidates of a request.
///
/// Called on the request path, at most once for each attempt: it returns at once and does not allocate.
pub trait Strategy: Send + Sync + fmt::Debug {
    /// Returns the name shown in logs and status documents.
    fn name(&self) -> &'static str;

    /// Returns of how many candidates it is content to choose, where there are many that differ in nothing but what
    /// happens there now: so many are drawn at random, and all are shown only when those drawn will not do. Default:
    /// it sees all.
    fn choices(&self) -> usize {
        usize::MAX
    }

    /// Returns whether, where so many are drawn, one that is [free](Candidate::is_free) is as good a choice as any: then the
    /// next few of an [`Aperture`](crate::Aperture) are looked at before, and the strategy is not asked if one is. Default: no.
    fn takes_any_free(&self) -> bool {
        false
    }

    /// Chooses a candidate that has not been tried, or `None` when none is left that may be used.
    fn pick(&self, candidates: &[Candidate<'_>], tried: &Tried, hint: &Hint) -> Option<Pick>;
}

/// An endpoint, or a model on one, that could serve a request, routable or not. An endpoint that has several
/// of the models behind an alias is a candidate with each.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The endpoint.
    pub endpoint: &'a Arc<Endpoint>,
    /// The requested model on that endpoint; `None` for requests that name no model.
    pub placement: Option<&'a Placement>,
    /// Candidates of a higher rank are for when no lower one can be used.
    pub rank: u32,
}

/// What is known of a request before it is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hint {
    /// Size of the request body.
    pub prompt_bytes: u64,
    /// The candidate that has served this conversation so far.
    pub pinned: Option<Pinned>,
    /// The time of the choice.
    pub now: Moment,
}

/// The candidate that a conversation stays with, while its endpoint is not much busier than others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pinned {
    /// Its position in the candidates.
    pub position: usize,
    /// How much of the mean load its endpoint may have, percent. At 125, a quarter more.
    pub load_percent: u32,
}

/// The candidate chosen, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pick {
    /// Position in the candidates.
    pub position: usize,
    /// Why this one.
    pub reason: Reason,
}

/// Why a candidate was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No other untried candidate was routable.
    OnlyCandidate,
    /// No other of those to choose among had fewer requests in flight for its weight.
    LeastLoaded,
    /// It was the first free one that came along; nobody could be better.
    Free,
    /// Its turn had come.
    NextInTurn,
    /// No routable one had a higher priority.
    HighestPriority,
    /// No other usable one had as low a rank.
    Preferred,
    /// It has the model in memory, and nobody who has not was less busy.
    AlreadyLoaded,
    /// It has served this conversation before.
    Pinned,
    /// All that are well were full; the request has waited, and this one had room first.
    Queued,
    /// None was well: this one is ejected, or was taken out by a failed request and not by a probe.
    LastResort,
    /// All that are well have asked to be spared, this one for the shortest time.
    SetAside,
    /// The reason of a strategy from outside this crate, in `snake_case`.
    Custom(&'static str),
}

// === impl Candidate ===

impl Candidate<'_> {
    /// Returns whether the endpoint has as many requests in flight as it is allowed, or others wait for it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.endpoint.live.is_full()
    }

    /// Returns whether nothing but a lack of room stands against it: it is up, not ejected and not set aside.
    #[must_use]
    pub fn is_well(&self, now: Moment) -> bool {
        self.endpoint.live.is_open() && self.aside_until(now).is_none()
    }

    /// Returns whether nobody could be less busy, or better prepared: the endpoint takes its full part and has nothing to
    /// do, nor anything that counts as if it had, and the model is in memory, as far as is known.
    #[must_use]
    pub fn is_free(&self, now: Moment) -> bool {
        let live = &self.endpoint.live;
        live.status() == Status::Healthy
            && !live.is_draining()
            && live.in_flight() == 0
            && self.may_be_picked(now)
            && live.outlier().penalty(now) == 0
            && !self.is_cold()
    }

    /// Returns whether nothing stands against it but perhaps that it is down: no ejection, no crowd and no wish to be
    /// spared.
    pub(crate) fn may_be_picked(&self, now: Moment) -> bool {
        matches!(self.standing(now), Standing::Good | Standing::OnTrial) && self.is_at_hand(now)
    }

    /// Returns whether there is room, and the backend has not asked to be spared.
    pub(crate) fn is_at_hand(&self, now: Moment) -> bool {
        !self.is_full() && self.aside_until(now).is_none()
    }

    /// Returns whether the endpoint takes part, as far as its requests tell.
    #[must_use]
    pub fn standing(&self, now: Moment) -> Standing {
        self.endpoint.live.outlier().standing(now)
    }

    /// Returns until when the backend asked that the model be spared, if that is still to come.
    #[must_use]
    pub fn aside_until(&self, now: Moment) -> Option<Moment> {
        self.placement.and_then(|placement| placement.live.aside_until(now))
    }

    /// Returns whether the model would have to be loaded first.
    #[must_use]
    pub fn is_cold(&self) -> bool {
        self.placement.is_some_and(|placement| placement.live.is_cold())
    }
}

// === impl Reason ===

impl Reason {
    /// Returns the name used in logs and headers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OnlyCandidate => "only_candidate",
            Self::LeastLoaded => "least_loaded",
            Self::Free => "free",
            Self::NextInTurn => "next_in_turn",
            Self::HighestPriority => "highest_priority",
            Self::Preferred => "preferred",
            Self::AlreadyLoaded => "already_loaded",
            Self::Pinned => "pinned",
            Self::Queued => "queued",
            Self::LastResort => "last_resort",
            Self::SetAside => "set_aside",
            Self::Custom(name) => name,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
