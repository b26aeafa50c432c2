//! Lists of models, answered from the fleet in the shape that the asked kind has (`GET …/v1/models`,
//! `GET …/v1/models/{id}`, `GET /olla/ollama/api/tags`, …).
//!
//! Which path of which kind is a list, and in which shape, is said by the profiles. Each shape is a file, which
//! knows nothing of kinds and of routes.

mod anthropic;
mod entries;
mod lmstudio;
mod ollama;
mod openai;

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, request};
use olla_core::{Endpoint, Fleet};
use olla_profiles::{ListShape, Listing, OpenAiShape, Profile, Profiles};
use olla_translate::{Dialect, Format, Operation};
use serde_json::Value;

use crate::{
    Absence, Error,
    candidates::{self, Reach},
    headers::ANTHROPIC_VERSION,
    render::Refusal,
    route::{Route, Scope},
    tongues::Clients,
};

pub(crate) use entries::{Entry, View};
pub(crate) use ollama::show;

/// Answers a request for models, or returns `None` when it is for something else.
///
/// A model is listed while one endpoint that has it is routable. An empty list is an answer, not an error.
pub(crate) fn answer(
    head: &request::Parts,
    reach: &Reach<'_>,
    fleet: &Fleet,
) -> Result<Option<Bytes>, Refusal> {
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return Ok(None);
    }
    let asked = Asked { route: reach.route, fleet, profiles: reach.profiles };
    if is_for_anthropic(head, reach.route) && asked.has_openai_list() {
        let list = for_anthropic(reach, fleet);
        return list.map(Some).map_err(|error| Refusal::in_dialect(error, Dialect::Anthropic));
    }
    if let Scope::ClientsOf(Clients { dialect: Dialect::Ollama, .. }) = reach.route.scope {
        let entries = || for_ollama(reach, fleet).by_name();
        return Ok(ollama::list_at(reach.route.rest.path(), entries).map(|list| list.to_string().into()));
    }
    let Some((shape, only)) = asked.listing() else { return Ok(None) };
    let view = View::new(fleet, |endpoint| asked.shows(endpoint, &shape));
    let document = match only {
        None => write_page(&shape, &view.by_name(), reach.route.rest.query())?,
        Some(encoded) => write_only(&shape, &view, (encoded, reach))?,
    };
    Ok(Some(Bytes::from(document.to_string())))
}

