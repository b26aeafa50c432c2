//! What no transcript shows: errors, signs of life, limits, garbage.

#![expect(clippy::unwrap_used, reason = "a test stops where an assumption fails")]

#[path = "answers/asked.rs"]
mod asked;

use std::time::Duration;

use bytes::BytesMut;
use olla_translate::{Abilities, ErrorFacts, Format, Outcome, Stamp, Translation, Unreadable, Usage};
use proptest::prelude::*;
use serde_json::{Value, json};

use asked::response;

fn pairs() -> impl Iterator<Item = (Format, Format)> {
    let all = Format::ALL.into_iter().flat_map(|client| Format::ALL.map(|backend| (client, backend)));
    all.filter(|(client, backend)| Translation::between(*client, *backend).is_some())
}

fn text(out: &BytesMut) -> String {
    String::from_utf8(out.to_vec()).unwrap()
}

#[test]
fn errors_keep_their_status_and_their_words() {
    for (status, body, kind, message) in [
        (
            400,
            r#"{"error":{"message":"bad","type":"invalid_request_error"}}"#,
            "invalid_request_error",
            "bad",
        ),
        (401, r#"{"error":{"message":"no key"}}"#, "authentication_error", "no key"),
        (404, r#"{"error":"model \"x\" not found"}"#, "not_found_error", "model \"x\" not found"),
        (413, "", "request_too_large", "the backend answered with status 413"),
        (422, r#"{"detail":"Unprocessable"}"#, "invalid_request_error", "Unprocessable"),
        (429, r#"{"object":"error","message":"slow down"}"#, "rate_limit_error", "slow down"),
        (500, "Internal Server Error", "api_error", "Internal Server Error"),
        (503, r#"{"error":{"message":"loading model"}}"#, "overloaded_error", "loading model"),
        (
            529,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            "overloaded_error",
            "Overloaded",
        ),
    ] {
        let (told, body) = response(Format::Messages, Format::Chat).error(status, body.as_bytes());

        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(told, status);
        assert_eq!(body["type"], "error");
        assert_eq!((&body["error"]["type"], &body["error"]["message"]), (&json!(kind), &json!(message)));
    }
}

#[test]
fn a_prompt_that_is_too_long_is_told_in_the_words_that_clients_know() {
    let body = br#"{"error":{"code":500,"message":"This model's maximum context length is 8192 tokens."}}"#;

    let (status, anthropic) = response(Format::Messages, Format::Chat).error(422, body);
    let (_, openai) = response(Format::Chat, Format::Messages).error(400, b"prompt is too long: 9 > 8");

    let anthropic: Value = serde_json::from_slice(&anthropic).unwrap();
    assert_eq!((status, &anthropic["error"]["type"]), (400, &json!("invalid_request_error")));
    assert!(anthropic["error"]["message"].as_str().unwrap().starts_with("prompt is too long: This model's"));
    let openai: Value = serde_json::from_slice(&openai).unwrap();
    assert_eq!(openai["error"]["code"], "context_length_exceeded");
}

#[test]
fn a_stream_may_begin_and_give_signs_of_life_before_the_backend_speaks() {
    let mut stream = response(Format::Messages, Format::Chat).stream();
    let mut out = BytesMut::new();

    stream.ping(&mut out);
    assert!(out.is_empty(), "nothing may come before the beginning");
    stream.begin(&mut out);
    stream.begin(&mut out);
    stream.ping(&mut out);
    stream.feed(
        b"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
        &mut out,
    );
    let complete = out.len();
    stream.ping(&mut out);
    stream.begin(&mut out);
    stream.finish(&mut out);

    assert_eq!(text(&out).matches("event: message_start\n").count(), 1);
    assert_eq!(text(&out).matches("event: ping\n").count(), 2);
    assert_eq!((out.len(), stream.outcome()), (complete, Outcome::Complete));
}

#[test]
fn an_aborted_stream_ends_with_the_error() {
    for (client, event) in [
        (Format::Messages, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"timeout_error\""),
        (Format::Chat, "data: {\"error\":{\"message\":\"too slow\""),
    ] {
        let mut stream = response(client, Format::Chat).stream();
        let mut out = BytesMut::new();
        stream.feed(b"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n", &mut out);

        let facts = ErrorFacts::new(504, "idle_timeout", "too slow");
        stream.abort(&facts, &mut out);
        let ended = out.len();
        stream.feed(b"data: {\"choices\":[{\"delta\":{\"content\":\"y\"}}]}\n\ndata: [DONE]\n\n", &mut out);
        stream.finish(&mut out);

        assert_eq!((out.len(), stream.outcome()), (ended, Outcome::Failed));
        assert!(text(&out).contains(event), "{}", text(&out));
        assert!(!text(&out).contains("message_stop") && !text(&out).contains("[DONE]"));
    }
}

#[test]
fn the_caller_learns_what_was_counted() {
    let mut stream = response(Format::Messages, Format::Chat).stream();
    let usage = r#"{"prompt_tokens":100,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":64}}"#;

    let body = format!(
        "data: {{\"choices\":[{{\"finish_reason\":\"stop\"}}],\"usage\":{usage}}}\n\ndata: [DONE]\n\n"
    );
    stream.feed(body.as_bytes(), &mut BytesMut::new());

    let usage = stream.usage().unwrap();
    assert_eq!((usage.prompt(), usage.cache_read, usage.output), (100, 64, 7));
    assert_eq!(usage, Usage { input: 36, cache_read: 64, output: 7, ..Usage::default() });
}

#[test]
fn an_endless_event_is_an_error_and_takes_bounded_memory() {
    for (client, backend) in pairs() {
        let mut stream = response(client, backend).stream();
        let mut out = BytesMut::new();

        stream.feed(b"data: ", &mut out);
        for _ in 0..200 {
            stream.feed(&[b'x'; 64 * 1024], &mut out);
        }

        assert_eq!(stream.outcome(), Outcome::Failed, "{client} {backend}");
        assert!(text(&out).contains("an event of the backend is too long"));
    }
}

#[test]
fn clients_of_ollama_learn_how_long_it_took() {
    let mut stream = response(Format::OllamaChat, Format::Chat).stream();
    let mut out = BytesMut::new();

    stream.tick(Duration::from_millis(200));
    stream.feed(b"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n", &mut out);
    stream.tick(Duration::from_millis(1500));
    stream.feed(
        b"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
        &mut out,
    );
    let mut whole = response(Format::OllamaGenerate, Format::Chat);
    whole.tick(Duration::from_millis(700));
    let whole = whole.whole(br#"{"choices":[{"message":{"content":"x"}}]}"#).unwrap();

    let last: Value = serde_json::from_str(text(&out).lines().last().unwrap()).unwrap();
    assert_eq!(last["total_duration"], 1_500_000_000_u64);
    assert_eq!(
        (&last["prompt_eval_duration"], &last["eval_duration"]),
        (&json!(200_000_000), &json!(1_300_000_000))
    );
    assert_eq!(last["created_at"], "1970-01-01T00:00:01Z");
    let whole: Value = serde_json::from_slice(&whole).unwrap();
    assert_eq!((&whole["total_duration"], &whole["response"]), (&json!(700_000_000), &json!("x")));
}

#[test]
fn pieces_that_cannot_be_sorted_are_an_error() {
    let mut stream = response(Format::Messages, Format::Chat).stream();
    let mut out = BytesMut::new();
    let chunk = |index: usize, arguments: &str| {
        let call = json!({ "index": index, "id": format!("c{index}"), "function": { "name": "f", "arguments": arguments } });
        format!("data: {}\n\n", json!({ "choices": [{ "delta": { "tool_calls": [call] } }] }))
    };

    // The first call never ends, so that the second has to wait.
    stream.feed(chunk(0, "{").as_bytes(), &mut out);
    let piece = "\"".to_owned() + &"x".repeat(100_000) + "\"";
    for _ in 0..100 {
        stream.feed(chunk(1, &piece).as_bytes(), &mut out);
    }
    assert_eq!(stream.outcome(), Outcome::Failed);

    let mut stream = response(Format::Messages, Format::Chat).stream();
    for index in 0..2000 {
        stream.feed(chunk(index, "").as_bytes(), &mut out);
    }
    assert_eq!(stream.outcome(), Outcome::Failed);
}

#[test]
fn a_whole_answer_can_be_told_as_a_stream() {
    let body = json!({ "choices": [{ "finish_reason": "tool_calls", "message": {
        "reasoning_content": "Hm", "content": "So.",
        "tool_calls": [{ "id": "c1", "function": { "name": "f", "arguments": "{\"a\":1}" } }],
    } }] });

    let stream =
        response(Format::Messages, Format::Chat).whole_as_stream(body.to_string().as_bytes()).unwrap();

    let stream = String::from_utf8(stream.to_vec()).unwrap();
    let events: Vec<_> = stream.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    let block = ["content_block_start", "content_block_delta", "content_block_stop"];
    let expected =
        [&["message_start", "ping"][..], &block, &block, &block, &["message_delta", "message_stop"]].concat();
    assert_eq!(events, expected);
}

#[test]
fn what_is_no_answer_is_a_bad_gateway() {
    for (client, backend) in pairs() {
        for body in ["", "null", "<html>", "{", "{}", "\u{0}"] {
            let error = response(client, backend).whole(body.as_bytes()).unwrap_err();
            assert!(
                matches!(error, Unreadable::Malformed { .. }) && error.status() == 502,
                "{body}: {error}"
            );
        }
        assert!(response(client, backend).whole(b"\xff").is_err());
    }
}

/// JSON that looks a little like what the readers know.
fn likely_json() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec![
        "model",
        "messages",
        "role",
        "content",
        "type",
        "text",
        "tools",
        "tool_calls",
        "function",
        "arguments",
        "choices",
        "delta",
        "message",
        "finish_reason",
        "index",
        "id",
        "name",
        "content_block",
        "usage",
        "error",
        "system",
        "source",
        "data",
        "input",
        "tool_use_id",
        "thinking",
        "max_tokens",
        "stop",
        "tool_choice",
    ]);
    let word = prop::sample::select(vec![
        "user",
        "assistant",
        "system",
        "tool",
        "text",
        "image",
        "document",
        "tool_use",
        "tool_result",
        "thinking",
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "error",
        "stop",
        "length",
        "{\"a\":1}",
        "{",
        "é\u{2028}",
        "",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2_i64..20).prop_map(Value::from),
        Just(json!(0.5)),
        word.prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6).prop_map(|fields| Value::Object(
                fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn no_request_makes_it_panic(body in likely_json(), mut fields in likely_json()) {
        if let Some(object) = fields.as_object_mut() {
            object.insert("model".to_owned(), json!("m"));
            object.insert("max_tokens".to_owned(), json!(5));
            object.entry("prompt").or_insert(body.clone());
            object.entry("input").or_insert(body.clone());
            object.entry("messages").or_insert(json!([{ "role": "user", "content": body.clone() }]));
        }
        for (client, backend) in pairs() {
            for body in [&body, &fields] {
                let body = body.to_string();
                let planned = Translation::between(client, backend).unwrap().plan(body.as_bytes(), &Abilities::default(), Stamp::default());
                if let Ok(request) = planned {
                    let parsed: Result<Value, _> = serde_json::from_slice(&request.body);
                    prop_assert!(parsed.is_ok(), "{}", String::from_utf8_lossy(&request.body));
                }
            }
        }
    }

    #[test]
    fn no_answer_makes_it_panic(body in likely_json(), bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        for (client, backend) in pairs() {
            let response = response(client, backend);
            if let Ok(whole) = response.whole(body.to_string().as_bytes()) {
                prop_assert!(serde_json::from_slice::<Value>(&whole).is_ok());
            }
            let _ = response.whole(&bytes);
            let (_, error) = response.error(400, &bytes);
            prop_assert!(serde_json::from_slice::<Value>(&error).is_ok());
        }
    }

    #[test]
    fn no_stream_makes_it_panic(
        events in prop::collection::vec(likely_json(), 0..12),
        bytes in prop::collection::vec(any::<u8>(), 0..40),
        cut in 1_usize..50,
    ) {
        let mut body: Vec<u8> = events.iter().flat_map(|event| format!("data: {event}\n\n").into_bytes()).collect();
        body.extend(bytes);
        for (client, backend) in pairs() {
            let mut whole = BytesMut::new();
            let mut stream = response(client, backend).stream();
            stream.feed(&body, &mut whole);
            stream.finish(&mut whole);

            let mut pieces = BytesMut::new();
            let mut stream = response(client, backend).stream();
            for piece in body.chunks(cut) {
                stream.feed(piece, &mut pieces);
            }
            stream.finish(&mut pieces);

            prop_assert!(stream.outcome() != Outcome::Open);
            prop_assert_eq!(&whole, &pieces);
        }
    }
}
