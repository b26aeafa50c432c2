//! Errors of the admin API, in the shape of the OpenAI API like those of the proxy.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, Uri, header};
use olla_translate::{Dialect, ErrorFacts};

/// Answers a path that is not there.
pub(super) async fn not_found(uri: Uri) -> Response {
    let message = format!("no such path: {}; GET /version lists what there is", uri.path());
    respond(StatusCode::NOT_FOUND, "unknown_path", &message)
}

/// Answers a method that the path does not take; the `Allow` header tells which it does.
pub(super) async fn method_not_allowed() -> Response {
    let message = "this path does not take this method; the Allow header lists those it takes";
    respond(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}

/// Answers a query that asks for something that is not there.
pub(super) fn bad_request(message: &str) -> Response {
    respond(StatusCode::BAD_REQUEST, "bad_request", message)
}

/// Answers a request that concerns an endpoint that is not there.
pub(super) fn unknown_endpoint(name: &str) -> Response {
    let message = format!("no endpoint is called {name:?}; GET /internal/status/endpoints lists them");
    respond(StatusCode::NOT_FOUND, "unknown_endpoint", &message)
}

/// Answers a request to do with an endpoint what cannot be done.
pub(super) fn unknown_action(action: &str) -> Response {
    let message = format!("endpoints can be drained (…/drain) and resumed (…/resume), not {action:?}");
    respond(StatusCode::NOT_FOUND, "unknown_path", &message)
}

/// Answers whoever may not change anything.
pub(super) fn forbidden(message: &str) -> Response {
    respond(StatusCode::FORBIDDEN, "local_callers_only", message)
}

/// Answers when a document cannot be written.
pub(super) fn internal() -> Response {
    respond(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the document could not be written")
}

fn respond(status: StatusCode, code: &str, message: &str) -> Response {
    let facts = ErrorFacts::new(status.as_u16(), code, message);
    let body = Dialect::OpenAi.error_body(&facts);
    (status, [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], body)
        .into_response()
}
