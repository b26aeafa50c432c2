//! Finds how a conversation begins: its system prompt and the first message of the user, wherever a dialect has
//! them. Nothing is kept but hashes, and what is behind the beginning is not parsed.

use std::{fmt, io::BufReader};

use olla_translate::{Dialect, Operation};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::digest::{Digest, Value, skip};
use crate::{replay::Replay, route::Route};

/// Where a dialect puts the beginning of a conversation: keys at the top level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    turns: Turns,
    /// The system prompt, where it is not among the messages.
    system: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turns {
    /// Messages with roles.
    Messages(&'static str),
    /// A text, or tokens.
    Text(&'static str),
}

/// Bodies of several chunks are joined up to this size: one piece is read four times as fast.
const JOINED: u64 = 256 * 1024;

/// Returns a hash of the beginning, or `None` when there is none.
pub(crate) fn of(body: &Replay, shape: Shape, digest: Digest<'_>) -> Option<u64> {
    let mut opening = Opening::default();
    let reading = Reading { shape, digest, opening: &mut opening };
    // An error means that there is more to read than is wanted; of a broken body counts what came before.
    let _ = if body.len() <= JOINED {
        // alloc: a copy of a body that came in several chunks.
        let whole = body.whole();
        reading.deserialize(&mut serde_json::Deserializer::from_slice(&whole))
    } else {
        let reader = BufReader::new(body.reader());
        reading.deserialize(&mut serde_json::Deserializer::from_reader(reader))
    };
    opening.hash(digest)
}

// === impl Shape ===

impl Shape {
    /// Returns the shape of a request's body; `None` when it is no conversation.
    pub(crate) fn of(route: &Route) -> Option<Self> {
        let messages = Turns::Messages("messages");
        let (turns, system) = match (route.operation, route.dialect) {
            (Operation::Chat, _) => (messages, None),
            (Operation::Messages, _) | (Operation::CountTokens, Dialect::Anthropic) => {
                (messages, Some("system"))
            }
            (Operation::Responses, _) | (Operation::CountTokens, Dialect::OpenAi | Dialect::Ollama) => {
                (Turns::Messages("input"), Some("instructions"))
            }
            (Operation::Completion, Dialect::Ollama) => (Turns::Text("prompt"), Some("system")),
            (Operation::Completion, Dialect::OpenAi | Dialect::Anthropic) => (Turns::Text("prompt"), None),
            (
                Operation::Embedding
                | Operation::Scoring
                | Operation::Media
                | Operation::ListModels
                | Operation::ShowModel
                | Operation::Other,
                _,
            ) => return None,
        };
        Some(Self { turns, system })
    }
}

// === impl Turns ===

impl Turns {
    fn key(self) -> &'static str {
        match self {
            Self::Messages(key) | Self::Text(key) => key,
        }
    }
}

// === impl Opening ===

/// What has been found of a beginning.
#[derive(Debug, Default)]
struct Opening {
    /// The system prompt at the top level.
    instructions: Option<u64>,
    /// Messages of the system before the first of the user.
    system: Option<u64>,
    /// The first message of the user, or the prompt.
    first: Option<u64>,
}

impl Opening {
    fn is_complete(&self, shape: Shape) -> bool {
        self.first.is_some() && (shape.system.is_none() || self.instructions.is_some())
    }

    fn hash(&self, digest: Digest<'_>) -> Option<u64> {
        let found = self.instructions.or(self.system).or(self.first);
        found.map(|_| digest.of((self.instructions, self.system, self.first)))
    }
}

// === impl Reading ===

/// Reads the top level.
struct Reading<'a> {
    shape: Shape,
    digest: Digest<'a>,
    opening: &'a mut Opening,
}

impl<'de> DeserializeSeed<'de> for Reading<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Reading<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { shape, digest, opening } = self;
        let turns = shape.turns.key();
        let fields = [turns, shape.system.unwrap_or(turns)];
        while let Some(field) = map.next_key_seed(Field(&fields))? {
            match (field, shape.turns) {
                (Some(0), Turns::Messages(_)) => {
                    map.next_value_seed(Messages(Reading { shape, digest, opening: &mut *opening }))?;
                }
                (Some(0), Turns::Text(_)) => opening.first = map.next_value_seed(Value(digest))?,
                (Some(_), _) => opening.instructions = map.next_value_seed(Value(digest))?,
                (None, _) => skip(map.next_value())?,
            }
            if opening.is_complete(shape) {
                break;
            }
        }
        Ok(())
    }
}

// === impl Messages ===

/// Reads messages up to the first of the user, or a text in their place.
struct Messages<'a>(Reading<'a>);

impl<'de> DeserializeSeed<'de> for Messages<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Messages<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("messages")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        let Self(reading) = self;
        reading.opening.first = Value(reading.digest).visit_str(text)?;
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut messages: A) -> Result<(), A::Error> {
        let Self(Reading { shape, digest, opening }) = self;
        while let Some((role, content)) = messages.next_element_seed(Message(digest))? {
            match role {
                Role::User => {
                    opening.first = Some(content);
                    break;
                }
                Role::System => {
                    opening.system =
                        Some(opening.system.map_or(content, |before| digest.join(before, content)));
                }
                Role::Other => {}
            }
        }
        // What is left is only passed over if something is wanted from behind it.
        while !opening.is_complete(shape) && messages.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

// === impl Message ===

/// Reads one message: its role and a hash of its content.
struct Message<'a>(Digest<'a>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    System,
    User,
    Other,
}

impl<'de> DeserializeSeed<'de> for Message<'_> {
    type Value = (Role, u64);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(Role, u64), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Message<'_> {
    type Value = (Role, u64);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(Role, u64), A::Error> {
        let Self(digest) = self;
        let (mut role, mut content, mut images) = (Role::Other, None, None);
        while let Some(field) = map.next_key_seed(Field(&["role", "content", "images"]))? {
            match field {
                Some(0) => {
                    role = match map.next_value_seed(Field(&["user", "system", "developer"]))? {
                        Some(0) => Role::User,
                        Some(_) => Role::System,
                        None => Role::Other,
                    }
                }
                Some(1) => content = map.next_value_seed(Value(digest))?,
                Some(_) => images = map.next_value_seed(Value(digest))?,
                None => skip(map.next_value())?,
            }
        }
        let content = content.unwrap_or_default();
        Ok((role, images.map_or(content, |images| digest.join(content, images))))
    }
}

// === impl Field ===

/// Tells which of some words a string is.
struct Field<'a>(&'a [&'static str]);

impl<'de> DeserializeSeed<'de> for Field<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Field<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Option<usize>, E> {
        let Self(words) = self;
        Ok(words.iter().position(|word| *word == text))
    }
}

#[cfg(test)]
mod tests;
