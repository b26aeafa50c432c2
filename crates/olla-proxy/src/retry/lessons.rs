//! What the end of an attempt teaches of the endpoint and of the model on it: every later choice knows.

use std::{sync::Arc, time::SystemTime};

use olla_core::{EjectionRules, Endpoint, Failure, Placement};
use tracing::{debug, info, warn};

use super::spare;
use crate::{clock, upstream::Answer};

/// Learns from a response head.
pub(crate) fn of_answer(
    endpoint: &Arc<Endpoint>,
    placement: Option<&Placement>,
    answer: &Answer,
    rules: &EjectionRules,
) {
    let (status, now) = (answer.status(), clock::now());
    let failure = Failure::Status(status.as_u16());
    if status.is_success() {
        endpoint.live.outlier().succeeded(now);
        if let Some(placement) = placement {
            placement.live.take_back();
        }
        return;
    }
    if let Some(placement) = placement
        && let Some(pause) = spare::asked_for(status, answer.headers(), SystemTime::now())
    {
        placement.live.set_aside(now.after(pause));
        let (name, model) = (&endpoint.spec.name, &placement.model.name);
        info!(endpoint = %name, %model, status = status.as_u16(), ?pause, "set aside: the backend asks for it");
    }
    if failure.counts_against() {
        of_failure(endpoint, failure, rules);
    } else if status.as_u16() != 429 {
        // The client's mistakes are no fault of the backend, and show that it works.
        endpoint.live.outlier().succeeded(now);
    }
}

/// Learns from an attempt that failed; an endpoint that cannot be used leaves the rotation until a probe
/// succeeds, one whose requests fail is ejected for a while.
pub(crate) fn of_failure(endpoint: &Arc<Endpoint>, failure: Failure, rules: &EjectionRules) {
    let name = &endpoint.spec.name;
    let from = endpoint.live.status();
    if failure.demotes() && endpoint.live.demote(failure) {
        let to = endpoint.live.status();
        warn!(endpoint = %name, %from, %to, reason = %failure, "health changed");
    } else if failure.counts_against()
        && let Some(pause) = endpoint.live.outlier().failed(clock::now(), rules)
    {
        warn!(endpoint = %name, ?pause, reason = %failure, "ejected: its requests fail; one will try it then");
    } else {
        debug!(endpoint = %name, %failure, "attempt failed");
    }
}
