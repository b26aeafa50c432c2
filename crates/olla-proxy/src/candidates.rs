//! Works out which endpoints could serve a request, and in which name they know its model.

mod pairs;
mod reach;
mod replicas;

use std::{mem, sync::Arc};

use olla_balancer::Candidate;
use olla_core::{Endpoint, Fleet, Preference, Status};
use smallvec::SmallVec;

use crate::{
    Absence, Error,
    routing::{Decision, Missing, NOT_FOUND, Rediscovery},
    settings::Routing,
};

pub(crate) use pairs::{Against, Asked, Pairs};
pub(crate) use reach::{Reach, Way, in_scope, kind_or_any};
pub(crate) use replicas::Drawing;
use replicas::Replicas;

/// The endpoints that could serve a request, in the order of the configuration, and why these.
#[derive(Debug)]
pub(crate) struct Candidates<'f> {
    /// All; of many that are alike, one that is free, or those that were drawn.
    pub(crate) list: SmallVec<[Candidate<'f>; 8]>,
    /// For each candidate, or once for all that are alike, the name to put into the body, where it differs from
    /// what the client wrote.
    rename: SmallVec<[Option<&'f Arc<str>>; 8]>,
    pub(crate) decision: Option<Decision>,
    /// Where `list` is not all.
    replicas: Option<Replicas<'f>>,
}

/// Works out the candidates of a request whose model is at hand, as nearly every one is: what [`resolve`] would find,
/// but without a look at all endpoints. Returns `None` where there is more to it.
pub(crate) fn at_hand<'f>(
    fleet: &'f Fleet,
    asked: &Asked<'_>,
    routing: Routing,
    drawing: Drawing<'_>,
) -> Option<Candidates<'f>> {
    let model = asked.model.filter(|model| fleet.aliases().get(model).is_none())?;
    let decision = || Decision::routed(routing.strategy(), routing.found(Rediscovery::NotAsked));
    if let Some(placements) = fleet.replicas(model) {
        let replicas = Candidates::of_replicas(fleet, (model, placements), asked, drawing, decision());
        // A filter would copy them.
        if replicas.as_ref().is_some_and(Candidates::any_available) {
            return replicas;
        }
    }
    let named = Pairs::by_name(fleet, model, asked, decision());
    Some(named.candidates).filter(Candidates::any_available)
}

/// Works out the candidates.
pub(crate) fn resolve<'f>(
    fleet: &'f Fleet,
    asked: &Asked<'_>,
    routing: Routing,
    rediscovery: Rediscovery,
) -> Result<Candidates<'f>, Error> {
    route_by_model(fleet, asked, routing, rediscovery).map_err(|error| match error {
        // Until then, nothing is known to be missing.
        Error::ModelNotFound { .. } | Error::KindUnavailable { .. } | Error::NoEndpoint { .. }
            if fleet.endpoints().iter().any(|e| is_starting(e)) =>
        {
            Error::NoEndpoint { detail: STARTING }
        }
        other => other,
    })
}

const STARTING: &str = "the endpoints are being checked for the first time; try again";

/// Returns whether a request would be refused, and may be served once the first checks have ended.
pub(crate) fn may_appear(fleet: &Fleet, asked: &Asked<'_>) -> bool {
    fleet.endpoints().iter().any(|endpoint| is_starting(endpoint))
        && matches!(
            resolve(fleet, asked, Routing::Strict, Rediscovery::NotAsked),
            Err(Error::NoEndpoint { detail: STARTING })
        )
}

fn route_by_model<'f>(
    fleet: &'f Fleet,
    asked: &Asked<'_>,
    routing: Routing,
    rediscovery: Rediscovery,
) -> Result<Candidates<'f>, Error> {
    let reach = &asked.reach;
    let reachable = reach.endpoints(fleet)?;
    let others = reachable.iter().any(|endpoint| is_available(endpoint));
    if !others && (asked.model.is_none() || reach.kind_name().is_some()) {
        return Err(reach.unavailable(true));
    }
    let Some(model) = asked.model else { return Ok(Candidates::of_endpoints(reach, &reachable, None)) };

    let aliased = fleet.aliases().get(model).map(|alias| Pairs::by_alias(fleet, model, alias, asked));
    let aliased = match aliased {
        Some(pairs) if pairs.candidates.any_available() => return Ok(pairs.candidates),
        other => other,
    };
    let found = Decision::routed(routing.strategy(), routing.found(rediscovery));
    let named = Pairs::by_name(fleet, model, asked, found);
    if named.candidates.any_available() {
        return Ok(named.candidates);
    }
    let forbidden = named.forbidden || aliased.as_ref().is_some_and(|pairs| pairs.forbidden);
    let behind_alias = aliased.as_ref().map_or(0, Pairs::endpoints);
    let endpoints = named.endpoints().max(behind_alias);
    if let Some(lack) = named.lack.or(aliased.and_then(|pairs| pairs.lack)).filter(|_| endpoints == 0) {
        return Err(Error::ModelLacks { model: Arc::clone(model), lack });
    }
    match routing.missing(Missing { known: endpoints > 0, others, rediscovery }) {
        Ok(reason) => {
            let decision = Decision::fallback(routing.strategy(), reason);
            let anywhere =
                Candidates::of_endpoints(reach, &reachable, Some(decision)).without_forbidden(model);
            if anywhere.any_available() {
                return Ok(anywhere);
            }
            Err(reach.unavailable(true))
        }
        Err(reason) if reason == NOT_FOUND => {
            let absence = if forbidden { Absence::Forbidden } else { absence(&reachable) };
            let (model, kind) = (Arc::clone(model), reach.kind_or_any());
            Err(Error::ModelNotFound { model, kind, absence, reason })
        }
        Err(reason) => Err(Error::ModelUnavailable { model: Arc::clone(model), endpoints, reason }),
    }
}

