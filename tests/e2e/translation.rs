//! Clients of one dialect over engines of another: messages over engines that chat, and engines that speak both.

use std::collections::BTreeMap;

use http::Request;
use olla_sim::{Armed, Engine, Fault, Kind, Scope};
use serde_json::{Value, json};

use crate::{
    client::{self, Answer, Body},
    engines::{self, MODEL, engine, entry, entry_with},
    olla::{Olla, Setup},
};

const MESSAGES: &str = "/olla/anthropic/v1/messages";

/// `native` speaks Anthropic's dialect and goes first; `chat` does not.
async fn pair(more: &str) -> (Olla, [Engine; 2]) {
    let native = engines::start(engine("native", Kind::Vllm)).await;
    let chat = engines::start(engine("chat", Kind::LmDeploy)).await;
    let endpoints = [
        entry_with("native", &native, "vllm", ", priority: 200"),
        entry_with("chat", &chat, "lmdeploy", ", priority: 100"),
    ];
    let balancer = "proxy: {load_balancer: priority}";
    let config = format!("{balancer}\n{more}\nendpoints:\n{}", endpoints.concat());
    let olla = Setup::config(&config).start().await;
    olla.ready().await;
    (olla, [native, chat])
}

/// An engine that only chats.
async fn chatting() -> (Olla, Engine) {
    let chat = engines::start(engine("chat", Kind::LmDeploy)).await;
    let olla = Setup::config(&format!("endpoints:\n{}", entry("chat", &chat, "lmdeploy"))).start().await;
    olla.ready().await;
    (olla, chat)
}

fn message(fields: Value) -> Value {
    let mut body =
        json!({"model": MODEL, "max_tokens": 50, "messages": [{"role": "user", "content": "Hello!"}]});
    let (body_fields, Value::Object(more)) = (body.as_object_mut().unwrap(), fields) else { return body };
    body_fields.extend(more);
    body
}

fn failing(status: u16) -> Armed {
    Fault::Status { status, headers: BTreeMap::new(), body: None }.on(Scope::Inference)
}

fn tools() -> Value {
    json!([{"name": "look", "description": "Looks.", "input_schema":
        {"type": "object", "properties": {"place": {"type": "string"}}}}])
}

/// Returns the type of each event of a stream, one after the other, without repetition.
fn course(answer: &Answer) -> Vec<&str> {
    assert_eq!(answer.header("content-type"), "text/event-stream", "{answer:?}");
    let mut kinds: Vec<_> = answer.text().lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    kinds.dedup();
    kinds
}

async fn statistics(olla: &Olla) -> Value {
    olla.get("/internal/stats/translators").await.json()
}

#[tokio::test]
async fn messages_are_passed_on_where_they_can_be_and_translated_when_that_engine_fails() {
    let (olla, [native, chat]) = pair("").await;

    let passed_on = olla.post(MESSAGES, &message(json!({}))).await;
    native.set_fault(failing(503));
    let translated = olla.post(MESSAGES, &message(json!({}))).await;
    native.clear_faults();
    chat.set_fault(failing(503));
    let again = olla.post(MESSAGES, &message(json!({}))).await;

    let told = |answer: &Answer| {
        let text = answer.json()["content"][0]["text"].as_str().unwrap_or_default().to_owned();
        (answer.status, answer.header("x-olla-mode").to_owned(), text.split(' ').next().unwrap().to_owned())
    };
    let expected = |mode: &str, engine: &str| (200, mode.to_owned(), engine.to_owned());
    assert_eq!(told(&passed_on), expected("passthrough", "native"));
    assert_eq!(told(&translated), expected("translation", "chat"));
    assert_eq!(told(&again), expected("passthrough", "native"));

    let document = statistics(&olla).await;
    let row = &document["translators"][0];
    assert_eq!(
        (&row["translator_name"], &row["success_rate"], &row["passthrough_rate"]),
        (&json!("anthropic"), &json!("100%"), &json!("66.7%"))
    );
    assert_eq!(
        (&row["passthrough_requests"], &row["translation_requests"], &row["fallback_cannot_passthrough"]),
        (&json!(2), &json!(1), &json!(1))
    );
    assert_eq!(document["summary"]["total_non_streaming"], 3);
}

