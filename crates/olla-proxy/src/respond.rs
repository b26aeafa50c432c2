//! Turns a backend's answer, or a document of our own, into the client's response.

mod location;
pub(crate) mod private;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, response};
use olla_core::{Endpoint, Outcome};
use olla_translate::{Dialect, Format, is_stream};

use crate::{
    Answered, Body,
    added::Added,
    body::{Ending, Limits, Nature, Tracked, Translated},
    clock,
    headers::*,
    inspect::Inbound,
    policy::Quota,
    responses::Rest,
    retry::Served,
    route,
    routing::Decision,
    shared::Shared,
    sticky::Settled,
    ticket::Ticket,
    translate::Plan,
};

/// What a request gets: a backend's answer, or a document that Olla wrote itself.
#[derive(Debug)]
pub(crate) struct Reply {
    content: Content,
    quota: Option<Quota>,
}

#[derive(Debug)]
enum Content {
    Own { document: Bytes, content_type: &'static str, is_estimate: bool },
    Served(Box<(Served, Told, Option<Rest>)>),
}

/// What Olla tells the client of how it routed the request.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    dialect: Dialect,
    /// The format of a conversation.
    format: Option<Format>,
    decision: Option<Decision>,
    session: Option<Settled>,
}

// === impl Reply ===

impl Reply {
    /// A JSON document.
    pub(crate) fn own(document: Bytes) -> Self {
        Self::of_our_own(document, JSON, false)
    }

    /// A text for people.
    pub(crate) fn text(text: &'static str) -> Self {
        Self::of_our_own(Bytes::from_static(text.as_bytes()), "text/plain; charset=utf-8", false)
    }

    /// A JSON document with a number that no backend has said.
    pub(crate) fn estimate(document: Bytes) -> Self {
        Self::of_our_own(document, JSON, true)
    }

    fn of_our_own(document: Bytes, content_type: &'static str, is_estimate: bool) -> Self {
        clock::catch_up();
        Self { content: Content::Own { document, content_type, is_estimate }, quota: None }
    }

    /// Returns whether a backend's answer says that there is no such path.
    pub(crate) fn is_unknown_path(&self) -> bool {
        match &self.content {
            Content::Own { .. } => false,
            Content::Served(served) => served.0.answer.is_unknown_path(),
        }
    }

    pub(crate) fn served(served: Served, told: Told, rest: Option<Rest>) -> Self {
        Self { content: Content::Served(Box::new((served, told, rest))), quota: None }
    }

    /// Tells the client what is left of its rate.
    pub(crate) fn with_quota(self, quota: Option<Quota>) -> Self {
        Self { quota, ..self }
    }

    /// Builds the response. The record is handed over when its body has ended.
    pub(crate) fn respond(self, shared: &Shared, ticket: Ticket) -> Answered<Body> {
        let mut added = Added::with_capacity(USUAL);
        add_quota(&mut added, self.quota);
        match self.content {
            Content::Own { document, content_type, is_estimate } => {
                if is_estimate {
                    added.push(X_OLLA_TOKEN_COUNT, "estimate");
                }
                own((document, content_type), added, shared, ticket)
            }
            Content::Served(served) => forward(*served, added, shared, ticket),
        }
    }
}

const JSON: &str = "application/json";
/// Bytes of the fields that are usually added.
const USUAL: usize = 600;

