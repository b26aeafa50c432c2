//! `GET /internal/status/models`: every model in the fleet, merged by name, and where it is.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::SystemTime,
};

use olla_core::{Fleet, Model, ModelLive, ModelUse};
use serde::Serialize;

use super::{
    format,
    roster::{self, Row},
};

/// How many models count as recent.
const RECENT: usize = 10;
/// The family of a model whose backend tells none.
const UNKNOWN_FAMILY: &str = "unknown";
/// Contexts of more tokens than this are long.
const LONG_CONTEXT: u64 = 100_000;

/// The document.
#[derive(Serialize)]
pub(super) struct Document {
    timestamp: String,
    models_by_family: BTreeMap<String, Vec<Arc<str>>>,
    recent_models: Vec<Entry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_groups: Option<Vec<Group>>,
    total_models: usize,
    total_families: usize,
    total_endpoints: usize,
}

#[derive(Serialize)]
struct Group {
    family: String,
    models: Vec<Entry>,
    endpoints: BTreeSet<Arc<str>>,
    model_count: usize,
}

#[derive(Serialize, Clone)]
struct Entry {
    name: Arc<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    family: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quant: Option<Box<str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_length: Option<u64>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    aliases: BTreeSet<Arc<str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    capabilities: Vec<String>,
    endpoints: Vec<Arc<str>>,
    endpoint_ids: Vec<String>,
    /// Where it is in memory; absent where no endpoint tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    loaded_endpoints: Option<Vec<Arc<str>>>,
    last_seen: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen_at: Option<String>,
}

/// A model as all its endpoints together describe it: of each fact, the first that is known.
#[derive(Default)]
struct Merged {
    facts: Model,
    /// The other names by which any endpoint knows it.
    aliases: BTreeSet<Arc<str>>,
    endpoints: Vec<Arc<str>>,
    endpoint_ids: Vec<String>,
    loaded_endpoints: Option<Vec<Arc<str>>>,
    seen: Option<SystemTime>,
}

/// Writes the document as of `now`, with all models in full when `grouped`.
pub(super) fn document(fleet: &Fleet, grouped: bool, now: SystemTime) -> Document {
    let rows = roster::read(fleet, now);
    let merged = merge(&rows, fleet);
    let mut recent: Vec<_> = merged.values().collect();
    // Stable: models last seen at the same moment stay in the order of their names.
    recent.sort_by_key(|model| Reverse(model.seen));
    let mut families = BTreeMap::<_, Vec<_>>::new();
    for model in merged.values() {
        families.entry(model.family().to_owned()).or_default().push(model);
    }
    Document {
        timestamp: format::timestamp(now),
        recent_models: recent.into_iter().take(RECENT).map(|model| model.entry(now)).collect(),
        model_groups: grouped.then(|| groups(&families, now)),
        total_models: merged.len(),
        total_families: families.len(),
        total_endpoints: rows.iter().filter(|row| !row.endpoint.models.is_empty()).count(),
        models_by_family: families
            .iter()
            .map(|(family, models)| {
                (family.clone(), models.iter().map(|m| Arc::clone(&m.facts.name)).collect())
            })
            .collect(),
    }
}

fn merge(rows: &[Row], fleet: &Fleet) -> BTreeMap<Arc<str>, Merged> {
    let mut merged = BTreeMap::<Arc<str>, Merged>::new();
    for row in rows {
        for (model, live) in row.endpoint.models.iter().zip(&*row.endpoint.model_live) {
            merged.entry(Arc::clone(&model.name)).or_default().add((model, live), row);
        }
    }
    for model in fleet.models() {
        for placement in &model.placements {
            if let Some(known) = merged.get_mut(&placement.model.name) {
                let others = model.names.iter().filter(|name| **name != placement.model.name);
                known.aliases.extend(others.cloned());
            }
        }
    }
    merged
}

