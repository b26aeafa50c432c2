//! Candidates that are alike: one is judged for all. Of many, one that is free is taken, or a few are drawn, and the others
//! are looked at only when those will not do.

use std::sync::{Arc, OnceLock};

use olla_balancer::{Aperture, Candidate, Strategy, sample};
use olla_core::{EndpointId, Fleet, Placement};
use smallvec::SmallVec;

use super::{Asked, Candidates, pairs::spelling};
use crate::{clock, routing::Decision};

/// For whom some of many candidates are found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drawing<'s> {
    pub(crate) strategy: &'s dyn Strategy,
    pub(crate) aperture: &'s Aperture,
    /// Requests that the worker is serving, this one included.
    pub(crate) in_flight: usize,
}

/// All candidates of which only some have been drawn.
#[derive(Debug)]
pub(super) struct Replicas<'f> {
    fleet: &'f Fleet,
    placements: &'f [Placement],
    rank: u32,
    /// How many the strategy is content with.
    choices: usize,
    /// Whether one alone is looked at so far, and it is free.
    begins_with_free: bool,
    /// Those drawn and then all others, once somebody wants them.
    all: OnceLock<Box<[Candidate<'f>]>>,
}

/// Up to so many, nobody is drawn, and all are looked at.
const FEW: usize = 8;

// === impl Replicas ===

impl<'f> Replicas<'f> {
    fn candidate(&self, number: usize) -> Option<Candidate<'f>> {
        let placement = self.placements.get(number)?;
        let endpoint = self.fleet.endpoints().get(placement.endpoint)?;
        Some(Candidate { endpoint, placement: Some(placement), rank: self.rank })
    }

    pub(super) fn begin_with_free(&self) -> bool {
        self.begins_with_free
    }

    /// Returns one that comes next and is free, if the strategy takes any that is.
    fn free(&self, drawing: Drawing<'_>) -> Option<Candidate<'f>> {
        let Drawing { strategy, aperture, in_flight } = drawing;
        if !strategy.takes_any_free() {
            return None;
        }
        aperture.free((self.placements.len(), in_flight), clock::now(), |number| self.candidate(number))
    }

    /// Draws as many as the strategy is content with, or as many as are missing to that.
    fn draw(&self, drawn: &mut SmallVec<[Candidate<'f>; 8]>) {
        for number in sample(self.choices, self.placements.len()) {
            if let Some(other) = self.candidate(number).filter(|other| !has(drawn, other))
                && drawn.len() < self.choices
            {
                drawn.push(other);
            }
        }
    }

    /// Returns all, those drawn at the positions that they have.
    pub(super) fn all(&self, first: &[Candidate<'f>]) -> &[Candidate<'f>] {
        // alloc: only where those drawn will not do, or have not done.
        self.all.get_or_init(|| {
            let numbers = 0..self.placements.len();
            let others = numbers.filter_map(|n| self.candidate(n)).filter(|other| !has(first, other));
            first.iter().copied().chain(others).collect()
        })
    }
}

fn has(candidates: &[Candidate<'_>], other: &Candidate<'_>) -> bool {
    candidates.iter().any(|candidate| Arc::ptr_eq(candidate.endpoint, other.endpoint))
}

// === impl Candidates ===

impl<'f> Candidates<'f> {
    /// Takes the replicas of a model, or draws some where there are many, if one can be judged for all, and may serve
    /// the request.
    pub(super) fn of_replicas(
        fleet: &'f Fleet,
        (name, placements): (&str, &'f [Placement]),
        asked: &Asked<'_>,
        drawing: Drawing<'_>,
        decision: Decision,
    ) -> Option<Self> {
        let first = placements.first()?;
        let endpoint = fleet.endpoints().get(first.endpoint)?;
        if asked.reach.depends_on_version(endpoint) {
            return None;
        }
        let rank = asked.rank(endpoint, first, (name, 0)).ok()?;
        let (rename, decision, count) = (spelling(first, name), Some(decision), placements.len());
        // Of two at least: with one alone, nobody would look for others.
        let choices = drawing.strategy.choices().max(2);
        let (begins_with_free, all) = (false, OnceLock::new());
        let mut replicas = Replicas { fleet, placements, rank, choices, begins_with_free, all };
        if count <= choices.max(FEW) {
            let list: SmallVec<_> = (0..count).filter_map(|number| replicas.candidate(number)).collect();
            return Some(Self {
                rename: SmallVec::from_elem(rename, list.len()),
                list,
                decision,
                replicas: None,
            });
        }
        let mut list = SmallVec::new();
        match replicas.free(drawing) {
            Some(free) => {
                list.push(free);
                replicas.begins_with_free = true;
            }
            None => replicas.draw(&mut list),
        }
        Some(Self { list, rename: SmallVec::from_slice(&[rename]), decision, replicas: Some(replicas) })
    }

    /// Sees to it that an endpoint is among those drawn, if it is a candidate at all. Whether it has too much to do shows
    /// in comparison with more than one.
    pub(crate) fn include(&mut self, id: EndpointId) {
        let Some(replicas) = &mut self.replicas else { return };
        let number = replicas.fleet.position(id).and_then(|endpoint| {
            replicas.placements.binary_search_by_key(&endpoint, |placement| placement.endpoint).ok()
        });
        let Some(wanted) = number.and_then(|number| replicas.candidate(number)) else { return };
        if std::mem::take(&mut replicas.begins_with_free) {
            replicas.draw(&mut self.list);
        }
        if self.list.iter().all(|drawn| drawn.endpoint.id != id) {
            // Whoever makes room for it is drawn too: then those that stay are as good a sample as they all were, nearly.
            let place = fastrand::usize(..self.list.len());
            if let Some(place) = self.list.get_mut(place) {
                *place = wanted;
            }
        }
        replicas.all = OnceLock::new();
    }
}
