//! Facts about a model: which there are, where a document has them, and what they change in a [`Model`].

use olla_core::{Glob, Model, ModelUse};
use serde_json::Value;

use crate::{
    abilities::{self, Ability},
    json_path::{JsonPath, scalar_text},
};

/// Where a document has which facts about a model.
#[derive(Debug, Clone, Default)]
pub(crate) struct FactRules {
    pub(crate) name: Vec<Source>,
    /// The model's other names.
    pub(crate) also: Vec<Source>,
    /// What the model can do; all sources count.
    pub(crate) capabilities: Vec<Source>,
    /// Whether `capabilities` are all there are, so that one which is missing is one that the model lacks.
    pub(crate) capabilities_complete: bool,
    /// The first source of a fact that yields something counts.
    pub(crate) fields: Vec<(Field, Vec<Source>)>,
}

/// What a backend told of one model, for [`Facts::add_to`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    name: Option<Box<str>>,
    also: Vec<String>,
    capabilities: Vec<String>,
    capabilities_complete: bool,
    fields: Vec<(Field, String)>,
}

/// A fact about a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
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
    Engine,
    Description,
    ContextLength,
    State,
    /// Whether the model can do something: `true` or `false`.
    Can(Ability),
}

/// One way to obtain a fact from a document.
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
    /// The value at a path of the document; of an array, every element that tells something.
    Path(JsonPath),
    /// In the object at a path, the value of the first key that matches.
    Key(JsonPath, Glob),
    /// The same for every model.
    Constant(Box<str>),
}

// === impl FactRules ===

impl FactRules {
    pub(crate) fn read(&self, document: &Value) -> Facts {
        let first = |sources: &[Source]| first_yield(sources, document).into_iter().next();
        let fields = self.fields.iter().filter_map(|(field, sources)| Some((*field, first(sources)?)));
        Facts {
            name: first(&self.name).map(Into::into),
            also: first_yield(&self.also, document),
            capabilities: self.capabilities.iter().flat_map(|source| source.texts(document)).collect(),
            capabilities_complete: self.capabilities_complete,
            fields: fields.collect(),
        }
    }
}

// === impl Facts ===

impl Facts {
    /// Returns the model's name, where the document has it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Writes the facts into a model, over what it has. It is to be [completed](crate::Profile::complete) then.
    pub fn add_to(&self, model: &mut Model) {
        for (field, text) in &self.fields {
            field.set(model, text);
        }
        for also in &self.also {
            if **also != *model.name && model.also.iter().all(|known| **known != **also) {
                model.also.push(also.as_str().into());
            }
        }
        for word in &self.capabilities {
            if model.reported.capabilities.iter().all(|known| **known != **word) {
                model.reported.capabilities.push(word.as_str().into());
            }
        }
        // An empty list comes from a server that does not tell.
        if self.capabilities_complete && !self.capabilities.is_empty() {
            abilities::deny_the_rest(model, &self.capabilities);
        }
    }

    /// Adds what another document tells of the same model: what is known stays, and "can" beats "cannot",
    /// because requests may go to either of two deployments.
    pub(crate) fn merge(&mut self, other: Self) {
        for (field, text) in other.fields {
            match self.fields.iter_mut().find(|(known, _)| *known == field) {
                None => self.fields.push((field, text)),
                Some((Field::Can(_), known)) if text == YES => *known = text,
                Some(_) => {}
            }
        }
        self.also.extend(other.also);
        self.capabilities.extend(other.capabilities);
    }
}

const YES: &str = "true";
const NO: &str = "false";

// === impl Field ===