#[tokio::test]
async fn a_stream_has_the_events_of_the_dialect_whoever_speaks() {
    let (olla, [native, _chat]) = pair("").await;
    let ask = message(json!({"stream": true}));

    let passed_on = olla.post(MESSAGES, &ask).await;
    native.set_fault(failing(503));
    let translated = olla.post(MESSAGES, &ask).await;

    let text = [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    let [passed_on, translated] = [course(&passed_on), course(&translated)].map(|mut course| {
        course.retain(|kind| *kind != "ping");
        course
    });
    assert_eq!((&*passed_on, &*translated), (&text[..], &text[..]));
}

#[tokio::test]
async fn a_tool_is_called_whole_and_streamed() {
    let (olla, _chat) = chatting().await;

    let asked = json!([{"role": "user", "content": "Please call the tool."}]);
    let ask = |stream: bool| message(json!({"messages": asked, "tools": tools(), "stream": stream}));

    let whole = olla.post(MESSAGES, &ask(false)).await.json();
    let streamed = olla.post(MESSAGES, &ask(true)).await;

    assert_eq!(
        (&whole["stop_reason"], &whole["content"][0]["type"]),
        (&json!("tool_use"), &json!("tool_use"))
    );
    assert_eq!(
        (&whole["content"][0]["name"], &whole["content"][0]["input"]),
        (&json!("look"), &json!({"place": "chat"}))
    );
    assert!(streamed.text().contains(r#""stop_reason":"tool_use""#), "{}", streamed.text());
}

#[tokio::test]
async fn an_error_of_the_engine_has_the_shape_of_the_dialect() {
    let (olla, chat) = chatting().await;
    chat.set_fault(failing(500));

    let answer = olla.post(MESSAGES, &message(json!({"stream": true}))).await;

    let body = answer.json();
    assert_eq!(
        (answer.status, &body["type"], &body["error"]["type"]),
        (500, &json!("error"), &json!("api_error"))
    );
    assert_eq!(statistics(&olla).await["translators"][0]["failed_requests"], 1);
}

#[tokio::test]
async fn tokens_are_counted_by_the_engine_that_can_and_estimated_for_the_others() {
    let counting = engines::start(engine("counting", Kind::LlamaCpp)).await;
    let olla = Setup::config(&format!("endpoints:\n{}", entry("a", &counting, "llamacpp"))).start().await;
    olla.ready().await;
    let (estimating, _chat) = chatting().await;
    let path = format!("{MESSAGES}/count_tokens");

    let counted = olla.post(&path, &message(json!({}))).await;
    let estimated = estimating.post(&path, &message(json!({}))).await;

    assert_eq!((counted.status, counted.header("x-olla-token-count")), (200, ""));
    assert_eq!((estimated.status, estimated.header("x-olla-token-count")), (200, "estimate"));
    assert!(estimated.json()["input_tokens"].as_u64().is_some_and(|tokens| tokens > 0));
}

#[tokio::test]
async fn models_are_listed_as_the_dialect_has_them() {
    let (olla, _engines) = pair("model_aliases: {claude-local: ['llama3.2:3b']}").await;

    let page = olla.get("/olla/anthropic/v1/models").await.json();
    let one = olla.get("/olla/anthropic/v1/models/claude-local").await.json();

    let ids: Vec<_> =
        page["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!((ids, &page["has_more"]), (vec!["claude-local", MODEL], &json!(false)));
    assert_eq!(one["type"], "model");
}

#[tokio::test]
async fn the_explanation_names_the_translation() {
    let (olla, _engines) = pair("").await;

    let document = olla.get("/internal/explain?path=/v1/messages&model=llama3.2:3b").await.json();

    let why = |name: &str| {
        let rows = document["endpoints"].as_array().unwrap();
        rows.iter().find(|row| row["endpoint"] == name).unwrap()["why"].as_str().unwrap().to_owned()
    };
    assert!(why("chat").contains("translated from messages to chat"), "{}", why("chat"));
    assert!(!why("native").contains("translated"), "{}", why("native"));
}

#[tokio::test]
async fn a_chat_reaches_an_engine_that_speaks_only_messages() {
    let engine = engines::start(engine("claude", Kind::Vllm)).await;
    let entry =
        entry_with("claude", &engine, "anthropic", ", models: [llama3.2:3b], health_check_url: /health");
    let olla = Setup::config(&format!("endpoints:\n{entry}")).start().await;
    olla.ready().await;

    let answer = olla.post("/v1/chat/completions", &client::chat(MODEL)).await;
    let streamed = olla.post("/v1/chat/completions", &client::streamed_chat(MODEL)).await;

    let text = answer.json()["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned();
    assert!(text.starts_with("claude heard:"), "{answer:?}");
    assert!(streamed.text().ends_with("data: [DONE]\n\n"), "{}", streamed.text());
    let heard = engine.received();
    let heard = heard.iter().find(|request| request.path() == "/v1/messages").unwrap();
    assert_eq!(heard.header("anthropic-version"), Some("2023-06-01"), "the kind wants it");
}

#[tokio::test]
async fn the_door_can_be_closed() {
    let (olla, _engines) = pair("translators: {anthropic: {enabled: false}}").await;

    let request: Request<Body> = client::post(MESSAGES, &message(json!({})));
    let answer = olla.send(request).await;

    assert_eq!((answer.status, &answer.json()["error"]["code"]), (404, &json!("unknown_prefix")));
}
