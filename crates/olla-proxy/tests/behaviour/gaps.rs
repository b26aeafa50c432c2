//! Backends that do not have the path of a conversation, although their kind does.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use olla_core::{Formats, Outcome, Status};
use olla_proxy::Question;
use serde_json::json;

use crate::support::{Backend, Plan, Stage, answer, ok, post};

const CHAT_ANSWER: &str = r#"{"choices":[{"message":{"content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#;
const RESPONSE: &str = r#"{"id":"resp_1","object":"response","output":[]}"#;
const RESPONSES: &str = "/v1/responses";
const CHAT: &str = "/v1/chat/completions";
const JSON: &str = "content-type: application/json\r\n";

/// Answers the nth request for Responses with the nth of these, the last one for ever, and chats with the other.
async fn backend(responses: &[String], chat: String) -> Backend {
    let responses = responses.to_vec();
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    Backend::scripted(move |mut conn| {
        let (responses, chat, asked) = (responses.clone(), chat.clone(), asked.clone());
        async move {
            while let Some(heard) = conn.request().await {
                if heard.line.contains(CHAT) {
                    conn.send(&chat).await;
                    continue;
                }
                let nth = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                conn.send(&responses[nth.min(responses.len() - 1)]).await;
            }
        }
    })
    .await
}

async fn only_chats() -> Backend {
    backend(&[missing()], ok(CHAT_ANSWER)).await
}

