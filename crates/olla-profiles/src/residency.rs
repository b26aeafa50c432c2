//! Which models a backend holds in memory: where its kind tells, and reading that.

use std::collections::HashMap;

use olla_core::{Model, Residency};
use serde_json::Value;

use crate::{
    ListingError,
    facts::{Source, first_yield, positive},
    json_path::JsonPath,
    listing::entries,
};

/// Where a kind tells which models are in memory.
#[derive(Debug, Clone)]
pub struct ResidencyRules {
    pub(crate) path: Option<String>,
    /// Places of an array of models; the first that is an array counts.
    pub(crate) models: Vec<JsonPath>,
    pub(crate) name: Vec<Source>,
    /// Whether a model of the array is in memory; empty where the array holds no others.
    pub(crate) loaded: Vec<Source>,
    pub(crate) vram_bytes: Vec<Source>,
    pub(crate) size_bytes: Vec<Source>,
    pub(crate) expires: Vec<Source>,
    pub(crate) context_length: Vec<Source>,
}

/// What a backend told of its memory.
#[derive(Debug, Clone)]
pub struct InMemory {
    models: HashMap<String, Presence>,
    /// What holds for models that were not mentioned.
    others: Presence,
}

/// Whether a model is in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// It is.
    Loaded(Residency),
    /// It is not.
    Cold,
    /// The backend does not tell.
    Unknown,
}

// === impl ResidencyRules ===

impl ResidencyRules {
    /// Returns the path to ask at; `None` where the model list tells it.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// Fails when the body is not JSON or holds no array where the profile says it is.
    pub fn read(&self, body: &[u8]) -> Result<InMemory, ListingError> {
        let document: Value = serde_json::from_slice(body)?;
        let mut models = HashMap::new();
        for entry in entries(&document, &self.models)? {
            for name in first_yield(&self.name, entry) {
                models.insert(name, self.presence(entry));
            }
        }
        let others = if self.loaded.is_empty() { Presence::Cold } else { Presence::Unknown };
        Ok(InMemory { models, others })
    }

    fn presence(&self, entry: &Value) -> Presence {
        let first = |sources: &[Source]| first_yield(sources, entry).into_iter().next();
        match first(&self.loaded).as_deref() {
            _ if self.loaded.is_empty() => {}
            Some("true") => {}
            Some("false") => return Presence::Cold,
            _ => return Presence::Unknown,
        }
        let number = |sources: &[Source]| first(sources).and_then(|text| positive(&text));
        let mut residency = Residency::default();
        residency.vram_bytes = number(&self.vram_bytes);
        residency.size_bytes = number(&self.size_bytes);
        residency.expires = first(&self.expires).map(Into::into);
        residency.context_length = number(&self.context_length);
        Presence::Loaded(residency)
    }
}

// === impl InMemory ===

impl InMemory {
    /// Returns what was told of a model, under whichever of its names.
    #[must_use]
    pub fn presence(&self, model: &Model) -> &Presence {
        let mut names = std::iter::once(&model.name).chain(&model.also);
        names.find_map(|name| self.models.get(&**name)).unwrap_or(&self.others)
    }
}
