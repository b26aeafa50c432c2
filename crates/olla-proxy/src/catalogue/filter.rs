//! Which models of the catalogue are asked for.

use olla_core::ModelUse;

use super::query::Query;
use crate::{Error, listing::Entry};

/// What the models must be, all of it.
#[derive(Debug)]
pub(super) struct Filter {
    /// An endpoint that has them, by name or URL.
    endpoint: Option<String>,
    family: Option<String>,
    used_for: Option<ModelUse>,
    /// A word in normal form.
    capability: Option<String>,
    available: Option<bool>,
    /// Shows models of which no endpoint is up, too.
    pub(super) include_unavailable: bool,
}

const USES: [(&str, ModelUse); 3] =
    [("llm", ModelUse::Text), ("vlm", ModelUse::Vision), ("embeddings", ModelUse::Embeddings)];

// === impl Filter ===

impl Filter {
    pub(super) fn read(query: &Query) -> Result<Self, Error> {
        let text = |name| query.get(name).map(str::to_owned);
        let used_for = query.get("type").map(|value| {
            // Some servers leave the last letter out.
            let known = USES.iter().find(|(name, _)| *name == value || name.strip_suffix('s') == Some(value));
            known
                .map(|(_, used_for)| *used_for)
                .ok_or_else(|| Error::bad_parameter("type", value, USES.map(|(name, _)| name)))
        });
        Ok(Self {
            endpoint: text("endpoint"),
            family: text("family"),
            used_for: used_for.transpose()?,
            capability: query.get("capability").map(|word| word.to_lowercase().replace('_', "-")),
            available: flag(query, "available")?,
            include_unavailable: flag(query, "include_unavailable")?.unwrap_or(false),
        })
    }

    pub(super) fn apply<'f>(&self, entries: Vec<Entry<'f>>) -> Vec<Entry<'f>> {
        entries.into_iter().filter(|entry| self.admits(entry)).collect()
    }

    fn admits(&self, entry: &Entry<'_>) -> bool {
        let facts = &entry.facts;
        let family = |wanted: &String| facts.family.as_ref().is_some_and(|f| f.eq_ignore_ascii_case(wanted));
        self.endpoint.as_ref().is_none_or(|wanted| is_at(entry, wanted))
            && self.family.as_ref().is_none_or(family)
            && self.used_for.is_none_or(|wanted| is_for(entry, wanted))
            && self.capability.as_ref().is_none_or(|wanted| can(entry, wanted))
            && self.available.is_none_or(|wanted| is_available(entry) == wanted)
    }
}

fn flag(query: &Query, name: &'static str) -> Result<Option<bool>, Error> {
    match query.get(name) {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(value) => Err(Error::bad_parameter(name, value, ["true", "false"])),
    }
}

fn is_at(entry: &Entry<'_>, wanted: &str) -> bool {
    let url = wanted.trim_end_matches('/');
    let mut endpoints = entry.places.iter().map(|place| &place.endpoint.spec);
    endpoints.any(|spec| *spec.name == *wanted || spec.base.to_string().trim_end_matches('/') == url)
}

/// Whether a request would be answered without the model being loaded first, as far as anybody knows.
fn is_available(entry: &Entry<'_>) -> bool {
    entry.places.iter().any(|place| place.is_up() && place.live.loaded() != Some(false))
}

fn is_for(entry: &Entry<'_>, wanted: ModelUse) -> bool {
    let (facts, able) = (&entry.facts, &entry.facts.abilities);
    match wanted {
        ModelUse::Text => {
            let says_so = ["chat", "completion", "text-generation"].into_iter().any(|word| has(entry, word));
            able.chat == Some(true) || (says_so && facts.used_for != Some(ModelUse::Embeddings))
        }
        ModelUse::Vision => able.images == Some(true) || facts.used_for == Some(ModelUse::Vision),
        ModelUse::Embeddings => able.embeddings == Some(true) || facts.used_for == Some(ModelUse::Embeddings),
    }
}

/// Whether a model is known to be capable of something, in whichever words.
fn can(entry: &Entry<'_>, word: &str) -> bool {
    match word {
        "chat" | "chat-completion" | "text" | "text-generation" | "completion" => {
            is_for(entry, ModelUse::Text)
        }
        "vision" | "vision-understanding" | "image" | "image-understanding" | "multimodal" => {
            is_for(entry, ModelUse::Vision)
        }
        "embeddings" | "embedding" | "vector-search" => is_for(entry, ModelUse::Embeddings),
        "function" | "function-calling" | "tools" | "tool-use" => {
            entry.facts.abilities.tools == Some(true) || has(entry, "tools")
        }
        "code" => has(entry, "code-generation"),
        word => has(entry, word),
    }
}

fn has(entry: &Entry<'_>, word: &str) -> bool {
    entry.facts.capabilities.iter().any(|known| known.replace('_', "-").eq_ignore_ascii_case(word))
}
