//! The main job: a file with two backends, and OpenAI traffic through them.

use olla_sim::{Engine, Kind};
use rustix::process::Signal;

use crate::{
    client::{chat, streamed_chat},
    engines::{self, MODEL, engine, entry},
    olla::{Olla, Setup},
};

async fn two_backends() -> (Olla, Engine, Engine) {
    let a = engines::start(engine("sim-a", Kind::Ollama).models([MODEL, "qwen3:8b"])).await;
    let b = engines::start(engine("sim-b", Kind::Vllm).models([MODEL, "mistral-small"])).await;
    let config =
        format!("discovery:\n static:\n  endpoints:\n{}{}", entry("a", &a, "ollama"), entry("b", &b, "vllm"));
    let olla = Setup::config(&config).start().await;
    olla.ready().await;
    (olla, a, b)
}

#[tokio::test]
async fn answers_a_chat_and_says_who_did() {
    let (olla, _a, _b) = two_backends().await;

    let answer = olla.post("/v1/chat/completions", &chat("mistral-small")).await;

    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.json()["choices"][0]["message"]["content"].as_str().unwrap().starts_with("sim-b"));
    assert_eq!(answer.header("x-olla-endpoint"), "b");
    assert_eq!(answer.header("x-olla-model"), "mistral-small");
    assert_eq!(answer.header("x-olla-backend-type"), "vllm");
    assert!(answer.header("x-olla-request-id").starts_with("req_"));
    let time = answer.header("x-olla-response-time").strip_suffix('s').expect("seconds");
    assert!(time.parse::<f64>().unwrap() < 10.0);
}

#[tokio::test]
async fn streams_a_chat_to_its_end() {
    let (olla, _a, _b) = two_backends().await;

    let answer = olla.post("/olla/ollama/v1/chat/completions", &streamed_chat(MODEL)).await;

    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with("text/event-stream"), "{answer:?}");
    assert_eq!(answer.header("x-olla-endpoint"), "a");
    assert!(answer.text().starts_with("data: {"));
    assert!(answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
}

#[tokio::test]
async fn lists_the_models_of_all_backends_or_of_one_kind() {
    let (olla, _a, _b) = two_backends().await;

    for (path, expected) in [
        ("/v1/models", vec![MODEL, "mistral-small", "qwen3:8b"]),
        ("/olla/proxy/v1/models", vec![MODEL, "mistral-small", "qwen3:8b"]),
        ("/olla/ollama/v1/models", vec![MODEL, "qwen3:8b"]),
        ("/olla/vllm/v1/models", vec![MODEL, "mistral-small"]),
    ] {
        let answer = olla.get(path).await;

        let listing = answer.json();
        let names: Vec<_> = listing["data"].as_array().unwrap().iter().map(|m| m["id"].as_str()).collect();
        assert_eq!((answer.status, names), (200, expected.into_iter().map(Some).collect()), "{path}");
    }
}

#[tokio::test]
async fn reports_on_itself() {
    let (olla, a, _b) = two_backends().await;
    let answered = olla.post("/v1/chat/completions", &chat("qwen3:8b")).await;
    assert_eq!(answered.status, 200);

    for path in [
        "/internal/health",
        "/internal/ready",
        "/internal/status",
        "/internal/status/models",
        "/internal/stats/models",
        "/internal/process",
        "/version",
    ] {
        let answer = olla.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.json().is_object(), "{path}");
    }
    let entry = olla.endpoint_when("a", |entry| entry["successes"] == 1).await;
    assert_eq!(entry["url"], a.url());
    assert_eq!(entry["status"], "healthy");
    assert_eq!(entry["models_count"], 2);
    assert_eq!((&entry["request_count"], &entry["failures"]), (&1.into(), &0.into()));
    assert_eq!(olla.endpoint("b").await["request_count"], 0);
}

#[tokio::test]
async fn exits_with_0_when_it_is_told_to_stop() {
    for signal in [Signal::TERM, Signal::INT] {
        let (mut olla, _a, _b) = two_backends().await;

        olla.signal(signal);

        assert_eq!(olla.exit_code().await, Some(0), "{signal:?}");
    }
}
