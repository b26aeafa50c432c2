//! Is the process alive, and is it ready for traffic? `GET /internal/health` and `GET /internal/ready`.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use olla_core::Fleet;
use serde_json::{Value, json};

/// Answers that the process is alive, whatever the backends do.
pub(super) fn alive() -> Response {
    respond(StatusCode::OK, json!({"status": "healthy"}))
}

/// Answers whether requests should be sent here: not before every endpoint has been checked once, and not
/// while the process is stopping.
pub(super) fn ready(fleet: &Fleet, stopping: bool) -> Response {
    if stopping {
        return respond(StatusCode::SERVICE_UNAVAILABLE, json!({"status": "stopping"}));
    }
    if !fleet.is_settled() {
        let reason = format!("waiting for the first check of: {}", unsettled(fleet).join(", "));
        return respond(StatusCode::SERVICE_UNAVAILABLE, json!({"status": "starting", "reason": reason}));
    }
    let endpoints = fleet.endpoints();
    let routable = endpoints.iter().filter(|endpoint| endpoint.live.is_routable()).count();
    let document =
        json!({"status": "ready", "endpoints_routable": routable, "endpoints_total": endpoints.len()});
    respond(StatusCode::OK, document)
}

fn unsettled(fleet: &Fleet) -> Vec<&str> {
    let waiting = fleet.endpoints().iter().filter(|endpoint| !endpoint.live.checkup().settled);
    waiting.map(|endpoint| &*endpoint.spec.name).collect()
}

fn respond(status: StatusCode, document: Value) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], Json(document)).into_response()
}
