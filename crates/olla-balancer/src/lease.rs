//! A chosen endpoint, counted as busy with a request for as long as the lease lives.

use std::sync::Arc;

use olla_core::{Endpoint, InFlight};

use crate::{Candidate, Pick, Reason};

/// One attempt's hold on an endpoint; dropping it ends the attempt.
#[derive(Debug)]
#[must_use = "the request is only counted while this is held"]
pub struct Lease {
    endpoint: Arc<Endpoint>,
    position: usize,
    reason: Reason,
    _in_flight: InFlight,
}

// === impl Lease ===

impl Lease {
    /// Counts a request at the candidate picked, or returns `None` when there is no such candidate.
    pub fn acquire(candidates: &[Candidate<'_>], pick: Pick) -> Option<Self> {
        let endpoint = Arc::clone(candidates.get(pick.position)?.endpoint);
        let in_flight = endpoint.live.enter();
        Some(Self { endpoint, position: pick.position, reason: pick.reason, _in_flight: in_flight })
    }

    /// Returns the endpoint.
    #[must_use]
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// Returns its position in the candidates.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// Returns why it was chosen.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }
}
