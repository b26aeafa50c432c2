//! Health and listings of every kind.

use olla_sim::{Engine, Kind};
use serde_json::{Value, json};

use crate::client::{CHAT, Raw, get, plain, post, start};

/// The names in a listing, wherever its kind puts them.
fn names(listing: &Value) -> Vec<&str> {
    let entries = listing["data"].as_array().or_else(|| listing["models"].as_array()).expect("a list");
    let name = |entry: &'_ Value| entry["id"].as_str().or_else(|| entry["name"].as_str()).map(str::len);
    assert!(entries.iter().all(|entry| name(entry).is_some()), "{listing}");
    entries.iter().filter_map(|entry| entry["id"].as_str().or_else(|| entry["name"].as_str())).collect()
}

#[tokio::test]
async fn every_kind_lists_its_models_as_json() {
    for kind in Kind::ALL {
        let engine = start(Engine::builder("sim-a").kind(kind).models(["org/one", "two:3b"])).await;

        let listing = get(&engine, kind.listing_path()).await;

        assert_eq!(listing.status, 200, "{kind}");
        assert_eq!(names(&listing.json()), ["org/one", "two:3b"], "{kind}");
    }
}

#[tokio::test]
async fn every_kind_answers_its_health_path() {
    for kind in Kind::ALL {
        let engine = start(Engine::builder("sim-a").kind(kind)).await;

        assert_eq!(get(&engine, kind.health_path()).await.status, 200, "{kind}");
    }
}

#[tokio::test]
async fn lm_studio_answers_200_to_what_it_does_not_know() {
    let engine = start(Engine::builder("sim-a").kind(Kind::LmStudio)).await;

    let told = get(&engine, "/").await;

    assert_eq!((told.status, told.json()), (200, json!({"error": "Unexpected endpoint or method. (GET /)"})));
}

#[tokio::test]
async fn every_page_of_a_kind_is_json() {
    let pages = [
        (Kind::Ollama, "/api/ps"),
        (Kind::Ollama, "/api/version"),
        (Kind::Ollama, "/v1/models"),
        (Kind::LmStudio, "/v1/models"),
        (Kind::LmStudio, "/api/v1/models"),
        (Kind::Vllm, "/version"),
        (Kind::VllmMlx, "/health"),
        (Kind::Sglang, "/get_server_info"),
        (Kind::Sglang, "/server_info"),
        (Kind::Sglang, "/get_model_info"),
        (Kind::LlamaCpp, "/health"),
        (Kind::LlamaCpp, "/props"),
        (Kind::LmDeploy, "/is_sleeping"),
        (Kind::Lemonade, "/api/v1/health"),
        (Kind::LiteLlm, "/health"),
        (Kind::LiteLlm, "/health/readiness"),
        (Kind::LiteLlm, "/model/info"),
        (Kind::LiteLlm, "/models"),
        (Kind::DockerModelRunner, "/engines/llama.cpp/v1/models"),
        (Kind::DockerModelRunner, "/models"),
        (Kind::Omlx, "/v1/models/status"),
    ];
    for (kind, path) in pages {
        let engine = start(Engine::builder("sim-a").kind(kind)).await;

        let page = get(&engine, path).await;

        assert_eq!(page.status, 200, "{kind} {path}");
        assert!(!page.json().is_null(), "{kind} {path}");
    }
}

#[tokio::test]
async fn what_tells_the_kinds_apart_is_there() {
    let page = async |kind, path| get(&start(Engine::builder("sim-a").kind(kind)).await, path).await;

    assert_eq!(page(Kind::Ollama, "/").await.body, "Ollama is running");
    assert_eq!(page(Kind::LiteLlm, "/health/liveliness").await.body, "\"I'm alive!\"");
    assert_eq!(page(Kind::Vllm, "/v1/models").await.json()["data"][0]["max_model_len"], 32_768);
    assert_eq!(page(Kind::Vllm, "/v1/models").await.json()["data"][0]["owned_by"], "vllm");
    assert_eq!(page(Kind::Sglang, "/v1/models").await.json()["data"][0]["owned_by"], "sglang");
    assert_eq!(page(Kind::Lemonade, "/api/v1/models").await.json()["data"][0]["recipe"], "llamacpp");
    assert_eq!(page(Kind::LmStudio, "/api/v0/models").await.json()["data"][0]["state"], "not-loaded");
    let llamacpp = page(Kind::LlamaCpp, "/v1/models").await;
    assert!(llamacpp.head.contains("server: llama.cpp\r\n"));
    assert!(llamacpp.json()["models"].is_array() && llamacpp.json()["data"][0]["meta"].is_object());
}

#[tokio::test]
async fn a_kind_does_not_answer_the_pages_of_others() {
    let vllm = start(Engine::builder("sim-a").kind(Kind::Vllm)).await;
    for path in ["/api/tags", "/api/v0/models", "/props", "/health/liveliness", "/get_server_info", "/"] {
        assert_eq!(get(&vllm, path).await.status, 404, "{path}");
    }
    assert_eq!(post(&vllm, "/api/chat", CHAT).await.status, 404);
    assert_eq!(post(&vllm, "/v1/messages/count_tokens", CHAT).await.status, 404);
}

