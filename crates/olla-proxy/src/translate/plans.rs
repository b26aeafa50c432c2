//! What one request is in other formats, each made once and kept for the next candidate like it.

use std::sync::Arc;

use olla_core::{KindId, Model};
use olla_translate::{Format, Untranslatable};
use smallvec::SmallVec;

use super::{Client, Plan};
use crate::{Error, clock, replay::Replay, responses::Turn, route::Route, tongues::Tongue};

/// What one request is in other formats, as far as that was asked.
#[derive(Debug)]
pub(crate) struct Plans<'r> {
    client: Client,
    body: &'r Replay,
    turn: Option<&'r Turn>,
    made: SmallVec<[Made<'r>; 1]>,
}

/// The model that is asked for as a backend has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct There<'r> {
    /// Its name, if it is another than the client's.
    pub(super) rename: Option<&'r str>,
    /// Whether it may think: it is not known not to.
    pub(super) thinks: bool,
}

/// A plan, or why there is none; kinds differ in what they take of one format, and so do models, by the names that
/// backends know and by what they can do there.
type Made<'r> = ((KindId, Option<Format>, There<'r>), Result<Arc<Plan>, Untranslatable>);

// === impl Plans ===

impl<'r> Plans<'r> {
    /// Returns no plan yet, for a request that could be put into other words.
    pub(crate) fn of(route: &Route, body: &'r Replay, turn: Option<&'r Turn>) -> Option<Self> {
        let client = Client::of(route)?;
        Some(Self { client, body, turn, made: SmallVec::new() })
    }

    /// Returns the request in the words of a kind, or why there are none. Without a tongue, it is no conversation.
    pub(crate) fn plan(
        &mut self,
        kind: KindId,
        tongue: Option<&Tongue>,
        there: There<'r>,
    ) -> Result<Arc<Plan>, Error> {
        let key = (kind, tongue.map(|tongue| tongue.format), there);
        let made = match self.made.iter().find(|(known, _)| *known == key) {
            Some((_, made)) => made.clone(),
            None => {
                let mut made = Plan::new(self.client, self.body, (tongue, there));
                if let (Some(turn), Ok(plan)) = (self.turn, &mut made) {
                    plan.announce(turn);
                }
                clock::catch_up();
                let made = made.map(Arc::new);
                self.made.push((key, made.clone()));
                made
            }
        };
        made.map_err(Error::Untranslatable)
    }
}

// === impl There ===

impl<'r> There<'r> {
    /// Takes the model's name there, if it is another, and what is known of it.
    pub(crate) fn new(rename: Option<&'r str>, model: Option<&Model>) -> Self {
        let thinks = model.and_then(|model| model.abilities.thinking);
        Self { rename, thinks: thinks != Some(false) }
    }
}
