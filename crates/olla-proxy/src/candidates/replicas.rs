//! Candidates that are alike: one is judged for all. Of many, a few are drawn, and the others are looked at only when
//! those will not do.

use std::sync::{Arc, OnceLock};

use olla_balancer::{Candidate, sample};
use olla_core::{EndpointId, Fleet, Placement};
use smallvec::SmallVec;

use super::{Asked, Candidates, pairs::spelling};
use crate::routing::Decision;

/// All candidates of which only some have been drawn.
#[derive(Debug)]
pub(super) struct Replicas<'f> {
    fleet: &'f Fleet,
    placements: &'f [Placement],
    rank: u32,
    /// Those drawn and then all others, once somebody wants them.
    all: OnceLock<Box<[Candidate<'f>]>>,
}

// === impl Replicas ===

impl<'f> Replicas<'f> {
    fn candidate(&self, number: usize) -> Option<Candidate<'f>> {
        let placement = self.placements.get(number)?;
        let endpoint = self.fleet.endpoints().get(placement.endpoint)?;
        Some(Candidate { endpoint, placement: Some(placement), rank: self.rank })
    }

    /// Returns all, those drawn at the positions that they have.
    pub(super) fn all(&self, drawn: &[Candidate<'f>]) -> &[Candidate<'f>] {
        // alloc: only where those drawn will not do, or have not done.
        self.all.get_or_init(|| {
            let is_drawn =
                |other: &Candidate<'_>| drawn.iter().any(|c| Arc::ptr_eq(c.endpoint, other.endpoint));
            let numbers = 0..self.placements.len();
            let others = numbers.filter_map(|n| self.candidate(n)).filter(|other| !is_drawn(other));
            drawn.iter().copied().chain(others).collect()
        })
    }
}

// === impl Candidates ===

impl<'f> Candidates<'f> {
    /// Takes the replicas of a model, or draws so many where there are more, if one can be judged for all, and may serve
    /// the request.
    pub(super) fn of_replicas(
        fleet: &'f Fleet,
        (name, placements): (&str, &'f [Placement]),
        asked: &Asked<'_>,
        most: usize,
        decision: Decision,
    ) -> Option<Self> {
        let first = placements.first()?;
        let endpoint = fleet.endpoints().get(first.endpoint)?;
        if asked.reach.depends_on_version(endpoint) {
            return None;
        }
        let rank = asked.rank(endpoint, first, (name, 0)).ok()?;
        let replicas = Replicas { fleet, placements, rank, all: OnceLock::new() };
        let rename = spelling(first, name);
        let decision = Some(decision);
        if placements.len() <= most {
            let list: SmallVec<_> = (0..placements.len()).filter_map(|n| replicas.candidate(n)).collect();
            return Some(Self {
                rename: SmallVec::from_elem(rename, list.len()),
                list,
                decision,
                replicas: None,
            });
        }
        let drawn = sample(most, placements.len());
        Some(Self {
            list: drawn.into_iter().filter_map(|number| replicas.candidate(number)).collect(),
            rename: SmallVec::from_slice(&[rename]),
            decision,
            replicas: Some(replicas),
        })
    }

    /// Sees to it that an endpoint is among those drawn, if it is a candidate at all.
    pub(crate) fn include(&mut self, id: EndpointId) {
        let Some(replicas) = &mut self.replicas else { return };
        let number = replicas.fleet.position(id).and_then(|endpoint| {
            replicas.placements.binary_search_by_key(&endpoint, |placement| placement.endpoint).ok()
        });
        let Some(wanted) = number.and_then(|number| replicas.candidate(number)) else { return };
        if self.list.iter().all(|drawn| drawn.endpoint.id != id) {
            // Whoever makes room for it is drawn too: then those that stay are as good a sample as they all were.
            let place = fastrand::usize(..self.list.len());
            if let Some(place) = self.list.get_mut(place) {
                *place = wanted;
            }
            replicas.all = OnceLock::new();
        }
    }
}
