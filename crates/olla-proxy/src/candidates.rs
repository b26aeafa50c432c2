//! Works out which endpoints could serve a request, and in which name they know its model.

use std::{borrow::Cow, sync::Arc};

use http::{HeaderValue, Method};
use olla_balancer::Candidate;
use olla_core::{Endpoint, Fleet, Placement, Status};
use olla_profiles::Profiles;
use smallvec::SmallVec;

use crate::{
    Error,
    inspect::{Inbound, NamedModel},
    route::{Route, Scope},
    settings::Fallback,
};

/// The endpoints that could serve a request, in the order of the configuration, and why these.
#[derive(Debug)]
pub(crate) struct Candidates<'f> {
    pub(crate) list: SmallVec<[Candidate<'f>; 8]>,
    /// For each candidate, the name to put into the body, where it differs from what the client wrote.
    pub(crate) rename: SmallVec<[Option<&'f Arc<str>>; 8]>,
    pub(crate) decision: Option<Decision>,
}

/// What `X-Olla-Routing-*` tell.
#[derive(Debug, Clone)]
pub(crate) struct Decision {
    pub(crate) strategy: &'static str,
    pub(crate) action: &'static str,
    pub(crate) reason: HeaderValue,
}

/// Works out the candidates.
pub(crate) fn resolve<'f>(
    fleet: &'f Fleet,
    inbound: &Inbound,
    profiles: &Profiles,
    fallback: Fallback,
) -> Result<Candidates<'f>, Error> {
    let reach = Reach { route: &inbound.route, profiles };
    route_by_model(fleet, inbound, &reach, fallback).map_err(|error| match error {
        // Until then, nothing is known to be missing.
        Error::ModelNotFound { .. } | Error::KindUnavailable { .. } | Error::NoEndpoint { .. }
            if fleet.endpoints().iter().any(|e| is_starting(e)) =>
        {
            Error::NoEndpoint { detail: "the endpoints are being checked for the first time; try again" }
        }
        other => other,
    })
}

fn route_by_model<'f>(
    fleet: &'f Fleet,
    inbound: &Inbound,
    reach: &Reach<'_>,
    fallback: Fallback,
) -> Result<Candidates<'f>, Error> {
    let reachable = reach.endpoints(fleet)?;
    let all = Candidates::of_endpoints(&reachable, None);
    let available = all.list.iter().any(is_available);
    if !available && (inbound.model.is_none() || reach.kind_name().is_some()) {
        return Err(reach.unavailable(true));
    }
    let Some(model) = &inbound.model else { return Ok(all) };
    if let Some(aliased) = by_alias(fleet, model, reach) {
        return Ok(aliased);
    }
    let named = by_name(fleet, model, reach, fallback);
    if named.list.iter().any(is_available) {
        return Ok(named);
    }
    match fallback.reason(!named.list.is_empty()) {
        Ok(_) if !available => Err(reach.unavailable(true)),
        Ok(reason) => Ok(Candidates { decision: Some(Decision::fallback(reason)), ..all }),
        Err(reason) => Err(refuse(model, &named, reach, reason)),
    }
}

fn refuse(model: &NamedModel, named: &Candidates<'_>, reach: &Reach<'_>, reason: &'static str) -> Error {
    let (model, endpoints) = (Arc::clone(&model.name), named.list.len());
    match endpoints {
        0 => Error::ModelNotFound { model, kind: reach.kind_or_any(), reason },
        _ => Error::ModelUnavailable { model, endpoints, reason },
    }
}

/// Which endpoints a route may reach at all.
struct Reach<'a> {
    route: &'a Route,
    profiles: &'a Profiles,
}

type Endpoints<'f> = SmallVec<[&'f Arc<Endpoint>; 8]>;

// === impl Reach ===

