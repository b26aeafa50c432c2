//! What the end of an attempt teaches of the endpoint and of the model on it: every later choice knows.

use std::{sync::Arc, time::SystemTime};

use http::StatusCode;
use olla_core::{EjectionRules, Endpoint, Failure, Placement};
use olla_translate::Format;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::spare;
use crate::{clock, tongues, upstream::Answer};

/// Learns from a response head: the backend may ask to be spared, or refuse.
pub(crate) fn of_head(
    endpoint: &Arc<Endpoint>,
    placement: Option<&Placement>,
    answer: &Answer,
    rules: &EjectionRules,
) {
    let status = answer.status();
    if status.is_success() {
        if let Some(placement) = placement {
            placement.live.take_back();
        }
        return;
    }
    if let Some(placement) = placement
        && let Some(pause) = spare::asked_for(status, answer.headers(), SystemTime::now())
    {
        placement.live.set_aside(clock::now().after(pause));
        let (name, model) = (&endpoint.spec.name, &placement.model.name);
        info!(endpoint = %name, %model, status = status.as_u16(), ?pause, "set aside: the backend asks for it");
    }
    let failure = Failure::Status(status.as_u16());
    if failure.counts_against() {
        of_failure(endpoint, failure, rules);
    }
}

/// Learns from a response that has begun well.
pub(crate) fn of_start(endpoint: &Endpoint) {
    // As nearly always, it says nothing new.
    if endpoint.live.outlier().is_ejected() {
        endpoint.live.response_started(clock::now());
    }
}

/// Learns that the endpoint takes a format, as its kind does.
pub(crate) fn of_path(endpoint: &Endpoint, format: Format) {
    endpoint.live.gaps().found(tongues::gap(format));
}

/// Learns that the endpoint does not have the path of a format that its kind has, and can be asked otherwise.
pub(crate) fn of_no_path(endpoint: &Endpoint, format: Format) {
    if endpoint.live.gaps().missed(tongues::gap(format), clock::now()) {
        info!(endpoint = %endpoint.spec.name, %format, "it has no such path; requests are translated for a while");
    }
}

/// Learns from a response that has come to its end. The client's mistakes are no fault of the backend, and show
/// that it works.
pub(crate) fn of_end(endpoint: &Endpoint, status: StatusCode, now: Instant) {
    let failure = Failure::Status(status.as_u16());
    if !failure.counts_against() && status != StatusCode::TOO_MANY_REQUESTS {
        endpoint.live.response_ended(clock::at(now));
    }
}

/// Learns from an attempt that failed; an endpoint that cannot be used leaves the rotation until a probe
/// succeeds, one whose requests fail is ejected for a while.
pub(crate) fn of_failure(endpoint: &Endpoint, failure: Failure, rules: &EjectionRules) {
    let name = &endpoint.spec.name;
    debug!(endpoint = %name, %failure, "attempt failed");
    if failure.counts_against()
        && let Some(pause) = endpoint.live.request_failed(failure, clock::now(), rules)
    {
        warn!(endpoint = %name, ?pause, reason = %failure, "ejected: its requests fail; one will try it then");
    }
    let from = endpoint.live.status();
    if failure.demotes() && endpoint.live.demote(failure) {
        let to = endpoint.live.status();
        warn!(endpoint = %name, %from, %to, reason = %failure, "health changed");
    }
}
