//! The seam: what a strategy is given and what it answers.

use std::{fmt, sync::Arc};

use olla_core::{Endpoint, Placement};

use crate::Tried;

/// Chooses one of the candidates of a request.
///
/// Called on the request path, once for each attempt: it returns at once and does not allocate.
pub trait Strategy: Send + Sync + fmt::Debug {
    /// Returns the name shown in logs and status documents.
    fn name(&self) -> &'static str;

    /// Chooses a candidate that has not been tried, or `None` when none is left that may be used.
    fn pick(&self, candidates: &[Candidate<'_>], tried: &Tried, hint: &Hint) -> Option<Pick>;
}

/// An endpoint that could serve a request, routable or not.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The endpoint.
    pub endpoint: &'a Arc<Endpoint>,
    /// The requested model on that endpoint; `None` for requests that name no model.
    pub placement: Option<&'a Placement>,
}

/// What is known of a request before it is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hint {
    /// Size of the request body.
    pub prompt_bytes: u64,
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
    /// No other had fewer requests in flight for its weight.
    LeastLoaded,
    /// Its turn had come.
    NextInTurn,
    /// No routable one had a higher priority.
    HighestPriority,
    /// None was routable; a failed request, not a probe, had taken this one out.
    LastResort,
    /// The reason of a strategy from outside this crate, in `snake_case`.
    Custom(&'static str),
}

// === impl Reason ===

impl Reason {
    /// Returns the name used in logs and headers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OnlyCandidate => "only_candidate",
            Self::LeastLoaded => "least_loaded",
            Self::NextInTurn => "next_in_turn",
            Self::HighestPriority => "highest_priority",
            Self::LastResort => "last_resort",
            Self::Custom(name) => name,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
