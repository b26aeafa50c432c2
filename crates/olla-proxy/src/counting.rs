//! Counts the tokens of a prompt for Anthropic's clients: a backend that can is asked, and where none answers, the
//! number is estimated.

use bytes::Bytes;
use olla_core::Needs;
use olla_translate::{Format, Operation, estimate_tokens};

use crate::{
    Error,
    candidates::{self, Asked},
    inspect::{Inbound, NamedModel},
    render::Refusal,
    replay::Replay,
    respond::Reply,
    route::Route,
    routing::Rediscovery,
    shared::Shared,
};

/// A prompt whose tokens are to be counted.
#[derive(Debug)]
pub(crate) struct Count {
    /// Of the conversation that the prompt is to begin.
    route: Route,
    body: Replay,
    model: Option<NamedModel>,
}

// === impl Count ===

impl Count {
    /// Returns what is to be counted, if a request is for that.
    pub(crate) fn of(inbound: &Inbound, shared: &Shared) -> Option<Box<Self>> {
        let format = shared.reach(&inbound.route).counted()?;
        let route = inbound.route.to_converse(format, Operation::Messages);
        Some(Box::new(Self { route, body: inbound.body.clone(), model: inbound.model.clone() }))
    }

    /// Returns a backend's count, or else an estimate for a prompt that some backend could be asked.
    pub(crate) fn settle(
        self: Box<Self>,
        counted: Result<Reply, Refusal>,
        shared: &Shared,
    ) -> Result<Reply, Refusal> {
        match counted {
            Ok(reply) if !reply.is_unknown_path() => return Ok(reply),
            Ok(_) => {}
            // Who could count it cannot be asked; who could be asked it is another question.
            Err(_) => self.servable(shared)?,
        }
        let body = self.body.whole();
        let tokens = estimate_tokens(Format::Messages, &body).map_err(Error::from)?;
        Ok(Reply::estimate(Bytes::from(format!("{{\"input_tokens\":{tokens}}}"))))
    }

    /// Whether a conversation that begins with this prompt would find a backend.
    fn servable(&self, shared: &Shared) -> Result<(), Error> {
        let asked = Asked {
            reach: shared.reach(&self.route),
            model: self.model.as_ref().map(|model| &model.name),
            needs: &Needs::default(),
        };
        let fleet = shared.fleet.load();
        candidates::resolve(&fleet, &asked, shared.settings.routing, Rediscovery::NotAsked).map(|_| ())
    }
}
