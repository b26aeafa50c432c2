//! Clients of one format over backends of another: who is asked how, and what comes back.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use olla_core::{Failure, Formats, Outcome, Version};
use serde_json::{Value, json};

use crate::support::{Backend, Plan, Stage, Told, answer, get, millis, ok, post, soon};

const MESSAGES: &str = "/olla/anthropic/v1/messages";
const CHAT_ANSWER: &str = r#"{"choices":[{"message":{"content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#;
const MESSAGE: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"hello"}],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":2}}"#;
const WORD: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"well\"}}]}\n\n";
const END: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
const ERROR: &str = "data: {\"error\":{\"message\":\"out of memory\"}}\n\n";

/// Endpoints that speak only chat: of a kind that does not list any path of Anthropic's.
fn over_chat(backends: &[&Backend]) -> Plan {
    let mut plan = Plan::over(backends);
    for position in 0..backends.len() {
        plan.kind(position, "lmdeploy");
    }
    plan
}

fn message(fields: &Value) -> Request<Full<Bytes>> {
    let mut body = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    post(MESSAGES, &body.to_string())
}

/// Streams these pieces; the stream is complete or breaks off.
async fn streaming(pieces: &[&'static str], complete: bool) -> Backend {
    let pieces = pieces.to_vec();
    Backend::scripted(move |mut conn| {
        let pieces = pieces.clone();
        async move {
            while conn.request().await.is_some() {
                conn.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
                    .await;
                for piece in &pieces {
                    conn.send(&format!("{:x}\r\n{piece}\r\n", piece.len())).await;
                }
                if !complete {
                    return;
                }
                conn.send("0\r\n\r\n").await;
            }
        }
    })
    .await
}

fn kinds(stream: &str) -> Vec<&str> {
    stream.lines().filter_map(|line| line.strip_prefix("event: ")).collect()
}

fn error(told: &Told) -> (u16, String, String) {
    let body = told.json();
    let text = |key: &str| body["error"][key].as_str().unwrap().to_owned();
    (told.status.as_u16(), text("type"), text("message"))
}

#[tokio::test]
async fn a_backend_that_only_chats_answers_a_message() {
    let backend = Backend::answering(answer(
        "200 OK",
        "content-type: application/json\r\nserver: x\r\nopenai-processing-ms: 5\r\n",
        CHAT_ANSWER,
    ))
    .await;
    let stage = over_chat(&[&backend]).start();
    let mut request = message(&json!({"top_k": 5, "metadata": {"user_id": "u".repeat(65)}}));
    *request.uri_mut() = format!("{MESSAGES}?beta=true").parse().unwrap();
    for (name, value) in [
        ("x-api-key", "sk-client"),
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", "x"),
        ("accept-encoding", "gzip, br"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }

    let told = stage.ask(request).await;

    assert_eq!(told.status, StatusCode::OK, "{told:?}");
    let body = told.json();
    assert_eq!((&body["type"], &body["model"]), (&json!("message"), &json!("m")));
    assert_eq!(body["content"], json!([{"type": "text", "text": "hello"}]));
    assert_eq!(told.header("content-type"), Some("application/json"));
    assert_eq!(told.header("content-length"), Some(&*told.text().len().to_string()));
    assert_eq!(told.header("x-olla-mode"), Some("translation"));
    assert!(told.header("x-olla-translation-dropped").is_some_and(|dropped| dropped.contains("metadata")));
    assert_eq!(told.header("request-id"), told.header("x-olla-request-id"));
    assert_eq!((told.header("server"), told.header("openai-processing-ms")), (None, None));
    let heard = backend.heard_one();
    assert_eq!(heard.line, "POST /v1/chat/completions HTTP/1.1");
    let said: Value = serde_json::from_str(&heard.body).unwrap();
    assert_eq!(said["messages"], json!([{"role": "user", "content": "Hi"}]));
    assert_eq!(heard.header("content-type"), Some("application/json"));
    assert_eq!(heard.header("accept-encoding"), Some("identity"));
    for name in ["x-api-key", "authorization", "anthropic-version", "anthropic-beta"] {
        assert_eq!(heard.header(name), None, "{name}");
    }
    let note = stage.journal.only().await;
    assert_eq!(note.outcome, Outcome::Success);
    let formats = note.formats.unwrap();
    assert_eq!((formats.client, formats.backend, formats.streams), ("messages", Some("chat"), false));
    assert_eq!(note.bytes_out as usize, told.text().len(), "what the client got is counted");
}

#[tokio::test]
async fn a_backend_that_speaks_messages_gets_every_byte() {
    let backend = Backend::answering(ok(MESSAGE)).await;
    let stage = Stage::over(&backend);
    let body = "{ \"model\":\"m\", \"max_tokens\" : 0,\"messages\":[ ], \"unknown\":1.50 }";

    let told = stage.ask(post("/olla/anthropic/v1/messages?beta=true", body)).await;

    assert_eq!(told.text(), MESSAGE);
    assert_eq!(told.header("x-olla-mode"), Some("passthrough"));
    let heard = backend.heard_one();
    assert_eq!((&*heard.line, &*heard.body), ("POST /v1/messages?beta=true HTTP/1.1", body));
    assert!(stage.journal.only().await.formats.is_some_and(|formats| formats.is_passed_on()));
}

#[tokio::test]
async fn the_root_and_the_prefix_of_a_kind_translate_too() {
    let backend = Backend::answering(ok(CHAT_ANSWER)).await;
    let stage = over_chat(&[&backend]).start();

    for target in ["/v1/messages", "/olla/proxy/v1/messages", "/olla/lmdeploy/v1/messages"] {
        let mut request = message(&json!({}));
        *request.uri_mut() = target.parse().unwrap();
        assert_eq!(stage.ask(request).await.json()["type"], "message", "{target}");
    }
}

#[tokio::test]
async fn a_request_fails_over_from_a_native_backend_to_a_translated_one_and_back() {
    let failing = answer("503 Service Unavailable", "", "no");
    for native_first in [true, false] {
        let bad = Backend::answering(failing.clone()).await;
        let good = Backend::answering(ok(if native_first { CHAT_ANSWER } else { MESSAGE })).await;
        let mut plan = Plan::over(&[&bad, &good]);
        plan.kind(if native_first { 1 } else { 0 }, "lmdeploy");
        let stage = plan.start();

        let told = stage.ask(message(&json!({}))).await;

        assert_eq!(told.json()["content"][0]["text"], "hello", "{told:?}");
        let mode = if native_first { "translation" } else { "passthrough" };
        assert_eq!((told.header("x-olla-mode"), told.header("x-olla-endpoint")), (Some(mode), Some("b")));
        let paths = [bad.heard_one().line, good.heard_one().line];
        let (messages, chat) = ("POST /v1/messages HTTP/1.1", "POST /v1/chat/completions HTTP/1.1");
        assert_eq!(paths, if native_first { [messages, chat] } else { [chat, messages] });
    }
}

#[tokio::test]
async fn a_model_gets_the_name_that_the_backend_knows() {
    let backend = Backend::answering(ok(CHAT_ANSWER)).await;
    let mut plan = over_chat(&[&backend]);
    plan.models(0, &["real/model"]);
    plan.aliases = vec![("claude-local", &["real/model"])];
    let stage = plan.start();

    let told = stage.ask(message(&json!({"model": "claude-local"}))).await;

    let said: Value = serde_json::from_str(&backend.heard_one().body).unwrap();
    assert_eq!(said["model"], "real/model");
    assert_eq!(told.json()["model"], "claude-local", "the client sees the name it asked for");
}

#[tokio::test]
async fn a_stream_is_turned_back_event_by_event() {
    let backend = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").await;
        conn.send(WORD).await;
        conn.cue().await;
        conn.send(END).await;
    })
    .await;
    let stage = over_chat(&[&backend]).start();

    let response = stage.open(message(&json!({"stream": true}))).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let mut seen = String::new();
    while !seen.contains("well") {
        let frame = soon(body.frame()).await.unwrap().unwrap().into_data().unwrap();
        seen.push_str(std::str::from_utf8(&frame).unwrap());
    }
    backend.cue();
    let rest = soon(body.collect()).await.unwrap().to_bytes();

    assert_eq!(kinds(&seen), ["message_start", "ping", "content_block_start", "content_block_delta"]);
    let rest = String::from_utf8(rest.to_vec()).unwrap();
    assert_eq!(kinds(&rest), ["content_block_stop", "message_delta", "message_stop"]);
    let said: Value = serde_json::from_str(&backend.heard_one().body).unwrap();
    assert_eq!(said["stream_options"], json!({"include_usage": true}));
    assert_eq!(stage.journal.only().await.outcome, Outcome::Success);
    assert_eq!(stage.in_flight(), 0);
}

