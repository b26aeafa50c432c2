//! `previous_response_id`: requests of OpenAI's Responses that go on from an earlier response.
//!
//! A response that was translated is kept here, as the items of its turn, and a request that goes on from it gets
//! the items of the whole conversation, so that any backend can serve it. A response that a backend of this format
//! has made is kept there: of it only the [home](Memory) is remembered, and the request goes to it. What is not
//! known may be known to any backend of this format, and to no other.

mod memory;
mod reading;
mod sighting;

use std::sync::Arc;

use http::HeaderMap;
use olla_balancer::Candidate;
use olla_core::EndpointId;
use olla_translate::{Format, ResponseChain, ResponseTranslator};

use crate::{
    Error,
    candidates::{Candidates, Reach, Way},
    inspect::Inbound,
    replay::Replay,
    retry::Served,
    settings::Responses,
};
pub(crate) use memory::Memory;
use memory::{Kept, Known, Owner};
pub(crate) use reading::answer;
pub(crate) use sighting::{Sighting, find_id};

/// One request's part in a conversation of Responses.
#[derive(Debug)]
pub(crate) struct Turn {
    /// `None` where nothing is remembered.
    memory: Option<Arc<Memory>>,
    owner: Owner,
    /// The body as the client sent it.
    body: Replay,
    previous: Option<Previous>,
}

/// The response that a request goes on from.
#[derive(Debug)]
struct Previous {
    id: Box<str>,
    whereabouts: Whereabouts,
}

/// Who has a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whereabouts {
    /// Olla, and the request says all of it.
    Here,
    /// The backend that has made it.
    At(EndpointId),
    /// Whoever may.
    Unknown,
}

/// What is still to be remembered while an answer flows to the client.
#[derive(Debug)]
pub(crate) enum Rest {
    /// The response itself, once it is complete.
    Response(Box<Keeping>),
    /// Which backend has made it.
    Home(Box<Sighting>),
}

/// A response to be kept.
#[derive(Debug)]
pub(crate) struct Keeping {
    turn: Box<Turn>,
    id: String,
}

// === impl Turn ===

impl Turn {
    /// Recognises what a request goes on from. Where Olla has that, the request is made to say all of it.
    pub(crate) fn begin(memory: Option<&Arc<Memory>>, inbound: &mut Inbound) -> Result<(), Error> {
        if inbound.route.format != Some(Format::Responses) {
            return Ok(());
        }
        let memory = memory.cloned();
        let owner = memory.as_ref().map_or_else(Owner::default, |memory| memory.owner(&inbound.head.headers));
        // alloc: one box for each request of this format.
        let mut turn = Box::new(Self { memory, owner, body: inbound.body.clone(), previous: None });
        if let Some(id) = inbound.previous_response() {
            let whereabouts = turn.look_up(&id, inbound)?;
            turn.previous = Some(Previous { id, whereabouts });
        }
        inbound.turn = Some(turn);
        Ok(())
    }

    fn look_up(&self, id: &str, inbound: &mut Inbound) -> Result<Whereabouts, Error> {
        let Some(memory) = &self.memory else { return Ok(Whereabouts::Unknown) };
        match memory.find(self.owner, id) {
            None => Ok(Whereabouts::Unknown),
            Some(Known::At(endpoint)) => Ok(Whereabouts::At(endpoint)),
            Some(Known::Kept(last)) => {
                let Some(turns) = memory.conversation(self.owner, last) else {
                    return Ok(Whereabouts::Unknown);
                };
                let turns: Vec<&[u8]> = turns.iter().flat_map(|turn| [&*turn.input, output(turn)]).collect();
                inbound.replace_json(ResponseChain::expand(&self.body.whole(), &turns)?);
                Ok(Whereabouts::Here)
            }
        }
    }

    /// Leaves only candidates that can go on from the response.
    pub(crate) fn narrow(&self, candidates: &mut Candidates<'_>, reach: &Reach<'_>) -> Result<(), Error> {
        let Some(Previous { id, whereabouts }) = &self.previous else { return Ok(()) };
        let home = match whereabouts {
            Whereabouts::Here => return Ok(()),
            Whereabouts::At(endpoint) => Some(*endpoint),
            Whereabouts::Unknown => None,
        };
        candidates.retain(|candidate: &Candidate<'_>| {
            matches!(reach.way(candidate.endpoint), Some(Way::PassedOn(_)))
        });
        if let Some(home) = home
            && candidates.list.iter().any(|candidate| candidate.endpoint.id == home)
        {
            candidates.retain(|candidate| candidate.endpoint.id == home);
        }
        if candidates.list.is_empty() {
            let idle_ttl = self.memory.as_ref().map(|memory| memory.idle_ttl());
            return Err(Error::ResponseNotFound { id: id.clone(), kept_for: idle_ttl });
        }
        Ok(())
    }

    /// Tells the client of a translated answer that it is kept, if it is going to be.
    pub(crate) fn announce(&self, response: &mut ResponseTranslator) {
        if self.memory.is_some() && ResponseChain::read(&self.body.whole()).is_ok_and(|chain| chain.store) {
            response.keep(self.previous.as_ref().map(|previous| &*previous.id));
        }
    }

    /// Remembers what a backend has answered, or says what remains to be remembered while that flows.
    pub(crate) fn settle(self: Box<Self>, served: &Served) -> Option<Rest> {
        let memory = self.memory.as_ref().filter(|_| served.answer.status().is_success())?;
        let Some(plan) = &served.plan else {
            let home = served.lease.endpoint().id;
            let sighting = Sighting::new(Arc::clone(memory), self.owner, home);
            return Some(Rest::Home(Box::new(sighting)));
        };
        let keeping = Keeping { id: plan.kept_as()?, turn: self };
        let Some(whole) = served.answer.replaced_body() else {
            return Some(Rest::Response(Box::new(keeping)));
        };
        keeping.keep(whole);
        None
    }
}

/// What the model has said in a turn.
fn output(turn: &Kept) -> &[u8] {
    ResponseChain::output(&turn.response).unwrap_or_default()
}

// === impl Keeping ===

impl Keeping {
    /// Keeps the response that an answer holds or, of a stream, its end. What is too large for the memory is left
    /// out.
    pub(crate) fn keep(self, answer: &[u8]) {
        let Self { turn, id } = self;
        let Some(memory) = &turn.memory else { return };
        let Some(response) = ResponseChain::response(answer) else { return };
        // The request has been read before; it has input.
        let Ok(input) = ResponseChain::input(&turn.body.whole()) else { return };
        let previous = turn.previous.filter(|previous| previous.whereabouts == Whereabouts::Here);
        let previous = previous.map(|previous| previous.id);
        let kept = Kept { previous, input: Box::from(&*input), response: Box::from(response) };
        memory.put(turn.owner, &id, Known::Kept(Arc::new(kept)));
    }
}

impl Memory {
    /// Makes one as the settings have it; `None` if nothing is to be remembered.
    pub(crate) fn of(settings: &Responses) -> Option<Arc<Self>> {
        settings.store.then(|| Arc::new(Self::new(settings.store_bytes, settings.idle_ttl)))
    }

    fn owner(&self, headers: &HeaderMap) -> Owner {
        Owner::of(headers, self)
    }
}
