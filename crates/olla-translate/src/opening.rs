//! The opening of a stream: what comes before the first real output, when an error can still be kept from
//! the client.
//!
//! Backends send a role, a first empty piece, comments and keep-alives before a model has said anything.
//! What is not known to be empty counts as output: nothing is held back that might matter.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde_json::Value;

use crate::{Dialect, framing::Framing};

/// Within a text that a model writes, these quotes are escaped.
static KEY: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br#""error""#));

/// What a piece of a stream has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing that a client waits for.
    Nothing,
    /// Something for the client.
    Output,
    /// The backend has failed, and says so inside a stream that began well.
    Error,
}

/// Reads a stream up to its first output.
#[derive(Debug)]
pub struct Opening {
    dialect: Dialect,
    framing: Framing,
}

// === impl Opening ===

impl Opening {
    /// Begins with a stream in a dialect.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, framing: Framing::of(dialect) }
    }

    /// Reads the next bytes, cut anywhere, and tells the most telling of what they brought.
    pub fn feed(&mut self, bytes: &[u8]) -> Progress {
        let dialect = self.dialect;
        let mut progress = Progress::Nothing;
        self.framing.feed(bytes, |event| {
            if progress == Progress::Nothing {
                progress = judge(dialect, event);
            }
        });
        progress
    }
}

/// Returns whether a piece of a stream tells of an error, as far as whole events are in it.
pub(crate) fn tells_error(dialect: Dialect, bytes: &[u8]) -> bool {
    if KEY.find(bytes).is_none() {
        return false;
    }
    let mut found = false;
    Framing::of(dialect).feed(bytes, |event| found |= judge(dialect, event) == Progress::Error);
    found
}

/// Judges the data of one event.
fn judge(dialect: Dialect, data: &[u8]) -> Progress {
    if data.iter().all(u8::is_ascii_whitespace) {
        return Progress::Nothing;
    }
    let Ok(Value::Object(event)) = serde_json::from_slice::<Value>(data) else { return Progress::Output };
    let is_error = event.get("object").and_then(Value::as_str) == Some("error");
    if is_error || event.get("error").is_some_and(|error| !is_empty(error)) {
        return Progress::Error;
    }
    if let Some(kind) = event.get("type").and_then(Value::as_str) {
        return of_type(kind);
    }
    match dialect {
        Dialect::OpenAi | Dialect::Anthropic => of_choices(&event),
        Dialect::Ollama => of_line(&event),
    }
}

/// Events that name their type: Anthropic's messages and OpenAI's responses.
fn of_type(kind: &str) -> Progress {
    match kind {
        "error" | "response.failed" => Progress::Error,
        "ping"
        | "message_start"
        | "content_block_start"
        | "response.created"
        | "response.queued"
        | "response.in_progress"
        | "response.output_item.added"
        | "response.content_part.added" => Progress::Nothing,
        _ => Progress::Output,
    }
}

/// OpenAI's chat and text completions.
fn of_choices(event: &serde_json::Map<String, Value>) -> Progress {
    let Some(Value::Array(choices)) = event.get("choices") else { return Progress::Output };
    if choices.is_empty() {
        // The figures at the end are output; what a filter thought of the prompt is not.
        return if event.get("usage").is_some_and(|usage| !is_empty(usage)) {
            Progress::Output
        } else {
            Progress::Nothing
        };
    }
    let mut progress = Progress::Nothing;
    for choice in choices {
        if choice.get("finish_reason").and_then(Value::as_str) == Some("error") {
            return Progress::Error;
        }
        let finished = choice.get("finish_reason").is_some_and(|reason| !is_empty(reason));
        let text = choice.get("text").is_some_and(|text| !is_empty(text));
        if finished || text || choice.get("delta").is_some_and(has_content) {
            progress = Progress::Output;
        }
    }
    progress
}

/// Ollama's lines.
fn of_line(event: &serde_json::Map<String, Value>) -> Progress {
    let Some(Value::Bool(false)) = event.get("done") else { return Progress::Output };
    let told = event.get("message").is_some_and(has_content)
        || ["response", "thinking"].iter().any(|key| event.get(*key).is_some_and(|text| !is_empty(text)));
    if told { Progress::Output } else { Progress::Nothing }
}

