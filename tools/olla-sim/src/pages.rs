//! The pages each kind answers besides inference: health, model listings, versions. They are what discovery and
//! auto-detection tell kinds apart by, so a kind answers its own pages and 404 for those of others.

use serde_json::{Value, json};

use crate::kind::Kind;
use crate::model::{Model, Use};
use crate::ollama::{CREATED_AT, details};
use crate::openai::CREATED;
use crate::reply::{Dialect, Reply};
use crate::script::fnv1a;
use crate::state::State;

/// The context length that every listing states.
pub(crate) const CONTEXT: u32 = 32_768;

/// Answers a request that is not inference.
pub(crate) fn answer(state: &State, method: &str, path: &str) -> Reply {
    match page(state, path) {
        Some(page) if matches!(method, "GET" | "HEAD") => page,
        Some(_) => Dialect::OpenAi.error(405, "this page can only be read").header("allow", "GET, HEAD"),
        // It says 200 to everything: https://github.com/lmstudio-ai/lmstudio-bug-tracker/issues/618.
        None if state.kind == Kind::LmStudio => {
            Reply::json(&json!({"error": format!("Unexpected endpoint or method. ({method} {path})")}))
        }
        None => Reply { status: 404, ..Reply::json(&json!({"error": "not found", "path": path})) },
    }
}

fn page(state: &State, path: &str) -> Option<Reply> {
    let listed = state.kind.openai_path(path) == Some("/models");
    if listed {
        return Some(Reply::json(&listing(state)));
    }
    own_page(state, path)
}

/// Pages that only some kinds have.
fn own_page(state: &State, path: &str) -> Option<Reply> {
    let json = |value: Value| Some(Reply::json(&value));
    match (state.kind, path) {
        (Kind::Ollama, "/") => Some(Reply::text("Ollama is running")),
        (Kind::Ollama, "/api/tags") => {
            json(json!({"models": state.models().iter().map(ollama_model).collect::<Vec<_>>()}))
        }
        (Kind::Ollama, "/api/ps") => json(json!({"models": running(state)})),
        (Kind::Ollama, "/api/version") => json(json!({"version": "0.14.0"})),
        (Kind::LmStudio, "/api/v0/models") => json(json!({
            "object": "list",
            "data": with_memory(state, lmstudio_model),
        })),
        (Kind::LmStudio, "/api/v1/models") => json(json!({"models": with_memory(state, lmstudio_v1_model)})),
        (Kind::Vllm | Kind::Sglang | Kind::LmDeploy, "/health") => Some(Reply::empty()),
        (Kind::Vllm, "/version") => json(json!({"version": "0.11.1"})),
        (Kind::VllmMlx, "/health") => json(
            json!({"status": "healthy", "model_loaded": true, "model_name": first(state), "model_type": "llm"}),
        ),
        (Kind::Sglang, "/get_model_info" | "/model_info") => {
            json(json!({"model_path": first(state), "tokenizer_path": first(state), "is_generation": true}))
        }
        (Kind::Sglang, "/get_server_info" | "/server_info") => json(sglang_info(state)),
        (Kind::LlamaCpp, "/health") => json(json!({"status": "ok"})),
        (Kind::LlamaCpp, "/props") => json(llamacpp_props(state)),
        (Kind::LmDeploy, "/is_sleeping") => json(json!({"is_sleeping": false})),
        (Kind::Lemonade, "/api/v1/health") => json(lemonade_health(state)),
        (Kind::LiteLlm, "/health/liveliness" | "/health/liveness") => json(json!("I'm alive!")),
        (Kind::LiteLlm, "/health/readiness") => json(json!({"status": "connected", "db": "Not connected"})),
        (Kind::LiteLlm, "/health") => json(litellm_health(state)),
        (Kind::LiteLlm, "/model/info" | "/v1/model/info") => {
            json(json!({"data": models(state, litellm_info)}))
        }
        (Kind::DockerModelRunner, "/models") => json(models(state, docker_model).into()),
        (Kind::DockerModelRunner, "/") => Some(Reply::text("Docker Model Runner is running")),
        (Kind::Omlx, "/health") => json(json!({"status": "healthy", "default_model": first(state)})),
        (Kind::Omlx, "/v1/models/status") => json(omlx_status(state)),
        _ => None,
    }
}

/// The listing of the OpenAI surface, with what each kind adds.
fn listing(state: &State) -> Value {
    match state.kind {
        Kind::OpenAi | Kind::LmStudio => list(state, |model| listed(model, "organization_owner", json!({}))),
        Kind::Ollama => list(state, |model| listed(model, "library", json!({}))),
        Kind::LiteLlm => list(state, |model| listed(model, "openai", json!({}))),
        Kind::Omlx => list(state, |model| listed(model, "omlx", json!({}))),
        Kind::VllmMlx => list(state, |model| listed(model, "vllm-mlx", json!({}))),
        Kind::DockerModelRunner => list(state, |model| listed(model, "docker", json!({}))),
        Kind::Vllm => list(state, |model| listed(model, "vllm", served("vllm", model))),
        Kind::Sglang => {
            list(state, |model| listed(model, "sglang", json!({"root": model, "max_model_len": CONTEXT})))
        }
        Kind::LmDeploy => list(state, |model| {
            listed(
                model,
                "lmdeploy",
                json!({"root": model, "parent": null, "permission": [permission("lmdeploy", model)]}),
            )
        }),
        Kind::Lemonade => list(state, |model| {
            listed(
                model,
                "lemonade",
                json!({"checkpoint": format!("amd/{model}"), "recipe": "llamacpp", "downloaded": true}),
            )
        }),
        Kind::LlamaCpp => llamacpp_listing(state),
    }
}

