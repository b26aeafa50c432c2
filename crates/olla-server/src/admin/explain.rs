//! `GET /internal/explain`: where a request would go now, and why, without sending it.
//!
//! The judgement is the proxy's own; here it is asked for and written down, as JSON or as text.

mod question;
mod words;

use std::{sync::Arc, time::SystemTime};

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue};
use olla_proxy::{Considered, Explanation, Question};
use serde::Serialize;

use super::{Admin, failure, format, fresh};
use question::Inquiry;
pub(crate) use words::printable;

/// Tells what is decided, in whatever form the answer is.
pub(crate) const DECISION: HeaderName = HeaderName::from_static("x-olla-routing-decision");
/// The decision to which there is no answer from a backend.
pub(crate) const REJECTED: &str = "rejected";

/// The document.
#[derive(Serialize)]
struct Document<'a> {
    timestamp: String,
    summary: String,
    request: Asked<'a>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    alias_of: &'a [Arc<str>],
    strategy: &'static str,
    decision: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Refusal>,
    asks_anew: bool,
    endpoints: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Asked<'a> {
    method: &'a str,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a Arc<str>>,
}

#[derive(Serialize)]
struct Refusal {
    code: &'static str,
    message: String,
}

#[derive(Serialize)]
struct Entry<'a> {
    endpoint: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    verdict: &'static str,
    why: &'a str,
}

/// Answers the question in a query, as of `now`.
pub(super) fn answer(admin: &Admin, query: Option<&str>, headers: &HeaderMap, now: SystemTime) -> Response {
    let Inquiry { question, as_text } = match Inquiry::read(query, headers) {
        Ok(inquiry) => inquiry,
        Err(problems) => return failure::bad_request(&problems.to_string()),
    };
    let explanation = admin.proxy.explain(&question);
    let summary = words::sentence(&question, &explanation, admin.balancer);
    let mut response = if as_text {
        words::text(&summary, &explanation.considered).into_response()
    } else {
        fresh(&document(&question, &explanation, (summary, now)))
    };
    let headers = response.headers_mut();
    headers.insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(DECISION, HeaderValue::from_static(explanation.decision));
    response
}

fn document<'a>(
    question: &'a Question,
    explanation: &'a Explanation,
    (summary, now): (String, SystemTime),
) -> Document<'a> {
    let error = explanation.error.as_ref();
    Document {
        timestamp: format::timestamp(now),
        summary,
        request: Asked {
            method: question.method.as_str(),
            path: question.target.to_string(),
            model: question.model.as_ref(),
        },
        alias_of: &explanation.alias_of,
        strategy: explanation.strategy,
        decision: explanation.decision,
        reason: &explanation.reason,
        status: error.map(|error| error.status().as_u16()),
        error: error.map(|error| Refusal { code: error.code(), message: error.to_string() }),
        asks_anew: explanation.asks_anew,
        endpoints: explanation.considered.iter().map(Entry::from).collect(),
    }
}

// === impl Entry ===

impl<'a> From<&'a Considered> for Entry<'a> {
    fn from(considered: &'a Considered) -> Self {
        let Considered { endpoint, model, verdict, why, .. } = considered;
        Self { endpoint, model: model.as_deref(), verdict: verdict.as_str(), why }
    }
}