#[tokio::test]
async fn a_stream_that_breaks_off_says_so_and_is_aborted() {
    let backend = streaming(&[WORD], false).await;
    let stage = over_chat(&[&backend]).start();

    let mut body = stage.open(message(&json!({"stream": true}))).await.into_body();
    let (mut seen, mut end) = (String::new(), None);
    while let Some(frame) = soon(body.frame()).await {
        match frame {
            Ok(frame) => seen.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap()),
            Err(failure) => end = Some(failure),
        }
    }

    assert_eq!(kinds(&seen).last(), Some(&"error"), "{seen}");
    assert!(!seen.contains("message_stop"));
    assert_eq!(end, Some(Failure::Truncated));
    let note = stage.journal.only().await;
    assert_eq!((note.outcome, note.error), (Outcome::Failure, Some("truncated")));
}

#[tokio::test]
async fn a_stream_that_fails_before_its_first_output_moves_on() {
    let failing = streaming(&[ERROR], true).await;
    let good = streaming(&[WORD, END], true).await;
    let stage = over_chat(&[&failing, &good]).start();

    let told = stage.ask(message(&json!({"stream": true}))).await;

    assert_eq!(told.header("x-olla-endpoint"), Some("b"));
    assert_eq!(kinds(told.text()).first(), Some(&"message_start"));
    assert_eq!(kinds(told.text()).last(), Some(&"message_stop"));
}

