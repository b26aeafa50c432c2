//! Lists as the two generations of LM Studio's API write them.

use olla_core::ModelUse;
use olla_profiles::OpenAiShape;
use serde_json::{Map, Value, json};

use super::{entries::Entry, openai};

pub(crate) fn v0(entries: &[Entry<'_>]) -> Value {
    json!({ "object": "list", "data": entries.iter().map(v0_entry).collect::<Vec<_>>() })
}

pub(crate) fn v0_entry(entry: &Entry<'_>) -> Value {
    let facts = &entry.facts;
    let loaded = entry.loaded().next();
    let loaded_with = loaded.and_then(|place| place.live.residency()).and_then(|told| told.context_length);
    let used_for = match facts.used_for {
        Some(ModelUse::Vision) => "vlm",
        Some(ModelUse::Embeddings) => "embeddings",
        Some(ModelUse::Text) | None => "llm",
    };
    let tools = (facts.abilities.tools == Some(true)).then(|| json!(["tool_use"]));
    let known = [
        ("id", Some(json!(entry.name()))),
        ("object", Some(json!("model"))),
        ("type", Some(json!(used_for))),
        ("publisher", facts.publisher.as_deref().map(Value::from)),
        ("arch", facts.reported.family.as_ref().or(facts.family.as_ref()).map(|arch| json!(arch))),
        ("compatibility_type", facts.format.as_deref().map(Value::from)),
        ("quantization", quantization(entry).map(Value::from)),
        ("state", Some(json!(if loaded.is_some() { "loaded" } else { "not-loaded" }))),
        ("max_context_length", facts.context_length.map(Value::from)),
        ("loaded_context_length", loaded_with.map(Value::from)),
        ("capabilities", tools),
        ("alias_of", (!entry.alias_of.is_empty()).then(|| json!(entry.alias_of))),
    ];
    known.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect::<Map<_, _>>().into()
}

/// OpenAI's list stands beside it: earlier versions of Olla had nothing else here.
pub(crate) fn v1(entries: &[Entry<'_>]) -> Value {
    let mut list = json!({ "models": entries.iter().map(v1_entry).collect::<Vec<_>>() });
    if let (Some(fields), Value::Object(open_ai)) =
        (list.as_object_mut(), openai::list(entries, &OpenAiShape::default()))
    {
        fields.extend(open_ai);
    }
    list
}

fn v1_entry(entry: &Entry<'_>) -> Value {
    let facts = &entry.facts;
    let embeds = facts.used_for == Some(ModelUse::Embeddings);
    let mut fields = json!({
        "type": if embeds { "embedding" } else { "llm" },
        "publisher": facts.publisher.as_deref().unwrap_or_default(),
        "key": entry.name(),
        "display_name": entry.name(),
        "architecture": facts.reported.family.as_ref().or(facts.family.as_ref()),
        "quantization": quantization(entry).map(|name| json!({ "name": name, "bits_per_weight": null })),
        "size_bytes": facts.size_bytes.unwrap_or(0),
        "params_string": facts.reported.parameter_size.as_ref().or(facts.parameter_size.as_ref()),
        "loaded_instances": instances(entry),
        "max_context_length": facts.context_length,
        "format": facts.format,
        "description": facts.description,
    });
    if !embeds {
        fields["capabilities"] = json!({
            "vision": facts.abilities.images == Some(true),
            "trained_for_tool_use": facts.abilities.tools == Some(true),
        });
    }
    if !entry.alias_of.is_empty() {
        fields["alias_of"] = json!(entry.alias_of);
    }
    fields
}

/// Numbers the instances of one model as LM Studio does: `name`, `name:2`, ….
fn instances(entry: &Entry<'_>) -> Vec<Value> {
    let instance = |(n, place): (usize, &super::entries::Place<'_>)| {
        let id = match n {
            0 => entry.name().to_owned(),
            n => format!("{}:{}", entry.name(), n + 1),
        };
        let context = place.live.residency().and_then(|told| told.context_length);
        json!({
            "id": id,
            "config": { "context_length": context.or(place.model.context_length) },
            "endpoint": place.endpoint.spec.name,
        })
    };
    entry.loaded().enumerate().map(instance).collect()
}

fn quantization<'e>(entry: &'e Entry<'_>) -> Option<&'e str> {
    entry.facts.reported.quantization.as_deref().or(entry.facts.quantization.as_deref())
}
