//! What a translation costs: the request of a coding agent, a whole answer, and each piece of a stream; with
//! allocations. `cargo bench -p olla-translate`.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot set its stage has failed")]

use std::hint::black_box;

use bytes::BytesMut;
use divan::{AllocProfiler, Bencher, counter::BytesCount};
use olla_translate::{Abilities, Format, ResponseTranslator, Stamp, Translation};
use serde_json::{Value, json};

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

/// About what Codex sends: long instructions, twelve tools of all sorts, some turns with calls and thoughts.
fn codex_request() -> Vec<u8> {
    let sentence = "You are a coding agent running in a terminal.\n\nPrefer `rg` to \"grep\". ";
    let tool = |n: usize| {
        json!({
            "type": "function", "name": format!("tool_{n}"), "description": sentence.repeat(6), "strict": false,
            "parameters": { "type": "object", "additionalProperties": false, "required": ["command"],
                "properties": { "command": { "type": "array", "items": { "type": "string" } }, "timeout": { "type": "number" } } },
        })
    };
    let mut tools: Vec<_> = (0..11).map(tool).collect();
    tools.push(json!({ "type": "custom", "name": "apply_patch", "description": sentence.repeat(4) }));
    let turn = |n: usize| {
        [
            json!({ "type": "reasoning", "summary": [{ "type": "summary_text", "text": sentence }], "encrypted_content": "gAAA" }),
            json!({ "type": "function_call", "call_id": format!("c{n}"), "name": "tool_1", "arguments": "{\"command\":[\"ls\"]}" }),
            json!({ "type": "function_call_output", "call_id": format!("c{n}"), "output": sentence.repeat(12) }),
        ]
    };
    let message = |role: &str, kind: &str, text: &str| json!({ "type": "message", "role": role, "content": [{ "type": kind, "text": text }] });
    let mut input = vec![
        message("developer", "input_text", &sentence.repeat(10)),
        message("user", "input_text", "fix the bug"),
    ];
    input.extend((0..8).flat_map(turn));
    let body = json!({
        "model": "gpt-5-codex", "stream": true, "store": false, "instructions": sentence.repeat(150), "input": input,
        "tools": tools, "tool_choice": "auto", "parallel_tool_calls": false, "prompt_cache_key": "k",
        "reasoning": { "effort": "medium", "summary": "auto" }, "include": ["reasoning.encrypted_content"],
    });
    body.to_string().into_bytes()
}

/// A short question in any format.
fn small_request(client: Format) -> Vec<u8> {
    let text = "Why is the sky blue? Answer in one sentence.";
    let body = match client {
        Format::Responses => {
            json!({ "model": "m", "stream": true, "instructions": "Be brief.", "input": text })
        }
        Format::OllamaGenerate => {
            json!({ "model": "m", "system": "Be brief.", "prompt": text, "options": { "temperature": 0.5 } })
        }
        _ => json!({
            "model": "m", "stream": true, "max_tokens": 100,
            "messages": [{ "role": "user", "content": text }, { "role": "assistant", "content": "Because." }, { "role": "user", "content": text }],
        }),
    };
    body.to_string().into_bytes()
}

/// The agent's request as a chat completion.
fn agent_chat() -> Vec<u8> {
    let translation = Translation::between(Format::Messages, Format::Chat).unwrap();
    translation.plan(&agent_request(), &Abilities::default(), Stamp::default()).unwrap().body.to_vec()
}

/// The agent's request as Ollama's clients would send it.
fn agent_ollama() -> Vec<u8> {
    let mut body: Value = serde_json::from_slice(&agent_chat()).unwrap();
    let fields = body.as_object_mut().unwrap();
    fields.retain(|key, _| ["model", "messages", "tools", "stream"].contains(&&**key));
    body.to_string().into_bytes()
}

/// A client and a backend that need a translation between them.
#[derive(Debug, Clone, Copy)]
struct Pair {
    client: Format,
    backend: Format,
}

impl std::fmt::Display for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} on {:?}", self.client, self.backend)
    }
}

fn pairs() -> impl Iterator<Item = Pair> {
    let all = Format::ALL.into_iter().flat_map(|client| Format::ALL.map(|backend| Pair { client, backend }));
    all.filter(|Pair { client, backend }| {
        client != backend && Translation::between(*client, *backend).is_some()
    })
}

fn plan(client: Format, backend: Format, body: &[u8]) -> ResponseTranslator {
    let translation = Translation::between(client, backend).unwrap();
    translation.plan(body, &Abilities::default(), Stamp::default()).unwrap().response
}