#[tokio::test]
async fn an_error_within_a_stream_ends_it_and_counts() {
    let backend = streaming(&[WORD, ERROR], true).await;
    let stage = over_chat(&[&backend]).start();

    let told = stage.ask(message(&json!({"stream": true}))).await;

    assert_eq!(kinds(told.text()).last(), Some(&"error"));
    assert!(told.text().contains("out of memory"));
    let note = stage.journal.only().await;
    assert_eq!((note.outcome, note.error), (Outcome::Failure, Some("error_in_stream")));
}

#[tokio::test]
async fn a_client_that_waits_hears_a_sign_of_life() {
    let backend = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").await;
        conn.cue().await;
        conn.send(&[WORD, END].concat()).await;
    })
    .await;
    let stage = over_chat(&[&backend]).start();
    let mut body = stage.open(message(&json!({"stream": true}))).await.into_body();
    let mut next = async || {
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        String::from_utf8(frame.to_vec()).unwrap()
    };
    assert_eq!(
        kinds(&next().await),
        ["message_start", "ping"],
        "at once, and before the backend has said a word"
    );

    tokio::time::pause();
    assert_eq!([next().await, next().await].map(|event| kinds(&event).concat()), ["ping", "ping"]);
    tokio::time::resume();
    backend.cue();

    assert!(next().await.contains("content_block_start"));
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_backend() {
    let backend = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").await;
        conn.send(WORD).await;
        conn.closed().await;
        conn.report();
    })
    .await;
    let stage = over_chat(&[&backend]).start();

    drop(stage.open(message(&json!({"stream": true}))).await);

    backend.reported().await;
    assert_eq!(stage.journal.only().await.outcome, Outcome::Cancelled);
}

#[tokio::test]
async fn a_whole_answer_becomes_a_stream_for_a_client_that_wants_one() {
    let backend = Backend::answering(ok(CHAT_ANSWER)).await;
    let stage = over_chat(&[&backend]).start();

    let told = stage.ask(message(&json!({"stream": true}))).await;

    assert_eq!(told.header("content-type"), Some("text/event-stream"));
    assert_eq!(kinds(told.text()).last(), Some(&"message_stop"));
    assert!(told.text().contains("hello"));
}

