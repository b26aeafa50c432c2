//! Health and listings of every kind.

use olla_sim::{Engine, Kind};
use serde_json::Value;

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
async fn every_page_of_a_kind_is_json() {
    let pages = [
        (Kind::Ollama, "/api/ps"),
        (Kind::Ollama, "/api/version"),
        (Kind::Ollama, "/v1/models"),
        (Kind::LmStudio, "/v1/models"),
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
    assert_eq!(page(Kind::LmStudio, "/api/v0/models").await.json()["data"][0]["state"], "loaded");
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
