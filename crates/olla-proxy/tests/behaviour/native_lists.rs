//! Lists in the shapes of kinds, and what is refused in their place.

use http::StatusCode;
use olla_core::{Model, ModelUse, Residency, Status};
use serde_json::{Value, json};

use crate::support::{Backend, Plan, Stage, get, post};

/// One endpoint of each of these kinds, `a` to `g`.
const KINDS: [&str; 7] = ["ollama", "ollama", "lmstudio", "vllm", "llamacpp", "lemonade", "dmr"];

/// A model as a server reports one.
fn model(name: &str) -> Model {
    let mut model = Model::named(name);
    model.modified = Some("2026-01-02T03:04:05.678Z".into());
    model.digest = Some(format!("digest-of-{}", name.to_lowercase()).into());
    model.size_bytes = Some(2_019_393_189);
    model.format = Some("gguf".into());
    model.context_length = Some(32_768);
    model.parameter_count = Some(3_212_749_888);
    model.family = Some("llama".into());
    model.parameter_size = Some("3.2b".into());
    model.quantization = Some("q4km".into());
    model.reported.family = Some("llama".into());
    model.reported.parameter_size = Some("3.2B".into());
    model.used_for = Some(ModelUse::Text);
    model.abilities.tools = Some(true);
    model
}

fn plan() -> Plan {
    let mut plan = Plan::over(&KINDS.map(|_| Backend::refusing()).each_ref());
    for (position, kind) in KINDS.iter().enumerate() {
        plan.kind(position, kind);
        plan.models[position] = vec![model(&format!("of-{kind}"))];
    }
    plan.models[0].push(model("Shared:3b"));
    plan.models[1].push(model("shared:3b"));
    plan
}

async fn json(stage: &Stage, target: &str) -> Value {
    let told = stage.ask(get(target)).await;
    assert_eq!(
        (told.status, told.header("content-type")),
        (StatusCode::OK, Some("application/json")),
        "{target}"
    );
    told.json()
}

fn names<'v>(list: &'v Value, array: &str, key: &str) -> Vec<&'v str> {
    list[array].as_array().unwrap().iter().map(|entry| entry[key].as_str().unwrap()).collect()
}

#[tokio::test]
async fn each_prefix_lists_its_own_models_where_its_clients_look_for_them() {
    let stage = plan().start();

    for (target, array, key, expected) in [
        ("/olla/ollama/v1/models", "data", "id", &["Shared:3b", "of-ollama"][..]),
        ("/olla/lmstudio/api/v0/models", "data", "id", &["of-lmstudio"]),
        ("/olla/lm-studio/api/v1/models", "models", "key", &["of-lmstudio"]),
        ("/olla/lm_studio/api/v1/models", "data", "id", &["of-lmstudio"]),
        ("/olla/lmstudio/v1/models", "data", "id", &["of-lmstudio"]),
        ("/olla/lemonade/api/v1/models", "data", "id", &["of-lemonade"]),
        ("/olla/lemonade/api/tags", "models", "model", &["of-lemonade"]),
        ("/olla/dmr/engines/v1/models", "data", "id", &["of-dmr"]),
        ("/olla/dmr/engines/llama.cpp/v1/models", "data", "id", &["of-dmr"]),
        ("/olla/vllm/v1/models", "data", "id", &["of-vllm"]),
        ("/olla/llamacpp/v1/models", "data", "id", &["of-llamacpp"]),
        ("/olla/llamacpp/models", "models", "name", &["of-llamacpp"]),
        ("/olla/proxy/api/tags", "models", "name", &["Shared:3b", "of-lemonade", "of-ollama"]),
        ("/olla/sglang/v1/models", "data", "id", &[]),
        ("/olla/omlx/v1/models", "data", "id", &[]),
        ("/olla/litellm/models", "data", "id", &[]),
    ] {
        assert_eq!(names(&json(&stage, target).await, array, key), expected, "{target}");
    }
}

#[tokio::test]
async fn a_kind_without_a_usable_endpoint_lists_nothing_and_that_is_no_error() {
    let stage = plan().start();
    stage.endpoint(2).live.set_status(Status::Offline);

    assert_eq!(json(&stage, "/olla/lmstudio/api/v0/models").await, json!({"object": "list", "data": []}));
    assert_eq!(json(&stage, "/olla/proxy/api/v0/models").await, json!({"object": "list", "data": []}));
}

#[tokio::test]
async fn ollama_lists_what_its_clients_read() {
    let stage = plan().start();

    let list = json(&stage, "/olla/ollama/api/tags").await;

    assert_eq!(
        list["models"][5],
        json!({
            "name": "of-ollama",
            "model": "of-ollama",
            "modified_at": "2026-01-02T03:04:05.678Z",
            "size": 2_019_393_189_u64,
            "digest": "digest-of-of-ollama",
            "details": {
                "parent_model": "",
                "format": "gguf",
                "family": "llama",
                "families": ["llama"],
                "parameter_size": "3.2B",
                "quantization_level": "Q4_K_M",
            },
        })
    );
}

