//! A chosen endpoint, counted as busy with a request for as long as the lease lives.

use std::sync::Arc;

use olla_core::{Endpoint, InFlight, Moment, Standing, Trial};

use crate::{Candidate, Pick, Reason, Tried};

/// One attempt's hold on an endpoint; dropping it ends the attempt.
#[derive(Debug)]
#[must_use = "the request is only counted while this is held"]
pub struct Lease {
    endpoint: Arc<Endpoint>,
    position: usize,
    reason: Reason,
    trial: Option<Trial>,
    /// Whether the request is counted at the endpoint.
    is_counted: bool,
}

// === impl Lease ===

impl Lease {
    /// Counts a request at the candidate picked, or returns `None` when there is no such candidate, or when
    /// others have filled the endpoint, or begun to try it after its ejection, meanwhile.
    pub fn acquire(candidates: &[Candidate<'_>], pick: Pick, now: Moment) -> Option<Self> {
        let endpoint = Arc::clone(candidates.get(pick.position)?.endpoint);
        let is_counted = endpoint.live.try_count();
        let mut lease =
            Self { endpoint, position: pick.position, reason: pick.reason, trial: None, is_counted };
        if !is_counted {
            return None;
        }
        let outlier = lease.endpoint.live.outlier();
        match outlier.standing(now) {
            Standing::OnTrial => lease.trial = Some(outlier.begin_trial(now)?),
            // Strategies from outside need not know of trials.
            Standing::BeingTried
                if !matches!(pick.reason, Reason::LastResort | Reason::SetAside | Reason::Custom(_)) =>
            {
                return None;
            }
            Standing::Good | Standing::Ejected(_) | Standing::BeingTried => {}
        }
        Some(lease)
    }

    /// Turns a slot for which the request has waited into a lease of the best untried candidate on that
    /// endpoint. Returns `None`, and passes the slot on, when none may be used any more.
    pub fn of_slot(candidates: &[Candidate<'_>], tried: &Tried, slot: InFlight, now: Moment) -> Option<Self> {
        let there = |c: &Candidate<'_>| Arc::ptr_eq(&c.endpoint.live, slot.live()) && c.is_well(now);
        let usable =
            candidates.iter().enumerate().filter(|(position, c)| !tried.contains(*position) && there(c));
        let (position, candidate) = usable.min_by_key(|(_, candidate)| candidate.rank)?;
        let endpoint = Arc::clone(candidate.endpoint);
        // It is the lease that counts from now on.
        slot.keep();
        Some(Self { endpoint, position, reason: Reason::Queued, trial: None, is_counted: true })
    }

    /// Counts the request no longer: the backend has done its work, and only its answer is still at hand.
    pub fn give_back_slot(&mut self) {
        if std::mem::take(&mut self.is_counted) {
            self.endpoint.live.uncount();
        }
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

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(trial) = self.trial.take() {
            self.endpoint.live.outlier().end_trial(trial);
        }
        self.give_back_slot();
    }
}