impl Field {
    /// Every field with its name in a profile.
    pub(crate) const NAMES: [(&'static str, Self); 19] = [
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
        ("engine", Self::Engine),
        ("description", Self::Description),
        ("context_length", Self::ContextLength),
        ("state", Self::State),
        ("chat", Self::Can(Ability::Chat)),
        ("images", Self::Can(Ability::Images)),
        ("tools", Self::Can(Ability::Tools)),
        ("embeddings", Self::Can(Ability::Embeddings)),
        ("thinking", Self::Can(Ability::Thinking)),
    ];

    const USES: [(&'static str, ModelUse); 3] =
        [("text", ModelUse::Text), ("vision", ModelUse::Vision), ("embeddings", ModelUse::Embeddings)];

    /// Returns the only values that the field may have; none if it may have any.
    pub(crate) fn values(self) -> Vec<&'static str> {
        match self {
            Self::UsedFor => Self::USES.iter().map(|(name, _)| *name).collect(),
            Self::Can(_) => vec![YES, NO],
            _ => vec![],
        }
    }

    /// Sets the fact; text that makes no sense for it changes nothing.
    fn set(self, model: &mut Model, text: &str) {
        match self {
            Self::UsedFor => {
                if let Some((_, used_for)) = Self::USES.iter().find(|(name, _)| *name == text) {
                    (model.used_for, model.reported.used_for) = (Some(*used_for), Some(*used_for));
                }
            }
            Self::ContextLength => {
                if let Some(tokens) = positive(text) {
                    (model.context_length, model.reported.context_length) = (Some(tokens), Some(tokens));
                }
            }
            Self::SizeBytes => model.size_bytes = positive(text).or(model.size_bytes),
            // A server that does not know the time sends zero.
            Self::Modified if text == "0" => {}
            Self::Modified => model.modified = Some(text.into()),
            Self::ParameterSize => model.reported.parameter_size = Some(abbreviated(text).into()),
            Self::Digest => model.digest = Some(text.into()),
            Self::Family => model.reported.family = Some(text.into()),
            Self::Quantization => model.reported.quantization = Some(text.into()),
            Self::Format => model.format = Some(text.into()),
            Self::Publisher => model.publisher = Some(text.into()),
            Self::Parent => model.parent = Some(text.into()),
            Self::Engine => model.engine = Some(text.into()),
            Self::Description => model.description = Some(text.into()),
            Self::State => model.state = Some(text.into()),
            Self::Can(ability) => match text {
                YES => *ability.of(&mut model.abilities) = Some(true),
                NO => *ability.of(&mut model.abilities) = Some(false),
                _ => {}
            },
        }
    }
}

// === impl Source ===

impl Source {
    /// Returns whether the value is changed or checked before it counts.
    pub(crate) fn is_refined(&self) -> bool {
        self.before.is_some() || !self.except.is_empty() || !self.values.is_empty()
    }

    fn texts(&self, document: &Value) -> Vec<String> {
        let value = match &self.take {
            Take::Constant(text) => return vec![text.to_string()],
            Take::Path(path) => path.find(document),
            Take::Key(path, key) => {
                let entries = path.find(document).and_then(Value::as_object);
                entries.and_then(|entries| entries.iter().find(|(name, _)| key.matches(name))).map(|(_, v)| v)
            }
        };
        match value {
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
pub(crate) fn first_yield(sources: &[Source], document: &Value) -> Vec<String> {
    sources.iter().map(|source| source.texts(document)).find(|texts| !texts.is_empty()).unwrap_or_default()
}

/// Reads a number of things that there are at least one of.
pub(crate) fn positive(text: &str) -> Option<u64> {
    text.parse().ok().filter(|n| *n > 0)
}

/// Returns `1.2B` for a plain count such as `1235814400`; other text stays as it is.
fn abbreviated(text: &str) -> String {
    let Ok(count) = text.parse::<u64>() else { return text.to_owned() };
    let (unit, suffix) = match count {
        1_000_000_000.. => (1e9, "B"),
        1_000_000.. => (1e6, "M"),
        1_000.. => (1e3, "K"),
        _ => return text.to_owned(),
    };
    let rounded = format!("{:.1}", count as f64 / unit);
    format!("{}{suffix}", rounded.strip_suffix(".0").unwrap_or(&rounded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_abbreviated_and_text_is_not() {
        for (text, short) in
            [("1235814400", "1.2B"), ("7000000000", "7B"), ("22713216", "22.7M"), ("8B", "8B")]
        {
            assert_eq!(abbreviated(text), short);
        }
    }

    #[test]
    fn of_two_deployments_the_abler_one_counts() {
        let facts = |images: &str, context: &str| Facts {
            fields: vec![
                (Field::Can(Ability::Images), images.into()),
                (Field::ContextLength, context.into()),
            ],
            ..Facts::default()
        };
        let (mut able, mut unable) = (facts("true", "1000"), facts("false", "2000"));

        able.merge(facts("false", "9"));
        unable.merge(facts("true", "9"));

        assert_eq!((able, unable), (facts("true", "1000"), facts("true", "2000")));
    }

    #[test]
    fn a_fact_that_makes_no_sense_does_not_replace_one_that_does() {
        let mut model = Model::named("m");
        let fields = [
            (Field::ContextLength, "4096"),
            (Field::ContextLength, "0"),
            (Field::Can(Ability::Tools), "true"),
            (Field::Can(Ability::Tools), "perhaps"),
            (Field::UsedFor, "vision"),
            (Field::UsedFor, "hearing"),
        ];

        for (field, text) in fields {
            field.set(&mut model, text);
        }

        assert_eq!((model.context_length, model.reported.context_length), (Some(4096), Some(4096)));
        assert_eq!(model.abilities.tools, Some(true));
        assert_eq!(model.reported.used_for, Some(ModelUse::Vision));
    }
}
