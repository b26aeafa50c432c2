//! Lists as OpenAI's API writes them, with what kinds of servers add to it.

use olla_profiles::{Extra, OpenAiShape};
use serde_json::{Map, Value, json};

use super::{entries::Entry, ollama};

/// The owner of every model in a list that names no other.
const OLLA: &str = "olla";

pub(crate) fn list(entries: &[Entry<'_>], shape: &OpenAiShape) -> Value {
    let data: Vec<_> = entries.iter().map(|entry| one(entry, shape)).collect();
    let mut list = json!({ "object": "list", "data": data });
    if shape.with_models {
        list["models"] = entries.iter().map(ollama::beside_openai).collect();
    }
    list
}

pub(crate) fn one(entry: &Entry<'_>, shape: &OpenAiShape) -> Value {
    let owner = match &shape.owned_by {
        None => OLLA,
        Some(usual) => entry.name().split_once('/').map_or(&**usual, |(owner, _)| owner),
    };
    let mut fields = Map::new();
    fields.insert("id".into(), json!(entry.name()));
    fields.insert("object".into(), json!("model"));
    fields.insert("created".into(), json!(entry.created()));
    fields.insert("owned_by".into(), json!(owner));
    for extra in &shape.extras {
        if let Some(value) = value(*extra, entry) {
            fields.insert(extra.name().into(), value);
        }
    }
    if !entry.alias_of.is_empty() {
        fields.insert("alias_of".into(), json!(entry.alias_of));
    }
    Value::Object(fields)
}

/// Returns the value of a further field; `None` leaves it out.
fn value(extra: Extra, entry: &Entry<'_>) -> Option<Value> {
    let facts = &entry.facts;
    match extra {
        Extra::Root => Some(json!(entry.name())),
        Extra::Parent => Some(json!(facts.parent)),
        Extra::MaxModelLen => facts.context_length.map(Value::from),
        Extra::Permission => Some(json!([permission(entry)])),
        Extra::SupportsVision => facts.abilities.images.map(Value::from),
        Extra::Checkpoint => facts.parent.as_deref().map(Value::from),
        Extra::Recipe => facts.engine.as_deref().map(Value::from),
        Extra::Downloaded => facts.state.as_deref().map(|state| json!(state == "available")),
        Extra::Meta => {
            let meta = [
                ("n_ctx_train", facts.context_length),
                ("n_params", facts.parameter_count),
                ("size", facts.size_bytes),
            ];
            let known = meta.into_iter().filter_map(|(name, number)| Some((name.to_owned(), json!(number?))));
            Some(Value::Object(known.collect()))
        }
    }
}

fn permission(entry: &Entry<'_>) -> Value {
    json!({
        "id": format!("modelperm-olla-{}", entry.name().replace('/', "-")),
        "object": "model_permission",
        "created": entry.created(),
        "allow_create_engine": false,
        "allow_sampling": true,
        "allow_logprobs": true,
        "allow_search_indices": false,
        "allow_view": true,
        "allow_fine_tuning": false,
        "organization": "*",
        "group": null,
        "is_blocking": false,
    })
}
