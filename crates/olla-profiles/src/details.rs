//! Further questions that tell more about listed models than the listing does: what to ask, and reading the answer.

use serde_json::{Value, json};

use crate::{
    ListingError,
    facts::{FactRules, Facts},
    json_path::JsonPath,
    listing::entries,
};

/// A question about models that a kind's listing does not answer.
#[derive(Debug, Clone)]
pub struct Details {
    pub(crate) about: About,
    pub(crate) path: String,
    /// The key under which the body of a POST has the model's name.
    pub(crate) name_at: Option<Box<str>>,
    /// Places of the array of models in the answer; none where the whole answer is about one model.
    pub(crate) models: Vec<JsonPath>,
    pub(crate) facts: FactRules,
}

/// How often a question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// Once for each model.
    Each,
    /// Once; the answer names its models.
    All,
    /// Once, if exactly one model is listed.
    Only,
}

// === impl Details ===

impl Details {
    /// Returns how often it is to be asked.
    #[must_use]
    pub fn about(&self) -> About {
        self.about
    }

    /// Returns the path to ask at; may carry a query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the JSON document to POST for the model called `name`; `None` if a GET asks.
    #[must_use]
    pub fn body(&self, name: &str) -> Option<Vec<u8>> {
        self.name_at.as_ref().map(|key| json!({ &**key: name }).to_string().into_bytes())
    }

    /// Reads an answer: the facts of one model, or those of all with their names.
    ///
    /// # Errors
    /// Fails when the body is not JSON or holds no array where the profile says it is.
    pub fn read(&self, body: &[u8]) -> Result<Vec<Facts>, ListingError> {
        let document: Value = serde_json::from_slice(body)?;
        if self.about != About::All {
            return Ok(vec![self.facts.read(&document)]);
        }
        let mut all: Vec<Facts> = vec![];
        for entry in entries(&document, &self.models)? {
            let facts = self.facts.read(entry);
            match all.iter_mut().find(|known| known.name() == facts.name()) {
                _ if facts.name().is_none() => {}
                Some(known) => known.merge(facts),
                None => all.push(facts),
            }
        }
        Ok(all)
    }
}
