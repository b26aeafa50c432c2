//! Where transcripts are, and what they hold.

use std::{fs, path::PathBuf};

use bytes::BytesMut;
use olla_translate::{
    Abilities, Format, ResponseTranslator, Stamp, ThoughtField, TranslatedRequest, Translation,
    Untranslatable,
};
use serde_json::{Value, json};

/// A client and a backend of these formats.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Direction {
    pub(crate) name: &'static str,
    pub(crate) client: Format,
    pub(crate) backend: Format,
}

const SEPARATOR: &str = "\n======== client ========\n";
const STAMP: Stamp = Stamp { seed: 0x0123_4567_89AB_CDEF_0123_4567_89AB_CDEF, unix_seconds: 1_764_111_456 };

pub(crate) fn directions() -> [Direction; 8] {
    use Format::{Chat, Messages, OllamaChat, OllamaGenerate, Responses};
    [
        Direction { name: "messages-to-chat", client: Messages, backend: Chat },
        Direction { name: "chat-to-messages", client: Chat, backend: Messages },
        Direction { name: "responses-to-chat", client: Responses, backend: Chat },
        Direction { name: "responses-to-messages", client: Responses, backend: Messages },
        Direction { name: "ollama-chat-to-chat", client: OllamaChat, backend: Chat },
        Direction { name: "ollama-chat-to-messages", client: OllamaChat, backend: Messages },
        Direction { name: "ollama-generate-to-chat", client: OllamaGenerate, backend: Chat },
        Direction { name: "ollama-generate-to-messages", client: OllamaGenerate, backend: Messages },
    ]
}

pub(crate) fn is_blessing() -> bool {
    std::env::var_os("OLLA_BLESS").is_some()
}

/// Splits a file into what the request was, what the backend sends and what the client gets.
pub(crate) fn stream_parts(text: &str) -> (Value, String, String) {
    let (case, rest) = text.split_once('\n').unwrap();
    let (stream, expected) = rest.split_once(SEPARATOR).unwrap_or((rest, ""));
    let case = serde_json::from_str(case).unwrap_or_else(|_| panic!("no JSON: {case}"));
    (case, stream.replace("\\r", "\r"), expected.to_owned())
}

pub(crate) fn stream_file(case: &Value, stream: &str, client: &str) -> String {
    format!("{case}\n{}{SEPARATOR}{client}", stream.replace('\r', "\\r"))
}

// === impl Direction ===

impl Direction {
    pub(crate) fn files(&self, kind: &str, extension: &str) -> Vec<(PathBuf, String)> {
        let directory =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(self.name).join(kind);
        let mut paths: Vec<_> = fs::read_dir(&directory)
            .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|found| found == extension))
            .collect();
        paths.sort();
        assert!(!paths.is_empty(), "nothing in {}", directory.display());
        paths.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
    }

    pub(crate) fn json_files(&self, kind: &str) -> Vec<(PathBuf, Value)> {
        let parsed = |(path, text): (PathBuf, String)| {
            let value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            (path, value)
        };
        self.files(kind, "json").into_iter().map(parsed).collect()
    }

    fn translation(&self) -> Translation {
        Translation::between(self.client, self.backend).unwrap()
    }

    /// Translates the request of a case.
    pub(crate) fn plan(&self, case: &Value) -> Result<TranslatedRequest, Untranslatable> {
        let body = case["client"].to_string();
        self.translation().plan(body.as_bytes(), &abilities(case), STAMP)
    }

    /// Returns what translates the answer to the `request` of a case.
    pub(crate) fn response(&self, case: &Value) -> ResponseTranslator {
        let mut request = case.get("request").cloned().unwrap_or_else(|| json!({}));
        let fields = request.as_object_mut().unwrap();
        for (key, value) in [
            ("model", json!("asked")),
            ("max_tokens", json!(100)),
            ("messages", json!([{ "role": "user", "content": "Hi" }])),
            ("input", json!("Hi")),
            ("prompt", json!("Hi")),
            ("stream_options", json!({ "include_usage": true })),
        ] {
            fields.entry(key).or_insert(value);
        }
        let body = request.to_string();
        self.translation().plan(body.as_bytes(), &abilities(case), STAMP).unwrap().response
    }

    /// Translates a stream that arrives in these pieces.
    pub(crate) fn stream(&self, case: &Value, pieces: &[&[u8]]) -> String {
        let mut translator = self.response(case).stream();
        let mut out = BytesMut::new();
        if case["begin"] == true {
            translator.begin(&mut out);
        }
        for piece in pieces {
            translator.feed(piece, &mut out);
        }
        translator.finish(&mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }
}

/// Reads what the backend of a case understands.
fn abilities(case: &Value) -> Abilities {
    let mut abilities = Abilities::default();
    for (name, value) in case["abilities"].as_object().into_iter().flatten() {
        let is = value == true;
        match &**name {
            "stream_usage" => abilities.stream_usage = is,
            "top_k" => abilities.top_k = is,
            "parallel_switch" => abilities.parallel_switch = is,
            "images" => abilities.images = is,
            "thinks" => abilities.thinks = is,
            "files" => abilities.files = is,
            "reasoning_effort" => abilities.reasoning_effort = is,
            "effort_minimal" => abilities.effort_minimal = is,
            "effort_none" => abilities.effort_none = is,
            "enable_thinking" => abilities.enable_thinking = is,
            "max_completion_tokens" => abilities.max_completion_tokens = Some(is),
            "late_system" => abilities.late_system = is,
            "continues" => abilities.continues = is,
            "adaptive_thinking" => abilities.adaptive_thinking = is,
            "thinking_budget" => abilities.thinking_budget = is,
            "thinking_off" => abilities.thinking_off = is,
            "thinks_unasked" => abilities.thinks_unasked = is,
            "effort_xhigh" => abilities.effort_xhigh = is,
            "sampling" => abilities.sampling = is,
            "top_p_with_temperature" => abilities.top_p_with_temperature = is,
            "forced_tools" => abilities.forced_tools = is,
            "stop_limit" => {
                abilities.stop_limit = value.as_u64().map(|limit| usize::try_from(limit).unwrap());
            }
            "thoughts" => {
                abilities.thoughts = match value.as_str().unwrap() {
                    "reasoning" => ThoughtField::Reasoning,
                    "thinking_blocks" => ThoughtField::ThinkingBlocks,
                    "by_model" => ThoughtField::ByModel,
                    "nowhere" => ThoughtField::Nowhere,
                    other => panic!("no field for thoughts: {other}"),
                }
            }
            other => panic!("no ability: {other}"),
        }
    }
    abilities
}