#[tokio::test]
async fn an_error_keeps_its_status_and_its_words() {
    for (status, lines, body, expected) in [
        (
            "400 Bad Request",
            "",
            r#"{"error":{"message":"bad schema"}}"#,
            (400, "invalid_request_error", "bad schema"),
        ),
        ("404 Not Found", "", r#"{"detail":"no such"}"#, (404, "not_found_error", "no such")),
        (
            "429 Too Many Requests",
            "retry-after: 7\r\n",
            r#"{"error":"slow down"}"#,
            (429, "rate_limit_error", "slow down"),
        ),
        ("500 Internal Server Error", "", "oops", (500, "api_error", "oops")),
    ] {
        let backend = Backend::answering(answer(status, lines, body)).await;
        let stage = over_chat(&[&backend]).start();

        let told = stage.ask(message(&json!({"stream": true}))).await;

        let (code, kind, message) = expected;
        assert_eq!(error(&told), (code, kind.to_owned(), message.to_owned()));
        assert_eq!(told.header("retry-after"), lines.strip_prefix("retry-after: ").map(str::trim));
        assert_eq!(told.header("content-type"), Some("application/json"));
    }
}

#[tokio::test]
async fn a_backend_that_refuses_our_key_is_no_fault_of_the_client() {
    let refusing =
        answer("401 Unauthorized", "", r#"{"error":{"message":"Incorrect API key provided: sk-ours"}}"#);
    let backend = Backend::answering(refusing).await;
    let stage = over_chat(&[&backend]).start();

    let (status, kind, message) = error(&stage.ask(message(&json!({}))).await);

    assert_eq!((status, &*kind), (502, "api_error"));
    assert!(message.contains("check its `auth`") && !message.contains("sk-ours"), "{message}");
}

#[tokio::test]
async fn a_key_that_is_passed_on_goes_where_the_backend_looks_for_it() {
    let refusing = answer("401 Unauthorized", "", r#"{"error":{"message":"no such key"}}"#);
    let backend = Backend::answering(refusing).await;
    let mut plan = over_chat(&[&backend]);
    plan.specs[0].forward_credentials = true;
    let stage = plan.start();
    let mut request = message(&json!({}));
    request.headers_mut().insert("x-api-key", "sk-client".parse().unwrap());

    let (status, kind, _) = error(&stage.ask(request).await);

    assert_eq!((status, &*kind), (401, "authentication_error"), "the key was the client's");
    let heard = backend.heard_one();
    assert_eq!((heard.header("authorization"), heard.header("x-api-key")), (Some("Bearer sk-client"), None));
}

#[tokio::test]
async fn an_answer_that_is_none_moves_on_and_is_a_502_at_last() {
    let strange = Backend::answering(ok("[]")).await;
    let good = Backend::answering(ok(CHAT_ANSWER)).await;
    let stage = over_chat(&[&strange, &good]).start();
    assert_eq!(stage.ask(message(&json!({}))).await.header("x-olla-endpoint"), Some("b"));

    let strange = Backend::answering(ok("[]")).await;
    let stage = over_chat(&[&strange]).start();
    let told = stage.ask(message(&json!({}))).await;

    assert_eq!(told.status, StatusCode::BAD_GATEWAY);
    assert_eq!(told.json()["error"]["code"], "unreadable_answer");
}

#[tokio::test]
async fn what_cannot_be_translated_goes_to_a_native_backend_or_is_refused_by_name() {
    let document = json!({"messages": [{"role": "user", "content": [
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}},
    ]}]});
    let (chat, native) = (Backend::answering(ok(CHAT_ANSWER)).await, Backend::answering(ok(MESSAGE)).await);
    let mut plan = Plan::over(&[&chat, &native]);
    plan.kind(0, "lmdeploy");
    let stage = plan.start();
    assert_eq!(stage.ask(message(&document)).await.header("x-olla-endpoint"), Some("b"));
    assert!(chat.heard().is_empty(), "it is not asked at all");

    let stage = over_chat(&[&chat]).start();
    let told = stage.ask(message(&document)).await;

    let (status, kind, text) = error(&told);
    assert_eq!((status, &*kind), (400, "invalid_request_error"));
    assert!(text.starts_with("messages[0].content[0]: "), "{text}");
    let note = stage.journal.only().await;
    assert_eq!((note.error, note.attempts.len()), (Some("not_translatable"), 0));
    assert_eq!(stage.in_flight(), 0);
}

#[tokio::test]
async fn a_client_that_chats_is_answered_by_a_backend_that_speaks_only_messages() {
    let backend = Backend::answering(ok(MESSAGE)).await;
    let mut plan = Plan::over(&[&backend]);
    plan.kind(0, "anthropic");
    let stage = plan.start();

    let body = json!({"model": "m", "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Hi"}]});
    let told = stage.ask(post("/v1/chat/completions", &body.to_string())).await;

    assert_eq!(told.json()["choices"][0]["message"]["content"], "hello", "{told:?}");
    assert_eq!(told.header("x-olla-mode"), Some("translation"));
    let heard = backend.heard_one();
    assert_eq!(heard.line, "POST /v1/messages HTTP/1.1");
    assert_eq!(heard.header("anthropic-version"), Some("2023-06-01"));
}

