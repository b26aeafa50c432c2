//! Clients of Ollama over backends of every kind: who is asked, how, and what Olla answers in the place of an Ollama.

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Backend, Plan, answer, ok, post};

const CHAT_ANSWER: &str = r#"{"choices":[{"message":{"content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#;
const VECTORS: &str = r#"{"object":"list","data":[{"index":1,"embedding":[0.5]},{"index":0,"embedding":[0.25]}],"usage":{"prompt_tokens":4}}"#;

/// An endpoint of each of these kinds, in this order.
fn over(backends: &[(&Backend, &str)]) -> Plan {
    let mut plan = Plan::over(&backends.iter().map(|(backend, _)| *backend).collect::<Vec<_>>());
    for (position, (_, kind)) in backends.iter().enumerate() {
        plan.kind(position, kind);
    }
    plan
}

fn hello(fields: &Value) -> String {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body.to_string()
}

#[tokio::test]
async fn durations_are_measured_for_answers_of_backends_that_tell_none() {
    let whole = Backend::answering(ok(CHAT_ANSWER)).await;
    let stream = "data: {\"choices\":[{\"delta\":{\"content\":\"hello\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let streaming = Backend::answering(answer("200 OK", "content-type: text/event-stream\r\n", stream)).await;

    for (backend, body) in [(&whole, hello(&json!({"stream": false}))), (&streaming, hello(&json!({})))] {
        let told = over(&[(backend, "vllm")]).start().ask(post("/olla/proxy/api/chat", &body)).await;

        let last: Value = serde_json::from_str(told.text().lines().last().unwrap()).unwrap();
        assert_eq!((&last["done"], &last["done_reason"]), (&json!(true), &json!("stop")));
        assert!(last["total_duration"].as_u64().is_some_and(|nanos| nanos > 0), "{last}");
    }
}

#[tokio::test]
async fn texts_are_embedded_by_a_backend_that_takes_them_in_other_words() {
    let backend = Backend::answering(ok(VECTORS)).await;
    let stage = over(&[(&backend, "vllm")]).start();
    let body = json!({"model": "m", "input": ["a", "b"], "truncate": true, "dimensions": 1}).to_string();

    let told = stage.ask(post("/olla/proxy/api/embed", &body)).await;

    let answer = told.json();
    assert_eq!((&answer["model"], &answer["embeddings"]), (&json!("m"), &json!([[0.25], [0.5]])), "{told:?}");
    assert_eq!(answer["prompt_eval_count"], 4);
    assert!(answer["total_duration"].as_u64().is_some_and(|nanos| nanos > 0), "{answer}");
    assert_eq!(told.header("x-olla-mode"), Some("translation"));
    assert_eq!(told.header("x-olla-translation-dropped"), Some("truncate"));
    let heard = backend.heard_one();
    assert_eq!(heard.line, "POST /v1/embeddings HTTP/1.1");
    let sent: Value = serde_json::from_str(&heard.body).unwrap();
    let expected = json!({"model": "m", "input": ["a", "b"], "dimensions": 1, "encoding_format": "float"});
    assert_eq!(sent, expected);
    let formats = stage.journal.only().await.formats.unwrap();
    assert_eq!((formats.client, formats.backend), ("ollama_embed", Some("embeddings")));
}

#[tokio::test]
async fn one_text_is_embedded_as_clients_of_earlier_versions_ask() {
    let backend = Backend::answering(ok(VECTORS)).await;
    let stage = over(&[(&backend, "dmr")]).start();

    let told = stage.ask(post("/olla/proxy/api/embeddings", r#"{"model":"m","prompt":"a"}"#)).await;

    assert_eq!(told.json(), json!({"embedding": [0.25]}));
    assert_eq!(backend.heard_one().line, "POST /engines/v1/embeddings HTTP/1.1");
}

#[tokio::test]
async fn an_error_of_a_backend_that_embeds_is_told_in_ollamas_words() {
    let error = r#"{"error":{"message":"no such dimensions","type":"invalid_request_error"}}"#;
    let backend =
        Backend::answering(answer("400 Bad Request", "content-type: application/json\r\n", error)).await;
    let stage = over(&[(&backend, "vllm")]).start();

    let told = stage.ask(post("/olla/proxy/api/embed", r#"{"model":"m","input":"a"}"#)).await;

    assert_eq!(told.status, StatusCode::BAD_REQUEST);
    assert_eq!(told.json(), json!({"error": "no such dimensions", "code": "backend_error"}));
    let refused = stage.ask(post("/olla/proxy/api/embed", r#"{"model":"m"}"#)).await;
    assert_eq!(
        (refused.status, refused.json()["code"].as_str()),
        (StatusCode::BAD_REQUEST, Some("invalid_request"))
    );
}

#[tokio::test]
async fn a_backend_that_embeds_in_ollamas_words_gets_every_byte() {
    let backend = Backend::answering(ok(r#"{"embeddings":[[1]]}"#)).await;
    let stage = over(&[(&backend, "ollama")]).start();
    let body = r#"{ "model":"m", "input":"a", "keep_alive":"5m" }"#;

    let told = stage.ask(post("/olla/proxy/api/embed", body)).await;

    assert_eq!(told.header("x-olla-mode"), None);
    assert_eq!((&*backend.heard_one().line, &*backend.heard_one().body), ("POST /api/embed HTTP/1.1", body));
}