fn models(state: &State, entry: impl Fn(&str) -> Value) -> Vec<Value> {
    state.models().iter().map(|model| entry(&model.name)).collect()
}

/// Like [`models`], with whether each is in memory.
fn with_memory(state: &State, entry: impl Fn(&str, bool) -> Value) -> Vec<Value> {
    state.models().iter().map(|model| entry(&model.name, model.is_loaded())).collect()
}

/// Like [`models`], of those that are in memory.
fn loaded(state: &State, entry: impl Fn(&str) -> Value) -> Vec<Value> {
    let models = state.models();
    models.iter().filter(|model| model.is_loaded()).map(|model| entry(&model.name)).collect()
}

fn list(state: &State, entry: impl Fn(&str) -> Value) -> Value {
    json!({"object": "list", "data": models(state, entry)})
}

fn listed(model: &str, owner: &str, extra: Value) -> Value {
    let mut entry = json!({"id": model, "object": "model", "created": CREATED, "owned_by": owner});
    if let (Some(fields), Value::Object(extra)) = (entry.as_object_mut(), extra) {
        fields.extend(extra);
    }
    entry
}

fn first(state: &State) -> String {
    state.models().first().map(|model| model.name.clone()).unwrap_or_default()
}

fn digest(model: &str) -> String {
    format!("{:016x}", fnv1a(model.as_bytes())).repeat(4)
}

// === entries of single kinds ===

fn ollama_model(model: &Model) -> Value {
    json!({
        "name": model.name,
        "model": model.name,
        "modified_at": CREATED_AT,
        "size": 2_019_393_189_u64,
        "digest": digest(&model.origin),
        "details": details(),
    })
}

fn running(state: &State) -> Vec<Value> {
    state.models().iter().filter(|model| model.is_loaded()).map(running_model).collect()
}

fn running_model(model: &Model) -> Value {
    let mut entry = ollama_model(model);
    if let Some(fields) = entry.as_object_mut() {
        fields.remove("modified_at");
        fields.insert("expires_at".to_owned(), json!("2099-01-01T00:00:00Z"));
        fields.insert("size_vram".to_owned(), json!(2_019_393_189_u64));
        fields.insert("context_length".to_owned(), json!(CONTEXT));
    }
    entry
}

fn lmstudio_model(model: &str, loaded: bool) -> Value {
    let mut entry = json!({
        "id": model,
        "object": "model",
        "type": Use::of(model).word("llm", "vlm", "embeddings"),
        "publisher": lmstudio_publisher(model),
        "arch": "llama",
        "compatibility_type": "gguf",
        "quantization": "Q4_K_M",
        "state": if loaded { "loaded" } else { "not-loaded" },
        "max_context_length": CONTEXT,
    });
    if let (true, Some(fields)) = (loaded, entry.as_object_mut()) {
        fields.insert("loaded_context_length".to_owned(), json!(CONTEXT));
    }
    entry
}

fn lmstudio_v1_model(model: &str, loaded: bool) -> Value {
    let used_for = Use::of(model);
    let instance = json!({"id": model, "config": {"context_length": CONTEXT, "flash_attention": true}});
    let mut entry = json!({
        "type": used_for.word("llm", "llm", "embedding"),
        "publisher": lmstudio_publisher(model),
        "key": model,
        "display_name": model,
        "architecture": "llama",
        "quantization": {"name": "Q4_K_M", "bits_per_weight": 4},
        "size_bytes": 2_019_393_189_u64,
        "params_string": "3B",
        "loaded_instances": if loaded { vec![instance] } else { vec![] },
        "max_context_length": CONTEXT,
        "format": "gguf",
    });
    if let (true, Some(fields)) = (used_for != Use::Embeddings, entry.as_object_mut()) {
        let vision = used_for == Use::Vision;
        fields.insert("capabilities".to_owned(), json!({"vision": vision, "trained_for_tool_use": true}));
    }
    entry
}

fn lmstudio_publisher(model: &str) -> &str {
    model.split_once('/').map_or("lmstudio-community", |(publisher, _)| publisher)
}

fn permission(owner: &str, model: &str) -> Value {
    json!({
        "id": format!("modelperm-{owner}-{}", model.replace('/', "-")),
        "object": "model_permission",
        "created": CREATED,
        "allow_sampling": true,
        "allow_logprobs": true,
        "allow_view": true,
        "organization": "*",
        "group": null,
        "is_blocking": false,
    })
}

fn served(owner: &str, model: &str) -> Value {
    json!({"root": model, "parent": null, "max_model_len": CONTEXT, "permission": [permission(owner, model)]})
}