impl Reach<'_> {
    /// Returns the endpoints of the right kind that forward the path, healthy or not.
    fn endpoints<'f>(&self, fleet: &'f Fleet) -> Result<Endpoints<'f>, Error> {
        let in_scope: Endpoints<'f> = fleet.endpoints().iter().filter(|e| self.covers(e)).collect();
        if in_scope.is_empty() {
            return Err(self.unavailable(false));
        }
        let forwarding: Endpoints<'f> = in_scope.iter().copied().filter(|e| self.forwards(e)).collect();
        if forwarding.is_empty() {
            return Err(self.not_forwarded(&in_scope));
        }
        Ok(forwarding)
    }

    fn admits(&self, endpoint: &Endpoint) -> bool {
        self.covers(endpoint) && self.forwards(endpoint)
    }

    fn covers(&self, endpoint: &Endpoint) -> bool {
        in_scope(endpoint, self.route.scope, self.profiles)
    }

    fn forwards(&self, endpoint: &Endpoint) -> bool {
        forward_path(endpoint, self.profiles, (&self.route.method, self.route.rest.path())).is_some()
    }

    /// Says what stands against forwarding: the method, if another one would do, else the path.
    fn not_forwarded(&self, in_scope: &[&Arc<Endpoint>]) -> Error {
        let path = self.route.rest.path();
        let with_post = (&Method::POST, path);
        if in_scope.iter().any(|e| forward_path(e, self.profiles, with_post).is_some()) {
            return Error::MethodNotAllowed { method: self.route.method.clone() };
        }
        Error::PathNotAllowed { path: path.into(), kind: self.kind_or_any() }
    }

    fn kind_name(&self) -> Option<Arc<str>> {
        kind_name(self.route.scope, self.profiles)
    }

    fn kind_or_any(&self) -> Arc<str> {
        kind_or_any(self.route.scope, self.profiles)
    }

    fn unavailable(&self, exist: bool) -> Error {
        let detail = if exist {
            "none is healthy; GET /internal/status/endpoints says why"
        } else {
            "none is configured, or none has been recognised yet"
        };
        match self.kind_name() {
            Some(kind) => Error::KindUnavailable { kind, detail },
            None => Error::NoEndpoint { detail },
        }
    }
}

fn kind_name(scope: Scope, profiles: &Profiles) -> Option<Arc<str>> {
    match scope {
        Scope::All => None,
        Scope::Kind(kind) | Scope::OpenAiCompatible(kind) => profiles.get(kind).map(|p| Arc::clone(&p.name)),
    }
}

/// Names the kind that a request is meant for, to stand in a message.
pub(crate) fn kind_or_any(scope: Scope, profiles: &Profiles) -> Arc<str> {
    kind_name(scope, profiles).unwrap_or_else(|| "configured".into())
}

/// Returns whether an endpoint is one of those that a request is meant for.
pub(crate) fn in_scope(endpoint: &Endpoint, scope: Scope, profiles: &Profiles) -> bool {
    // An endpoint of an unrecognised kind has no profile that would say what may be sent there.
    let Some(kind) = endpoint.kind else { return false };
    match scope {
        Scope::All => true,
        Scope::Kind(wanted) => kind == wanted,
        Scope::OpenAiCompatible(_) => profiles.get(kind).is_some_and(|p| p.openai_compatible),
    }
}

/// Returns the path under which an endpoint serves a request, or `None` when it must not be forwarded there.
///
/// A profile speaks for the methods of reading and of inference. Any other method changes something, and
/// takes an endpoint that allows the path in so many words.
pub(crate) fn forward_path<'p>(
    endpoint: &Endpoint,
    profiles: &Profiles,
    (method, path): (&Method, &'p str),
) -> Option<Cow<'p, str>> {
    let harmless = matches!(*method, Method::GET | Method::HEAD | Method::POST | Method::OPTIONS);
    let profile = endpoint.kind.filter(|_| harmless).and_then(|kind| profiles.get(kind));
    profile
        .and_then(|profile| profile.forward_path(path))
        .or_else(|| endpoint.spec.allow_paths.allow(path).then_some(Cow::Borrowed(path)))
}

/// Finds the endpoints that have the model under any of its names.
fn by_name<'f>(
    fleet: &'f Fleet,
    model: &NamedModel,
    reach: &Reach<'_>,
    fallback: Fallback,
) -> Candidates<'f> {
    let mut found = Candidates::new(Decision::routed(fallback.strategy(), "model_found"));
    for placement in fleet.lookup(&model.name) {
        found.add(fleet, placement, spelling(placement, &model.name), reach);
    }
    found
}

