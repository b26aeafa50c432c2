//! Content that is a text, or a list of parts.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{
        Error, MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};

use super::{Items, Text};

/// Content that is a text, or a list of parts; a part without a list is a list of one.
#[derive(Debug, Default)]
pub(crate) enum TextOrList<'a, P> {
    #[default]
    Absent,
    Text(Text<'a>),
    List(Vec<P>),
}

// === impl TextOrList ===

impl<'de: 'a, 'a, P: Deserialize<'de>> Deserialize<'de> for TextOrList<'a, P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit<P>(PhantomData<P>);

        impl<'de, P: Deserialize<'de>> Visitor<'de> for Visit<P> {
            type Value = TextOrList<'de, P>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of parts")
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(TextOrList::Absent)
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(TextOrList::Text(text.into()))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(TextOrList::Text(text.to_owned().into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                let Items(parts) = Items::deserialize(SeqAccessDeserializer::new(list))?;
                Ok(TextOrList::List(parts))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Ok(TextOrList::List(vec![P::deserialize(MapAccessDeserializer::new(map))?]))
            }
        }

        deserializer.deserialize_any(Visit(PhantomData))
    }
}
