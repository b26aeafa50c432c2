//! The candidates still in question for one pick, narrowed step by step.

use std::cmp::Ordering;

use olla_core::{Endpoint, Moment};
use smallvec::SmallVec;

use crate::{Candidate, Pinned, Reason, Tried, turns};

/// Candidates that may be picked, in the order given.
#[derive(Debug, Default)]
pub(crate) struct Field<'a> {
    // alloc: none up to 8 endpoints; room for more would be copied for everybody.
    runners: SmallVec<[Runner<'a>; 8]>,
}

/// One candidate, with what may change during a pick read once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Runner<'a> {
    pub(crate) position: usize,
    pub(crate) endpoint: &'a Endpoint,
    /// Weight in hundredths, never zero: 100 for a healthy endpoint of weight 1.
    pub(crate) weight: u64,
    /// Requests in flight if this one were sent here; recent failures count as such.
    load: u64,
    rank: u32,
    is_cold: bool,
}

// === impl Field ===

impl<'a> Field<'a> {
    /// Gathers the untried candidates that may be picked, and says why these if they are not the well ones. It fills
    /// what is there: what is returned would be copied.
    pub(crate) fn gather(
        &mut self,
        candidates: &[Candidate<'a>],
        tried: &Tried,
        now: Moment,
    ) -> Option<Reason> {
        let routable = |c: &Candidate<'_>| {
            let live = &c.endpoint.live;
            live.is_routable().then(|| live.status().share_percent())
        };

        if self.fill(candidates, tried, now, |c| routable(c).filter(|_| c.may_be_picked(now))) {
            return None;
        }
        if self.fill(candidates, tried, now, |c| routable(c).filter(|_| c.is_at_hand(now))) {
            return Some(Reason::LastResort);
        }
        let is_suspect = |c: &Candidate<'_>| {
            let live = &c.endpoint.live;
            live.is_suspect() && !live.is_draining() && c.is_at_hand(now)
        };
        if self.fill(candidates, tried, now, |c| is_suspect(c).then_some(100)) {
            return Some(Reason::LastResort);
        }
        let soonest =
            |c: &Candidate<'a>| c.aside_until(now).filter(|_| routable(c).is_some() && !c.is_full());
        let untried = candidates.iter().enumerate().filter(|(position, _)| !tried.contains(*position));
        if let Some(first) = untried.filter_map(|(_, c)| soonest(c)).min() {
            self.fill(candidates, tried, now, |c| routable(c).filter(|_| soonest(c) == Some(first)));
        }
        Some(Reason::SetAside)
    }

    pub(crate) fn len(&self) -> usize {
        self.runners.len()
    }

    pub(crate) fn keep_lowest_rank(&mut self) {
        let lowest = self.runners.iter().map(|r| r.rank).min();
        self.runners.retain(|r| Some(r.rank) == lowest);
    }

    /// Returns whether the pinned candidate is here and not too busy: consistent hashing with bounded loads
    /// (Mirrokni et al., 2016) sets the bound, a share of the mean by weight, rounded up.
    pub(crate) fn is_at_hand(&self, pinned: Pinned) -> bool {
        let Some(runner) = self.runners.iter().find(|r| r.position == pinned.position) else { return false };
        let in_flight: u128 = self.runners.iter().map(|r| u128::from(r.load) - 1).sum();
        let weights: u128 = self.runners.iter().map(|r| u128::from(r.weight)).sum();
        let fair_share = (in_flight + 1) * u128::from(runner.weight) * u128::from(pinned.load_percent);
        u128::from(runner.load) <= fair_share.div_ceil(weights * 100)
    }

    /// Of equals, keeps those that hold the model in memory, unless one that does not is less busy: waiting
    /// behind others may take longer than loading. Returns whether anybody was left out.
    pub(crate) fn keep_loaded(&mut self) -> bool {
        if self.runners.iter().all(|r| r.is_cold) || !self.runners.iter().any(|r| r.is_cold) {
            return false;
        }
        let Some(least) = self.runners.iter().min_by(|a, b| a.cmp_load(b)).copied() else { return false };
        let serves = |r: &Runner<'_>| !r.is_cold && r.cmp_load(&least).is_eq();
        let any = self.runners.iter().any(serves);
        if any {
            self.runners.retain(|r| serves(r));
        }
        any
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

    /// Adds those that have a share of the requests, and returns whether there are any.
    fn fill<F>(&mut self, candidates: &[Candidate<'a>], tried: &Tried, now: Moment, share_percent: F) -> bool
    where
        F: Fn(&Candidate<'a>) -> Option<u32>,
    {
        for (position, candidate) in candidates.iter().enumerate() {
            if tried.contains(position) {
                continue;
            }
            let Some(share) = share_percent(candidate) else { continue };
            let endpoint: &Endpoint = candidate.endpoint;
            let weight = u64::from(endpoint.spec.weight.max(1)) * u64::from(share.max(1));
            let penalty = u64::from(endpoint.live.outlier().penalty(now));
            let load = u64::from(endpoint.live.in_flight()) + penalty + 1;
            let (rank, is_cold) = (candidate.rank, candidate.is_cold());
            self.runners.push(Runner { position, endpoint, weight, load, rank, is_cold });
        }
        !self.runners.is_empty()
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
