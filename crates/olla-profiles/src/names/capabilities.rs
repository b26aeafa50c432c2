//! What models can do: by what they are for, by their names, and by how much context they take.

use std::collections::{BTreeMap, BTreeSet};

use olla_core::{Model, ModelUse};
use regex::bytes::Regex;

use crate::abilities;

/// What every model can do that is not for embeddings.
const TEXT: &str = "text-generation";

/// How capabilities are told.
#[derive(Debug, Clone, Default)]
pub(super) struct Capabilities {
    /// By what a model is for: `llm`, `vlm`, `embeddings`.
    pub(super) by_type: BTreeMap<Box<str>, Vec<Box<str>>>,
    /// By name; every pattern that matches adds its own.
    pub(super) by_name: Vec<(Regex, Vec<Box<str>>)>,
    /// What a model is for, by name; the first pattern that matches counts.
    pub(super) types: Vec<(Regex, ModelUse)>,
    pub(super) contexts: Contexts,
}

/// From how many tokens a context counts as what.
#[derive(Debug, Clone, Default)]
pub(super) struct Contexts {
    pub(super) extended: Option<u64>,
    pub(super) long: Option<u64>,
    pub(super) ultra: Option<u64>,
}

// === impl Capabilities ===

impl Capabilities {
    /// The words for what a model is for.
    pub(super) const TYPES: [(&'static str, ModelUse); 4] = [
        ("llm", ModelUse::Text),
        ("vlm", ModelUse::Vision),
        ("embeddings", ModelUse::Embeddings),
        ("embedding", ModelUse::Embeddings),
    ];

    /// Tells what the model is for, if nobody said, and adds what it can do.
    pub(super) fn complete(&self, model: &mut Model, bare: &str) {
        if model.used_for.is_none() {
            let told = self.types.iter().find(|(pattern, _)| pattern.is_match(bare.as_bytes()));
            let guess = told.map(|(_, used_for)| *used_for);
            model.used_for = guess.filter(|guess| !abilities::contradict(*guess, &model.abilities));
        }
        let mut all: BTreeSet<Box<str>> = model.reported.capabilities.iter().cloned().collect();
        let embeds = model.used_for == Some(ModelUse::Embeddings);
        if !embeds {
            all.insert(TEXT.into());
            // The words mean something else in the names of embedding models: `e5-mistral-7b-instruct`.
            for (_, told) in self.by_name.iter().filter(|(pattern, _)| pattern.is_match(bare.as_bytes())) {
                all.extend(told.iter().cloned());
            }
        }
        for (word, used_for) in Self::TYPES {
            if model.used_for == Some(used_for) {
                all.extend(self.by_type.get(word).into_iter().flatten().cloned());
            }
        }
        all.extend(self.contexts.told_by(model.context_length).iter().map(|told| Box::from(*told)));
        model.capabilities = all.into_iter().collect();
    }
}

// === impl Contexts ===

impl Contexts {
    fn told_by(&self, tokens: Option<u64>) -> &'static [&'static str] {
        let reaches = |threshold: Option<u64>| {
            tokens.zip(threshold).is_some_and(|(tokens, threshold)| tokens >= threshold)
        };
        if reaches(self.ultra) {
            &["long-context", "ultra-long-context"]
        } else if reaches(self.long) {
            &["long-context"]
        } else if reaches(self.extended) {
            &["extended-context"]
        } else {
            &[]
        }
    }
}
