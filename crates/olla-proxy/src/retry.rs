//! Sends a request to one candidate after the other until one answers.
//!
//! The rule: before the client has seen a byte, any failure may move on to the next candidate, each tried
//! at most once, provided that the backend cannot have acted on the request, or may act on it twice
//! (idempotent methods, RFC 9110 §9.2.2, and inference calls).

use std::{sync::Arc, time::Duration};

use olla_balancer::{Hint, Lease, Tried};
use olla_core::Failure;
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::{
    Error,
    candidates::{Candidates, forward_path},
    rewrite::Outbound,
    settings::Retry,
    shared::Shared,
    ticket::Ticket,
    upstream::{Answer, SendPolicy, Upstream},
};

/// A backend's answer that is going to the client, and the hold on that backend.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) answer: Answer,
    pub(crate) lease: Lease,
}

/// Tries candidates until one answers. The answer of a backend that is merely overloaded is kept, and
/// used when nobody does better.
pub(crate) async fn run(
    (shared, upstream): (&Shared, &Upstream),
    outbound: &Outbound,
    (candidates, replayable): (&Candidates<'_>, bool),
    ticket: &mut Ticket,
) -> Result<Served, Error> {
    let retry = &shared.settings.retry;
    let max_attempts = retry.max_attempts.map_or(usize::MAX, Into::into);
    let mut hint = Hint::default();
    hint.prompt_bytes = outbound.body_bytes();
    let mut tried = Tried::default();
    let mut fallback = None;
    while ticket.attempts().len() < max_attempts {
        let Some(pick) = shared.strategy.pick(&candidates.list, &tried, &hint) else { break };
        let Some(lease) = Lease::acquire(&candidates.list, pick) else { break };
        tried.insert(lease.position());
        let policy = SendPolicy { head_timeout: head_timeout(shared, &lease), replayable };
        match attempt((shared, upstream), outbound, (candidates, &lease), (policy, ticket)).await? {
            Ok(answer) if replayable && retry.on_status.contains(&answer.status()) => {
                ticket.end_attempt(Some(Failure::Status(answer.status().as_u16())));
                fallback = Some((ticket.attempts().len() - 1, Served { answer, lease }));
            }
            Ok(answer) => {
                ticket.end_attempt(None);
                return Ok(Served { answer, lease });
            }
            Err(failure) => {
                note(failure, &lease, ticket);
                if !may_move_on(failure, replayable, retry) {
                    break;
                }
            }
        }
    }
    let Some((position, served)) = fallback else { return Err(exhausted(ticket)) };
    ticket.fall_back_to(position);
    Ok(served)
}

/// Kinds that load a model when it is first asked for need more time than a setting for all allows.
fn head_timeout(shared: &Shared, lease: &Lease) -> Duration {
    let configured = shared.settings.timeouts.first_byte;
    let profile = lease.endpoint().kind.and_then(|kind| shared.profiles.get(kind));
    match profile.and_then(|profile| profile.first_byte_timeout) {
        Some(least) if !configured.is_zero() => configured.max(least),
        _ => configured,
    }
}

async fn attempt(
    (shared, upstream): (&Shared, &Upstream),
    outbound: &Outbound,
    (candidates, lease): (&Candidates<'_>, &Lease),
    (policy, ticket): (SendPolicy, &mut Ticket),
) -> Result<Result<Answer, Failure>, Error> {
    let endpoint = lease.endpoint();
    let placement = candidates.list.get(lease.position()).and_then(|c| c.placement);
    let rename = candidates.rename.get(lease.position()).copied().flatten().map(|name| &**name);
    let path = forward_path(endpoint, &shared.profiles, outbound.line()).ok_or(Error::BadPath)?;
    let request = outbound.request(endpoint, &path, rename)?;
    ticket.begin_attempt(Arc::clone(endpoint), placement.map(|p| Arc::clone(&p.totals)));
    debug!(endpoint = %endpoint.spec.name, reason = %lease.reason(), request_id = ticket.id().to_str().unwrap_or_default(), "sending request");

    let sent = upstream.send(endpoint, request, || outbound.request(endpoint, &path, rename).ok(), policy);
    match shared.settings.timeouts.deadline(ticket) {
        Some(deadline) => Ok(tokio::time::timeout_at(deadline, sent).await.unwrap_or(Err(Failure::Deadline))),
        None => Ok(sent.await),
    }
}

/// Notes a failed attempt; an endpoint that cannot be used leaves the rotation until a probe succeeds.
fn note(failure: Failure, lease: &Lease, ticket: &mut Ticket) {
    ticket.end_attempt(Some(failure));
    let endpoint = lease.endpoint();
    let from = endpoint.live.status();
    if failure.demotes() && endpoint.live.demote(failure) {
        let (name, to) = (&endpoint.spec.name, endpoint.live.status());
        warn!(endpoint = %name, %from, %to, reason = %failure, "health changed");
    } else {
        debug!(endpoint = %endpoint.spec.name, %failure, request_id = ticket.id().to_str().unwrap_or_default(), "attempt failed");
    }
}

fn may_move_on(failure: Failure, replayable: bool, retry: &Retry) -> bool {
    retry.on_failure && failure.may_retry() && (replayable || never_sent(failure))
}

/// Whether the failure proves that the backend has not seen the request.
fn never_sent(failure: Failure) -> bool {
    matches!(
        failure,
        Failure::Refused | Failure::Unreachable | Failure::Dns | Failure::Tls | Failure::ConnectTimeout
    )
}

fn exhausted(ticket: &Ticket) -> Error {
    let failed = ticket.attempts().last().and_then(|a| Some((a, a.failure?)));
    match failed {
        Some((attempt, failure)) => Error::Upstream {
            endpoint: Arc::clone(&attempt.endpoint.spec.name),
            failure,
            attempts: ticket.attempts().len(),
        },
        None => Error::NoEndpoint { detail: "they have just become unavailable" },
    }
}

// === impl Timeouts ===

impl crate::settings::Timeouts {
    /// Returns when the whole exchange must be over.
    pub(crate) fn deadline(&self, ticket: &Ticket) -> Option<Instant> {
        if self.total.is_zero() {
            return None;
        }
        Instant::now().checked_add(self.total.saturating_sub(ticket.elapsed()))
    }
}