#[tokio::test]
async fn models_can_be_replaced_while_it_runs() {
    let engine = plain().await;
    let mut raw = Raw::connect(&engine).await;
    assert_eq!(raw.exchange("POST", "/v1/chat/completions", CHAT).await.status, 200);

    let answer = raw.exchange("PUT", "/sim/models", r#"["other"]"#).await;

    assert_eq!(answer.json()[0], "other");
    assert_eq!(names(&raw.exchange("GET", "/v1/models", "").await.json()), ["other"]);
    assert_eq!(raw.exchange("POST", "/v1/chat/completions", CHAT).await.status, 404);
    engine.set_models(["sim-model"]);
    assert_eq!(raw.exchange("POST", "/v1/chat/completions", CHAT).await.status, 200);
}

#[tokio::test]
async fn a_model_is_in_memory_from_its_first_request_on() {
    let name = json!("sim-model");
    // Where each kind says so, and what is there then.
    for (kind, page, place, value) in [
        (Kind::Ollama, "/api/ps", "/models/0/name", &name),
        (Kind::LmStudio, "/api/v0/models", "/data/0/state", &json!("loaded")),
        (Kind::LmStudio, "/api/v1/models", "/models/0/loaded_instances/0/id", &name),
        (Kind::Omlx, "/v1/models/status", "/models/0/loaded", &json!(true)),
        (Kind::Lemonade, "/api/v1/health", "/all_models_loaded/0/model_name", &name),
    ] {
        let is_loaded = |page: &Value| page.pointer(place) == Some(value);
        let engine = start(Engine::builder("sim-a").kind(kind)).await;
        let mut raw = Raw::connect(&engine).await;
        assert!(!is_loaded(&raw.exchange("GET", page, "").await.json()), "{kind}");

        assert_eq!(raw.exchange("POST", "/v1/chat/completions", CHAT).await.status, 200);
        assert!(is_loaded(&raw.exchange("GET", page, "").await.json()), "{kind}");

        assert_eq!(raw.exchange("PUT", "/sim/loaded", "[]").await.body, "[]");
        assert!(!is_loaded(&raw.exchange("GET", page, "").await.json()), "{kind}");
        engine.set_loaded(["sim-model"]);
        assert!(is_loaded(&raw.exchange("GET", page, "").await.json()), "{kind}");
    }
}

#[tokio::test]
async fn asking_what_a_model_is_does_not_load_it() {
    let engine = start(Engine::builder("sim-a").kind(Kind::Ollama).models(["m:latest"])).await;

    assert_eq!(post(&engine, "/api/show", r#"{"model":"m"}"#).await.status, 200);
    assert_eq!(get(&engine, "/sim/loaded").await.body, "[]");

    assert_eq!(post(&engine, "/api/chat", r#"{"model":"m"}"#).await.status, 200);
    assert_eq!(get(&engine, "/sim/loaded").await.body, r#"["m:latest"]"#);
    engine.set_models(["m:latest", "n"]);
    assert_eq!(get(&engine, "/sim/loaded").await.body, r#"["m:latest"]"#, "it stays in memory");
}

#[tokio::test]
async fn the_name_of_a_model_tells_what_it_is_for() {
    let ollama = start(Engine::builder("a").kind(Kind::Ollama).models(["llama3", "llava", "x-embed"])).await;
    let show = async |model: &str| {
        post(&ollama, "/api/show", &format!(r#"{{"model":"{model}"}}"#)).await.json()["capabilities"].clone()
    };
    assert_eq!(show("llama3").await, json!(["completion", "tools"]));
    assert_eq!(show("llava").await, json!(["completion", "tools", "vision"]));
    assert_eq!(show("x-embed").await, json!(["embedding"]));

    let studio =
        start(Engine::builder("b").kind(Kind::LmStudio).models(["llama3", "llava", "x-embed"])).await;
    let page = get(&studio, "/api/v0/models").await.json();
    let types: Vec<_> = (0..3).map(|n| page["data"][n]["type"].clone()).collect();
    assert_eq!(types, ["llm", "vlm", "embeddings"]);
}

#[tokio::test]
async fn llama_cpp_with_several_models_is_a_router() {
    let engine = start(Engine::builder("sim-a").kind(Kind::LlamaCpp).models(["a", "b"])).await;
    engine.set_loaded(["b"]);

    let listing = get(&engine, "/v1/models").await.json();
    let states: Vec<_> = (0..2).map(|n| listing["data"][n]["status"]["value"].clone()).collect();

    assert_eq!(states, ["unloaded", "loaded"]);
    assert_eq!(get(&engine, "/props").await.json()["role"], "router");
}

#[tokio::test]
async fn a_copy_has_the_digest_of_its_source_and_what_is_deleted_is_gone() {
    let engine = start(Engine::builder("sim-a").kind(Kind::Ollama).models(["llama3:8b", "phi4"])).await;
    let digests = async || {
        let listing = get(&engine, "/api/tags").await.json();
        let entries = listing["models"].as_array().unwrap().clone();
        entries.into_iter().map(|entry| (entry["name"].clone(), entry["digest"].clone())).collect::<Vec<_>>()
    };

    let copied = post(&engine, "/api/copy", r#"{"source": "llama3:8b", "destination": "mine"}"#).await;
    let missing = post(&engine, "/api/copy", r#"{"source": "nothing", "destination": "mine"}"#).await;
    let before = digests().await;
    let mut connection = Raw::connect(&engine).await;
    let deleted = connection.exchange("DELETE", "/api/delete", r#"{"model": "llama3:8b"}"#).await;
    let after = digests().await;

    assert_eq!((copied.status, missing.status, deleted.status), (200, 404, 200));
    assert_eq!(before[0].1, before[2].1);
    assert_ne!(before[0].1, before[1].1);
    assert_eq!(before[2].0, "mine:latest");
    assert_eq!(after, before[1..]);
}
