//! What a stream costs in memory: nothing for a piece that is passed on, and never more than is documented.

#![expect(clippy::unwrap_used, reason = "a test that cannot set its stage has failed")]

use allocation_counter::measure;
use bytes::BytesMut;
use olla_translate::{Abilities, Format, Outcome, Stamp, StreamTranslator, Translation};
use serde_json::json;

/// Pieces of a stream after the first ones.
const PIECES: u64 = 4096;
/// A text that is kept grows in leaps, each twice as long as the one before.
const LEAPS: u64 = 16;
const MIB: u64 = 1 << 20;

fn pairs() -> impl Iterator<Item = (Format, Format)> {
    let all = Format::ALL.into_iter().flat_map(|client| Format::ALL.map(|backend| (client, backend)));
    all.filter(|(client, backend)| client != backend && Translation::between(*client, *backend).is_some())
}

fn stream(client: Format, backend: Format) -> StreamTranslator {
    let body = json!({
        "model": "m", "max_tokens": 9, "stream": true, "messages": [{ "role": "user", "content": "Hi" }], "input": "Hi", "prompt": "Hi",
    });
    let translation = Translation::between(client, backend).unwrap();
    let request = translation.plan(body.to_string().as_bytes(), &Abilities::default(), Stamp::default());
    request.unwrap().response.stream()
}

/// What a piece is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Text,
    Thought,
    Input,
}

fn head(backend: Format, of: Of) -> String {
    match (backend, of) {
        (Format::Chat, Of::Input) => {
            r#"data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{\""}}]}}]}"#
        }
        (Format::Chat, _) => r#"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":null}}]}"#,
        (_, Of::Text) => r#"data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        (_, Of::Thought) => r#"data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}"#,
        (_, Of::Input) => r#"data: {"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"c","name":"f","input":{}}}"#,
    }
    .to_owned()
        + "\n\n"
}

fn piece(backend: Format, of: Of, text: &str) -> String {
    let text = json!(text);
    let data = match (backend, of) {
        (Format::Chat, Of::Text) => format!(r#"{{"content":{text}}}"#),
        (Format::Chat, Of::Thought) => format!(r#"{{"reasoning_content":{text}}}"#),
        (Format::Chat, Of::Input) => {
            format!(r#"{{"tool_calls":[{{"index":0,"function":{{"arguments":{text}}}}}]}}"#)
        }
        (_, Of::Text) => format!(r#"{{"type":"text_delta","text":{text}}}"#),
        (_, Of::Thought) => format!(r#"{{"type":"thinking_delta","thinking":{text}}}"#),
        (_, Of::Input) => format!(r#"{{"type":"input_json_delta","partial_json":{text}}}"#),
    };
    if backend == Format::Chat {
        format!(
            "data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{data},\"finish_reason\":null}}]}}\n\n"
        )
    } else {
        format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{data}}}\n\n"
        )
    }
}

/// Whether the client is told once more, at the end, what it has heard.
fn is_kept(client: Format, of: Of) -> bool {
    match client {
        Format::Messages | Format::Chat => false,
        Format::Responses => true,
        _ => of == Of::Input,
    }
}

#[test]
fn a_piece_of_a_stream_costs_no_allocation_for_any_pair() {
    for (client, backend) in pairs() {
        for of in [Of::Text, Of::Thought, Of::Input] {
            let piece = piece(backend, of, " token");
            let (mut stream, mut out) = (stream(client, backend), BytesMut::with_capacity(4096));
            stream.feed(head(backend, of).as_bytes(), &mut out);
            for _ in 0..16 {
                stream.feed(piece.as_bytes(), &mut out);
                out.clear();
            }

            let cost = measure(|| {
                for _ in 0..PIECES {
                    stream.feed(piece.as_bytes(), &mut out);
                    out.clear();
                }
            });

            let most = if is_kept(client, of) { LEAPS } else { 0 };
            assert!(cost.count_total <= most, "{client} {backend} {of:?}: {} of {most}", cost.count_total);
        }
    }
}

#[test]
fn a_line_without_an_end_is_an_error_within_the_documented_limit() {
    for (client, backend) in pairs() {
        let (mut stream, mut out) = (stream(client, backend), BytesMut::with_capacity(4096));
        let line = vec![b'x'; 64 * 1024];

        let cost = measure(|| {
            stream.feed(b"data: ", &mut out);
            for _ in 0..512 {
                stream.feed(&line, &mut out);
            }
        });

        assert_eq!(stream.outcome(), Outcome::Failed, "{client} {backend}");
        // 8 MiB in a list that grows by doubling, and the list before the last doubling.
        assert!(cost.bytes_max < 25 * MIB, "{client} {backend}: {} bytes", cost.bytes_max);
    }
}

#[test]
fn an_answer_without_an_end_is_an_error_within_the_documented_limit() {
    for (client, of) in [(Format::Responses, Of::Text), (Format::OllamaChat, Of::Input)] {
        let (mut stream, mut out) = (stream(client, Format::Chat), BytesMut::new());
        let piece = piece(Format::Chat, of, &"x".repeat(1 << 20));
        let mut pieces = 0;

        let cost = measure(|| {
            stream.feed(head(Format::Chat, of).as_bytes(), &mut out);
            while stream.outcome() == Outcome::Open && pieces < 100 {
                out.clear();
                stream.feed(piece.as_bytes(), &mut out);
                pieces += 1;
            }
        });

        assert!(stream.outcome() == Outcome::Failed && (64..=65).contains(&pieces), "{client}: {pieces}");
        assert!(String::from_utf8_lossy(&out).contains("the answer of the backend is too long"));
        assert!(cost.bytes_max < 220 * MIB, "{client}: {} bytes", cost.bytes_max);
    }
}
