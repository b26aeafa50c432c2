//! Candidates that are alike: one is judged for all. Of many, a few are drawn, and the others are looked at only when
//! those will not do.

use std::sync::{Arc, OnceLock};

use olla_balancer::{Aperture, Candidate, Strategy, sample};
use olla_core::{EndpointId, Fleet, Moment, Placement};
use smallvec::SmallVec;

use super::{Asked, Candidates, pairs::spelling};
use crate::{clock, routing::Decision};

/// For whom a few of many candidates are drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drawing<'s> {
    pub(crate) strategy: &'s dyn Strategy,
    /// The number of the worker.
    pub(crate) worker: usize,
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
    /// So many, the first of which are those drawn first, once somebody wants them.
    drawn: OnceLock<Box<[Candidate<'f>]>>,
    /// Those drawn and then all others, once somebody wants them.
    all: OnceLock<Box<[Candidate<'f>]>>,
}

/// Up to so many, nobody is drawn, and all are looked at.
const FEW: usize = 8;

// === impl Drawing ===

impl Drawing<'_> {
    /// Draws those that are looked at first of `total`; if an idle one will not do, `choices` are looked at.
    fn first(self, choices: usize, total: usize, now: Moment) -> SmallVec<[usize; 8]> {
        let count = self.strategy.choices_at_first().clamp(2, choices);
        if count == choices {
            return sample(count, total);
        }
        Aperture::of(self.worker, self.in_flight, now).sample(count, total)
    }
}

// === impl Replicas ===

impl<'f> Replicas<'f> {
    fn candidate(&self, number: usize) -> Option<Candidate<'f>> {
        let placement = self.placements.get(number)?;
        let endpoint = self.fleet.endpoints().get(placement.endpoint)?;
        Some(Candidate { endpoint, placement: Some(placement), rank: self.rank })
    }

    pub(super) fn are_first(&self, count: usize) -> bool {
        count < self.choices
    }

    pub(super) fn wider(&self, first: &[Candidate<'f>], than: usize) -> &[Candidate<'f>] {
        if self.are_first(than) { self.drawn(first) } else { self.all(first) }
    }

    /// Returns as many as the strategy is content with.
    fn drawn(&self, first: &[Candidate<'f>]) -> &[Candidate<'f>] {
        // alloc: only where an idle one that was drawn first will not do, or has not done.
        self.drawn.get_or_init(|| {
            let mut drawn = SmallVec::from_slice(first);
            self.draw_more(&mut drawn);
            drawn.as_slice().into()
        })
    }

    /// Adds to those drawn, up to as many as the strategy is content with.
    fn draw_more(&self, drawn: &mut SmallVec<[Candidate<'f>; 8]>) {
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
            let drawn = if self.are_first(first.len()) { self.drawn(first) } else { first };
            let numbers = 0..self.placements.len();
            let others = numbers.filter_map(|n| self.candidate(n)).filter(|other| !has(drawn, other));
            drawn.iter().copied().chain(others).collect()
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
        let (drawn, all) = (OnceLock::new(), OnceLock::new());
        let replicas = Replicas { fleet, placements, rank, choices, drawn, all };
        if count <= choices.max(FEW) {
            let list: SmallVec<_> = (0..count).filter_map(|number| replicas.candidate(number)).collect();
            return Some(Self {
                rename: SmallVec::from_elem(rename, list.len()),
                list,
                decision,
                replicas: None,
            });
        }
        let now = clock::now();
        let first = drawing.first(choices, count, now);
        let mut list: SmallVec<[_; 8]> =
            first.into_iter().filter_map(|number| replicas.candidate(number)).collect();
        if !list.iter().any(|drawn: &Candidate<'_>| drawn.is_idle(now)) {
            replicas.draw_more(&mut list);
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
        if replicas.are_first(self.list.len()) {
            self.list = SmallVec::from_slice(replicas.drawn(&self.list));
        }
        if self.list.iter().all(|drawn| drawn.endpoint.id != id) {
            // Whoever makes room for it is drawn too: then those that stay are as good a sample as they all were, nearly.
            let place = fastrand::usize(..self.list.len());
            if let Some(place) = self.list.get_mut(place) {
                *place = wanted;
            }
        }
        (replicas.drawn, replicas.all) = (OnceLock::new(), OnceLock::new());
    }
}
