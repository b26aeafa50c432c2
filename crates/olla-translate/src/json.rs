//! JSON without a tree: records that borrow from the body they were read from, and a writer that appends to
//! the body being built.
//!
//! What is only passed on stays a [`RawValue`]: it is checked once and copied once, in the spelling of its
//! author.

mod content;
mod few;
mod halves;
mod loose;
mod record;
mod scan;
mod text;
mod write;

use serde::Deserialize;
pub(crate) use serde_json::value::RawValue;

pub(crate) use content::TextOrList;
pub(crate) use few::Few;
pub(crate) use halves::{Halves, whole_characters};
pub(crate) use loose::Loose;
pub(crate) use record::record;
pub(crate) use scan::Closing;
pub(crate) use text::{Count, Field, Items, Text, below};
pub(crate) use write::{Array, Object};

/// Reads a value within a value, where a wrong type counts as absence.
pub(crate) fn lenient<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}

/// Returns whether this text is one JSON object.
pub(crate) fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{') && serde_json::from_str::<&RawValue>(text).is_ok()
}

#[cfg(test)]
mod tests;
