//! Lists that nearly always have one item.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// A list of which the first item needs no memory of its own. What is no list is an empty one.
#[derive(Debug)]
pub(crate) struct Few<T> {
    first: Option<T>,
    rest: Vec<T>,
}

// === impl Few ===

impl<T> Few<T> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(&self.rest)
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self { first: None, rest: vec![] }
    }
}

impl<T> IntoIterator for Few<T> {
    type Item = T;
    type IntoIter = std::iter::Chain<std::option::IntoIter<T>, std::vec::IntoIter<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.rest)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Few<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Visit<T> {
            type Value = Few<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_unit<E: Error>(self) -> Result<Few<T>, E> {
                Ok(Few::default())
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Few<T>, E> {
                Ok(Few::default())
            }

            fn visit_str<E: Error>(self, _: &str) -> Result<Few<T>, E> {
                Ok(Few::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Few<T>, A::Error> {
                IgnoredAny.visit_map(map).map(|_| Few::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Few<T>, A::Error> {
                let mut few = Few::default();
                while let Some(item) = list.next_element::<Option<T>>()? {
                    let Some(item) = item else { continue };
                    match few.first {
                        None => few.first = Some(item),
                        Some(_) => few.rest.push(item),
                    }
                }
                Ok(few)
            }
        }

        deserializer.deserialize_any(Visit(PhantomData))
    }
}
