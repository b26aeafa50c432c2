//! Which endpoints a request may reach at all, whatever its model.

use std::{borrow::Cow, sync::Arc};

use http::Method;
use olla_core::{Endpoint, Fleet};
use olla_profiles::Profiles;
use olla_translate::{Dialect, EmbeddingRequest, Format, Operation};
use smallvec::SmallVec;

use crate::{
    Error, clock,
    route::{Route, Scope},
    tongues::{self, Clients, Tongue, Tongues},
};

/// Which endpoints a route may reach at all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach<'a> {
    pub(crate) route: &'a Route,
    pub(crate) profiles: &'a Profiles,
    pub(crate) tongues: &'a Tongues,
}

/// How an endpoint serves a request.
#[derive(Debug)]
pub(crate) enum Way<'a> {
    /// The request is passed on as it is, to this path.
    PassedOn(Cow<'a, str>),
    /// It is a conversation, and put into the words of another format.
    Translated(&'a Tongue),
    /// It asks for vectors, and is put into the words of a backend that takes such requests at this path.
    Embedded(Cow<'a, str>),
}

/// More than any rank among endpoints that are asked first.
const AFTER_FIRST: u32 = 1 << 31;

pub(crate) type Endpoints<'f> = SmallVec<[&'f Arc<Endpoint>; 8]>;

// === impl Reach ===

impl<'a> Reach<'a> {
    /// Returns the endpoints of the right kind that forward the path, healthy or not.
    pub(crate) fn endpoints<'f>(&self, fleet: &'f Fleet) -> Result<Endpoints<'f>, Error> {
        let in_scope: Endpoints<'f> = fleet.endpoints().iter().filter(|e| self.covers(e)).collect();
        if in_scope.is_empty() {
            self.offered(fleet)?;
            return Err(self.unavailable(false));
        }
        let forwarding: Endpoints<'f> = in_scope.iter().copied().filter(|e| self.forwards(e)).collect();
        if forwarding.is_empty() {
            self.offered(fleet)?;
            return Err(self.not_forwarded(&in_scope));
        }
        Ok(forwarding)
    }

    /// Refuses what a kind has and Olla does not offer, unless an endpoint allows it in so many words.
    pub(crate) fn offered(&self, fleet: &Fleet) -> Result<(), Error> {
        if self.route.operation.is_inference() {
            return Ok(());
        }
        let path = self.route.rest.path();
        let reason = match self.route.scope {
            Scope::Kind(kind) | Scope::ClientsOf(Clients { first: Some(kind), .. }) => {
                self.profiles.get(kind).and_then(|profile| profile.refusal(path))
            }
            Scope::All | Scope::ClientsOf(_) | Scope::OpenAiCompatible(_) => {
                self.profiles.iter().find_map(|profile| profile.refusal(path))
            }
        };
        match reason {
            Some(reason) if !self.is_forwarded(fleet) => {
                Err(Error::NotOffered { path: path.into(), reason: reason.into() })
            }
            _ => Ok(()),
        }
    }

    /// Returns whether any endpoint of the right kind forwards the path, healthy or not.
    pub(crate) fn is_forwarded(&self, fleet: &Fleet) -> bool {
        fleet.endpoints().iter().any(|endpoint| self.covers(endpoint) && self.forwards(endpoint))
    }

    /// Returns whether an endpoint is of the right kind.
    pub(crate) fn covers(&self, endpoint: &Endpoint) -> bool {
        in_scope(endpoint, self.route.scope, self.profiles)
    }

    /// Returns the rank that an endpoint has already, whatever its models: some are asked before all others.
    pub(crate) fn rank(&self, endpoint: &Endpoint) -> u32 {
        match self.route.scope {
            Scope::ClientsOf(Clients { first, .. }) if first.is_some() && endpoint.kind != first => {
                AFTER_FIRST
            }
            _ => 0,
        }
    }

    /// Returns whether an endpoint can serve the path, be it in another format.
    pub(crate) fn forwards(&self, endpoint: &Endpoint) -> bool {
        self.way(endpoint).is_some()
    }

    /// Returns whether one version of an endpoint may serve the path and another not.
    pub(crate) fn depends_on_version(&self, endpoint: &Endpoint) -> bool {
        match (self.route.format, self.counted()) {
            (None, None) => false,
            (format, _) => !self.tongues.is_of_any_age(endpoint, format),
        }
    }

    /// Returns how an endpoint serves the path, if it does.
    pub(crate) fn way(&self, endpoint: &Endpoint) -> Option<Way<'a>> {
        let passed_on = self.path_at(endpoint).map(Way::PassedOn);
        let Some(format) = self.route.format else { return passed_on.or_else(|| self.embedded(endpoint)) };
        if passed_on.is_some() && !self.tongues.rather_translates(format) && !self.has_gap(endpoint) {
            return passed_on;
        }
        let translated = self.tongues.target(endpoint, format);
        translated.map(Way::Translated).or(passed_on)
    }

    /// Returns how an endpoint could serve a conversation that it turns out not to take as it is.
    pub(crate) fn detour(&self, endpoint: &Endpoint) -> Option<&'a Tongue> {
        self.tongues.target(endpoint, self.route.format?)
    }

    /// Returns whether an endpoint was found not to have the path of a conversation, although its kind does.
    pub(crate) fn has_gap(&self, endpoint: &Endpoint) -> bool {
        self.route.format.is_some_and(|format| endpoint.live.gaps().has(tongues::gap(format), clock::now))
    }

    /// Returns how an endpoint that takes OpenAI's requests for vectors serves Ollama's.
    fn embedded(&self, endpoint: &Endpoint) -> Option<Way<'a>> {
        self.route.embeds.filter(|_| self.tongues.translates(Dialect::Ollama))?;
        let path = (&self.route.method, EmbeddingRequest::BACKEND_PATH);
        forward_path(endpoint, self.profiles, path).map(Way::Embedded)
    }

    /// Returns where an endpoint takes the request as it is.
    fn path_at(&self, endpoint: &Endpoint) -> Option<Cow<'a, str>> {
        let path = self.route.rest.path();
        let forwarded = || forward_path(endpoint, self.profiles, (&self.route.method, path));
        let Some(format) = self.route.format else { return forwarded().or_else(|| self.counts_at(endpoint)) };
        match self.tongues.of(endpoint, format) {
            Some(tongue) => Some(Cow::Borrowed(tongue.path())),
            // Formats of clients only have no tongues; the paths of the profile say who takes them.
            None if !tongues::is_spoken(format) => forwarded(),
            // What the profile does not say, the endpoint may.
            None => endpoint.spec.allow_paths.allow(path).then_some(Cow::Borrowed(path)),
        }
    }

    /// Returns where an endpoint counts the tokens of a conversation, if that is not the usual path.
    fn counts_at(&self, endpoint: &Endpoint) -> Option<Cow<'a, str>> {
        let format = self.counted()?;
        self.tongues.of(endpoint, format)?.counts_at().map(Cow::Borrowed)
    }

    /// Returns the format of the conversation whose tokens are to be counted, if that is what is asked.
    pub(crate) fn counted(&self) -> Option<Format> {
        let Route { dialect, operation, method, .. } = self.route;
        let counts = *operation == Operation::CountTokens && *dialect == Dialect::Anthropic;
        (counts && *method == Method::POST).then_some(Format::Messages)
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

    pub(crate) fn kind_name(&self) -> Option<Arc<str>> {
        kind_name(self.route.scope, self.profiles)
    }

    pub(crate) fn kind_or_any(&self) -> Arc<str> {
        kind_or_any(self.route.scope, self.profiles)
    }

    /// Says that nothing can be reached; `exist` tells whether there are endpoints of the right kind.
    pub(crate) fn unavailable(&self, exist: bool) -> Error {
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
        Scope::All | Scope::ClientsOf(_) => None,
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
        Scope::All | Scope::ClientsOf(_) => true,
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
