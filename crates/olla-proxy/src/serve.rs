//! The path of a request, one stage a line. Each stage lives in the file of its name.

use std::{convert::Infallible, net::IpAddr, ops::ControlFlow, sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::request;
use http_body::Body as HttpBody;
use olla_core::Fleet;

use crate::{
    Answered, Body,
    candidates::{self, Asked},
    catalogue, clock,
    counting::Count,
    glance::Glance,
    greeting,
    inspect::{self, Inbound},
    listing,
    policy::{Asker, Quota, size},
    rediscovery,
    render::Refusal,
    request_id,
    respond::{Reply, Told},
    responses::{self, Turn},
    retry::{self, Manner},
    rewrite::Outbound,
    route::{self, Route},
    shared::{Shared, Worker},
    stand_in,
    sticky::Session,
    ticket::Ticket,
};

/// Serves one request, whatever comes of it.
pub(crate) async fn serve<B>(
    worker: Arc<Worker>,
    (mut head, body): (Box<request::Parts>, B),
    peer: Option<IpAddr>,
) -> Result<Answered<Body>, Infallible>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let shared = &*worker.shared;
    let glance = Glance::at(&head.headers);
    let asker = shared.trusted_proxies.ask(peer, &mut head.headers, &glance);
    let target = (head.method.clone(), head.uri.clone());
    let mut ticket =
        Ticket::start(request_id::of(&head.headers, &glance), target, asker.client, &worker.books);
    let answered = match admit(shared, asker, &mut ticket) {
        Err(refusal) => Err(refusal),
        Ok(quota) => match answer(&worker, (head, body), (asker, glance), &mut ticket).await {
            Ok(reply) => Ok(reply.with_quota(quota)),
            Err(refusal) => Err(refusal.with_quota(quota)),
        },
    };
    Ok(match answered {
        Ok(reply) => reply.respond(shared, ticket),
        Err(refusal) => {
            let dialect = route::dialect_of(ticket.target(), &shared.profiles);
            refusal.respond(dialect, &shared.settings.product, ticket).into()
        }
    })
}

/// Lets a request in, or says who keeps it out.
fn admit(shared: &Shared, asker: Asker, ticket: &mut Ticket) -> Result<Option<Quota>, Refusal> {
    let now = ticket.arrived();
    let quota = shared.rate_limits.as_ref().map(|limits| limits.admit(asker.client, now)).transpose()?;
    ticket.enter().map_err(|error| Refusal::from(error).with_quota(quota))?;
    Ok(quota)
}

/// Works out the reply to one request.
async fn answer<B>(
    worker: &Worker,
    (head, body): (Box<request::Parts>, B),
    (asker, glance): (Asker, Glance),
    ticket: &mut Ticket,
) -> Result<Reply, Refusal>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let shared = &*worker.shared;
    size::check(&head, &glance, &shared.settings.limits)?;
    let mut fleet = shared.fleet.load();
    let route = match offhand(&head, shared, &fleet)? {
        ControlFlow::Break(reply) => return Ok(reply),
        ControlFlow::Continue(route) => route,
    };
    let own_limit = shared.tongues.max_body_bytes(route.dialect);
    let mut inbound =
        inspect::read((head, body), (route, glance), (&shared.settings.limits, own_limit), ticket.started())
            .await?;
    ticket.read_body(&inbound);
    if clock::instant() != ticket.started() {
        // What it was when the body began to come may be long ago.
        fleet = shared.fleet.load();
    }
    if let Some(document) = stand_in::answer(&inbound, &shared.reach(&inbound.route), &fleet)? {
        return Ok(Reply::own(document));
    }
    Turn::begin(shared.responses.as_ref(), &mut inbound)?;
    let count = Count::of(&inbound, shared);
    let answered = forward((worker, &fleet), inbound, asker, ticket).await;
    match count {
        None => answered,
        Some(count) => count.settle(answered, shared),
    }
}

/// Answers what can be answered without a look at the body; else says where the request goes.
fn offhand(
    head: &request::Parts,
    shared: &Shared,
    fleet: &Fleet,
) -> Result<ControlFlow<Reply, Route>, Refusal> {
    if let Some(document) =
        catalogue::answer(&head.method, &head.uri, (fleet, &shared.profiles), SystemTime::now)?
    {
        return Ok(ControlFlow::Break(Reply::own(document)));
    }
    let known = (&*shared.profiles, &shared.tongues);
    let route = match route::read(&head.method, &head.uri, known) {
        Ok(route) => route,
        Err(error) => return Ok(ControlFlow::Break(greeting::instead(head, error)?)),
    };
    let reach = shared.reach(&route);
    if let Some(document) = listing::answer(head, &reach, fleet)? {
        return Ok(ControlFlow::Break(Reply::own(document)));
    }
    if let Some(document) = responses::answer(&head.headers, (&reach, fleet), shared.responses.as_deref())? {
        return Ok(ControlFlow::Break(Reply::own(document)));
    }
    if let Some(reply) = stand_in::greet(&reach, fleet).or_else(|| greeting::at_prefix(&reach, fleet)) {
        return Ok(ControlFlow::Break(reply));
    }
    reach.offered(fleet)?;
    Ok(ControlFlow::Continue(route))
}

async fn forward(
    (worker, fleet): (&Worker, &Fleet),
    inbound: Box<Inbound>,
    asker: Asker,
    ticket: &mut Ticket,
) -> Result<Reply, Refusal> {
    let shared = &*worker.shared;
    let asked = Asked {
        reach: shared.reach(&inbound.route),
        model: inbound.model.as_ref().map(|model| &model.name),
        needs: &inbound.needs,
    };
    let routing = shared.settings.routing;
    let settled;
    let mut candidates = match candidates::at_hand(fleet, &asked, routing, worker.drawing()) {
        Some(candidates) => candidates,
        None => {
            let rediscovery;
            (settled, rediscovery) = rediscovery::settle(shared, &asked).await;
            candidates::resolve(&settled, &asked, routing, rediscovery)
                .map_err(|error| Refusal::routing(error, routing, &inbound))?
        }
    };
    let mut told = Told::new(&inbound, candidates.decision.clone());
    if let Some(turn) = &inbound.turn {
        turn.narrow(&mut candidates, &asked.reach)?;
    }
    let session = shared.sessions.as_ref().map(|s| s.recognise(&inbound, asker.client, &mut candidates));
    let manner = Manner::new(&inbound.route, session.as_ref().and_then(Session::pinned));
    let mut outbound = Outbound::new(inbound, asker, &shared.settings.product);
    match retry::run(worker, &outbound, (&candidates, manner), ticket).await {
        Ok(served) => {
            let session = session.map(|session| session.settle(&served, &candidates, ticket));
            let rest = outbound.take_turn().and_then(|turn| turn.settle(&served));
            told.add_session(session);
            Ok(Reply::served(served, told, rest))
        }
        Err(error) => Err(Refusal::after_routing(error, told)),
    }
}
