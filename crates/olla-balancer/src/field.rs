//! The candidates still in question for one pick, narrowed step by step.

use std::cmp::Ordering;

use olla_core::Endpoint;
use smallvec::SmallVec;

use crate::{Candidate, Reason, Tried, turns};

/// Candidates that may be picked, in the order given.
#[derive(Debug)]
pub(crate) struct Field<'a> {
    // alloc: none up to 32 endpoints.
    runners: SmallVec<[Runner<'a>; 32]>,
}

/// One candidate, with what may change during a pick read once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Runner<'a> {
    pub(crate) position: usize,
    pub(crate) endpoint: &'a Endpoint,
    /// Weight in hundredths, never zero: 100 for a healthy endpoint of weight 1.
    pub(crate) weight: u64,
    /// Requests in flight if this one were sent here.
    load: u64,
}

// === impl Field ===

impl<'a> Field<'a> {
    /// Gathers the untried candidates that are routable.
    pub(crate) fn routable(candidates: &[Candidate<'a>], tried: &Tried) -> Self {
        Self::gather(candidates, tried, |endpoint| {
            let status = endpoint.live.status();
            status.is_routable().then(|| status.share_percent())
        })
    }

    /// Gathers the untried candidates that traffic took out and no probe has judged yet.
    pub(crate) fn suspect(candidates: &[Candidate<'a>], tried: &Tried) -> Self {
        Self::gather(candidates, tried, |endpoint| endpoint.live.is_suspect().then_some(100))
    }

    pub(crate) fn len(&self) -> usize {
        self.runners.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.runners.is_empty()
    }

    pub(crate) fn keep_highest_priority(&mut self) -> Reason {
        let highest = self.runners.iter().map(|r| r.endpoint.spec.priority).max();
        self.runners.retain(|r| Some(r.endpoint.spec.priority) == highest);
        Reason::HighestPriority
    }

    pub(crate) fn keep_least_loaded(&mut self) -> Reason {
        if let Some(least) = self.runners.iter().min_by(|a, b| a.cmp_load(b)).copied() {
            self.runners.retain(|r| r.cmp_load(&least).is_eq());
        }
        Reason::LeastLoaded
    }

    /// Gives the turn to one of those left and returns its position.
    pub(crate) fn take_turn(&self) -> Option<usize> {
        turns::take(&self.runners)
    }

    fn gather<F>(candidates: &[Candidate<'a>], tried: &Tried, share_percent: F) -> Self
    where
        F: Fn(&Endpoint) -> Option<u32>,
    {
        let untried = candidates.iter().enumerate().filter(|(position, _)| !tried.contains(*position));
        let runners = untried.filter_map(|(position, candidate)| {
            let endpoint: &Endpoint = candidate.endpoint;
            let share = share_percent(endpoint)?;
            let weight = u64::from(endpoint.spec.weight.max(1)) * u64::from(share.max(1));
            let load = u64::from(endpoint.live.in_flight()) + 1;
            Some(Runner { position, endpoint, weight, load })
        });
        Self { runners: runners.collect() }
    }
}

// === impl Runner ===

impl Runner<'_> {
    /// Compares load for weight: a/b < c/d exactly when a·d < c·b.
    fn cmp_load(&self, other: &Self) -> Ordering {
        let ours = u128::from(self.load) * u128::from(other.weight);
        let theirs = u128::from(other.load) * u128::from(self.weight);
        ours.cmp(&theirs)
    }
}
