//! Sends a request to one candidate after the other until one answers.
//!
//! The rule: before the client has seen a byte, any failure may move on to the next candidate, each tried
//! at most once, provided that the backend cannot have acted on the request, or may act on it twice
//! (idempotent methods, RFC 9110 §9.2.2, and inference calls). A stream counts as unseen until its first
//! output. Retries that cost backends something are limited to a share of all requests.

mod best;
mod budget;
mod choice;
mod detour;
pub(crate) mod lessons;
mod spare;
mod timing;

use std::{borrow::Cow, pin::pin, sync::Arc, time::Duration};

use olla_balancer::{Hint, Lease, Pinned};
use olla_core::{Endpoint, Failure, Placement};
use olla_translate::{Dialect, Progress};
use tokio::time::Instant;
use tracing::debug;

use crate::{
    Error,
    candidates::{Candidates, Reach, Way},
    clock,
    deadline::within,
    error::Jam,
    opening::{self, Patience},
    respond::is_open_stream,
    rewrite::{Outbound, Passage},
    route::Route,
    shared::{Shared, Worker},
    ticket::Ticket,
    translate::{Plan, Plans, There},
    upstream::{Answer, OwnRequest, SendPolicy, Upstream},
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
    /// Set where the backend was asked in another format. What is no stream has been turned back already.
    pub(crate) plan: Option<Arc<Plan>>,
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
    worker: &Worker,
    outbound: &Outbound,
    (candidates, manner): (&Candidates<'_>, Manner),
    ticket: &mut Ticket,
) -> Result<Served, Error> {
    let Worker { shared, upstream, .. } = worker;
    let mut hint = Hint::default();
    (hint.prompt_bytes, hint.pinned) = (outbound.body_bytes(), manner.pinned);
    let mut choice = Choice::new(shared, candidates, hint);
    let sending = Sending { shared, upstream, outbound, candidates, manner };
    let mut plans = Plans::of(outbound.route(), outbound.body(), outbound.turn());
    let (mut best, mut unable) = (None, None);
    while let Some(mut lease) = choice.next(ticket).await {
        let (passage, answered) = match sending.ask(&lease, plans.as_mut(), &choice, ticket).await {
            Err(error @ Error::Untranslatable(_)) => {
                unable.get_or_insert(error);
                continue;
            }
            asked => asked?,
        };
        match answered {
            Ok(Answered::Good(answer)) => {
                ticket.end_attempt(None);
                if answer.status().is_success() {
                    lessons::of_start(lease.endpoint());
                }
                let mut served = Served { answer, lease, plan: passage.plan, retry_after: None };
                served.turn_error_back(ticket).await;
                return Ok(served);
            }
            Ok(Answered::Poor(answer, failure)) => {
                ticket.end_attempt(Some(failure));
                // It must not keep others out while this request waits elsewhere.
                lease.give_back_slot();
                let attempt = ticket.attempts().len() - 1;
                let served = Served { answer, lease, plan: passage.plan, retry_after: None };
                best = Some(Best::of(best, attempt, served, failure));
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
    let Some(best) = best else {
        return Err(match unable.filter(|_| ticket.attempts().is_empty() && choice.jam().is_none()) {
            Some(error) => error,
            None => exhausted(candidates, &choice, ticket),
        });
    };
    ticket.fall_back_to(best.attempt);
    let mut served = best.serve(candidates.all(), clock::now());
    served.turn_error_back(ticket).await;
    Ok(served)
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

impl<'s> Sending<'s, '_> {
    /// Whether there is anybody else who might be asked.
    fn has_others(&self) -> bool {
        self.manner.replayable && self.candidates.are_several()
    }

    fn reach(&self) -> Reach<'s> {
        self.shared.reach(self.outbound.route())
    }

    /// Returns the model's name at the endpoint, if it is another.
    fn rename(&self, lease: &Lease) -> Option<&'s str> {
        self.candidates.rename(lease.position()).map(|name| &**name)
    }

    /// Returns the model at the endpoint.
    fn placement(&self, lease: &Lease) -> Option<&'s Placement> {
        self.candidates.get(lease.position()).and_then(|candidate| candidate.placement)
    }

    /// Returns what a plan for the endpoint goes by.
    fn there(&self, lease: &Lease) -> There<'s> {
        There::new(self.rename(lease), self.placement(lease).map(|placement| &*placement.model))
    }

    /// Works out how an endpoint is asked.
    fn passage(&self, lease: &Lease, plans: Option<&mut Plans<'s>>) -> Result<Passage<'s>, Error> {
        let (endpoint, rename) = (lease.endpoint(), self.rename(lease));
        let (path, plan) = match (self.reach().way(endpoint), plans, endpoint.kind) {
            (Some(Way::PassedOn(path)), ..) => (path, None),
            (Some(Way::Translated(tongue)), Some(plans), Some(kind)) => {
                (Cow::Borrowed(tongue.path()), Some(plans.plan(kind, Some(tongue), self.there(lease))?))
            }
            (Some(Way::Embedded(path)), Some(plans), Some(kind)) => {
                (path, Some(plans.plan(kind, None, self.there(lease))?))
            }
            _ => return Err(Error::BadPath),
        };
        Ok(Passage { path, rename, plan })
    }

    /// Asks a candidate; where that turns out not to have the path of a conversation, at once in other words. That
    /// is one attempt: of the first answer nobody hears.
    async fn ask(
        &self,
        lease: &Lease,
        mut plans: Option<&mut Plans<'s>>,
        choice: &Choice<'_, '_>,
        ticket: &mut Ticket,
    ) -> Result<(Passage<'s>, Result<Answered, Failure>), Error> {
        let passage = self.passage(lease, plans.as_deref_mut())?;
        ticket
            .begin_attempt(Arc::clone(lease.endpoint()), self.placement(lease).map(|p| Arc::clone(&p.live)));
        let begun = ticket.attempt_started();
        let mut answered = self.attempt((lease, &passage, begun), choice, ticket).await?;
        let (Some(format), None) = (self.outbound.route().format, &passage.plan) else {
            return Ok((passage, answered));
        };
        match &mut answered {
            Ok(Answered::Good(answer) | Answered::Poor(answer, _)) if answer.is_unknown_path() => {
                // alloc: a path that is missing only.
                let detour = Box::pin(self.detour((lease, answer), plans)).await;
                let Some(detour) = detour else { return Ok((passage, answered)) };
                let answered =
                    Box::pin(self.attempt((lease, &detour, clock::instant()), choice, ticket)).await?;
                if matches!(&answered, Ok(Answered::Good(answer)) if !answer.is_unknown_path()) {
                    lessons::of_no_path(lease.endpoint(), format);
                }
                Ok((detour, answered))
            }
            Ok(Answered::Good(answer)) if answer.status().is_success() => {
                lessons::of_path(lease.endpoint(), format);
                Ok((passage, answered))
            }
            Ok(_) | Err(_) => Ok((passage, answered)),
        }
    }

    /// Works out how to ask in other words an endpoint that has answered that there is no such path, if it has.
    async fn detour(
        &self,
        (lease, answer): (&Lease, &mut Answer),
        plans: Option<&mut Plans<'s>>,
    ) -> Option<Passage<'s>> {
        let endpoint = lease.endpoint();
        let tongue = self.reach().detour(endpoint)?;
        // What cannot be said in other words, such as what it goes on from, is left as it is.
        let plan = plans?.plan(endpoint.kind?, Some(tongue), self.there(lease)).ok()?;
        let rename = self.rename(lease);
        let passage = Passage { path: Cow::Borrowed(tongue.path()), rename, plan: Some(plan) };
        detour::lacks_path(answer).await.then_some(passage)
    }

    async fn attempt(
        &self,
        (lease, passage, begun): (&Lease, &Passage<'_>, Instant),
        choice: &Choice<'_, '_>,
        ticket: &mut Ticket,
    ) -> Result<Result<Answered, Failure>, Error> {
        let Self { shared, outbound, .. } = *self;
        let endpoint = lease.endpoint();
        let placement = self.placement(lease);
        let request = outbound.request(endpoint, passage)?;
        ticket.asks_in(passage.plan.as_ref().map(|plan| plan.asked_in));
        debug!(endpoint = %endpoint.spec.name, reason = %lease.reason(), request_id = ticket.id(), "sending request");

        let ticket: &Ticket = ticket;
        let timing = Timing::of(shared, lease, placement.filter(|_| self.has_others()), (outbound, begun));
        // Found to be down since it was chosen.
        let is_hopeless = || !endpoint.live.is_routable() && choice.has_alternative(ticket);
        let exchange = self.exchange((endpoint, placement), &request, is_hopeless, (passage, &timing));
        let mut exchange = pin!(exchange);
        let deadline = shared.settings.timeouts.deadline(ticket);
        let mut look = timing.look(None);
        let ended = loop {
            let Some(next) = look.into_iter().chain(deadline).min() else { break exchange.await };
            match within(Some(next), exchange.as_mut()).await {
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
        request: &OwnRequest<'_>,
        is_hopeless: impl Fn() -> bool,
        (passage, timing): (&Passage<'_>, &Timing),
    ) -> Result<Answered, Failure> {
        let Self { shared, manner, .. } = *self;
        let policy =
            SendPolicy { begun: timing.begun, head_timeout: timing.head, replayable: manner.replayable };
        let mut answer = self.upstream.send(endpoint, request, is_hopeless, policy).await?;
        let profile = endpoint.kind.and_then(|kind| shared.profiles.get(kind));
        if let Some(text) = profile.and_then(|profile| profile.unknown_path_body.as_deref()) {
            // alloc: kinds that say so only, and it must not make the future of every request larger.
            Box::pin(detour::unmask(&mut answer, text, shared.settings.timeouts.stall)).await?;
        }
        // A path that is missing says nothing of the endpoint that could be asked at another.
        if !answer.is_unknown_path() || passage.plan.is_some() || self.reach().detour(endpoint).is_none() {
            lessons::of_head(endpoint, placement, &answer, &shared.settings.ejection);
        }
        if self.is_poor(&answer) {
            return Ok(Answered::poor(answer));
        }
        let (stall, is_stream) = (shared.settings.timeouts.stall, is_open_stream(answer.headers()));
        if let Some(plan) = &passage.plan {
            if !answer.status().is_success() {
                return Ok(Answered::Good(answer));
            }
            if !(is_stream && plan.streams) {
                // alloc: translated answers only, and it must not make the future of every request larger.
                Box::pin(plan.turn_back(&mut answer, stall)).await?;
                return Ok(if self.is_poor(&answer) {
                    Answered::poor(answer)
                } else {
                    Answered::Good(answer)
                });
            }
        }
        if !is_stream {
            opening::begin(&mut answer, stall).await?;
            return Ok(Answered::Good(answer));
        }
        if !self.has_others() || !answer.status().is_success() {
            return Ok(Answered::Good(answer));
        }
        let patience = Patience { until: timing.hold_until(clock::instant()), stall };
        let dialect = passage.plan.as_ref().map_or(manner.dialect, |plan| plan.backend_dialect());
        match opening::hold(&mut answer, dialect, patience).await? {
            Progress::Error => return Ok(Answered::Poor(answer, Failure::ErrorEvent)),
            Progress::Output => timing.learn(placement, self.outbound.body_bytes()),
            Progress::Nothing => {}
        }
        Ok(Answered::Good(answer))
    }

    /// Whether another candidate may do better than this answer.
    fn is_poor(&self, answer: &Answer) -> bool {
        self.manner.replayable && self.shared.settings.retry.on_status.contains(&answer.status())
    }
}

// === impl Answered ===

impl Answered {
    fn poor(answer: Answer) -> Self {
        let failure = Failure::Status(answer.status().as_u16());
        Self::Poor(answer, failure)
    }
}

fn may_move_on(failure: Failure, manner: Manner, shared: &Shared) -> bool {
    let retry = &shared.settings.retry;
    retry.on_failure && failure.may_retry() && (manner.replayable || failure.never_sent())
}

fn exhausted(candidates: &Candidates<'_>, choice: &Choice<'_, '_>, ticket: &Ticket) -> Error {
    let full = candidates.all().iter().filter(|candidate| candidate.is_full()).count();
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

// === impl Served ===

impl Served {
    /// Turns an error of a backend that was asked in another format back.
    async fn turn_error_back(&mut self, ticket: &mut Ticket) {
        let Self { answer, lease, plan, .. } = self;
        if let Some(plan) = plan
            && !answer.is_replaced()
            && !answer.status().is_success()
        {
            // alloc: as above.
            Box::pin(plan.turn_error_back(answer, lease.endpoint())).await;
            ticket.hears();
        }
    }
}