#[tokio::test]
async fn tokens_are_counted_by_a_backend_that_can_and_estimated_elsewhere() {
    let counting = Backend::answering(ok(r#"{"input_tokens":7}"#)).await;
    let unknown = Backend::answering(answer("404 Not Found", "", "404 page not found")).await;
    let count = || {
        let mut request = message(&json!({}));
        *request.uri_mut() = format!("{MESSAGES}/count_tokens").parse().unwrap();
        request
    };

    let told = Stage::over(&counting).ask(count()).await;
    assert_eq!((told.text(), told.header("x-olla-token-count")), (r#"{"input_tokens":7}"#, None));

    for stage in [Stage::over(&unknown), over_chat(&[&unknown]).start()] {
        let told = stage.ask(count()).await;
        assert_eq!((told.status, told.header("x-olla-token-count")), (StatusCode::OK, Some("estimate")));
        assert!(told.json()["input_tokens"].as_u64().is_some_and(|tokens| tokens > 0));
    }

    let mut request = count();
    *request.body_mut() = Full::from(r#"{"model":"other","messages":[]}"#);
    assert_eq!(over_chat(&[&unknown]).start().ask(request).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn models_are_listed_in_pages_for_clients_of_the_dialect() {
    let backend = Backend::answering(ok("{}")).await;
    let mut plan = over_chat(&[&backend]);
    plan.models(0, &["a", "b", "org/c"]);
    plan.aliases = vec![("claude-local", &["a"])];
    let stage = plan.start();

    let page = stage.ask(get("/olla/anthropic/v1/models?limit=2&after_id=a")).await.json();
    let ids: Vec<_> =
        page["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!((ids, &page["has_more"]), (vec!["b", "claude-local"], &json!(true)));
    let one = stage.ask(get("/olla/anthropic/v1/models/org%2Fc")).await.json();
    assert_eq!((&one["type"], &one["id"]), (&json!("model"), &json!("org/c")));
    assert_eq!(error(&stage.ask(get("/olla/anthropic/v1/models/x")).await).1, "not_found_error");
    assert_eq!(stage.ask(get("/olla/anthropic/v1/models?limit=0")).await.status, StatusCode::BAD_REQUEST);

    let mut root = get("/v1/models");
    root.headers_mut().insert("anthropic-version", "2023-06-01".parse().unwrap());
    assert_eq!(stage.ask(root).await.json()["data"][0]["type"], "model");
    assert_eq!(stage.ask(get("/v1/models")).await.json()["data"][0]["object"], "model");
}

#[tokio::test]
async fn passing_on_can_be_turned_off_and_so_can_the_door() {
    let backend = Backend::answering(ok(CHAT_ANSWER)).await;
    let mut plan = Plan::over(&[&backend]);
    plan.settings.anthropic.passthrough = false;
    let stage = plan.start();
    assert_eq!(stage.ask(message(&json!({}))).await.header("x-olla-mode"), Some("translation"));

    let mut plan = over_chat(&[&backend]);
    plan.settings.anthropic.enabled = false;
    let stage = plan.start();
    let told = stage.ask(message(&json!({}))).await;
    assert_eq!((told.status, told.json()["type"].as_str()), (StatusCode::NOT_FOUND, Some("error")));
    let mut root = message(&json!({}));
    *root.uri_mut() = "/v1/messages".parse().unwrap();
    assert_eq!(stage.ask(root).await.json()["error"]["code"], "path_not_allowed");
}

#[tokio::test]
async fn a_message_over_its_own_limit_is_too_large() {
    let backend = Backend::answering(ok(MESSAGE)).await;
    let mut plan = Plan::over(&[&backend]);
    plan.settings.anthropic.max_message_bytes = 100;
    let stage = plan.start();

    let told = stage.ask(message(&json!({"system": "x".repeat(100)}))).await;

    let (status, kind, text) = error(&told);
    assert_eq!((status, &*kind), (413, "request_too_large"));
    assert!(text.contains("translators.anthropic.max_message_size"), "{text}");
}

#[tokio::test]
async fn a_backend_that_falls_silent_within_a_stream_is_given_up() {
    let backend = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").await;
        conn.send(WORD).await;
        conn.closed().await;
    })
    .await;
    let mut plan = over_chat(&[&backend]);
    plan.settings.timeouts.stall = millis(200);
    let stage = plan.start();

    let told = stage.ask(message(&json!({"stream": true}))).await;

    assert_eq!(told.body, Err(Failure::Stall));
    let note = stage.journal.only().await;
    assert_eq!((note.outcome, note.error), (Outcome::Failure, Some("stalled")));
    assert_eq!(note.formats.map(|formats: Formats| formats.streams), Some(true));
}

#[tokio::test]
async fn a_server_that_is_too_old_to_speak_messages_is_asked_to_chat() {
    let backend = Backend::answering(ok(CHAT_ANSWER)).await;
    let stage = Stage::over(&backend);

    stage.endpoint(0).live.set_version(Version::parse("0.11.0"));
    assert_eq!(stage.ask(message(&json!({}))).await.header("x-olla-mode"), Some("translation"));
    stage.endpoint(0).live.set_version(Version::parse("0.11.1"));
    assert_eq!(stage.ask(message(&json!({}))).await.header("x-olla-mode"), Some("passthrough"));
}
