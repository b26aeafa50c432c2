//! Errors of our own, in the caller's dialect.

use http::StatusCode;
use serde_json::Value;

use crate::support::{Backend, Plan, Stage, get, post};

fn stage() -> Stage {
    let backend = Backend::refusing();
    let mut plan = Plan::over(&[&backend]);
    plan.kind(0, "ollama");
    plan.start()
}

/// Asks for a model that does not exist.
async fn refusal(target: &str) -> Value {
    let told = stage().ask(post(target, r#"{"model":"none"}"#)).await;
    assert_eq!((told.status, told.header("content-type")), (StatusCode::NOT_FOUND, Some("application/json")));
    assert!(told.header("x-olla-request-id").is_some());
    told.json()
}

#[tokio::test]
async fn openai_clients_read_an_openai_error() {
    for target in ["/v1/chat/completions", "/olla/proxy/v1/embeddings", "/olla/ollama/v1/completions"] {
        let error = refusal(target).await;

        assert_eq!(error["error"]["code"], "model_not_found");
        assert_eq!(error["error"]["type"], "invalid_request_error");
        assert!(error["error"]["message"].as_str().unwrap().contains("\"none\""));
    }
}

#[tokio::test]
async fn anthropic_clients_read_an_anthropic_error() {
    for target in ["/v1/messages", "/olla/ollama/v1/messages"] {
        let error = refusal(target).await;

        assert_eq!(
            (error["type"].as_str(), error["error"]["type"].as_str()),
            (Some("error"), Some("not_found_error"))
        );
        assert!(error["request_id"].as_str().unwrap().starts_with("req_"));
    }
}

#[tokio::test]
async fn ollama_clients_read_an_ollama_error() {
    for target in ["/olla/ollama/api/chat", "/olla/proxy/api/generate"] {
        let error = refusal(target).await;

        assert!(error["error"].as_str().unwrap().contains("\"none\""), "{error}");
    }
}

#[tokio::test]
async fn targets_that_are_no_route_are_answered_in_their_dialect_too() {
    let told = stage().ask(post("/olla/nothing/api/chat", "{}")).await;

    assert_eq!(told.status, StatusCode::NOT_FOUND);
    assert!(told.json()["error"].is_string());
}

#[tokio::test]
async fn failures_of_backends_are_told_in_the_dialect_too() {
    let told = stage().ask(post("/v1/messages", r#"{"model":"m"}"#)).await;

    assert_eq!(told.status, StatusCode::BAD_GATEWAY);
    assert_eq!(told.json()["error"]["type"], "api_error");
    assert_eq!(told.json()["error"]["code"], "connection_refused");
}

#[tokio::test]
async fn who_asks_for_a_model_as_anthropics_clients_do_reads_an_anthropic_error() {
    let backend = Backend::refusing();
    let stage = Stage::over(&backend);
    let ask = |version: Option<&'static str>| {
        let mut request = get("/v1/models/nope");
        request.headers_mut().extend(version.map(|version| {
            (http::HeaderName::from_static("anthropic-version"), http::HeaderValue::from_static(version))
        }));
        stage.ask(request)
    };

    let (theirs, openai) = (ask(Some("2023-06-01")).await, ask(None).await);

    assert_eq!((theirs.status, openai.status), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND));
    assert_eq!(theirs.json()["error"]["type"], "not_found_error");
    assert!(theirs.header("request-id").is_some());
    assert_eq!(openai.json()["error"]["type"], "invalid_request_error");
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_and_says_why() {
    let backend = Backend::answering(crate::support::ok("{}")).await;
    let stage = Stage::over(&backend);
    let ask = |target: &str, encoding: &'static str| {
        let mut request = post(target, r#"{"model":"m"}"#);
        let value = http::HeaderValue::from_static(encoding);
        request.headers_mut().insert(http::header::CONTENT_ENCODING, value);
        stage.ask(request)
    };

    for target in
        ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/olla/ollama/api/chat", "/v1/embeddings"]
    {
        let told = ask(target, "gzip").await;
        assert_eq!(told.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{target}");
        assert_eq!(told.header("accept-encoding"), Some("identity"));
        assert!(told.text().contains("Content-Encoding: gzip"), "{}", told.text());
    }
    assert!(backend.heard().is_empty());
    assert_eq!(ask("/v1/chat/completions", "identity").await.status, StatusCode::OK);
}
