//! Lists as Ollama writes them: the models there are, and those in memory.

use std::time::{Duration, UNIX_EPOCH};

use olla_core::{Abilities, Model, rfc3339};
use serde_json::{Value, json};

use super::entries::{Entry, Place};

/// Returns the list that is at a path.
pub(super) fn list_at<'f>(path: &str, entries: impl FnOnce() -> Vec<Entry<'f>>) -> Option<Value> {
    match path.trim_end_matches('/') {
        "/api/tags" => Some(tags(&entries())),
        "/api/ps" => Some(ps(&entries())),
        _ => None,
    }
}

/// Describes one model as far as it is known. What nobody tells, clients take as they would from an old server.
pub(crate) fn show(entry: &Entry<'_>) -> Value {
    let facts = &entry.facts;
    let Abilities { chat, images, tools, embeddings, thinking } = facts.abilities;
    // What is not known to be impossible is possible, as it is for requests.
    let chats = chat != Some(false) && embeddings != Some(true);
    let seems_to_think = || facts.capabilities.iter().any(|word| matches!(&**word, "thinking" | "reasoning"));
    let capabilities = [
        ("completion", chats),
        ("vision", images == Some(true)),
        ("tools", chats && tools != Some(false)),
        ("thinking", thinking.unwrap_or_else(seems_to_think)),
        ("embedding", embeddings == Some(true)),
    ];
    let able = capabilities.into_iter().filter(|(_, is)| *is).map(|(name, _)| name);
    let architecture = facts.reported.family.as_ref().or(facts.family.as_ref()).map_or("unknown", |f| f);
    let mut info = json!({ "general.architecture": architecture, "general.basename": entry.name() });
    if let Some(count) = facts.parameter_count {
        info["general.parameter_count"] = json!(count);
    }
    if let Some(length) = facts.context_length {
        info[format!("{architecture}.context_length")] = json!(length);
    }
    json!({
        "modelfile": format!("FROM {}\n", entry.name()),
        "parameters": "",
        "template": "",
        "details": details(facts),
        "model_info": info,
        "capabilities": able.collect::<Vec<_>>(),
        "modified_at": modified(entry),
    })
}