/// Finds the endpoints that have one of an alias's models; the first listed wins on each endpoint.
fn by_alias<'f>(fleet: &'f Fleet, model: &NamedModel, reach: &Reach<'_>) -> Option<Candidates<'f>> {
    let targets = fleet.aliases().targets(&model.name)?;
    let mut found = Candidates::new(Decision::routed("alias", ""));
    for target in targets {
        for placement in fleet.lookup(target) {
            let new = found.list.iter().all(|c| c.endpoint.id != fleet.endpoints()[placement.endpoint].id);
            if new {
                found.add(fleet, placement, Some(spelling(placement, target).unwrap_or(target)), reach);
            }
        }
    }
    if !found.list.iter().any(is_available) {
        return None;
    }
    let reason = format!("alias {:?} resolved to {} endpoint(s)", model.name, found.list.len());
    let reason = HeaderValue::try_from(reason).unwrap_or(HeaderValue::from_static("alias resolved"));
    found.decision = Some(Decision { strategy: "alias", action: "routed", reason });
    Some(found)
}

/// Returns the name to use instead of `asked`, where the endpoint would not know that one.
fn spelling<'f>(placement: &'f Placement, asked: &str) -> Option<&'f Arc<str>> {
    let model = &placement.model;
    let known = model.is_pattern() || *model.name == *asked || model.also.iter().any(|name| **name == *asked);
    (!known).then_some(&model.name)
}

/// Whether an endpoint has yet to be checked, or to list its models, for the first time.
fn is_starting(endpoint: &Endpoint) -> bool {
    match endpoint.live.status() {
        Status::Unknown => true,
        status => status.is_routable() && endpoint.models.is_empty() && !endpoint.live.checkup().settled,
    }
}

/// Whether a candidate can be used now, if only as a last resort.
fn is_available(candidate: &Candidate<'_>) -> bool {
    let live = &candidate.endpoint.live;
    live.status().is_routable() || live.is_suspect()
}

// === impl Candidates ===

impl<'f> Candidates<'f> {
    fn new(decision: Decision) -> Self {
        Self { list: SmallVec::new(), rename: SmallVec::new(), decision: Some(decision) }
    }

    fn of_endpoints(endpoints: &[&'f Arc<Endpoint>], decision: Option<Decision>) -> Self {
        let list: SmallVec<_> =
            endpoints.iter().map(|e| Candidate { endpoint: e, placement: None }).collect();
        Self { rename: SmallVec::from_elem(None, list.len()), list, decision }
    }

    fn add(
        &mut self,
        fleet: &'f Fleet,
        placement: &'f Placement,
        rename: Option<&'f Arc<str>>,
        reach: &Reach<'_>,
    ) {
        let Some(endpoint) = fleet.endpoints().get(placement.endpoint) else { return };
        if reach.admits(endpoint) {
            self.list.push(Candidate { endpoint, placement: Some(placement) });
            self.rename.push(rename);
        }
    }
}

// === impl Fallback ===

impl Fallback {
    pub(crate) fn strategy(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::OptimisticNone | Self::OptimisticCompatible | Self::OptimisticAll => "optimistic",
        }
    }

    /// Returns the routing reason for a model without an available endpoint: `Ok` lets the request go to
    /// any other, `Err` refuses it.
    fn reason(self, known: bool) -> Result<&'static str, &'static str> {
        match (self, known) {
            (Self::OptimisticAll, true) => Ok("all_healthy_fallback"),
            (Self::OptimisticAll, false) => Ok("model_not_found_fallback"),
            (_, false) => Err("model_not_found"),
            (Self::Strict, true) => Err("model_unavailable"),
            (Self::OptimisticNone, true) => Err("model_unavailable_no_fallback"),
            (Self::OptimisticCompatible, true) => Err("model_unavailable_compatible_only"),
        }
    }
}

// === impl Decision ===

impl Decision {
    fn routed(strategy: &'static str, reason: &'static str) -> Self {
        Self { strategy, action: "routed", reason: HeaderValue::from_static(reason) }
    }

    fn fallback(reason: &'static str) -> Self {
        Self { strategy: "optimistic", action: "fallback", reason: HeaderValue::from_static(reason) }
    }
}
