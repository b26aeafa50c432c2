//! The pairs of endpoint and model that a name stands for, each judged: may it serve the request, how gladly?

use std::{fmt, sync::Arc};

use olla_balancer::Candidate;
use olla_core::{Alias, AliasOrder, Endpoint, Fleet, Lack, Lookup, Needs, Placement, Preference};
use smallvec::SmallVec;

use super::{Candidates, is_available, reach::Reach};
use crate::routing::Decision;

/// What a request asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) reach: Reach<'a>,
    pub(crate) model: Option<&'a Arc<str>>,
    pub(crate) needs: &'a Needs,
}

/// Why a pair of endpoint and model cannot serve a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Against {
    /// The endpoint is not of the kind that was asked for.
    Kind,
    /// The path is not forwarded to it.
    Path,
    /// A rule of the configuration.
    Rule,
    /// The model lacks something.
    Lack(Lack),
}

/// The pairs behind a name.
#[derive(Debug)]
pub(crate) struct Pairs<'f> {
    pub(crate) candidates: Candidates<'f>,
    /// The first thing that an available pair lacks, where pairs were left out for that.
    pub(crate) lack: Option<Lack>,
    /// Whether a rule of the configuration has left out a pair.
    pub(crate) forbidden: bool,
}

/// How many ranks one place in the order of an alias has: a preference, and whether the prompt strains it.
const RANKS: u32 = 6;

// === impl Asked ===

impl Asked<'_> {
    /// Returns the rank of a pair among those of its place, or what stands against it.
    pub(crate) fn judge(
        &self,
        endpoint: &Endpoint,
        placement: &Placement,
        asked: &str,
    ) -> Result<u32, Against> {
        self.may_reach(endpoint)?;
        let model = &placement.model;
        let preference = match endpoint.spec.placement.of(model, asked) {
            Preference::Preferred => 0,
            Preference::Neutral => 2,
            Preference::Avoided => 4,
            Preference::Never => return Err(Against::Rule),
        };
        match self.needs.unmet_by(model) {
            Some(lack) => Err(Against::Lack(lack)),
            None => Ok(preference + u32::from(self.needs.strain(model))),
        }
    }

    /// Returns the rank of a pair among all behind a name, or what stands against it; `place` is that in an alias.
    pub(super) fn rank(
        &self,
        endpoint: &Endpoint,
        placement: &Placement,
        (asked_for, place): (&str, u32),
    ) -> Result<u32, Against> {
        let rank = self.judge(endpoint, placement, asked_for)?;
        let rank = place.saturating_mul(RANKS).saturating_add(rank);
        Ok(self.reach.rank(endpoint).saturating_add(rank))
    }

    /// Returns what stands against an endpoint whatever its models.
    pub(crate) fn may_reach(&self, endpoint: &Endpoint) -> Result<(), Against> {
        if !self.reach.covers(endpoint) {
            return Err(Against::Kind);
        }
        if !self.reach.forwards(endpoint) {
            return Err(Against::Path);
        }
        Ok(())
    }
}

// === impl Pairs ===

impl<'f> Pairs<'f> {
    fn new(decision: Decision) -> Self {
        Self { candidates: Candidates::new(decision), lack: None, forbidden: false }
    }

    /// Collects the endpoints that have the model under any of its names.
    pub(crate) fn by_name(fleet: &'f Fleet, name: &str, asked: &Asked<'_>, decision: Decision) -> Self {
        let mut pairs = Self::new(decision);
        for placement in fleet.lookup(name) {
            pairs.add(fleet, placement, (name, 0, spelling(placement, name)), asked);
        }
        pairs
    }

    /// Collects the pairs behind an alias, in its order.
    pub(crate) fn by_alias(fleet: &'f Fleet, name: &str, alias: &'f Alias, asked: &Asked<'_>) -> Self {
        let mut pairs = Self::new(Decision::routed("alias", ""));
        // How many pairs each endpoint has so far.
        let mut seen: SmallVec<[(usize, u32); 8]> = SmallVec::new();
        for (n, target) in (0..).zip(&*alias.targets) {
            let found: Lookup<'f> = fleet.lookup(target);
            for placement in found {
                // Two targets may be names of one model.
                if pairs.has(placement) {
                    continue;
                }
                let of_endpoint = match seen.iter_mut().find(|(endpoint, _)| *endpoint == placement.endpoint)
                {
                    Some((_, count)) => {
                        *count += 1;
                        *count
                    }
                    None => {
                        seen.push((placement.endpoint, 0));
                        0
                    }
                };
                let place = match alias.order {
                    AliasOrder::BestOfEach => of_endpoint,
                    AliasOrder::Equal => 0,
                    AliasOrder::InOrder => n,
                };
                let rename = spelling(placement, target).unwrap_or(target);
                pairs.add(fleet, placement, (target, place, Some(rename)), asked);
            }
        }
        let endpoints = pairs.endpoints();
        pairs.candidates.decision = Some(Decision::alias(name, endpoints));
        pairs
    }

    /// Returns how many endpoints there are, each counted once.
    pub(crate) fn endpoints(&self) -> usize {
        let list = &self.candidates.list;
        let is_first = |(n, candidate): &(usize, &Candidate<'_>)| {
            list.iter().take(*n).all(|other| other.endpoint.id != candidate.endpoint.id)
        };
        list.iter().enumerate().filter(is_first).count()
    }

    fn has(&self, placement: &Placement) -> bool {
        let mut placements = self.candidates.list.iter().filter_map(|candidate| candidate.placement);
        placements.any(|known| std::ptr::eq(known, placement))
    }

    fn add(
        &mut self,
        fleet: &'f Fleet,
        placement: &'f Placement,
        (asked_for, place, rename): (&str, u32, Option<&'f Arc<str>>),
        asked: &Asked<'_>,
    ) {
        let Some(endpoint) = fleet.endpoints().get(placement.endpoint) else { return };
        match asked.rank(endpoint, placement, (asked_for, place)) {
            Ok(rank) => {
                self.candidates.list.push(Candidate { endpoint, placement: Some(placement), rank });
                self.candidates.rename.push(rename);
            }
            Err(Against::Lack(lack)) if is_available(endpoint) => {
                self.lack.get_or_insert(lack);
            }
            Err(Against::Rule) => self.forbidden = true,
            Err(_) => {}
        }
    }
}

/// Returns the name to use instead of `asked`, where the endpoint would not know that one.
pub(super) fn spelling<'f>(placement: &'f Placement, asked: &str) -> Option<&'f Arc<str>> {
    let model = &placement.model;
    let known = model.is_pattern() || *model.name == *asked || model.also.iter().any(|name| **name == *asked);
    (!known).then_some(&model.name)
}

impl fmt::Display for Against {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind => f.write_str("it is not of the kind that the path leads to"),
            Self::Path => f.write_str("the path is not forwarded to it; `allow_paths` would permit it"),
            Self::Rule => f.write_str("its rule `models.never` keeps the model away"),
            Self::Lack(lack) => write!(f, "{lack}"),
        }
    }
}