fn own(
    (document, content_type): (Bytes, &'static str),
    mut added: Added,
    shared: &Shared,
    mut ticket: Ticket,
) -> Answered<Body> {
    ticket.answered(StatusCode::OK);
    let length = HeaderValue::from(document.len());
    let body = if ticket.is_head() { Bytes::new() } else { document };
    if !body.is_empty() {
        ticket.sent(body.len(), clock::instant());
    }
    let mut answered = Answered::from(Response::new(Body::whole(body)));
    let headers = &mut answered.head.headers;
    headers.insert(header::CONTENT_LENGTH, length);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    added.push(X_SERVED_BY, shared.settings.product.served_by);
    added.push_text(X_OLLA_REQUEST_ID, ticket.id());
    added.push(X_OLLA_RESPONSE_TIME, ticket.elapsed());
    ticket.finish(Outcome::Success, clock::instant());
    Answered { added, ..answered }
}

/// The backend's status, headers and body, less what concerns only its connection or secrets, plus
/// `X-Olla-*`.
fn forward(
    (served, told, rest): (Served, Told, Option<Rest>),
    mut added: Added,
    shared: &Shared,
    mut ticket: Ticket,
) -> Answered<Body> {
    let Served { answer, lease, plan, retry_after } = served;
    let flowing = plan.as_ref().filter(|_| !answer.is_replaced());
    let (mut head, body) = answer.into_parts();
    if let Some(plan) = flowing {
        plan.turn_head_back(&mut head.headers);
    }
    // The version is ours to choose: an HTTP/1.0 body would end with its connection, cut short or not.
    head.version = http::Version::HTTP_11;
    private::remove(&mut head.headers, lease.endpoint());
    location::translate(&mut head.headers, &lease.endpoint().spec.base, || route::prefix_of(ticket.target()));
    add_own(&mut added, lease.endpoint(), &ticket, shared);
    if let Some(after) = retry_after.filter(|_| is_refusal(head.status)) {
        // The backend's own word, where there is one, is better.
        let seconds = after.as_millis().div_ceil(1000).max(1);
        head.headers.entry(header::RETRY_AFTER).or_insert(HeaderValue::from(seconds as u64));
    }
    told.add_to(&mut added, &ticket);
    told.add_mode(&mut added, plan.as_deref(), ticket.id());
    let added = added.meet(&mut head.headers);
    ticket.answered(head.status);

    let timeouts = &shared.settings.timeouts;
    let limits = Limits {
        stall: timeouts.stall,
        deadline: timeouts.deadline(&ticket),
        ejection: shared.settings.ejection,
    };
    if let Some(stream) = flowing.and_then(|plan| plan.stream()) {
        let translated = Translated::new(body, stream, (ticket, lease), (limits, head.status));
        let translated = match rest {
            Some(Rest::Response(keeping)) => translated.keeping(keeping),
            Some(Rest::Home(_)) | None => translated,
        };
        return Answered { head, added, body: Body::translated(translated) };
    }
    let nature = told.nature_of(&head, plan.is_none());
    // alloc: one per response, and it is made in its box.
    let mut tracked = Box::write(Box::new_uninit(), Tracked::new(body, ticket, lease, limits, nature));
    if let Some(Rest::Home(sighting)) = rest {
        tracked.look_for_id(sighting);
    }
    Answered { head, added, body: Body::tracked(tracked) }
}

/// Whether a client should come again later.
fn is_refusal(status: http::StatusCode) -> bool {
    matches!(status, http::StatusCode::TOO_MANY_REQUESTS | http::StatusCode::SERVICE_UNAVAILABLE)
}

// === impl Told ===

impl Told {
    pub(crate) fn new(inbound: &Inbound, decision: Option<Decision>) -> Self {
        let dialect = inbound.route.dialect;
        let format = inbound.route.format;
        Self { dialect, format, decision, session: None }
    }

    /// Tells what sticky sessions have made of the request too.
    pub(crate) fn add_session(&mut self, session: Option<Settled>) {
        self.session = session;
    }

    /// Adds `X-Olla-Routing-*`, `X-Olla-Model` and `X-Olla-Sticky-*`.
    pub(crate) fn add_to(&self, added: &mut Added, ticket: &Ticket) {
        if let Some(decision) = &self.decision {
            added.push(X_OLLA_ROUTING_STRATEGY, decision.strategy);
            added.push(X_OLLA_ROUTING_DECISION, decision.action);
            added.push_text(X_OLLA_ROUTING_REASON, &decision.reason);
        }
        if let Some(model) = ticket.model() {
            added.push_text(X_OLLA_MODEL, model);
        }
        if let Some(session) = &self.session {
            session.add_to(added);
        }
    }

    /// Adds `X-Olla-Mode` and `X-Olla-Translation-Dropped`.
    fn add_mode(&self, added: &mut Added, plan: Option<&Plan>, id: &str) {
        let Some(plan) = plan else {
            // That others are passed on is a matter of course.
            if matches!(self.format, Some(Format::Messages | Format::Responses)) {
                added.push(X_OLLA_MODE, "passthrough");
            }
            return;
        };
        added.push(X_OLLA_MODE, "translation");
        if let Some(dropped) = &plan.dropped {
            added.push(X_OLLA_TRANSLATION_DROPPED, dropped);
        }
        if plan.client_dialect() == Dialect::Anthropic {
            added.push_text(REQUEST_ID, id);
        }
    }

    /// Returns what is known of a body from its head. A failure can be told only inside a stream of text.
    fn nature_of(&self, head: &response::Parts, is_passed_on: bool) -> Nature {
        let is_stream = is_open_stream(&head.headers);
        let format = self.format.filter(|_| is_stream && is_passed_on && head.status.is_success());
        Nature {
            status: head.status,
            announce_in: is_stream.then_some(self.dialect),
            ending: format.and_then(Ending::of),
            has_length: head.headers.contains_key(header::CONTENT_LENGTH),
        }
    }
}

/// Returns whether these headers announce a stream of events or lines that can be read.
pub(crate) fn is_open_stream(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(is_stream) && !headers.contains_key(header::CONTENT_ENCODING)
}

/// Adds `X-RateLimit-*`.
pub(crate) fn add_quota(added: &mut Added, quota: Option<Quota>) {
    let Some(quota) = quota else { return };
    added.push(X_RATELIMIT_LIMIT, u64::from(quota.limit));
    added.push(X_RATELIMIT_REMAINING, u64::from(quota.remaining));
    added.push(X_RATELIMIT_RESET, quota.reset_unix_seconds);
}

fn add_own(added: &mut Added, endpoint: &Endpoint, ticket: &Ticket, shared: &Shared) {
    let product = &shared.settings.product;
    added.push(X_SERVED_BY, product.served_by);
    added.push(VIA, product.via);
    added.push_text(X_OLLA_REQUEST_ID, ticket.id());
    added.push(X_OLLA_RESPONSE_TIME, ticket.heard_after());
    added.push_text(X_OLLA_ENDPOINT, endpoint.spec.shown);
    if let Some(profile) = endpoint.kind.and_then(|kind| shared.profiles.get(kind)) {
        added.push_text(X_OLLA_BACKEND_TYPE, profile.shown);
    }
}
