//! The shape of a model listing, and reading one.
//!
//! A wrong shape is an error, never an empty list: an empty list takes models out of the rotation.

use olla_core::Model;
use serde_json::Value;
use thiserror::Error;

use crate::{facts::FactRules, json_path::JsonPath};

/// A listing that is not in the shape its profile declares.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ListingError {
    /// Not JSON at all.
    #[error("the model list is not JSON")]
    NotJson(#[from] serde_json::Error),
    /// No array of models where the profile says it is.
    #[error("the model list has no array at {expected}; it is {found}")]
    Shape {
        /// The places where an array was looked for.
        expected: String,
        /// What the document is instead.
        found: String,
    },
}

/// Where a kind's listing has what.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// Places of the array of models; the first that is an array counts.
    pub(crate) models: Vec<JsonPath>,
    /// Where an entry has what.
    pub(crate) facts: FactRules,
    /// The tag that a name without one implies, such as `latest`.
    pub(crate) default_tag: Option<Box<str>>,
}

// === impl Shape ===

impl Shape {
    /// Reads a listing. Entries without a name are left out; a `null` list is an empty one.
    pub(crate) fn parse(&self, body: &[u8]) -> Result<Vec<Model>, ListingError> {
        let document: Value = serde_json::from_slice(body)?;
        let entries = entries(&document, &self.models)?;
        Ok(entries.iter().filter_map(|entry| self.model(entry)).collect())
    }

    fn model(&self, entry: &Value) -> Option<Model> {
        let facts = self.facts.read(entry);
        let mut model = Model::named(facts.name()?);
        facts.add_to(&mut model);
        if let Some(tag) = &self.default_tag {
            model.also.extend(other_spelling(&model.name, tag).map(Into::into));
        }
        Some(model)
    }
}

/// Returns the elements of the first of `paths` that is an array; a `null` is an empty one.
pub(crate) fn entries<'v>(document: &'v Value, paths: &[JsonPath]) -> Result<&'v [Value], ListingError> {
    let mut is_null = false;
    for path in paths {
        match path.find(document) {
            Some(Value::Array(entries)) => return Ok(entries),
            Some(Value::Null) => is_null = true,
            _ => {}
        }
    }
    if is_null {
        return Ok(&[]);
    }
    let expected: Vec<_> = paths.iter().map(ToString::to_string).collect();
    Err(ListingError::Shape { expected: expected.join(" or "), found: describe(document) })
}

/// Returns `llama3` for `llama3:latest` and the reverse, for the tag `latest`; `None` for any other tag.
fn other_spelling(name: &str, default_tag: &str) -> Option<String> {
    let repository = name.rsplit_once('/').map_or(name, |(_, repository)| repository);
    match repository.split_once(':') {
        None => Some(format!("{name}:{default_tag}")),
        Some((_, tag)) if tag == default_tag => name.strip_suffix(tag)?.strip_suffix(':').map(str::to_owned),
        Some(_) => None,
    }
}

/// Says what a document is, without repeating its values.
fn describe(document: &Value) -> String {
    match document {
        Value::Object(entries) if entries.is_empty() => "an empty object".into(),
        Value::Object(entries) => {
            let keys: Vec<_> = entries.keys().take(5).map(|key| quoted(key)).collect();
            format!("an object with {}", keys.join(", "))
        }
        Value::Array(_) => "an array".into(),
        Value::Null => "null".into(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => "a single value".into(),
    }
}

fn quoted(key: &str) -> String {
    format!("{:?}", key.chars().take(40).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_tag_works_in_both_directions() {
        assert_eq!(other_spelling("llama3:latest", "latest").as_deref(), Some("llama3"));
        assert_eq!(other_spelling("llama3", "latest").as_deref(), Some("llama3:latest"));
        assert_eq!(other_spelling("llama3:8b", "latest"), None);
        assert_eq!(other_spelling("host:5000/m", "latest").as_deref(), Some("host:5000/m:latest"));
    }
}
