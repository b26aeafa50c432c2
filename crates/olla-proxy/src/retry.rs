//! Sends a request to one candidate after the other until one answers.
//!
//! The rule: before the client has seen a byte, any failure may move on to the next candidate, each tried
//! at most once, provided that the backend cannot have acted on the request, or may act on it twice
//! (idempotent methods, RFC 9110 §9.2.2, and inference calls). A stream counts as unseen until its first
//! output. Retries that cost backends something are limited to a share of all requests.

mod budget;
mod choice;
pub(crate) mod lessons;
mod spare;

use std::{sync::Arc, time::Duration};

use olla_balancer::{Hint, Lease, Pinned};
use olla_core::{Failure, Placement};
use olla_translate::{Dialect, Progress};
use tokio::time::Instant;
use tracing::debug;

use crate::{
    Error,
    candidates::{Candidates, forward_path},
    error::Jam,
    opening::{self, Patience},
    respond::is_open_stream,
    rewrite::Outbound,
    route::Route,
    shared::Shared,
    ticket::Ticket,
    upstream::{Answer, SendPolicy, Upstream},
};

pub(crate) use budget::Budget;
use choice::Choice;

/// A backend's answer that is going to the client, and the hold on that backend.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) answer: Answer,
    pub(crate) lease: Lease,
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
    let mut hint = Hint::default();
    (hint.prompt_bytes, hint.pinned) = (outbound.body_bytes(), manner.pinned);
    let mut choice = Choice::new(shared, &candidates.list, hint);
    let mut fallback = None;
    while let Some(mut lease) = choice.next(ticket).await {
        match attempt((shared, upstream), outbound, (candidates, &lease), (manner, ticket)).await? {
            Ok(Answered::Good(answer)) => {
                ticket.end_attempt(None);
                if answer.status().is_success() {
                    lessons::of_start(lease.endpoint());
                }
                return Ok(Served { answer, lease });
            }
            Ok(Answered::Poor(answer, failure)) => {
                ticket.end_attempt(Some(failure));
                // It must not keep others out while this request waits elsewhere.
                lease.give_back_slot();
                fallback = Some((ticket.attempts().len() - 1, Served { answer, lease }));
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
    let Some((position, served)) = fallback else { return Err(exhausted(candidates, &choice, ticket)) };
    ticket.fall_back_to(position);
    Ok(served)
}

async fn attempt(
    (shared, upstream): (&Shared, &Upstream),
    outbound: &Outbound,
    (candidates, lease): (&Candidates<'_>, &Lease),
    (manner, ticket): (Manner, &mut Ticket),
) -> Result<Result<Answered, Failure>, Error> {
    let endpoint = lease.endpoint();
    let placement = candidates.list.get(lease.position()).and_then(|c| c.placement);
    let rename = candidates.rename.get(lease.position()).copied().flatten().map(|name| &**name);
    let path = forward_path(endpoint, &shared.profiles, outbound.line()).ok_or(Error::BadPath)?;
    let request = outbound.request(endpoint, &path, rename)?;
    ticket.begin_attempt(Arc::clone(endpoint), placement.map(|p| Arc::clone(&p.live)));
    debug!(endpoint = %endpoint.spec.name, reason = %lease.reason(), request_id = ticket.id().to_str().unwrap_or_default(), "sending request");

    let usual = usual_start(shared, lease, placement, outbound);
    let head_timeout = head_timeout(shared, lease).min(usual.unwrap_or(Duration::MAX));
    let policy = SendPolicy { head_timeout, replayable: manner.replayable };
    let exchange = async {
        let begun = Instant::now();
        let again = || outbound.request(endpoint, &path, rename).ok();
        let mut answer = upstream.send(endpoint, request, again, policy).await?;
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
        let others = manner.replayable && candidates.list.len() > 1;
        if !others || !answer.status().is_success() {
            return Ok(Answered::Good(answer));
        }
        let start = Start { begun, usual, stall, prompt_bytes: outbound.body_bytes() };
        open(answer, manner.dialect, (start, placement)).await
    };
    let ended = match shared.settings.timeouts.deadline(ticket) {
        Some(deadline) => tokio::time::timeout_at(deadline, exchange).await.unwrap_or(Err(Failure::Deadline)),
        None => exchange.await,
    };
    if let Ok(Answered::Poor(_, failure @ Failure::ErrorEvent)) = &ended {
        lessons::of_failure(endpoint, *failure, &shared.settings.ejection);
    }
    Ok(ended)
}

/// When a stream was asked for, and when it is expected.
struct Start {
    begun: Instant,
    usual: Option<Duration>,
    stall: Duration,
    prompt_bytes: u64,
}

/// Waits for the first output of a stream.
async fn open(
    mut answer: Answer,
    dialect: Dialect,
    (start, placement): (Start, Option<&Placement>),
) -> Result<Answered, Failure> {
    let usual = start.usual.and_then(|usual| start.begun.checked_add(usual));
    match opening::hold(&mut answer, dialect, Patience { usual, stall: start.stall }).await? {
        Progress::Error => Ok(Answered::Poor(answer, Failure::ErrorEvent)),
        Progress::Output | Progress::Nothing => {
            if let Some(placement) = placement.filter(|placement| !placement.live.is_cold()) {
                placement.live.has_started(start.prompt_bytes, start.begun.elapsed());
            }
            Ok(Answered::Good(answer))
        }
    }
}

/// Kinds that load a model when it is first asked for need more time than a setting for all allows.
fn head_timeout(shared: &Shared, lease: &Lease) -> Duration {
    let configured = shared.settings.timeouts.first_byte;
    match loading_time(shared, lease) {
        Some(least) if !configured.is_zero() => configured.max(least),
        _ => configured,
    }
}

fn loading_time(shared: &Shared, lease: &Lease) -> Option<Duration> {
    let profile = lease.endpoint().kind.and_then(|kind| shared.profiles.get(kind));
    profile.and_then(|profile| profile.first_byte_timeout)
}

/// Returns by when a stream has usually begun, with a wide margin: a backend that takes longer hangs.
///
/// Unknown for whole answers, whose head comes with their last token, and where the model may have to be
/// loaded first.
fn usual_start(
    shared: &Shared,
    lease: &Lease,
    placement: Option<&Placement>,
    outbound: &Outbound,
) -> Option<Duration> {
    const MARGIN: u32 = 3;

    let live = &placement.filter(|_| outbound.streams())?.live;
    let is_ready = live.loaded().unwrap_or_else(|| loading_time(shared, lease).is_none());
    let slowest = live.slowest_start(outbound.body_bytes()).filter(|_| is_ready)?;
    let floor = shared.settings.timeouts.least_first_output;
    (!floor.is_zero()).then(|| slowest.saturating_mul(MARGIN).max(floor))
}

fn may_move_on(failure: Failure, manner: Manner, shared: &Shared) -> bool {
    let retry = &shared.settings.retry;
    retry.on_failure && failure.may_retry() && (manner.replayable || never_sent(failure))
}

/// Whether the failure proves that the backend has not seen the request.
fn never_sent(failure: Failure) -> bool {
    matches!(
        failure,
        Failure::Refused | Failure::Unreachable | Failure::Dns | Failure::Tls | Failure::ConnectTimeout
    )
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
