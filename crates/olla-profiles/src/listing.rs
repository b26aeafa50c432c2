//! The shape of a model listing, and reading one.
//!
//! A wrong shape is an error, never an empty list: an empty list takes models out of the rotation.

use olla_core::{Glob, Model, ModelUse};
use serde_json::Value;
use thiserror::Error;

use crate::json_path::{JsonPath, scalar_text};

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
    /// Where a model's other names are.
    pub(crate) also: Vec<Source>,
    /// Where the capabilities of a model are; all sources count.
    pub(crate) capabilities: Vec<Source>,
    /// Where each fact about a model is taken from; the first source that yields something counts.
    pub(crate) fields: Vec<(Field, Vec<Source>)>,
    /// The tag that a name without one implies, such as `latest`.
    pub(crate) default_tag: Option<Box<str>>,
}

/// A fact about a model that a listing may tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Name,
    UsedFor,
    SizeBytes,
    Digest,
    Modified,
    Family,
    ParameterSize,
    Quantization,
    Format,
    Publisher,
    Parent,
    Description,
    ContextLength,
    State,
}

/// One way to obtain a fact from the entry of a model.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) take: Take,
    /// Keeps only what stands before this text.
    pub(crate) before: Option<Box<str>>,
    /// Values that tell nothing, such as the server's own name as the publisher.
    pub(crate) except: Vec<Box<str>>,
    /// Translates values; one that matches no pattern tells nothing. Empty keeps values as they are.
    pub(crate) values: Vec<(Glob, Box<str>)>,
}

/// What a [`Source`] begins with.
#[derive(Debug, Clone)]
pub(crate) enum Take {
    /// The value at a path of the entry; of an array, every element that tells something.
    Path(JsonPath),
    /// The same for every model.
    Constant(Box<str>),
}

// === impl Shape ===

impl Shape {
    /// Reads a listing. Entries without a name are left out; a `null` list is an empty one.
    pub(crate) fn parse(&self, body: &[u8]) -> Result<Vec<Model>, ListingError> {
        let document: Value = serde_json::from_slice(body)?;
        Ok(self.entries(&document)?.iter().filter_map(|entry| self.model(entry)).collect())
    }

    fn entries<'v>(&self, document: &'v Value) -> Result<&'v [Value], ListingError> {
        let mut is_null = false;
        for path in &self.models {
            match path.find(document) {
                Some(Value::Array(entries)) => return Ok(entries),
                Some(Value::Null) => is_null = true,
                _ => {}
            }
        }
        if is_null {
            return Ok(&[]);
        }
        let expected: Vec<_> = self.models.iter().map(ToString::to_string).collect();
        Err(ListingError::Shape { expected: expected.join(" or "), found: describe(document) })
    }

    fn model(&self, entry: &Value) -> Option<Model> {
        let mut model = Model::default();
        for (field, sources) in &self.fields {
            if let Some(text) = first_yield(sources, entry).into_iter().next() {
                field.set(&mut model, text);
            }
        }
        if model.name.is_empty() {
            return None;
        }
        let also = first_yield(&self.also, entry).into_iter().map(Into::into);
        model.also = also.filter(|also| *also != model.name).collect();
        let capabilities = self.capabilities.iter().flat_map(|source| source.texts(entry));
        model.reported.capabilities = capabilities.map(Into::into).collect();
        if let Some(tag) = &self.default_tag {
            model.also.extend(other_spelling(&model.name, tag).map(Into::into));
        }
        Some(model)
    }
}

// === impl Field ===

