//! Turns a refusal into a response in the caller's dialect.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use olla_core::{Failure, Outcome};
use olla_translate::{Dialect, ErrorFacts};

use crate::{
    Body, Error,
    added::Added,
    clock,
    headers::{REQUEST_ID, X_OLLA_REQUEST_ID, X_SERVED_BY},
    inspect::Inbound,
    policy::Quota,
    respond::{Told, add_quota},
    routing::Decision,
    settings::{Product, Routing},
    ticket::Ticket,
};

/// A request that gets no backend's answer, and what there is to tell about why.
#[derive(Debug)]
pub(crate) struct Refusal {
    error: Error,
    told: Option<Box<Told>>,
    quota: Option<Quota>,
    /// In which it is written, where the target does not say so.
    dialect: Option<Dialect>,
}

// === impl Refusal ===

impl Refusal {
    /// No candidate: the routing headers say so.
    pub(crate) fn routing(error: Error, routing: Routing, inbound: &Inbound) -> Self {
        let decision = error.routing_reason().map(|reason| Decision::rejected(routing.strategy(), reason));
        Self::after_routing(error, Told::new(inbound, decision))
    }

    /// A request that was routed and still got no answer.
    pub(crate) fn after_routing(error: Error, told: Told) -> Self {
        Self { told: Some(Box::new(told)), ..Self::from(error) }
    }

    /// The client's rate limit: the headers tell how much is left.
    pub(crate) fn over_quota(error: Error, quota: Quota) -> Self {
        Self { quota: Some(quota), ..Self::from(error) }
    }

    /// Writes it in this dialect, whatever the target.
    pub(crate) fn in_dialect(error: Error, dialect: Dialect) -> Self {
        Self { dialect: Some(dialect), ..Self::from(error) }
    }

    /// Tells the client what is left of its rate.
    pub(crate) fn with_quota(self, quota: Option<Quota>) -> Self {
        Self { quota, ..self }
    }

    /// Renders the response and hands the record over.
    pub(crate) fn respond(self, dialect: Dialect, product: &Product, mut ticket: Ticket) -> Response<Body> {
        let Self { error, told, quota, dialect: own } = self;
        let mut response = response(&error, own.unwrap_or(dialect), ticket.id());
        let mut added = Added::default();
        added.push(X_SERVED_BY, product.served_by);
        if let Some(told) = &told {
            told.add_to(&mut added, &ticket);
        }
        add_quota(&mut added, quota);
        added.merge_into(response.headers_mut());
        ticket.refused(&error, http_body::Body::size_hint(response.body()).lower());
        response
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { error, told: None, quota: None, dialect: None }
    }
}

/// Renders an error: its status, a JSON body in the caller's dialect, `Retry-After` where it helps.
#[must_use]
pub(crate) fn response(error: &Error, dialect: Dialect, request_id: &str) -> Response<Body> {
    let message = error.to_string();
    let facts = ErrorFacts {
        status: error.status().as_u16(),
        code: error.code(),
        message: &message,
        param: error.param(),
        request_id: Some(request_id),
    };
    let body = dialect.error_body(&facts);
    let mut response = Response::new(Body::whole(body));
    *response.status_mut() = error.status();
    let id = HeaderValue::from_str(request_id).unwrap_or(HeaderValue::from_static(""));
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(X_OLLA_REQUEST_ID, id.clone());
    if dialect == Dialect::Anthropic {
        headers.insert(REQUEST_ID, id);
    }
    if let Error::MethodNotAllowed { .. } = error {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST, OPTIONS"));
    }
    if let Error::OnlyPosted { .. } = error {
        headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    if let Error::Compressed { .. } = error {
        // RFC 9110 §15.5.16.
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    if let Error::OnlyRead { .. } = error {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    if let Some(after) = error.retry_after() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    }
    response
}

/// Renders what is appended to an open stream that breaks off.
pub(crate) fn stream_error(dialect: Dialect, failure: Failure) -> Bytes {
    let message = broke_off(failure);
    let facts = ErrorFacts::new(502, failure.as_str(), &message);
    dialect.error_event(&facts)
}

/// Says that a response broke off.
pub(crate) fn broke_off(failure: Failure) -> String {
    format!("the backend's response broke off: {failure}")
}

// === impl Error ===

impl Error {
    /// Returns the token of `X-Olla-Routing-Reason`, for errors that are routing decisions.
    pub(crate) fn routing_reason(&self) -> Option<&'static str> {
        match self {
            Self::ModelNotFound { reason, .. } | Self::ModelUnavailable { reason, .. } => Some(reason),
            Self::ModelLacks { .. } => Some("model_lacks_capability"),
            _ => None,
        }
    }

    /// Returns the parameter or the field of the request that is wrong, where it is one.
    fn param(&self) -> Option<&'static str> {
        match self {
            Self::BadParameter { name, .. } => Some(name),
            Self::ResponseNotFound { .. } => Some("previous_response_id"),
            _ => None,
        }
    }
}

// === impl Ticket ===

impl Ticket {
    /// Records a refusal: ours are failures when they are not the client's fault.
    fn refused(&mut self, error: &Error, bytes: u64) {
        self.failed(error.code());
        let now = clock::instant();
        self.sent(usize::try_from(bytes).unwrap_or(usize::MAX), now);
        self.answered(error.status());
        let outcome = match error {
            // Nobody but a client that leaves breaks its own request off.
            Error::BodyBroken => Outcome::Cancelled,
            Error::BodyTimeout { .. } => Outcome::Success,
            _ => Outcome::of_status(error.status()),
        };
        self.finish(outcome, now);
    }
}
