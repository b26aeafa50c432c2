//! What a translation costs: the request of a coding agent, a whole answer, and each piece of a stream; with
//! allocations. `cargo bench -p olla-translate`.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot set its stage has failed")]

use std::hint::black_box;

use bytes::BytesMut;
use divan::{AllocProfiler, Bencher, counter::BytesCount};
use olla_translate::{Abilities, Format, ResponseTranslator, Stamp, StreamTranslator, Translation};
use serde_json::json;

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// About what Claude Code sends first: 24 tools with long descriptions, a long system prompt, little text.
fn agent_request() -> Vec<u8> {
    let sentence =
        "Reads a file from the local filesystem.\n\nUsage: the path must be \"absolute\", not relative. ";
    let tool = |n: usize| {
        json!({
            "name": format!("tool_{n}"), "description": sentence.repeat(22),
            "input_schema": { "type": "object", "additionalProperties": false, "required": ["path"],
                "properties": { "path": { "type": "string", "description": sentence }, "limit": { "type": "number" } } },
        })
    };
    let body = json!({
        "model": "claude-sonnet", "max_tokens": 32_000, "stream": true, "thinking": { "type": "adaptive" },
        "system": [{ "type": "text", "text": sentence.repeat(150), "cache_control": { "type": "ephemeral" } }],
        "messages": [{ "role": "user", "content": [{ "type": "text", "text": "fix the bug" }] }],
        "tools": (0..24).map(tool).collect::<Vec<_>>(),
        "context_management": { "edits": [] }, "output_config": { "effort": "high" },
    });
    body.to_string().into_bytes()
}

fn plan(client: Format, backend: Format, body: &[u8]) -> ResponseTranslator {
    let translation = Translation::between(client, backend).unwrap();
    translation.plan(body, &Abilities::default(), Stamp::default()).unwrap().response
}

/// A client of every format, before a chat backend.
fn stream(client: Format) -> StreamTranslator {
    let body = json!({
        "model": "m", "max_tokens": 9, "stream": true, "messages": [{ "role": "user", "content": "Hi" }], "input": "Hi", "prompt": "Hi",
    });
    plan(client, Format::Chat, body.to_string().as_bytes()).stream()
}

#[divan::bench]
fn request_of_an_agent(bencher: Bencher<'_, '_>) {
    let body = agent_request();
    let translation = Translation::between(Format::Messages, Format::Chat).unwrap();
    let abilities = Abilities::default();
    bencher
        .counter(BytesCount::new(body.len()))
        .bench(|| translation.plan(black_box(&body), &abilities, Stamp::default()).unwrap());
}

#[divan::bench]
fn request_of_an_agent_as_a_tree(bencher: Bencher<'_, '_>) {
    let body = agent_request();
    bencher.counter(BytesCount::new(body.len())).bench(|| {
        let value: serde_json::Value = serde_json::from_slice(black_box(&body)).unwrap();
        serde_json::to_vec(&value).unwrap()
    });
}

#[divan::bench(args = Format::ALL)]
fn whole_answer(bencher: Bencher<'_, '_>, client: Format) {
    let request = json!({ "model": "m", "max_tokens": 9, "input": "Hi", "prompt": "Hi", "messages": [{ "role": "user", "content": "Hi" }] });
    let response = plan(client, Format::Chat, request.to_string().as_bytes());
    let body = json!({
        "id": "c", "model": "m", "usage": { "prompt_tokens": 10, "completion_tokens": 500 },
        "choices": [{ "finish_reason": "stop", "message": { "role": "assistant", "content": "Lorem \"ipsum\"\n".repeat(150) } }],
    });
    let body = body.to_string();
    bencher
        .counter(BytesCount::new(body.len()))
        .bench(|| response.whole(black_box(body.as_bytes())).unwrap());
}

/// One piece of text, in the midst of a stream.
#[divan::bench(args = Format::ALL)]
fn chunk_of_text(bencher: Bencher<'_, '_>, client: Format) {
    chunk(bencher, client, r#"{"content":" token"}"#);
}

/// One piece of the arguments of a call.
#[divan::bench(args = Format::ALL)]
fn chunk_of_a_call(bencher: Bencher<'_, '_>, client: Format) {
    chunk(
        bencher,
        client,
        r#"{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{\"a"}}]}"#,
    );
}

fn chunk(bencher: Bencher<'_, '_>, client: Format, delta: &str) {
    let head = r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":"#;
    let chunk = format!("data: {head}{delta},\"finish_reason\":null}}]}}\n\n");
    let mut stream = stream(client);
    let mut out = BytesMut::with_capacity(64 * 1024);
    stream.feed(chunk.as_bytes(), &mut out);
    bencher.bench_local(|| {
        out.clear();
        stream.feed(black_box(chunk.as_bytes()), &mut out);
        out.len()
    });
}