/// Whether a message says anything besides who speaks.
fn has_content(message: &Value) -> bool {
    let Value::Object(message) = message else { return !is_empty(message) };
    message.iter().any(|(key, value)| key != "role" && !is_empty(value))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sse(data: &str) -> String {
        format!("data: {data}\n\n")
    }

    #[test]
    fn what_is_known_to_be_empty_is_nothing() {
        for (dialect, stream) in [
            (
                Dialect::OpenAi,
                sse(r#"{"choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]}"#),
            ),
            (
                Dialect::OpenAi,
                sse(r#"{"choices":[{"delta":{"role":"assistant","content":"","tool_calls":[]}}]}"#),
            ),
            (Dialect::OpenAi, sse(r#"{"choices":[],"prompt_filter_results":[{}]}"#)),
            (Dialect::OpenAi, sse(r#"{"choices":[{"text":""}]}"#)),
            (Dialect::OpenAi, ": OPENROUTER PROCESSING\n\n".into()),
            (Dialect::OpenAi, sse(r#"{"type":"response.created","response":{}}"#)),
            (Dialect::Anthropic, "event: ping\ndata: {\"type\":\"ping\"}\n\n".into()),
            (Dialect::Anthropic, sse(r#"{"type":"message_start","message":{"usage":{"input_tokens":3}}}"#)),
            (
                Dialect::Ollama,
                "{\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":false}\n".into(),
            ),
        ] {
            assert_eq!(Opening::new(dialect).feed(stream.as_bytes()), Progress::Nothing, "{stream}");
        }
    }

    #[test]
    fn whatever_else_is_output() {
        for (dialect, stream) in [
            (Dialect::OpenAi, sse(r#"{"choices":[{"delta":{"content":" "}}]}"#)),
            (Dialect::OpenAi, sse(r#"{"choices":[{"delta":{"reasoning_content":"hm"}}]}"#)),
            (Dialect::OpenAi, sse(r#"{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#)),
            (Dialect::OpenAi, sse(r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#)),
            (Dialect::OpenAi, sse(r#"{"choices":[],"usage":{"total_tokens":1}}"#)),
            (Dialect::OpenAi, sse("[DONE]")),
            (Dialect::OpenAi, sse("no json")),
            (Dialect::OpenAi, sse(r#"{"type":"response.output_text.delta","delta":"x"}"#)),
            (Dialect::Anthropic, sse(r#"{"type":"content_block_delta","delta":{"text":"x"}}"#)),
            (Dialect::Anthropic, sse(r#"{"type":"never_heard_of"}"#)),
            (Dialect::Ollama, "{\"response\":\"x\",\"done\":false}\n".into()),
            (Dialect::Ollama, "{\"response\":\"\",\"done\":true}\n".into()),
            (Dialect::Ollama, "{\"status\":\"pulling\"}\n".into()),
        ] {
            assert_eq!(Opening::new(dialect).feed(stream.as_bytes()), Progress::Output, "{stream}");
        }
    }

    #[test]
    fn an_error_is_told_from_a_model_that_writes_about_errors() {
        for (dialect, stream) in [
            (Dialect::OpenAi, sse(r#"{"error":{"message":"out of memory"}}"#)),
            (Dialect::OpenAi, sse(r#"{"object":"error","message":"out of memory","code":500}"#)),
            (Dialect::OpenAi, sse(r#"{"choices":[{"delta":{},"finish_reason":"error"}]}"#)),
            (Dialect::OpenAi, sse(r#"{"type":"response.failed"}"#)),
            (
                Dialect::Anthropic,
                "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n"
                    .into(),
            ),
            (Dialect::Ollama, "{\"error\":\"model runner has unexpectedly stopped\"}\n".into()),
        ] {
            assert_eq!(Opening::new(dialect).feed(stream.as_bytes()), Progress::Error, "{stream}");
        }
        let prose = sse(r#"{"choices":[{"delta":{"content":"{\"error\": \"none\"}"}}],"error":null}"#);
        assert_eq!(Opening::new(Dialect::OpenAi).feed(prose.as_bytes()), Progress::Output);
        assert!(!tells_error(Dialect::OpenAi, prose.as_bytes()));
        assert!(tells_error(Dialect::OpenAi, sse(r#"{"error":{"code":500}}"#).as_bytes()));
    }

    #[test]
    fn the_first_telling_event_decides() {
        let error_first = sse(r#"{"error":{"code":1}}"#) + &sse("[DONE]");
        assert_eq!(Opening::new(Dialect::OpenAi).feed(error_first.as_bytes()), Progress::Error);
    }

    proptest! {
        #[test]
        fn any_split_of_a_stream_gives_the_same_verdict(cuts in prop::collection::vec(0_usize..300, 0..8)) {
            let stream = [
                ": hello\r\n\r\n",
                "event: message\r\ndata: {\"choices\":[{\"delta\":\r\ndata: {\"role\":\"assistant\"}}]}\r\n\r\n",
                "data: {\"choices\":[{\"delta\":{\"content\":\"\"}}]}\n\n",
                "data: {\"error\":{\"message\":\"é\"}}\n\n",
            ].concat();
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();

            let mut opening = Opening::new(Dialect::OpenAi);
            let verdicts: Vec<_> =
                cuts.windows(2).map(|cut| opening.feed(&stream.as_bytes()[cut[0]..cut[1]])).collect();

            let telling: Vec<_> = verdicts.into_iter().filter(|v| *v != Progress::Nothing).collect();
            prop_assert_eq!(telling, [Progress::Error]);
        }
    }
}