/// Of one model; with several it is a router, which starts a server for each when it is asked for.
fn llamacpp_listing(state: &State) -> Value {
    if is_router(state) {
        let entry = |model: &str, loaded| {
            let status = json!({"value": if loaded { "loaded" } else { "unloaded" }});
            listed(model, "llamacpp", json!({"in_cache": true, "status": status}))
        };
        return json!({"object": "list", "data": with_memory(state, entry)});
    }
    let meta = json!({"vocab_type": 2, "n_vocab": 128_256, "n_ctx_train": CONTEXT, "n_embd": 3072, "n_params": 3_212_749_888_u64, "size": 2_011_539_712_u64});
    let mut listing = json!({"models": models(state, |model| json!({
        "name": model,
        "model": model,
        "modified_at": "",
        "size": "",
        "digest": "",
        "type": "model",
        "capabilities": ["completion"],
        "details": {"parent_model": "", "format": "gguf", "family": "", "families": [""], "parameter_size": "", "quantization_level": ""},
    }))});
    let data = list(state, |model| listed(model, "llamacpp", json!({"meta": meta})));
    if let (Some(fields), Value::Object(data)) = (listing.as_object_mut(), data) {
        fields.extend(data);
    }
    listing
}

fn is_router(state: &State) -> bool {
    state.models().len() > 1
}

fn llamacpp_props(state: &State) -> Value {
    if is_router(state) {
        return json!({
            "role": "router",
            "max_instances": 4,
            "model_alias": "llama-server",
            "model_path": "none",
            "default_generation_settings": {"params": null, "n_ctx": 0},
            "build_info": "b6000-sim",
        });
    }
    json!({
        "default_generation_settings": {"n_ctx": CONTEXT},
        "total_slots": 4,
        "model_alias": first(state),
        "model_path": format!("/models/{}.gguf", first(state)),
        "modalities": {"vision": Use::of(&first(state)) == Use::Vision, "audio": false},
        "build_info": "b6000-sim",
    })
}

fn sglang_info(state: &State) -> Value {
    json!({
        "model_path": first(state),
        "served_model_name": first(state),
        "context_length": CONTEXT,
        "tp_size": 1,
        "max_total_num_tokens": 262_144,
        "version": "0.5.4",
        "internal_states": [{"max_running_requests": 256}],
    })
}

fn docker_model(model: &str) -> Value {
    json!({
        "id": format!("sha256:{}", digest(model)),
        "tags": [model],
        "created": CREATED,
        "config": {
            "format": "gguf",
            "quantization": "IQ2_XXS/Q4_K_M",
            "parameters": "3.21 B",
            "architecture": "llama",
            "size": "1.87 GiB",
            "gguf": {"general.architecture": "llama", "llama.context_length": CONTEXT.to_string()},
        },
    })
}

fn litellm_info(model: &str) -> Value {
    let upstream = model.rsplit('/').next().unwrap_or(model);
    let provider = model.split_once('/').map_or("openai", |(provider, _)| provider);
    json!({
        "model_name": model,
        "litellm_params": {"model": format!("{provider}/{upstream}")},
        "model_info": {
            "id": digest(model),
            "db_model": false,
            "key": upstream,
            "mode": Use::of(model).word("chat", "chat", "embedding"),
            "litellm_provider": provider,
            "max_input_tokens": CONTEXT,
            "max_output_tokens": 4096,
            "supports_function_calling": Use::of(model) != Use::Embeddings,
            "supports_vision": Use::of(model) == Use::Vision,
        },
    })
}

fn litellm_health(state: &State) -> Value {
    let healthy = models(state, |model| json!({"model": model}));
    json!({
        "healthy_count": healthy.len(),
        "unhealthy_count": 0,
        "healthy_endpoints": healthy,
        "unhealthy_endpoints": [],
    })
}

fn omlx_status(state: &State) -> Value {
    let entry = |model: &str, loaded| {
        json!({
            "id": model,
            "model_type": Use::of(model).word("llm", "vlm", "embedding"),
            "engine_type": Use::of(model).word("batched", "vlm", "embedding"),
            "loaded": loaded,
            "is_loading": false,
            "estimated_size": 2_019_393_189_u64,
            "actual_size": if loaded { json!(2_100_000_000_u64) } else { Value::Null },
            "max_context_window": CONTEXT,
        })
    };
    let models = with_memory(state, entry);
    json!({"model_count": models.len(), "loaded_count": loaded(state, |model| json!(model)).len(), "models": models})
}

fn lemonade_health(state: &State) -> Value {
    let entry = |model: &str| {
        json!({
            "model_name": model,
            "checkpoint": format!("amd/{model}"),
            "type": Use::of(model).word("llm", "llm", "embedding"),
            "device": "gpu",
            "recipe": "llamacpp",
            "recipe_options": {"ctx_size": CONTEXT},
        })
    };
    let all = loaded(state, entry);
    let last = all.last().map_or(Value::Null, |model| model["model_name"].clone());
    json!({"status": "ok", "model_loaded": last, "all_models_loaded": all})
}
