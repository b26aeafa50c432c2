//! Sends a request to one candidate after the other until one answers.
//!
//! The rule: before the client has seen a byte, any failure may move on to the next candidate, each tried
//! at most once, provided that the backend cannot have acted on the request, or may act on it twice
//! (idempotent methods, RFC 9110 §9.2.2, and inference calls). A stream counts as unseen until its first
//! output. Retries that cost backends something are limited to a share of all requests.

mod best;
mod budget;
mod choice;
pub(crate) mod lessons;
mod spare;
mod timing;

use std::{pin::pin, sync::Arc, time::Duration};

use http::Request;
use olla_balancer::{Lease, Pinned};
use olla_core::{Endpoint, Failure, Placement};
use olla_translate::{Dialect, Progress};
use tokio::time::{Instant, timeout_at};
use tracing::debug;

use crate::{
    Error,
    candidates::{Candidates, forward_path},
    clock,
    error::Jam,
    opening::{self, Patience},
    replay::ReplayBody,
    respond::is_open_stream,
    rewrite::Outbound,
    route::Route,
    shared::Shared,
    ticket::Ticket,
    upstream::{Answer, SendPolicy, Upstream},
};

use best::Best;
pub(crate) use budget::Budget;
use choice::Choice;
use timing::Timing;

/// A backend's answer that is going to the client, and the hold on that backend.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) answer: Answer,
    pub(crate) lease: Lease,
    /// When it is worth trying again, where the answer is a refusal.
    pub(crate) retry_after: Option<Duration>,
}

/// How a request is tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    /// Whether the backend may see the request twice.
    pub(crate) replayable: bool,
    /// In which a stream is read.
    pub(crate) dialect: Dialect,
    /// The candidate that has served the conversation so far.
    pub(crate) pinned: Option<Pinned>,
}

/// An answer, good or poor.
enum Answered {
    Good(Answer),
    /// Another candidate may do better; the client gets this one if none does.
    Poor(Answer, Failure),
}

// === impl Manner ===

impl Manner {
    pub(crate) fn new(route: &Route, pinned: Option<Pinned>) -> Self {
        Self { replayable: route.replayable, dialect: route.dialect, pinned }
    }
}