/// Says why none of these endpoints has a model.
fn absence(endpoints: &[&Arc<Endpoint>]) -> Absence {
    match endpoints.iter().filter(|endpoint| !endpoint.has_listed()).count() {
        0 => Absence::Unlisted,
        unheard => Absence::Unheard(unheard),
    }
}

/// Whether an endpoint has yet to be checked, or to list its models, for the first time.
fn is_starting(endpoint: &Endpoint) -> bool {
    match endpoint.live.status() {
        Status::Unknown => true,
        status => status.is_routable() && endpoint.models.is_empty() && !endpoint.live.checkup().settled,
    }
}

/// Whether an endpoint can be used now, if only as a last resort.
pub(crate) fn is_available(endpoint: &Endpoint) -> bool {
    let live = &endpoint.live;
    live.is_routable() || (live.is_suspect() && !live.is_draining())
}

// === impl Candidates ===

impl<'f> Candidates<'f> {
    fn new(decision: Decision) -> Self {
        Self { list: SmallVec::new(), rename: SmallVec::new(), decision: Some(decision), replicas: None }
    }

    fn of_endpoints(reach: &Reach<'_>, endpoints: &[&'f Arc<Endpoint>], decision: Option<Decision>) -> Self {
        let candidate = |endpoint: &&'f Arc<Endpoint>| {
            let rank = reach.rank(endpoint);
            Candidate { endpoint, placement: None, rank }
        };
        let list: SmallVec<_> = endpoints.iter().map(candidate).collect();
        Self { rename: SmallVec::from_elem(None, list.len()), list, decision, replicas: None }
    }

    /// Returns all candidates; those in `list` are the first, at the same positions.
    pub(crate) fn all(&self) -> &[Candidate<'f>] {
        self.replicas.as_ref().map_or(&*self.list, |replicas| replicas.all(&self.list))
    }

    /// Returns whether there is somebody else to ask if one fails.
    pub(crate) fn are_several(&self) -> bool {
        self.replicas.is_some() || self.list.len() > 1
    }

    /// Returns whether `list` is one alone of many, which is free: no strategy need be asked.
    pub(crate) fn begin_with_free(&self) -> bool {
        self.replicas.as_ref().is_some_and(Replicas::begin_with_free)
    }

    /// Returns the candidate at a position among all.
    pub(crate) fn get(&self, position: usize) -> Option<&Candidate<'f>> {
        self.list.get(position).or_else(|| self.all().get(position))
    }

    /// Returns the name to put into the body for the candidate at a position, if it is not the client's.
    pub(crate) fn rename(&self, position: usize) -> Option<&'f Arc<str>> {
        let position = if self.replicas.is_some() { 0 } else { position };
        self.rename.get(position).copied().flatten()
    }

    fn any_available(&self) -> bool {
        self.list.iter().any(|candidate| is_available(candidate.endpoint))
    }

    /// Leaves only some of all.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Candidate<'_>) -> bool) {
        if self.replicas.is_some() {
            let all = SmallVec::from_slice(self.all());
            self.rename = SmallVec::from_elem(self.rename(0), all.len());
            (self.list, self.replicas) = (all, None);
        }
        let (list, rename) = (mem::take(&mut self.list), mem::take(&mut self.rename));
        let kept = list.into_iter().zip(rename).filter(|(candidate, _)| keep(candidate));
        (self.list, self.rename) = kept.unzip();
    }

    /// Leaves out endpoints that must not be asked for the model, which they are not known to have.
    fn without_forbidden(mut self, model: &str) -> Self {
        self.list.retain(|candidate| {
            let spec = &candidate.endpoint.spec;
            spec.filter.admits(model) && spec.placement.of_name(model) != Preference::Never
        });
        self.rename.truncate(self.list.len());
        self
    }
}
