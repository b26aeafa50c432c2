//! Bodies and streams that no backend and no client would send; see `olla_fuzz`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;

use bytes::BytesMut;
use olla_fuzz::fuzz;
use olla_translate::{
    Abilities, Dialect, ErrorWatch, Format, Opening, Outcome, Progress, ResponseTranslator, Stamp,
    Translation, classify,
};
use serde::{Deserialize, de::IgnoredAny};

/// What an event calls itself. Numbers that no `f64` holds are passed on as they are.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: Option<String>,
}

const STREAM: &[&str] = &[
    "data: ",
    "event: error\n",
    "data: [DONE]\n\n",
    "\n\n",
    "\r\n",
    "\r",
    ": ping\n\n",
    "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}",
    "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}",
    "\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]",
    "{\"type\":\"message_start\",\"message\":{}}",
    "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}",
    "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}",
    "{\"type\":\"content_block_stop\",\"index\":0}",
    "{\"type\":\"message_stop\"}",
    "{\"error\":{\"message\":\"x\"}}",
    "{\"message\":{\"role\":\"assistant\",\"content\":\"x\"},\"done\":false}\n",
    "{\"done\":true}\n",
    "null",
    "\u{feff}",
    "\\ud800",
];

const JSON: &[&str] = &[
    "null",
    "[]",
    "{}",
    "\"\"",
    "-1",
    "1e999",
    "18446744073709551616",
    "\\ud800",
    "\"messages\":",
    "\"content\":",
    "\"role\":\"tool\"",
    "\"role\":\"system\"",
    "\"tools\":",
    "\"type\":\"tool_use\"",
    "\"type\":\"tool_result\"",
    "\"type\":\"image\"",
    "\"tool_choice\":",
    "\"stream\":true",
    "\"max_tokens\":",
    "\"usage\":",
    "\"choices\":",
    "[[[[",
];

/// The first two bytes choose how, the rest is what.
fn choices(input: &[u8]) -> Option<(u8, usize, &[u8])> {
    match input {
        [how, size, rest @ ..] => Some((*how, usize::from(*size).max(1), rest)),
        _ => None,
    }
}

/// A stream up to its first output, in one piece and in many.
#[test]
fn fuzz_opening() {
    fuzz("opening", STREAM, |input| {
        let (how, size, stream) = choices(input)?;
        let dialect = [Dialect::OpenAi, Dialect::Anthropic, Dialect::Ollama][usize::from(how % 3)];
        let mut opening = Opening::new(dialect);

        let whole = Opening::new(dialect).feed(stream);
        let mut steps = stream.chunks(size).map(|chunk| opening.feed(chunk));
        let cut = steps.find(|progress| *progress != Progress::Nothing).unwrap_or(Progress::Nothing);

        let mut watch = ErrorWatch::new(dialect);
        let told = stream.chunks(size).fold(false, |told, piece| told | watch.feed(piece));

        assert_eq!(cut, whole);
        // A piece is only looked at closely where it holds the word, so that all at once may show more.
        assert!(!told || ErrorWatch::new(dialect).feed(stream));
        Some((how % 3, whole == Progress::Error, whole == Progress::Output, told))
    });
}

/// A translation from any format into one that backends are spoken to in.
fn pair(how: u8) -> (Format, Translation) {
    let client = Format::ALL[usize::from(how) % Format::ALL.len()];
    let backends: Vec<_> =
        Format::ALL.into_iter().filter_map(|to| Translation::between(client, to)).collect();
    (client, backends[usize::from(how / 4) % backends.len()])
}

fn translator(how: u8, streamed: bool) -> ResponseTranslator {
    let (client, translation) = pair(how);
    let prompt = match client {
        Format::Responses => r#""input":"Hi""#,
        Format::OllamaGenerate => r#""prompt":"Hi""#,
        _ => r#""max_tokens":10,"messages":[{"role":"user","content":"Hi"}]"#,
    };
    let body = format!(r#"{{"model":"m","stream":{streamed},{prompt}}}"#);
    translation.plan(body.as_bytes(), &Abilities::default(), Stamp::default()).unwrap().response
}

/// A stream of a backend, translated in one piece and in many.
#[test]
fn fuzz_stream() {
    fuzz("stream", STREAM, |input| {
        let (how, size, stream) = choices(input)?;
        let translated = |size: usize| {
            let (mut translator, mut out) = (translator(how, true).stream(), BytesMut::new());
            stream.chunks(size).for_each(|chunk| translator.feed(chunk, &mut out));
            translator.finish(&mut out);
            (translator.outcome(), out)
        };

        let (outcome, whole) = translated(stream.len().max(1));

        assert_eq!(translated(size), (outcome, whole.clone()));
        assert_ne!(outcome, Outcome::Open, "what has ended is complete or broken");
        let text = str::from_utf8(&whole).unwrap();
        // Ollama's clients read lines of JSON, the others events.
        let in_lines = pair(how).0.dialect() == Dialect::Ollama;
        let data =
            text.lines().filter_map(|line| if in_lines { Some(line) } else { line.strip_prefix("data: ") });
        let mut kinds = vec![how % 20];
        for data in data.filter(|data| *data != "[DONE]") {
            let event: Event = serde_json::from_str(data).unwrap();
            kinds.push(event.kind.map_or(0, |kind| kind.len() as u8));
        }
        kinds.dedup();
        Some(kinds)
    });
}

/// A request in one format for a backend with another.
#[test]
fn fuzz_request() {
    fuzz("request", JSON, |input| {
        let (how, _, body) = choices(input)?;
        let (_, translation) = pair(how);

        let planned = translation.plan(body, &Abilities::default(), Stamp::default());

        let request = planned.map_err(|error| assert!(!error.to_string().is_empty())).ok()?;
        let fields: HashMap<String, IgnoredAny> = serde_json::from_slice(&request.body).unwrap();
        Some((how % 20, request.stream, fields.len(), request.dropped.iter().count()))
    });
}

/// A whole answer, and an answer of another status.
#[test]
fn fuzz_answer() {
    fuzz("answer", JSON, |input| {
        let (how, status, body) = choices(input)?;
        let translator = translator(how, false);

        let whole = translator.whole(body).ok();
        let (status, error) = translator.error(400 + status as u16, body);

        for document in whole.iter().chain([&error]) {
            let fields: HashMap<String, IgnoredAny> = serde_json::from_slice(document).unwrap();
            assert!(!fields.is_empty());
        }
        assert!(status >= 400);
        Some((how % 20, whole.map(|body| body.len() / 16)))
    });
}

/// A path.
#[test]
fn fuzz_classify() {
    let words = ["/", "v1", "api", "chat", "completions", "messages", "models", "engines", "%2f"];
    fuzz("classify", &words, |input| classify(&String::from_utf8_lossy(input)));
}