/// Groups by family, by name, and those of no known family at the end.
fn groups(families: &BTreeMap<String, Vec<&Merged>>, now: SystemTime) -> Vec<Group> {
    let mut groups: Vec<_> = families
        .iter()
        .map(|(family, models)| Group {
            family: family.clone(),
            models: models.iter().map(|model| model.entry(now)).collect(),
            endpoints: models.iter().flat_map(|model| model.endpoints.iter().cloned()).collect(),
            model_count: models.len(),
        })
        .collect();
    groups.sort_by_key(|group| group.family == UNKNOWN_FAMILY);
    groups
}

// === impl Merged ===

impl Merged {
    fn add(&mut self, (model, live): (&Model, &ModelLive), row: &Row) {
        let facts = &mut self.facts;
        facts.name = Arc::clone(&model.name);
        facts.used_for = facts.used_for.or(model.used_for);
        facts.size_bytes = facts.size_bytes.or(model.size_bytes);
        facts.context_length = facts.context_length.or(model.context_length);
        // Sizes are shown as the backend writes them, where it does.
        let parameters = model.reported.parameter_size.as_ref().or(model.parameter_size.as_ref());
        let quantization = model.reported.quantization.as_ref().or(model.quantization.as_ref());
        for (known, told) in [
            (&mut facts.family, model.family.as_ref()),
            (&mut facts.parameter_size, parameters),
            (&mut facts.quantization, quantization),
        ] {
            if known.is_none() {
                *known = told.cloned();
            }
        }
        if facts.capabilities.is_empty() {
            facts.capabilities.clone_from(&model.capabilities);
        }
        self.endpoints.push(Arc::clone(&row.endpoint.spec.name));
        self.endpoint_ids.push(row.id());
        if let Some(is_loaded) = live.loaded() {
            let name = is_loaded.then(|| Arc::clone(&row.endpoint.spec.name));
            self.loaded_endpoints.get_or_insert_default().extend(name);
        }
        self.seen = self.seen.max(row.checkup.listed_at);
    }

    fn family(&self) -> &str {
        self.facts.family.as_deref().filter(|family| !family.is_empty()).unwrap_or(UNKNOWN_FAMILY)
    }

    fn entry(&self, now: SystemTime) -> Entry {
        let facts = &self.facts;
        Entry {
            name: Arc::clone(&facts.name),
            r#type: facts.used_for.map(|used_for| match used_for {
                ModelUse::Text => "llm",
                ModelUse::Vision => "vlm",
                ModelUse::Embeddings => "embeddings",
            }),
            family: facts.family.clone(),
            size: facts.size_bytes.map(format::bytes),
            size_bytes: facts.size_bytes,
            params: facts.parameter_size.clone(),
            quant: facts.quantization.clone(),
            context_length: facts.context_length,
            aliases: self.aliases.clone(),
            capabilities: self.capabilities(),
            endpoints: self.endpoints.clone(),
            endpoint_ids: self.endpoint_ids.clone(),
            loaded_endpoints: self.loaded_endpoints.clone(),
            last_seen: format::ago(self.seen, now),
            last_seen_at: self.seen.map(format::timestamp),
        }
    }

    /// What the model can do, in the words of the status document: the catalogue's, with underscores.
    fn capabilities(&self) -> Vec<String> {
        let facts = &self.facts;
        let by_use: &[&str] = match facts.used_for {
            Some(ModelUse::Text) => &["text_generation", "chat"],
            Some(ModelUse::Vision) => &["vision", "multimodal"],
            Some(ModelUse::Embeddings) => &["embeddings", "vector_search"],
            None => &[],
        };
        let quantization = facts.quantization.as_deref().unwrap_or_default().to_lowercase();
        // `f16` is also the end of `bf16`.
        let precise = ["fp16", "f16"].iter().any(|precise| quantization.contains(precise));
        let long = facts.context_length.is_some_and(|tokens| tokens > LONG_CONTEXT);
        let derived = [(long, "long_context"), (precise, "high_precision")];
        let derived = derived.into_iter().filter_map(|(holds, name)| holds.then_some(name));
        let mut names: Vec<String> = by_use.iter().copied().chain(derived).map(str::to_owned).collect();
        for capability in &facts.capabilities {
            let name = capability.replace('-', "_");
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}
