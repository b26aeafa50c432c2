//! The catalogue's own shapes: OpenAI's list with what Olla knows of each model, and one model in full.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::SystemTime,
};

use olla_core::{ModelUse, ago, byte_size};
use serde_json::{Map, Value, json};

use crate::listing::Entry;

pub(super) fn list(entries: &[Entry<'_>]) -> Value {
    json!({ "object": "list", "data": entries.iter().map(listed).collect::<Vec<_>>() })
}

fn listed(entry: &Entry<'_>) -> Value {
    json!({
        "olla": known(entry),
        "id": entry.name(),
        "object": "model",
        "owned_by": "olla",
        "created": entry.created(),
    })
}

/// Returns what is known of a model. Texts that nobody tells are empty, numbers are left out.
fn known(entry: &Entry<'_>) -> Map<String, Value> {
    let facts = &entry.facts;
    let mut known = Map::new();
    let mut put = |key: &str, value: Value| _ = known.insert(key.to_owned(), value);
    if let Some(tokens) = facts.context_length {
        put("max_context_length", json!(tokens));
    }
    for (key, text) in [
        ("family", &facts.family),
        ("variant", &facts.variant),
        ("parameter_size", &facts.parameter_size),
        ("quantization", &facts.quantization),
    ] {
        put(key, json!(text.as_deref().unwrap_or_default()));
    }
    if let Some(used_for) = facts.used_for {
        put("type", json!(word(used_for)));
    }
    put("aliases", json!(entry.names));
    if !entry.alias_of.is_empty() {
        put("alias_of", json!(entry.alias_of));
    }
    put("availability", availability(entry));
    put("capabilities", json!(facts.capabilities));
    known
}

fn word(used_for: ModelUse) -> &'static str {
    match used_for {
        ModelUse::Text => "llm",
        ModelUse::Vision => "vlm",
        ModelUse::Embeddings => "embeddings",
    }
}

/// Returns one element for each endpoint: in which state it has the model, and under which names.
fn availability(entry: &Entry<'_>) -> Value {
    // Those of one endpoint stand side by side, but for the models of an alias.
    let mut elements: Vec<Value> = vec![];
    for place in &entry.places {
        let (endpoint, state, name) = (&*place.endpoint.spec.name, place.state(), &place.model.name);
        match elements.iter_mut().find(|element| element["endpoint"] == endpoint) {
            None => elements.push(json!({ "endpoint": endpoint, "state": state, "names": [name] })),
            Some(element) => {
                if let Some(names) = element["names"].as_array_mut() {
                    names.push(json!(name));
                }
                // One of two names is enough to have it in memory.
                if state == "loaded" {
                    element["state"] = json!(state);
                }
            }
        }
    }
    elements.into()
}

/// Writes one model in full, as of `now`.
pub(super) fn one(entry: &Entry<'_>, now: SystemTime) -> Value {
    let facts = &entry.facts;
    let names = |loaded_only: bool| -> BTreeSet<&Arc<str>> {
        let places = entry.places.iter().filter(|place| !loaded_only || place.state() == "loaded");
        places.map(|place| &place.endpoint.spec.name).collect()
    };
    let seen = entry.places.iter().filter_map(|place| place.endpoint.live.checkup().listed_at).max();
    let mut document = Map::new();
    document.insert("id".into(), json!(entry.name()));
    document.extend(known(entry));
    for (key, value) in [
        ("format", json!(facts.format.as_deref().unwrap_or_default())),
        ("total_disk_size", json!(byte_size(disk_bytes(entry)))),
        ("last_seen", json!(ago(seen, now))),
        ("endpoints", json!(names(false))),
        ("loaded_endpoints", json!(names(true))),
    ] {
        document.insert(key.into(), value);
    }
    let known = [
        ("parameter_count", facts.parameter_count.map(Value::from)),
        ("publisher", facts.publisher.as_deref().map(Value::from)),
        ("digest", facts.digest.as_deref().map(Value::from)),
    ];
    document.extend(known.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    document.into()
}

/// Adds up what the model takes on all endpoints; two names on one endpoint are one file.
fn disk_bytes(entry: &Entry<'_>) -> u64 {
    let mut sizes: BTreeMap<&Arc<str>, u64> = BTreeMap::new();
    for place in &entry.places {
        let size = sizes.entry(&place.endpoint.spec.name).or_default();
        *size = (*size).max(place.model.size_bytes.unwrap_or(0));
    }
    sizes.values().sum()
}