impl Field {
    /// Every field with its name in a profile.
    pub(crate) const NAMES: [(&'static str, Self); 14] = [
        ("name", Self::Name),
        ("used_for", Self::UsedFor),
        ("size_bytes", Self::SizeBytes),
        ("digest", Self::Digest),
        ("modified", Self::Modified),
        ("family", Self::Family),
        ("parameter_size", Self::ParameterSize),
        ("quantization", Self::Quantization),
        ("format", Self::Format),
        ("publisher", Self::Publisher),
        ("parent", Self::Parent),
        ("description", Self::Description),
        ("context_length", Self::ContextLength),
        ("state", Self::State),
    ];

    /// The values that `used_for` may have.
    pub(crate) const USES: [(&'static str, ModelUse); 3] =
        [("text", ModelUse::Text), ("vision", ModelUse::Vision), ("embeddings", ModelUse::Embeddings)];

    /// Sets the fact; text that makes no sense for it leaves it unknown.
    fn set(self, model: &mut Model, text: String) {
        let number = || text.parse::<u64>().ok().filter(|n| *n > 0);
        match self {
            Self::Name => model.name = text.into(),
            Self::UsedFor => {
                model.used_for = Self::USES.iter().find(|(name, _)| *name == text).map(|(_, used)| *used);
            }
            Self::SizeBytes => model.size_bytes = number(),
            Self::ContextLength => model.context_length = number(),
            // A server that does not know the time sends zero.
            Self::Modified => model.modified = (text != "0").then(|| text.into()),
            Self::ParameterSize => model.reported.parameter_size = Some(abbreviated(text).into()),
            Self::Digest => model.digest = Some(text.into()),
            Self::Family => model.reported.family = Some(text.into()),
            Self::Quantization => model.reported.quantization = Some(text.into()),
            Self::Format => model.format = Some(text.into()),
            Self::Publisher => model.publisher = Some(text.into()),
            Self::Parent => model.parent = Some(text.into()),
            Self::Description => model.description = Some(text.into()),
            Self::State => model.state = Some(text.into()),
        }
    }
}

// === impl Source ===

impl Source {
    /// Returns whether the value is changed or checked before it counts.
    pub(crate) fn is_refined(&self) -> bool {
        self.before.is_some() || !self.except.is_empty() || !self.values.is_empty()
    }

    fn texts(&self, entry: &Value) -> Vec<String> {
        let path = match &self.take {
            Take::Constant(text) => return vec![text.to_string()],
            Take::Path(path) => path,
        };
        match path.find(entry) {
            Some(Value::Array(elements)) => {
                elements.iter().filter_map(|element| self.refine(element)).collect()
            }
            value => value.and_then(|value| self.refine(value)).into_iter().collect(),
        }
    }

    fn refine(&self, value: &Value) -> Option<String> {
        let text = scalar_text(value)?;
        if self.except.iter().any(|except| except.eq_ignore_ascii_case(&text)) {
            return None;
        }
        let text = if self.values.is_empty() {
            text
        } else {
            self.values.iter().find(|(pattern, _)| pattern.matches(&text))?.1.to_string()
        };
        match &self.before {
            None => Some(text),
            Some(end) => {
                text.split_once(&**end).map(|(before, _)| before.to_owned()).filter(|b| !b.is_empty())
            }
        }
    }
}

/// Returns what the first source that yields something yields.
fn first_yield(sources: &[Source], entry: &Value) -> Vec<String> {
    sources.iter().map(|source| source.texts(entry)).find(|texts| !texts.is_empty()).unwrap_or_default()
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

/// Returns `1.2B` for a plain count such as `1235814400`; other text stays as it is.
fn abbreviated(text: String) -> String {
    let Ok(count) = text.parse::<u64>() else { return text };
    let (unit, suffix) = match count {
        1_000_000_000.. => (1e9, "B"),
        1_000_000.. => (1e6, "M"),
        1_000.. => (1e3, "K"),
        _ => return text,
    };
    let rounded = format!("{:.1}", count as f64 / unit);
    format!("{}{suffix}", rounded.strip_suffix(".0").unwrap_or(&rounded))
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

    #[test]
    fn counts_are_abbreviated_and_text_is_not() {
        for (text, short) in
            [("1235814400", "1.2B"), ("7000000000", "7B"), ("22713216", "22.7M"), ("8B", "8B")]
        {
            assert_eq!(abbreviated(text.into()), short);
        }
    }
}
