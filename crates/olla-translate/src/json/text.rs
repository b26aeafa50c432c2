//! The leaves of records: texts that borrow, whole numbers, lists that tell where an error is.

use std::{borrow::Cow, fmt, marker::PhantomData, ops::Deref};

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};

use super::RawValue;

/// A string, borrowed from the body unless it holds escapes.
///
/// `Cow` itself would always copy inside an `Option`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

/// A whole number that may be written as `8` or `8.0`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) u64);

/// A list; `null` is an empty one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Items<T>(pub(crate) Vec<T>);

/// A field that the reader of a record has no name for.
#[derive(Debug, Clone)]
pub(crate) struct Field<'a> {
    pub(crate) name: Text<'a>,
    pub(crate) value: &'a RawValue,
}

/// Says where within a record an error is: `.content[2].text: invalid type`.
pub(crate) fn below<E: Error>(place: &dyn fmt::Display, error: &E) -> E {
    let error = error.to_string();
    let joint = if error.starts_with(['.', '[']) { "" } else { ": " };
    E::custom(format_args!("{place}{joint}{error}"))
}

// === impl Text ===

impl Text<'_> {
    /// Returns a copy that lives as long as it likes.
    pub(crate) fn into_owned(self) -> String {
        self.0.into_owned()
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;

        impl<'a> Visitor<'a> for Visit {
            type Value = Text<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'a str) -> Result<Text<'a>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'a>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Visit)
    }
}

// === impl Field ===

impl Field<'_> {
    /// Returns whether it says nothing.
    pub(crate) fn is_null(&self) -> bool {
        self.value.get() == "null"
    }
}

// === impl Count ===

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        let whole = number.as_u64().or_else(|| {
            let value = number.as_f64()?;
            let fits = (0.0..9e15).contains(&value) && value.fract() == 0.0;
            fits.then_some(value as u64)
        });
        let wrong = || D::Error::custom(format_args!("{number} is not a whole number of zero or more"));
        whole.map(Count).ok_or_else(wrong)
    }
}

// === impl Items ===

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self(vec![])
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Items<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Visit<T> {
            type Value = Items<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_unit<E: Error>(self) -> Result<Items<T>, E> {
                Ok(Items(vec![]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Items<T>, A::Error> {
                let mut items = Vec::with_capacity(list.size_hint().unwrap_or(0).min(64));
                loop {
                    let at = items.len();
                    match list.next_element() {
                        Ok(Some(item)) => items.push(item),
                        Ok(None) => return Ok(Items(items)),
                        Err(error) => return Err(below(&format_args!("[{at}]"), &error)),
                    }
                }
            }
        }

        deserializer.deserialize_any(Visit(PhantomData))
    }
}