fn request(bencher: Bencher<'_, '_>, pair: Pair, body: &[u8]) {
    let translation = Translation::between(pair.client, pair.backend).unwrap();
    let abilities = Abilities::default();
    bencher
        .counter(BytesCount::new(body.len()))
        .bench(|| translation.plan(black_box(body), &abilities, Stamp::default()).unwrap());
}

#[divan::bench(args = pairs())]
fn small_request_of(bencher: Bencher<'_, '_>, pair: Pair) {
    request(bencher, pair, &small_request(pair.client));
}

#[divan::bench(args = pairs().filter(|pair| pair.client != Format::OllamaGenerate))]
fn request_of_an_agent(bencher: Bencher<'_, '_>, pair: Pair) {
    let body = match pair.client {
        Format::Messages => agent_request(),
        Format::Chat => agent_chat(),
        Format::Responses => codex_request(),
        _ => agent_ollama(),
    };
    request(bencher, pair, &body);
}

#[divan::bench]
fn request_of_an_agent_as_a_tree(bencher: Bencher<'_, '_>) {
    let body = agent_request();
    bencher.counter(BytesCount::new(body.len())).bench(|| {
        let value: serde_json::Value = serde_json::from_slice(black_box(&body)).unwrap();
        serde_json::to_vec(&value).unwrap()
    });
}

/// An answer of 2 KB.
#[divan::bench(args = pairs())]
fn whole_answer(bencher: Bencher<'_, '_>, pair: Pair) {
    let response = plan(pair.client, pair.backend, &small_request(pair.client));
    let text = "Lorem \"ipsum\"\n".repeat(150);
    let body = if pair.backend == Format::Chat {
        json!({
            "id": "c", "model": "m", "usage": { "prompt_tokens": 10, "completion_tokens": 500 },
            "choices": [{ "finish_reason": "stop", "message": { "role": "assistant", "content": text } }],
        })
    } else {
        json!({
            "id": "m", "type": "message", "model": "m", "usage": { "input_tokens": 10, "output_tokens": 500 },
            "content": [{ "type": "text", "text": text }], "stop_reason": "end_turn",
        })
    };
    let body = body.to_string();
    bencher
        .counter(BytesCount::new(body.len()))
        .bench(|| response.whole(black_box(body.as_bytes())).unwrap());
}

/// One piece of text, in the midst of a stream.
#[divan::bench(args = pairs())]
fn chunk_of_text(bencher: Bencher<'_, '_>, pair: Pair) {
    let text = r#"{"type":"text","text":""}"#;
    chunk(bencher, pair, r#"{"content":" token"}"#, [text, r#"{"type":"text_delta","text":" token"}"#]);
}

/// One piece of the arguments of a call.
#[divan::bench(args = pairs())]
fn chunk_of_a_call(bencher: Bencher<'_, '_>, pair: Pair) {
    let delta = r#"{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{\"a"}}]}"#;
    let call = r#"{"type":"tool_use","id":"c","name":"f","input":{}}"#;
    chunk(bencher, pair, delta, [call, r#"{"type":"input_json_delta","partial_json":"{\"a"}"#]);
}

/// One chunk of chat, or how the block of a message begins and goes on.
fn chunk(bencher: Bencher<'_, '_>, pair: Pair, delta: &str, [begin, go_on]: [&str; 2]) {
    let (head, chunk) = if pair.backend == Format::Chat {
        let head = r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":"#;
        let chunk = format!("data: {head}{delta},\"finish_reason\":null}}]}}\n\n");
        (chunk.clone(), chunk)
    } else {
        let event = |name: &str, key: &str, value: &str| {
            format!("event: {name}\ndata: {{\"type\":\"{name}\",\"index\":0,\"{key}\":{value}}}\n\n")
        };
        (event("content_block_start", "content_block", begin), event("content_block_delta", "delta", go_on))
    };
    let fresh = || {
        let mut stream = plan(pair.client, pair.backend, &small_request(pair.client)).stream();
        stream.feed(head.as_bytes(), &mut BytesMut::new());
        stream
    };
    let (mut stream, mut out) = (fresh(), BytesMut::with_capacity(64 * 1024));
    let mut pieces = 0_u32;
    bencher.bench_local(|| {
        // Some formats keep what they have told, up to a limit.
        pieces += 1;
        if pieces.is_multiple_of(1 << 20) {
            stream = fresh();
        }
        out.clear();
        stream.feed(black_box(chunk.as_bytes()), &mut out);
        out.len()
    });
}
