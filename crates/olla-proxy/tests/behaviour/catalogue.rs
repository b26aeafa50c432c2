//! `GET /olla/models` and `GET /olla/models/{id}`: one catalogue over all endpoints.

use http::{Method, StatusCode};
use olla_core::{Model, ModelUse, Residency, Status};
use serde_json::{Value, json};

use crate::support::{Backend, Plan, Stage, get};

/// `a` and `b` are Ollama, `c` is vLLM, `d` is LM Studio. `llama3:8b` is on `a` and `b` under three names, and
/// `Qwen/Qwen3-8B` on `c` and `d` in two spellings.
fn plan() -> Plan {
    let backends = [(); 4].map(|()| Backend::refusing());
    let mut plan = Plan::over(&backends.each_ref());
    for (endpoint, kind) in [(0, "ollama"), (1, "ollama"), (3, "lmstudio")] {
        plan.kind(endpoint, kind);
    }
    let llama = |name: &str| {
        let mut model = Model::named(name);
        model.digest = Some("d1gest-of-llama".into());
        model.size_bytes = Some(4_660_039_619);
        model.modified = Some("2026-01-02T03:04:05Z".into());
        (model.family, model.parameter_size) = (Some("llama".into()), Some("8b".into()));
        (model.quantization, model.parameter_count) = (Some("q4km".into()), Some(8_000_000_000));
        model.used_for = Some(ModelUse::Text);
        model.abilities.tools = Some(true);
        model.capabilities = vec!["text-generation".into()];
        model.format = Some("gguf".into());
        model
    };
    let seeing = |name: &str, context: u64| {
        let mut model = Model::named(name);
        model.family = Some("qwen".into());
        model.used_for = Some(ModelUse::Vision);
        model.context_length = Some(context);
        model.capabilities = vec!["text-generation".into(), "vision".into()];
        model
    };
    let mut embedding = Model::named("nomic-embed-text");
    embedding.used_for = Some(ModelUse::Embeddings);
    embedding.capabilities = vec!["embeddings".into()];
    plan.models[0] = vec![llama("llama3:8b"), llama("llama3:latest")];
    plan.models[1] = vec![llama("my-llama"), embedding];
    plan.models[2] = vec![seeing("Qwen/Qwen3-8B", 8192)];
    plan.models[3] = vec![seeing("qwen/qwen3-8b", 32_768)];
    plan.aliases = vec![("fast", &["my-llama", "gone"]), ("lost", &["gone"])];
    plan
}

async fn json(stage: &Stage, target: &str) -> Value {
    let told = stage.ask(get(target)).await;
    assert_eq!(told.status, StatusCode::OK, "{target}: {told:?}");
    told.json()
}