#[tokio::test]
async fn a_model_of_which_nothing_is_known_has_every_field_that_clients_need() {
    let mut plan = plan();
    plan.models(0, &["an-unknown"]);
    plan.models(1, &[]);

    let list = json(&plan.start(), "/olla/ollama/api/tags").await;

    assert_eq!(list["models"][0]["modified_at"], "1970-01-01T00:00:00.000Z");
    assert_eq!((&list["models"][0]["name"], &list["models"][0]["size"]), (&json!("an-unknown"), &json!(0)));
    // The command line shows the beginning of it.
    assert_eq!(list["models"][0]["digest"].as_str().map(str::len), Some(64));
    assert_eq!(list["models"][0]["details"]["families"], json!([]));
}

#[tokio::test]
async fn what_is_in_memory_is_listed_once_for_each_endpoint_that_holds_it() {
    let stage = plan().start();
    let mut told = Residency::default();
    told.vram_bytes = Some(7);
    told.expires = Some("2026-01-02T03:09:05Z".into());
    told.context_length = Some(4096);
    let live = |endpoint: usize, name: &str| {
        let endpoint = stage.endpoint(endpoint);
        let position = endpoint.models.iter().position(|model| &*model.name == name).unwrap();
        std::sync::Arc::clone(&endpoint.model_live[position])
    };
    live(0, "Shared:3b").set_loaded(told);
    live(1, "shared:3b").set_loaded(Residency::default());
    live(1, "of-ollama").set_cold();

    let list = json(&stage, "/olla/ollama/api/ps").await;

    assert_eq!(names(&list, "models", "model"), ["Shared:3b", "Shared:3b"]);
    assert_eq!(names(&list, "models", "endpoint"), ["a", "b"]);
    let first = &list["models"][0];
    assert_eq!((&first["size_vram"], &first["context_length"]), (&json!(7), &json!(4096)));
    assert_eq!(
        (&first["expires_at"], &first["size"]),
        (&json!("2026-01-02T03:09:05Z"), &json!(2_019_393_189_u64))
    );
    assert_eq!(list["models"][1].get("expires_at"), None, "nobody tells");
}

#[tokio::test]
async fn lm_studio_tells_use_and_state() {
    let mut plan = plan();
    let mut seeing = model("seeing");
    seeing.used_for = Some(ModelUse::Vision);
    let mut embedding = model("vectors");
    embedding.used_for = Some(ModelUse::Embeddings);
    plan.models[2] = vec![seeing, embedding];
    let stage = plan.start();
    let mut told = Residency::default();
    told.context_length = Some(8192);
    stage.endpoint(2).model_live[0].set_loaded(told);

    let old = json(&stage, "/olla/lmstudio/api/v0/models").await;
    let new = json(&stage, "/olla/lmstudio/api/v1/models").await;

    assert_eq!(names(&old, "data", "type"), ["vlm", "embeddings"]);
    assert_eq!(names(&old, "data", "state"), ["loaded", "not-loaded"]);
    assert_eq!(
        (&old["data"][0]["max_context_length"], &old["data"][0]["loaded_context_length"]),
        (&json!(32_768), &json!(8192))
    );
    assert_eq!(names(&new, "models", "type"), ["llm", "embedding"]);
    assert_eq!(new["models"][0]["loaded_instances"][0]["config"]["context_length"], 8192);
    assert_eq!(new["models"][1]["loaded_instances"], json!([]));
    assert_eq!(new["models"][0]["capabilities"], json!({"vision": false, "trained_for_tool_use": true}));
    assert_eq!(json(&stage, "/olla/lmstudio/api/v0/models/seeing").await, old["data"][0]);
}

#[tokio::test]
async fn lists_in_openais_shape_have_what_their_kind_adds() {
    let mut plan = plan();
    plan.models[3] = vec![model("Qwen/Qwen3-8B")];
    let mut lemon = model("Lemon");
    lemon.parent = Some("amd/Lemon-onnx".into());
    lemon.engine = Some("oga-hybrid".into());
    lemon.state = Some("available".into());
    plan.models[5] = vec![lemon];
    let stage = plan.start();

    let vllm = json(&stage, "/olla/vllm/v1/models").await["data"][0].clone();
    let lemonade = json(&stage, "/olla/lemonade/api/v1/models").await["data"][0].clone();
    let llamacpp = json(&stage, "/olla/llamacpp/v1/models").await["data"][0].clone();

    assert_eq!(
        (&vllm["owned_by"], &vllm["root"], &vllm["parent"], &vllm["max_model_len"], &vllm["created"]),
        (&json!("Qwen"), &json!("Qwen/Qwen3-8B"), &Value::Null, &json!(32_768), &json!(1_767_323_045))
    );
    assert_eq!(vllm["permission"][0]["id"], "modelperm-olla-Qwen-Qwen3-8B");
    assert_eq!(
        (&lemonade["owned_by"], &lemonade["checkpoint"], &lemonade["recipe"], &lemonade["downloaded"]),
        (&json!("lemonade"), &json!("amd/Lemon-onnx"), &json!("oga-hybrid"), &json!(true))
    );
    assert_eq!(
        llamacpp["meta"],
        json!({"n_ctx_train": 32_768, "n_params": 3_212_749_888_u64, "size": 2_019_393_189_u64})
    );
    let everywhere = json(&stage, "/v1/models").await;
    let plain = everywhere["data"].as_array().unwrap().iter().find(|entry| entry["id"] == "Qwen/Qwen3-8B");
    assert_eq!(
        plain.unwrap(),
        &json!({"id": "Qwen/Qwen3-8B", "object": "model", "created": 1_767_323_045, "owned_by": "olla"})
    );
}

