//! The catalogue's own shapes: OpenAI's list with what Olla knows of each model, and one model in full.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::SystemTime,
};

use olla_core::{ModelUse, ago, byte_size};
use serde::Serialize;

use crate::listing::Entry;

/// All models.
#[derive(Serialize)]
pub(super) struct List<'e> {
    object: &'static str,
    data: Vec<Listed<'e>>,
}

#[derive(Serialize)]
struct Listed<'e> {
    olla: Known<'e>,
    id: &'e str,
    object: &'static str,
    owned_by: &'static str,
    created: u64,
}

/// What is known of a model. Texts that nobody tells are empty, everything else is left out.
#[derive(Serialize)]
struct Known<'e> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_context_length: Option<u64>,
    family: &'e str,
    variant: &'e str,
    parameter_size: &'e str,
    quantization: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    /// All names by which any endpoint knows it.
    aliases: &'e [Arc<str>],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    alias_of: &'e [Arc<str>],
    availability: Vec<At<'e>>,
    capabilities: &'e [Box<str>],
}

/// One endpoint: in which state it has the model, and under which names.
#[derive(Serialize)]
struct At<'e> {
    endpoint: &'e str,
    state: &'static str,
    names: Vec<&'e str>,
}

/// One model in full.
#[derive(Serialize)]
pub(super) struct One<'e> {
    id: &'e str,
    #[serde(flatten)]
    known: Known<'e>,
    format: &'e str,
    total_disk_size: String,
    last_seen: String,
    endpoints: BTreeSet<&'e str>,
    loaded_endpoints: BTreeSet<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    publisher: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<&'e str>,
}

const LOADED: &str = "loaded";

// === impl List ===

impl<'e> List<'e> {
    pub(super) fn new(entries: &'e [Entry<'_>]) -> Self {
        let listed = |entry: &'e Entry<'_>| Listed {
            olla: Known::new(entry),
            id: entry.name(),
            object: "model",
            owned_by: "olla",
            created: entry.created(),
        };
        Self { object: "list", data: entries.iter().map(listed).collect() }
    }
}

// === impl Known ===

impl<'e> Known<'e> {
    fn new(entry: &'e Entry<'_>) -> Self {
        let facts = &entry.facts;
        let known_use = |used_for| match used_for {
            ModelUse::Text => "llm",
            ModelUse::Vision => "vlm",
            ModelUse::Embeddings => "embeddings",
        };
        Self {
            max_context_length: facts.context_length,
            family: facts.family.as_deref().unwrap_or_default(),
            variant: facts.variant.as_deref().unwrap_or_default(),
            parameter_size: facts.parameter_size.as_deref().unwrap_or_default(),
            quantization: facts.quantization.as_deref().unwrap_or_default(),
            r#type: facts.used_for.map(known_use),
            aliases: entry.names,
            alias_of: entry.alias_of,
            availability: availability(entry),
            capabilities: &facts.capabilities,
        }
    }
}

fn availability<'e>(entry: &'e Entry<'_>) -> Vec<At<'e>> {
    let mut all: Vec<At<'e>> = vec![];
    for place in &entry.places {
        let (endpoint, state, name) = (&*place.endpoint.spec.name, place.state(), &*place.model.name);
        // Those of one endpoint stand side by side.
        match all.last_mut().filter(|last| last.endpoint == endpoint) {
            None => all.push(At { endpoint, state, names: vec![name] }),
            Some(last) => {
                last.names.push(name);
                // One of two names is enough to have it in memory.
                if state == LOADED {
                    last.state = state;
                }
            }
        }
    }
    all
}

// === impl One ===

impl<'e> One<'e> {
    /// Describes a model as of `now`.
    pub(super) fn new(entry: &'e Entry<'_>, now: SystemTime) -> Self {
        let facts = &entry.facts;
        let known = Known::new(entry);
        let loaded = known.availability.iter().filter(|at| at.state == LOADED);
        let seen = entry.places.iter().filter_map(|place| place.endpoint.live.checkup().listed_at).max();
        Self {
            id: entry.name(),
            format: facts.format.as_deref().unwrap_or_default(),
            total_disk_size: byte_size(disk_bytes(entry)),
            last_seen: ago(seen, now),
            endpoints: known.availability.iter().map(|at| at.endpoint).collect(),
            loaded_endpoints: loaded.map(|at| at.endpoint).collect(),
            parameter_count: facts.parameter_count,
            publisher: facts.publisher.as_deref(),
            digest: facts.digest.as_deref(),
            known,
        }
    }
}

/// Adds up what the model takes on all endpoints; two names on one endpoint are one file.
fn disk_bytes(entry: &Entry<'_>) -> u64 {
    let mut sizes: BTreeMap<&str, u64> = BTreeMap::new();
    for place in &entry.places {
        let size = sizes.entry(&place.endpoint.spec.name).or_default();
        *size = (*size).max(place.model.size_bytes.unwrap_or(0));
    }
    sizes.values().sum()
}