/// Tries candidates until one answers well. A poor answer is kept, and used when nobody does better.
pub(crate) async fn run(
    (shared, upstream): (&Shared, &Upstream),
    outbound: &Outbound,
    (candidates, manner): (&Candidates<'_>, Manner),
    ticket: &mut Ticket,
) -> Result<Served, Error> {
    let mut choice = Choice::new(shared, &candidates.list, (outbound.body_bytes(), manner));
    let mut best = None;
    while let Some(mut lease) = choice.next(ticket).await {
        let sending = Sending { shared, upstream, outbound, candidates, manner };
        match sending.attempt(&lease, &choice, ticket).await? {
            Ok(Answered::Good(answer)) => {
                ticket.end_attempt(None);
                if answer.status().is_success() {
                    lessons::of_start(lease.endpoint());
                }
                return Ok(Served { answer, lease, retry_after: None });
            }
            Ok(Answered::Poor(answer, failure)) => {
                ticket.end_attempt(Some(failure));
                // It must not keep others out while this request waits elsewhere.
                lease.give_back_slot();
                let attempt = ticket.attempts().len() - 1;
                best = Some(Best::of(best, attempt, (answer, lease), failure));
            }
            Err(failure) => {
                ticket.end_attempt(Some(failure));
                lessons::of_failure(lease.endpoint(), failure, &shared.settings.ejection);
                if !may_move_on(failure, manner, shared) {
                    break;
                }
            }
        }
    }
    let Some(best) = best else { return Err(exhausted(candidates, &choice, ticket)) };
    ticket.fall_back_to(best.attempt);
    Ok(best.serve(&candidates.list, clock::now()))
}

/// What all attempts of a request have in common.
struct Sending<'s, 'f> {
    shared: &'s Shared,
    upstream: &'s Upstream,
    outbound: &'s Outbound,
    candidates: &'s Candidates<'f>,
    manner: Manner,
}

// === impl Sending ===

impl Sending<'_, '_> {
    /// Whether there is anybody else who might be asked.
    fn has_others(&self) -> bool {
        self.manner.replayable && self.candidates.list.len() > 1
    }

    async fn attempt(
        &self,
        lease: &Lease,
        choice: &Choice<'_>,
        ticket: &mut Ticket,
    ) -> Result<Result<Answered, Failure>, Error> {
        let Self { shared, outbound, candidates, .. } = *self;
        let endpoint = lease.endpoint();
        let placement = candidates.list.get(lease.position()).and_then(|c| c.placement);
        let rename = candidates.rename.get(lease.position()).copied().flatten().map(|name| &**name);
        let path = forward_path(endpoint, &shared.profiles, outbound.line()).ok_or(Error::BadPath)?;
        let request = outbound.request(endpoint, &path, rename)?;
        ticket.begin_attempt(Arc::clone(endpoint), placement.map(|p| Arc::clone(&p.live)));
        debug!(endpoint = %endpoint.spec.name, reason = %lease.reason(), request_id = ticket.id().to_str().unwrap_or_default(), "sending request");

        let timing = Timing::of(shared, lease, placement.filter(|_| self.has_others()), outbound);
        let again = || outbound.request(endpoint, &path, rename).ok();
        let mut exchange = pin!(self.exchange((endpoint, placement), (request, again), &timing));
        let deadline = shared.settings.timeouts.deadline(ticket);
        let mut look = timing.look(None);
        let ended = loop {
            let Some(next) = look.into_iter().chain(deadline).min() else { break exchange.await };
            match timeout_at(next, exchange.as_mut()).await {
                Ok(ended) => break ended,
                Err(_) if deadline.is_some_and(|deadline| deadline <= next) => break Err(Failure::Deadline),
                // Without anybody else to ask, whatever comes late is better than nothing.
                Err(_) if timing.is_late(lease) && choice.has_alternative(ticket) => {
                    break Err(Failure::SlowStart);
                }
                Err(_) => look = timing.look(look),
            }
        };
        if let Ok(Answered::Poor(_, failure @ Failure::ErrorEvent)) = &ended {
            lessons::of_failure(endpoint, *failure, &shared.settings.ejection);
        }
        Ok(ended)
    }

    /// Sends the request, and waits for the first output where it is answered with a stream.
    async fn exchange(
        &self,
        (endpoint, placement): (&Arc<Endpoint>, Option<&Placement>),
        (request, again): (Request<ReplayBody>, impl FnOnce() -> Option<Request<ReplayBody>>),
        timing: &Timing,
    ) -> Result<Answered, Failure> {
        let Self { shared, manner, .. } = *self;
        let policy = SendPolicy { head_timeout: timing.head, replayable: manner.replayable };
        let mut answer = self.upstream.send(endpoint, request, again, policy).await?;
        lessons::of_head(endpoint, placement, &answer, &shared.settings.ejection);
        if manner.replayable && shared.settings.retry.on_status.contains(&answer.status()) {
            let failure = Failure::Status(answer.status().as_u16());
            return Ok(Answered::Poor(answer, failure));
        }
        let stall = shared.settings.timeouts.stall;
        if !is_open_stream(answer.headers()) {
            opening::begin(&mut answer, stall).await?;
            return Ok(Answered::Good(answer));
        }
        if !self.has_others() || !answer.status().is_success() {
            return Ok(Answered::Good(answer));
        }
        let patience = Patience { until: timing.hold_until(Instant::now()), stall };
        if opening::hold(&mut answer, manner.dialect, patience).await? == Progress::Error {
            return Ok(Answered::Poor(answer, Failure::ErrorEvent));
        }
        if let Some(placement) = placement.filter(|placement| !placement.live.is_cold()) {
            let took = timing.begun.elapsed();
            placement.live.has_started(self.outbound.body_bytes(), timing.in_flight, took);
        }
        Ok(Answered::Good(answer))
    }
}

fn may_move_on(failure: Failure, manner: Manner, shared: &Shared) -> bool {
    let retry = &shared.settings.retry;
    retry.on_failure && failure.may_retry() && (manner.replayable || failure.never_sent())
}

fn exhausted(candidates: &Candidates<'_>, choice: &Choice<'_>, ticket: &Ticket) -> Error {
    let full = candidates.list.iter().filter(|candidate| candidate.is_full()).count();
    let failed = ticket.attempts().last().and_then(|a| Some((a, a.failure?)));
    match (choice.jam(), failed) {
        (Some(jam), _) => Error::Busy { endpoints: full.max(1), jam },
        (None, Some((attempt, failure))) => Error::Upstream {
            endpoint: Arc::clone(&attempt.endpoint.spec.name),
            failure,
            attempts: ticket.attempts().len(),
        },
        (None, None) if full > 0 => Error::Busy { endpoints: full, jam: Jam::NoQueue },
        (None, None) => Error::NoEndpoint { detail: "they have just become unavailable" },
    }
}