#[tokio::test]
async fn aliases_are_marked_in_every_shape() {
    let mut plan = plan();
    plan.aliases = vec![("fast", &["gone", "of-ollama", "of-lmstudio", "of-vllm"])];
    let stage = plan.start();
    let behind = json!(["gone", "of-ollama", "of-lmstudio", "of-vllm"]);

    for (target, array, key) in [
        ("/olla/ollama/api/tags", "models", "name"),
        ("/olla/lmstudio/api/v0/models", "data", "id"),
        ("/olla/lmstudio/api/v1/models", "models", "key"),
        ("/olla/vllm/v1/models", "data", "id"),
        ("/v1/models", "data", "id"),
    ] {
        let list = json(&stage, target).await;
        let alias = list[array].as_array().unwrap().iter().find(|entry| entry[key] == "fast").unwrap();
        assert_eq!(alias["alias_of"], behind, "{target}");
    }
    let list = json(&stage, "/olla/ollama/api/tags").await;
    assert_eq!(list["models"][1]["details"]["parameter_size"], "3.2B", "of the first model that is there");
    assert_eq!(json(&stage, "/olla/ollama/api/ps").await["models"], json!([]));
}

#[tokio::test]
async fn two_names_of_one_blob_on_one_endpoint_are_both_listed() {
    let mut plan = plan();
    let (mut one, mut other) = (model("llama3:8b"), model("llama3:latest"));
    (one.digest, other.digest) = (Some("x".into()), Some("x".into()));
    plan.models[0] = vec![one, other];
    plan.models[1] = vec![];

    let stage = plan.start();

    for target in ["/olla/ollama/api/tags", "/olla/models?format=ollama"] {
        let list = json(&stage, target).await;
        let names = names(&list, "models", "name");
        assert!(names.contains(&"llama3:8b") && names.contains(&"llama3:latest"), "{target}: {names:?}");
    }
}

#[tokio::test]
async fn patterns_are_no_models() {
    let mut plan = plan();
    plan.kind(3, "litellm");
    plan.models(3, &["openai/*", "gpt-4"]);
    let stage = plan.start();

    assert_eq!(names(&json(&stage, "/olla/litellm/v1/models").await, "data", "id"), ["gpt-4"]);
    assert_eq!(json(&stage, "/olla/litellm/v1/models/openai/o9").await["id"], "openai/o9");
}

#[tokio::test]
async fn managing_models_is_refused_in_ollamas_words_before_the_body_is_read() {
    let stage = plan().start();

    for (method, target) in [
        ("POST", "/olla/ollama/api/pull"),
        ("POST", "/olla/ollama/api/push"),
        ("POST", "/olla/ollama/api/create"),
        ("POST", "/olla/ollama/api/copy"),
        ("DELETE", "/olla/ollama/api/delete"),
        ("POST", "/olla/ollama/api/blobs/sha256:1"),
        ("GET", "/olla/ollama/api/list"),
        ("POST", "/olla/proxy/api/pull"),
    ] {
        let mut request = post(target, r#"{"model": "of-ollama"}"#);
        *request.method_mut() = method.parse().unwrap();

        let told = stage.ask(request).await;

        assert_eq!(told.status, StatusCode::NOT_IMPLEMENTED, "{target}");
        let error = told.json();
        assert_eq!(error["code"], "not_offered");
        assert!(error["error"].as_str().unwrap().contains("is not offered: "), "{error}");
    }
}

#[tokio::test]
async fn an_endpoint_that_allows_managing_gets_it() {
    let backend = Backend::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
    let mut plan = Plan::over(&[&backend]);
    plan.kind(0, "ollama");
    plan.specs[0].allow_paths = olla_core::PathRules::parse(["/api/pull"]).unwrap().into();

    let told = plan.start().ask(post("/olla/ollama/api/pull", r#"{"name": "m"}"#)).await;

    assert_eq!(told.status, StatusCode::OK);
}
