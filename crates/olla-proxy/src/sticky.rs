//! Sticky sessions: the requests of one conversation go to the endpoint that has served it, whose caches hold it.
//!
//! A conversation is told by a [`Key`], of which only a keyed hash is kept. A pin is a wish: the balancer chooses
//! among the others where the pinned candidate cannot be used or has too much to do, and whoever then answers
//! well gets the pin. So a pin never points where nothing was served, and it follows the longest cached prompt.

mod digest;
mod key;
mod pins;
mod prefix;

use std::{hash::RandomState, net::IpAddr, time::Duration};

use http::HeaderValue;
use olla_balancer::Pinned;
use olla_core::{Affinity, AffinityOutcome, KeySource};

use crate::{
    added::Added,
    candidates::Candidates,
    headers::{X_OLLA_SESSION_ID, X_OLLA_STICKY_KEY_SOURCE, X_OLLA_STICKY_SESSION},
    inspect::Inbound,
    retry::Served,
    settings::Sticky,
    ticket::Ticket,
};
use key::Key;
use pins::{Pin, Pins};

/// The conversations that all workers know of.
pub(crate) struct Sessions {
    settings: Sticky,
    /// Makes the hashes of this process worth nothing elsewhere.
    secret: RandomState,
    pins: Pins,
}

/// What is known of sticky sessions at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionsView {
    /// Conversations remembered.
    pub active: u64,
    /// Conversations remembered since the start, each counted anew after it was forgotten.
    pub insertions: u64,
    /// Conversations forgotten: idle for too long, or to make room.
    pub evictions: u64,
    /// The most that are remembered; zero: no limit.
    pub max_sessions: u64,
    /// When an idle conversation is forgotten; zero: never.
    pub idle_ttl: Duration,
}

/// One request's part in a conversation.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    sessions: &'a Sessions,
    conversation: Option<Conversation>,
}

#[derive(Debug)]
struct Conversation {
    key: Key,
    /// Whether it was known before this request.
    is_known: bool,
    /// The candidate that has served it, if that one could serve this request too.
    home: Option<usize>,
    /// How the client names it.
    id: Option<HeaderValue>,
}

/// What the client is told of its session.
#[derive(Debug, Clone)]
pub(crate) struct Settled {
    affinity: Affinity,
    id: Option<HeaderValue>,
}

// === impl Sessions ===

impl Sessions {
    pub(crate) fn new(settings: Sticky) -> Self {
        Self { pins: Pins::new(&settings), secret: RandomState::new(), settings }
    }

    /// Recognises the conversation of a request.
    pub(crate) fn recognise(
        &self,
        inbound: &Inbound,
        client: Option<IpAddr>,
        candidates: &mut Candidates<'_>,
    ) -> Session<'_> {
        let conversation = Key::find(&self.settings, &self.secret, inbound, client).map(|key| {
            let pin = self.pins.find(key.hash);
            if let Some(pin) = &pin {
                candidates.include(pin.endpoint());
            }
            let by_header = key.source == KeySource::SessionHeader;
            let id = inbound.head.headers.get(X_OLLA_SESSION_ID).filter(|_| by_header).cloned();
            Conversation {
                is_known: pin.is_some(),
                home: pin.and_then(|pin| pin.position(&candidates.list)),
                id: id.map(unshown),
                key,
            }
        });
        Session { sessions: self, conversation }
    }

    /// Returns the current figures.
    pub(crate) fn view(&self) -> SessionsView {
        let (active, evictions) = self.pins.count();
        SessionsView {
            active,
            insertions: active + evictions,
            evictions,
            max_sessions: self.settings.max_sessions,
            idle_ttl: self.settings.idle_ttl,
        }
    }

    fn keep(&self, key: u64, pin: Option<Pin>, outcome: AffinityOutcome) {
        let Some(pin) = pin else { return };
        // Looked up once more, a hit counts as used from now, and not from before a long answer. Where another
        // request has moved the conversation meanwhile, that is newer than what this one knows.
        if outcome == AffinityOutcome::Hit && self.pins.find(key).is_some() {
            return;
        }
        self.pins.put(key, pin);
    }
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").field("settings", &self.settings).finish_non_exhaustive()
    }
}

// === impl Session ===

impl Session<'_> {
    /// Returns the candidate that the request should go to.
    pub(crate) fn pinned(&self) -> Option<Pinned> {
        let position = self.conversation.as_ref()?.home?;
        let load_percent = match self.sessions.settings.max_load_percent {
            0 => u32::MAX,
            percent => percent,
        };
        Some(Pinned { position, load_percent })
    }

    /// Notes who has answered; it gets the pin if it did so well.
    pub(crate) fn settle(self, served: &Served, candidates: &Candidates<'_>, ticket: &mut Ticket) -> Settled {
        let position = served.lease.position();
        let settled = match self.conversation {
            None => {
                let affinity = Affinity { outcome: AffinityOutcome::Disabled, source: None };
                Settled { affinity, id: None }
            }
            Some(Conversation { key, is_known, home, id }) => {
                let outcome = match is_known {
                    false => AffinityOutcome::Miss,
                    true if home == Some(position) => AffinityOutcome::Hit,
                    true => AffinityOutcome::Repin,
                };
                if ticket.is_going_well() && served.answer.status().is_success() {
                    let pin = candidates.get(position).map(Pin::to);
                    self.sessions.keep(key.hash, pin, outcome);
                }
                Settled { affinity: Affinity { outcome, source: Some(key.source) }, id }
            }
        };
        ticket.settled(settled.affinity);
        settled
    }
}

// === impl Settled ===

impl Settled {
    /// Adds `X-Olla-Sticky-*`, and the session by the name that the client gave it.
    pub(crate) fn add_to(&self, added: &mut Added) {
        let Affinity { outcome, source } = self.affinity;
        added.push(X_OLLA_STICKY_SESSION, outcome.as_str());
        if let Some(source) = source {
            added.push(X_OLLA_STICKY_KEY_SOURCE, source.as_str());
        }
        if let Some(id) = &self.id {
            added.push(X_OLLA_SESSION_ID, id);
        }
    }
}

/// A session's name is for its client alone: it is shown in no log.
fn unshown(mut id: HeaderValue) -> HeaderValue {
    id.set_sensitive(true);
    id
}
