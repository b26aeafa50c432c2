//! Hashes JSON by what it means: white space, the order of keys and escapes change nothing.
//!
//! Neither does a text that is written as a list of one part, or a mark for the backend's cache: clients change
//! both as a conversation grows.

use std::{
    fmt,
    hash::{BuildHasher, Hash, RandomState},
};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Hashes values, of each text and list a part only.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Digest<'a> {
    secret: &'a RandomState,
    limit: usize,
}

// === impl Digest ===

impl<'a> Digest<'a> {
    /// Counts this many bytes of each text, and elements of each list; zero: all.
    pub(crate) fn new(secret: &'a RandomState, limit: usize) -> Self {
        Self { secret, limit: if limit == 0 { usize::MAX } else { limit } }
    }

    /// Hashes a value of our own.
    pub(super) fn of(self, value: impl Hash) -> u64 {
        self.secret.hash_one(value)
    }

    fn text(self, text: &str) -> u64 {
        let bytes = text.as_bytes();
        self.of(bytes.get(..self.limit).unwrap_or(bytes))
    }

    /// Hashes one value after another.
    pub(super) fn join(self, first: u64, second: u64) -> u64 {
        self.of((first, second))
    }
}

// === impl Value ===

/// Hashes any value; what is empty has no hash.
///
/// An object with a text is that text, whatever its type and its marks. Of other objects the fields are summed
/// up, so that their order does not matter. A list of one is the same as the one.
pub(super) struct Value<'a>(pub(super) Digest<'a>);

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = Option<u64>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<u64>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = Option<u64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<Option<u64>, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Option<u64>, E> {
        Ok(Some(self.0.of(flag)))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Option<u64>, E> {
        Ok(Some(self.0.of(number)))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Option<u64>, E> {
        Ok(Some(self.0.of(number)))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Option<u64>, E> {
        Ok(Some(self.0.of(number.to_bits())))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Option<u64>, E> {
        Ok((!text.is_empty()).then(|| self.0.text(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Option<u64>, A::Error> {
        let Self(digest) = self;
        let mut whole = None;
        for _ in 0..digest.limit {
            let Some(element) = list.next_element_seed(Value(digest))? else { return Ok(whole) };
            if let Some(element) = element {
                whole = Some(whole.map_or(element, |before| digest.join(before, element)));
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(whole)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<u64>, A::Error> {
        let Self(digest) = self;
        let (mut text, mut sum) = (None, None);
        while let Some(key) = map.next_key_seed(PartKey(digest))? {
            match key {
                Part::Mark => skip(map.next_value())?,
                Part::Text => text = map.next_value_seed(Value(digest))?,
                Part::Other(name) => {
                    let value = map.next_value_seed(Value(digest))?.unwrap_or_default();
                    sum = Some(digest.join(name, value).wrapping_add(sum.unwrap_or_default()));
                }
            }
        }
        Ok(text.or(sum))
    }
}

// === impl PartKey ===

/// Tells what the key of an object stands before.
struct PartKey<'a>(Digest<'a>);

enum Part {
    Text,
    /// What backends are asked to keep, which says nothing of the conversation.
    Mark,
    Other(u64),
}

impl<'de> DeserializeSeed<'de> for PartKey<'_> {
    type Value = Part;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Part, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for PartKey<'_> {
    type Value = Part;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Part, E> {
        Ok(match key {
            "text" => Part::Text,
            "cache_control" => Part::Mark,
            other => Part::Other(self.0.text(other)),
        })
    }
}

/// Passes over a value.
pub(super) fn skip<E>(value: Result<IgnoredAny, E>) -> Result<(), E> {
    value.map(|IgnoredAny| ())
}