/// Writes one entry, found by its name as it stands in a path.
fn write_only(
    shape: &ListShape,
    view: &View<'_>,
    (encoded, reach): (&str, &Reach<'_>),
) -> Result<Value, Error> {
    let name = percent_encoding::percent_decode_str(encoded).decode_utf8_lossy();
    let found = view.find_name(&name).and_then(|entry| write_one(shape, &entry));
    found.ok_or_else(|| Error::ModelNotFound {
        model: Arc::from(&*name),
        kind: candidates::kind_or_any(reach.route.scope, reach.profiles),
        absence: Absence::Unlisted,
        reason: "model_not_found",
    })
}

/// Returns whether a list is for a client of Anthropic's dialect, which asks for it at the same path as OpenAI's.
fn is_for_anthropic(head: &request::Parts, route: &Route) -> bool {
    match route.scope {
        Scope::ClientsOf(clients) => clients.dialect == Dialect::Anthropic,
        Scope::All => head.headers.contains_key(ANTHROPIC_VERSION),
        Scope::Kind(_) | Scope::OpenAiCompatible(_) => false,
    }
}

/// Lists every model that can be talked to in Anthropic's dialect.
fn for_anthropic(reach: &Reach<'_>, fleet: &Fleet) -> Result<Bytes, Error> {
    let messages = reach.route.to_converse(Format::Messages, Operation::Messages);
    let conversation = Reach { route: &messages, ..*reach };
    let view = View::new(fleet, |endpoint| {
        endpoint.live.is_routable() && conversation.covers(endpoint) && conversation.forwards(endpoint)
    });
    let below = reach.route.rest.path().strip_prefix(MODELS).and_then(|rest| rest.strip_prefix('/'));
    let document = match below.filter(|name| !name.is_empty()) {
        None => anthropic::page(&view.by_name(), reach.route.rest.query())?,
        Some(encoded) => write_only(&ListShape::Anthropic, &view, (encoded, reach))?,
    };
    Ok(Bytes::from(document.to_string()))
}

/// Returns the part of the fleet that clients of Ollama can use: what chats or embeds, in whatever words.
pub(crate) fn for_ollama<'f>(reach: &Reach<'_>, fleet: &'f Fleet) -> View<'f> {
    let chat = reach.route.to_converse(Format::OllamaChat, Operation::Chat);
    let embed = reach.route.to_embed();
    let ways = [Reach { route: &chat, ..*reach }, Reach { route: &embed, ..*reach }];
    View::new(fleet, |endpoint| {
        endpoint.live.is_routable() && reach.covers(endpoint) && ways.iter().any(|way| way.forwards(endpoint))
    })
}

/// Where both OpenAI and Anthropic list models.
const MODELS: &str = "/v1/models";

/// Writes a list.
pub(crate) fn write(shape: &ListShape, entries: &[Entry<'_>]) -> Value {
    match shape {
        ListShape::OpenAi(shape) => openai::list(entries, shape),
        ListShape::Anthropic => anthropic::list(entries),
        ListShape::OllamaTags => ollama::tags(entries),
        ListShape::OllamaPs => ollama::ps(entries),
        ListShape::LmStudioV0 => lmstudio::v0(entries),
        ListShape::LmStudioV1 => lmstudio::v1(entries),
    }
}

/// Writes the page of a list that is asked for, in shapes that have pages.
fn write_page(shape: &ListShape, entries: &[Entry<'_>], query: Option<&str>) -> Result<Value, Error> {
    match shape {
        ListShape::Anthropic => anthropic::page(entries, query),
        shape => Ok(write(shape, entries)),
    }
}

/// Writes one entry by itself, in shapes that have that.
fn write_one(shape: &ListShape, entry: &Entry<'_>) -> Option<Value> {
    match shape {
        ListShape::OpenAi(shape) => Some(openai::one(entry, shape)),
        ListShape::Anthropic => Some(anthropic::one(entry)),
        ListShape::LmStudioV0 => Some(lmstudio::v0_entry(entry)),
        ListShape::OllamaTags | ListShape::OllamaPs | ListShape::LmStudioV1 => None,
    }
}

/// Returns whether a list of several kinds is OpenAI's where one of them has this shape.
///
/// Anthropic's list is at the same path; its clients are known by their headers and have been answered before.
fn is_openai_for_all(shape: &ListShape) -> bool {
    matches!(shape, ListShape::OpenAi(_) | ListShape::Anthropic)
}

/// A request that may be for models.
struct Asked<'a> {
    route: &'a Route,
    fleet: &'a Fleet,
    profiles: &'a Profiles,
}

// === impl Asked ===

impl<'a> Asked<'a> {
    /// Returns whether the path is the one at which both OpenAI and Anthropic list models, or below it.
    fn has_openai_list(&self) -> bool {
        let below = self.route.rest.path().strip_prefix(MODELS);
        below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
    }

    /// Returns the shape of what is asked for and, percent-encoded, the name of the only model.
    fn listing(&self) -> Option<(ListShape, Option<&'a str>)> {
        if let Scope::Kind(kind) = self.route.scope {
            let Listing { shape, only, .. } = self.listing_of(self.profiles.get(kind)?)?;
            return Some((shape.clone(), only));
        }
        // Kinds may differ in what they have at the path. That of the first endpoint which can answer decides.
        let in_scope = self.fleet.endpoints().iter().filter(|e| self.covers(e));
        let mut there: Vec<_> =
            in_scope.filter_map(|e| Some((e, self.listing_of(self.profile(e)?)?))).collect();
        there.sort_by_key(|(endpoint, _)| !endpoint.live.is_routable());
        let first = there.first().map(|(_, listing)| *listing);
        let Listing { shape, only, .. } =
            first.or_else(|| self.profiles.iter().find_map(|profile| self.listing_of(profile)))?;
        let shape = if is_openai_for_all(shape) {
            // What one kind adds is not there for all.
            ListShape::OpenAi(OpenAiShape::default())
        } else {
            shape.clone()
        };
        Some((shape, only))
    }

    fn shows(&self, endpoint: &Endpoint, shape: &ListShape) -> bool {
        let listing = || self.listing_of(self.profile(endpoint)?);
        let is_alike = |other: &ListShape| {
            other.is_like(shape) || (is_openai_for_all(other) && is_openai_for_all(shape))
        };
        endpoint.live.is_routable()
            && self.covers(endpoint)
            && listing().is_some_and(|listing| is_alike(listing.shape))
    }

    fn covers(&self, endpoint: &Endpoint) -> bool {
        candidates::in_scope(endpoint, self.route.scope, self.profiles)
    }

    fn profile(&self, endpoint: &Endpoint) -> Option<&'a Profile> {
        self.profiles.get(endpoint.kind?)
    }

    fn listing_of(&self, profile: &'a Profile) -> Option<Listing<'a>> {
        profile.listing_at(self.route.rest.path())
    }
}