pub(crate) fn tags(entries: &[Entry<'_>]) -> Value {
    json!({ "models": entries.iter().map(tag).collect::<Vec<_>>() })
}

fn tag(entry: &Entry<'_>) -> Value {
    let facts = &entry.facts;
    let mut tag = json!({
        "name": entry.name(),
        "model": entry.name(),
        "modified_at": modified(entry),
        "size": facts.size_bytes.unwrap_or(0),
        "digest": digest(facts),
        "details": details(facts),
    });
    if !entry.alias_of.is_empty() {
        tag["alias_of"] = json!(entry.alias_of);
    }
    tag
}

/// Writes what is in memory: a model once for each endpoint that holds it, which `endpoint` names.
pub(crate) fn ps(entries: &[Entry<'_>]) -> Value {
    let own = entries.iter().filter(|entry| entry.alias_of.is_empty());
    let running = own.flat_map(|entry| entry.loaded().map(|place| running(entry, place)));
    json!({ "models": running.collect::<Vec<_>>() })
}

fn running(entry: &Entry<'_>, place: &Place<'_>) -> Value {
    let told = place.live.residency().unwrap_or_default();
    let model = place.model;
    let mut running = json!({
        "name": entry.name(),
        "model": entry.name(),
        "size": told.size_bytes.or(model.size_bytes).unwrap_or(0),
        "digest": digest(model),
        "details": details(model),
    });
    for (key, value) in [
        ("expires_at", told.expires.map(|expires| json!(expires))),
        ("size_vram", told.vram_bytes.map(Value::from)),
        ("context_length", told.context_length.map(Value::from)),
        ("endpoint", Some(json!(place.endpoint.spec.name))),
    ] {
        if let Some(value) = value {
            running[key] = value;
        }
    }
    running
}

/// Writes an entry as llama.cpp puts it beside its list, for clients of Ollama's list.
pub(crate) fn beside_openai(entry: &Entry<'_>) -> Value {
    let facts = &entry.facts;
    let Abilities { images, embeddings, .. } = facts.abilities;
    let mut capabilities = vec![if embeddings == Some(true) { "embedding" } else { "completion" }];
    capabilities.extend((images == Some(true)).then_some("multimodal"));
    json!({
        "name": entry.name(),
        "model": entry.name(),
        "modified_at": "",
        "size": "",
        "digest": "",
        "type": "model",
        "description": facts.description.as_deref().unwrap_or_default(),
        "tags": [""],
        "capabilities": capabilities,
        "parameters": "",
        "details": details(facts),
    })
}

fn details(facts: &Model) -> Value {
    let family = facts.reported.family.as_ref().or(facts.family.as_ref());
    let quantization = facts.reported.quantization.as_deref().map(str::to_owned);
    let parameters = facts.reported.parameter_size.as_deref().map(str::to_owned);
    json!({
        "parent_model": facts.parent.as_deref().unwrap_or_default(),
        "format": facts.format.as_deref().unwrap_or_default(),
        "family": family.map_or("", |family| family),
        "families": family.into_iter().collect::<Vec<_>>(),
        "parameter_size": parameters
            .or_else(|| facts.parameter_size.as_deref().map(str::to_uppercase))
            .unwrap_or_default(),
        "quantization_level": quantization
            .or_else(|| facts.quantization.as_deref().map(gguf_label))
            .unwrap_or_default(),
    })
}

/// Returns what tells a model's content. Where nobody tells it, it is made of the name: the command line of Ollama
/// cuts twelve letters out of it, whether they are there or not.
fn digest(facts: &Model) -> String {
    let hash = |seed: u64| {
        facts.name.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
    };
    let made = || (0..4).map(|n| format!("{:016x}", hash(FNV_OFFSET + n))).collect();
    facts.digest.as_deref().filter(|digest| !digest.is_empty()).map_or_else(made, str::to_owned)
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

/// Returns when a model was changed, in RFC 3339. A moment that nobody tells is the beginning of 1970, because
/// clients want one.
fn modified(entry: &Entry<'_>) -> String {
    match entry.facts.modified.as_deref() {
        // A number is Unix seconds.
        Some(text) if text.parse::<u64>().is_err() => text.to_owned(),
        _ => rfc3339(UNIX_EPOCH + Duration::from_secs(entry.created())),
    }
}

/// Returns a quantisation as GGUF files name it: `Q4_K_M` for `q4km`. Others stay as they are.
fn gguf_label(normal: &str) -> String {
    match normal {
        "q4" | "q5" | "q8" => return format!("{}_0", normal.to_uppercase()),
        "f16" | "f32" | "bf16" => return normal.to_uppercase(),
        "unk" => return "unknown".into(),
        _ => {}
    }
    let k_label = normal.strip_prefix('q').and_then(|rest| rest.split_once('k'));
    match k_label {
        Some((bits, size)) if bits.len() == 1 && bits.bytes().all(|b| b.is_ascii_digit()) => {
            let separator = if size.is_empty() { "" } else { "_" };
            format!("Q{bits}_K{separator}{}", size.to_uppercase())
        }
        _ => normal.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantisations_have_the_labels_of_gguf_files() {
        for (normal, label) in [
            ("q4km", "Q4_K_M"),
            ("q4ks", "Q4_K_S"),
            ("q3kl", "Q3_K_L"),
            ("q5km", "Q5_K_M"),
            ("q6k", "Q6_K"),
            ("q4kxl", "Q4_K_XL"),
            ("q8", "Q8_0"),
            ("q4", "Q4_0"),
            ("q5", "Q5_0"),
            ("f16", "F16"),
            ("f32", "F32"),
            ("unk", "unknown"),
            ("awq4", "awq4"),
            ("4bit", "4bit"),
        ] {
            assert_eq!(gguf_label(normal), label);
        }
    }
}