async fn ids(stage: &Stage, query: &str) -> Vec<String> {
    let list = json(stage, &format!("/olla/models{query}")).await;
    list["data"].as_array().unwrap().iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_model_is_one_entry_wherever_it_is_and_the_entries_are_sorted() {
    let stage = plan().start();

    let first = json(&stage, "/olla/models").await;

    assert_eq!(first, json(&stage, "/olla/models/").await, "nothing depends on the moment");
    assert_eq!(ids(&stage, "").await, ["Qwen/Qwen3-8B", "fast", "llama3:8b", "nomic-embed-text"]);
    assert_eq!(
        first["data"][2],
        json!({
            "olla": {
                "family": "llama",
                "variant": "",
                "parameter_size": "8b",
                "quantization": "q4km",
                "type": "llm",
                "aliases": ["llama3:8b", "llama3:latest", "my-llama"],
                "availability": [
                    {"endpoint": "a", "state": "unknown", "names": ["llama3:8b", "llama3:latest"]},
                    {"endpoint": "b", "state": "unknown", "names": ["my-llama"]},
                ],
                "capabilities": ["text-generation"],
            },
            "id": "llama3:8b",
            "object": "model",
            "owned_by": "olla",
            "created": 1_767_323_045,
        })
    );
    assert_eq!(first["data"][0]["olla"]["max_context_length"], 32_768, "requests go where they fit");
}

#[tokio::test]
async fn aliases_are_entries_that_say_what_they_stand_for() {
    let stage = plan().start();

    let alias = json(&stage, "/olla/models").await["data"][1].clone();

    assert_eq!((&alias["id"], &alias["olla"]["alias_of"]), (&json!("fast"), &json!(["my-llama", "gone"])));
    assert_eq!(alias["olla"]["parameter_size"], "8b");
    assert_eq!(json(&stage, "/olla/models/fast").await["alias_of"], json!(["my-llama", "gone"]));
}

#[tokio::test]
async fn filters_combine() {
    let stage = plan().start();
    let url = stage.endpoint(2).spec.base.to_string();

    for (query, expected) in [
        ("?endpoint=b", &["fast", "llama3:8b", "nomic-embed-text"][..]),
        (&*format!("?endpoint={url}/"), &["Qwen/Qwen3-8B"]),
        ("?endpoint=nobody", &[]),
        ("?family=llama", &["fast", "llama3:8b"]),
        ("?family=Llama&endpoint=c", &[]),
        ("?type=llm", &["Qwen/Qwen3-8B", "fast", "llama3:8b"]),
        ("?type=vlm", &["Qwen/Qwen3-8B"]),
        ("?type=embeddings", &["nomic-embed-text"]),
        ("?type=embedding", &["nomic-embed-text"]),
        ("?capability=vision", &["Qwen/Qwen3-8B"]),
        ("?capability=vector_search", &["nomic-embed-text"]),
        ("?capability=text_generation&family=qwen", &["Qwen/Qwen3-8B"]),
        ("?capability=function_calling", &["fast", "llama3:8b"]),
        ("?capability=unheard-of", &[]),
        ("?other=ignored&family=", &["Qwen/Qwen3-8B", "fast", "llama3:8b", "nomic-embed-text"]),
    ] {
        assert_eq!(ids(&stage, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn what_would_have_to_be_loaded_first_is_not_available() {
    let stage = plan().start();
    let (a, b) = (stage.endpoint(0), stage.endpoint(1));
    a.model_live.iter().for_each(|live| live.set_cold());
    b.model_live.iter().for_each(|live| live.set_cold());
    assert_eq!(ids(&stage, "?available=true").await, ["Qwen/Qwen3-8B"], "who does not tell is not cold");
    assert_eq!(ids(&stage, "?available=false").await, ["fast", "llama3:8b", "nomic-embed-text"]);

    a.model_live[1].set_loaded(Residency::default());

    assert_eq!(ids(&stage, "?available=true").await, ["Qwen/Qwen3-8B", "llama3:8b"]);
    let document = json(&stage, "/olla/models/my-llama").await;
    assert_eq!(
        document["availability"],
        json!([
            {"endpoint": "a", "state": "loaded", "names": ["llama3:8b", "llama3:latest"]},
            {"endpoint": "b", "state": "available", "names": ["my-llama"]},
        ])
    );
    assert_eq!(document["loaded_endpoints"], json!(["a"]));
}

#[tokio::test]
async fn what_is_down_is_shown_only_when_asked_for() {
    let stage = plan().start();
    stage.endpoint(2).live.set_status(Status::Offline);
    stage.endpoint(3).live.set_status(Status::Offline);

    assert_eq!(ids(&stage, "?family=qwen").await, [""; 0]);
    assert_eq!(ids(&stage, "?family=qwen&include_unavailable=true").await, ["Qwen/Qwen3-8B"]);
    assert_eq!(ids(&stage, "?family=qwen&include_unavailable=true&available=true").await, [""; 0]);
    let document = json(&stage, "/olla/models/Qwen%2FQwen3-8B").await;
    assert_eq!(document["availability"][0]["state"], "unavailable");
}

#[tokio::test]
async fn a_value_that_makes_no_sense_is_refused_with_those_that_do() {
    let stage = plan().start();

    for (query, parameter, allowed) in [
        ("format=xml", "format=\"xml\"", "unified, anthropic, anthropic-api, dmr, docker-model-runner"),
        ("available=maybe", "available=\"maybe\"", "true, false"),
        ("include_unavailable=1", "include_unavailable=\"1\"", "true, false"),
        ("type=model", "type=\"model\"", "llm, vlm, embeddings"),
    ] {
        let told = stage.ask(get(&format!("/olla/models?{query}"))).await;

        let error = told.json()["error"].clone();
        assert_eq!(
            (told.status, &error["code"]),
            (StatusCode::BAD_REQUEST, &json!("bad_parameter")),
            "{query}"
        );
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(parameter) && message.contains(allowed), "{message}");
    }
}

#[tokio::test]
async fn every_format_lists_under_every_name() {
    let stage = plan().start();
    let everything = ["Qwen/Qwen3-8B", "fast", "llama3:8b", "llama3:latest", "my-llama", "nomic-embed-text"];

    for format in [
        "openai",
        "vllm",
        "sglang",
        "llamacpp",
        "lmdeploy",
        "lemonade",
        "docker-model-runner",
        "vllm-mlx",
        "litellm",
        "omlx",
    ] {
        let list = json(&stage, &format!("/olla/models?format={format}")).await;
        let names: Vec<_> = list["data"].as_array().unwrap().iter().map(|entry| &entry["id"]).collect();
        assert_eq!(names, everything, "{format}");
        assert_eq!(list["data"][1]["alias_of"], json!(["my-llama", "gone"]), "{format}");
    }
    let tags = json(&stage, "/olla/models?format=ollama").await;
    let names: Vec<_> = tags["models"].as_array().unwrap().iter().map(|entry| &entry["name"]).collect();
    assert_eq!(
        names,
        ["fast", "llama3:8b", "llama3:latest", "my-llama", "nomic-embed-text"],
        "those of Ollama"
    );
    let lmstudio = json(&stage, "/olla/models?format=lmstudio").await;
    assert_eq!(lmstudio["data"][0]["id"], "qwen/qwen3-8b", "as that endpoint spells it");
    assert_eq!(lmstudio["data"].as_array().unwrap().len(), 1);
    assert_eq!(json(&stage, "/olla/models?format=unified").await, json(&stage, "/olla/models").await);
    assert_eq!(
        json(&stage, "/olla/models?format=vllm&type=vlm").await["data"][0]["max_model_len"],
        32_768,
        "filters hold in every format"
    );
}

#[tokio::test]
async fn one_model_is_found_by_any_name_with_a_slash_encoded_or_not() {
    let stage = plan().start();

    for (target, id) in [
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("Qwen%2FQwen3-8B", "Qwen/Qwen3-8B"),
        ("qwen%2fqwen3-8b", "Qwen/Qwen3-8B"),
        ("LLAMA3:LATEST", "llama3:8b"),
        ("my-llama?x=y", "llama3:8b"),
    ] {
        assert_eq!(json(&stage, &format!("/olla/models/{target}")).await["id"], id, "{target}");
    }
    let document = json(&stage, "/olla/models/llama3:8b").await;
    for (key, value) in [
        ("format", json!("gguf")),
        ("total_disk_size", json!("8.68 GB")),
        ("endpoints", json!(["a", "b"])),
        ("loaded_endpoints", json!([])),
        ("parameter_count", json!(8_000_000_000_u64)),
        ("last_seen", json!("never")),
    ] {
        assert_eq!(document[key], value, "{key}");
    }
}

#[tokio::test]
async fn a_model_that_is_not_there_and_a_wrong_method_are_refused() {
    let stage = plan().start();
    let missing = stage.ask(get("/olla/models/Qwen")).await;
    let mut request = get("/olla/models/fast");
    *request.method_mut() = Method::DELETE;

    let wrong = stage.ask(request).await;

    assert_eq!(
        (missing.status, &missing.json()["error"]["code"]),
        (StatusCode::NOT_FOUND, &json!("model_not_found"))
    );
    assert_eq!((wrong.status, wrong.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, Some("GET, HEAD")));
}

#[tokio::test]
async fn what_is_no_longer_listed_is_no_longer_in_the_catalogue() {
    let stage = plan().start();
    let b = stage.endpoint(1).id;

    stage.fleet.publish_models(b, None, vec![]);

    assert_eq!(ids(&stage, "").await, ["Qwen/Qwen3-8B", "llama3:8b"]);
    let aliases = json(&stage, "/olla/models/llama3:8b").await["aliases"].clone();
    assert_eq!(aliases, json!(["llama3:8b", "llama3:latest"]));
    assert_eq!(stage.ask(get("/olla/models/fast")).await.status, StatusCode::NOT_FOUND);
}