fn missing() -> String {
    answer("404 Not Found", JSON, r#"{"detail":"Not Found"}"#)
}

fn respond() -> Request<Full<Bytes>> {
    post(RESPONSES, r#"{"model":"m","input":"hi"}"#)
}

/// The paths at which a backend has been asked.
fn paths(backend: &Backend) -> Vec<String> {
    backend.heard().iter().map(|heard| heard.line.split(' ').nth(1).unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_backend_without_the_path_is_asked_in_other_words_at_once_and_from_then_on() {
    let message = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
    for (target, body, kind) in [
        (RESPONSES, r#"{"model":"m","input":"hi"}"#, "vllm"),
        ("/v1/messages", message, "vllm"),
        (RESPONSES, r#"{"model":"m","input":"hi"}"#, "openai-compatible"),
    ] {
        for refusal in [
            missing(),
            answer("405 Method Not Allowed", JSON, r#"{"detail":"Method Not Allowed"}"#),
            answer("404 Not Found", "content-type: text/plain\r\n", "404 page not found"),
            answer("501 Not Implemented", "", ""),
        ] {
            let backend = backend(&[refusal], ok(CHAT_ANSWER)).await;
            let mut plan = Plan::over(&[&backend]);
            plan.kind(0, kind);
            plan.settings.ejection.consecutive_failures = 1;
            let stage = plan.start();

            for _ in 0..2 {
                let told = stage.ask(post(target, body)).await;

                assert_eq!(told.status, StatusCode::OK, "{told:?}");
                assert_eq!(told.header("x-olla-mode"), Some("translation"));
                assert!(told.text().contains("hello") && !told.text().contains("choices"));
                let note = stage.journal.only().await;
                assert_eq!((note.outcome, note.attempts), (Outcome::Success, vec![("a".to_owned(), None)]));
                assert_eq!(note.formats.and_then(|formats: Formats| formats.backend), Some("chat"));
            }

            assert_eq!(paths(&backend), [target, CHAT, CHAT]);
            assert!(stage.endpoint(0).live.is_open());
        }
    }
}

#[tokio::test]
async fn a_kind_that_says_with_a_status_of_success_that_it_lacks_the_path_is_asked_in_other_words_too() {
    let unknown = r#"{"error":"Unexpected endpoint or method. (POST /v1/responses)"}"#;
    for is_stream in [false, true] {
        let backend = backend(&[answer("200 OK", JSON, unknown)], ok(CHAT_ANSWER)).await;
        let mut plan = Plan::over(&[&backend]);
        plan.kind(0, "lm-studio");
        let stage = plan.start();
        let body = json!({ "model": "m", "input": "hi", "stream": is_stream }).to_string();

        for _ in 0..2 {
            let told = stage.ask(post(RESPONSES, &body)).await;
            assert_eq!((told.status, told.header("x-olla-mode")), (StatusCode::OK, Some("translation")));
            assert!(told.text().contains("hello"), "{told:?}");
        }

        assert_eq!(paths(&backend), [RESPONSES, CHAT, CHAT]);
    }
}

#[tokio::test]
async fn what_only_quotes_such_an_answer_is_an_answer_and_what_has_no_other_words_is_not_found() {
    let quote = r#"{"choices":[{"text":"{\"error\":\"Unexpected endpoint or method"}]}"#;
    let unknown = r#"{"error":"Unexpected endpoint or method. (POST /v1/embeddings)"}"#;
    for (body, status) in [(quote, StatusCode::OK), (unknown, StatusCode::NOT_FOUND), ("{}", StatusCode::OK)]
    {
        let backend = Backend::answering(answer("200 OK", JSON, body)).await;
        let mut plan = Plan::over(&[&backend]);
        plan.kind(0, "lm-studio");
        let stage = plan.start();

        let told = stage.ask(post("/v1/embeddings", r#"{"model":"m","input":"hi"}"#)).await;

        assert_eq!((told.status, told.text()), (status, body));
    }
}

#[tokio::test]
async fn a_stream_takes_the_detour_too_and_nobody_else_is_asked() {
    let chunks = "data: {\"choices\":[{\"delta\":{\"content\":\"hello\"}}]}\n\n\
                  data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let first = backend(&[missing()], answer("200 OK", "content-type: text/event-stream\r\n", chunks)).await;
    let second = Backend::answering(ok(RESPONSE)).await;
    let mut plan = Plan::over(&[&first, &second]);
    plan.settings.retry.max_attempts = std::num::NonZeroUsize::new(1);
    let stage = plan.start();

    let told = stage.ask(post(RESPONSES, r#"{"model":"m","input":"hi","stream":true}"#)).await;

    assert!(told.text().contains("event: response.completed"), "{told:?}");
    assert_eq!((told.header("x-olla-endpoint"), second.heard().len()), (Some("a"), 0));
}

#[tokio::test]
async fn what_is_missing_besides_the_path_is_told_to_the_client() {
    for about in [
        r#"{"error":{"message":"The model `m` does not exist.","type":"NotFoundError","code":404}}"#,
        r#"{"error":{"message":"Item with id 'rs_1' not found.","code":null}}"#,
    ] {
        let backend = backend(&[answer("404 Not Found", JSON, about)], ok(CHAT_ANSWER)).await;
        let stage = Stage::over(&backend);

        for _ in 0..2 {
            let told = stage.ask(respond()).await;
            assert_eq!((told.status, told.text()), (StatusCode::NOT_FOUND, about));
        }

        assert_eq!(paths(&backend), [RESPONSES, RESPONSES]);
    }
}

#[tokio::test]
async fn a_request_that_goes_on_from_a_backends_response_is_that_backends() {
    let backend = only_chats().await;
    let stage = Stage::over(&backend);
    let going_on = || post(RESPONSES, r#"{"model":"m","input":"hi","previous_response_id":"resp_x"}"#);

    let passed_on = stage.ask(going_on()).await;
    stage.ask(respond()).await;
    let told = stage.ask(going_on()).await;

    assert_eq!(passed_on.status, StatusCode::NOT_FOUND);
    assert_eq!(told.json()["error"]["code"], json!("previous_response_not_found"));
    assert_eq!(paths(&backend), [RESPONSES, RESPONSES, CHAT]);
}

#[tokio::test]
async fn an_endpoint_that_has_neither_path_is_asked_as_before() {
    let backend = backend(&[missing()], missing()).await;
    let stage = Stage::over(&backend);

    for _ in 0..2 {
        assert_eq!(stage.ask(respond()).await.status, StatusCode::NOT_FOUND);
    }

    assert_eq!(paths(&backend), [RESPONSES, CHAT, RESPONSES, CHAT]);
}

#[tokio::test]
async fn a_path_that_has_answered_is_not_missing_for_one_answer() {
    let backend = backend(&[ok(RESPONSE), missing(), ok(RESPONSE)], ok(CHAT_ANSWER)).await;
    let stage = Stage::over(&backend);

    for _ in 0..3 {
        assert_eq!(stage.ask(respond()).await.status, StatusCode::OK);
    }

    assert_eq!(paths(&backend), [RESPONSES, RESPONSES, CHAT, RESPONSES]);
}

#[tokio::test]
async fn an_endpoint_that_comes_back_is_asked_anew() {
    let backend = only_chats().await;
    let stage = Stage::over(&backend);
    stage.ask(respond()).await;

    stage.endpoint(0).live.set_status(Status::Offline);
    stage.endpoint(0).live.set_status(Status::Healthy);
    stage.ask(respond()).await;

    assert_eq!(paths(&backend), [RESPONSES, CHAT, RESPONSES, CHAT]);
}

#[tokio::test]
async fn an_explanation_tells_of_it() {
    let backend = only_chats().await;
    let stage = Stage::over(&backend);
    let question = Question {
        method: Method::POST,
        target: RESPONSES.parse().unwrap(),
        model: Some("m".into()),
        needs: Default::default(),
    };
    stage.ask(respond()).await;

    let explanation = stage.proxy.explain(&question);

    let why = &explanation.considered[0].why;
    assert!(
        why.contains("translated from responses to chat, for which it was found to have no path"),
        "{why}"
    );
}
