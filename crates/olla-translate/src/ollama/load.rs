//! Requests that ask for nothing but to load or unload a model. Other servers have no such thing: where their models
//! are, there is nothing to do, and what Ollama would answer is written here.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::{Api, EmbeddingApi, request::is_load};
use crate::{
    Format,
    json::{Object, RawValue, Text, record},
    stamp::Rfc3339,
};

record! {
    /// What of such a request matters.
    struct WireLoad<'a> {
        model: Option<Text<'a>> = "model",
        input: Option<&'a RawValue> = "input",
        prompt: Option<&'a RawValue> = "prompt",
        keep_alive: Option<&'a RawValue> = "keep_alive",
    }
}

/// Returns what Ollama answers to a conversation without words, or `None` if it is another one, or in another format.
#[must_use]
pub fn answer_to_load(format: Format, body: &[u8], unix_seconds: u64) -> Option<Bytes> {
    let api = match format {
        Format::OllamaChat => Api::Chat,
        Format::OllamaGenerate => Api::Generate,
        Format::Messages | Format::Chat | Format::Responses => return None,
    };
    let wire: WireLoad<'_> = serde_json::from_slice(body).ok().filter(|_| is_load(api, body))?;
    let unloads = wire.keep_alive.is_some_and(|time| is_zero(time.get()));
    let mut out = BytesMut::with_capacity(192);
    let mut answer = Object::open(&mut out);
    answer.text("model", &wire.model?).text("created_at", &Rfc3339(unix_seconds).to_string());
    match api {
        Api::Chat => {
            answer.object("message").text("role", "assistant").text("content", "");
        }
        Api::Generate => {
            answer.text("response", "");
        }
    }
    answer.flag("done", true).text("done_reason", if unloads { "unload" } else { "load" });
    drop(answer);
    Some(out.freeze())
}

/// Returns whether a time is none: a number of seconds, or a text such as `0m`.
fn is_zero(time: &str) -> bool {
    let number = time.trim_matches('"').trim_end_matches(|c: char| c.is_ascii_alphabetic());
    number.parse::<f64>().is_ok_and(|number| number == 0.0)
}

// === impl EmbeddingApi ===

impl EmbeddingApi {
    /// Returns what Ollama answers to a request that has no text, or `None` if it has one.
    #[must_use]
    pub fn answer_to_load(self, body: &[u8]) -> Option<Bytes> {
        let wire: WireLoad<'_> = serde_json::from_slice(body).ok()?;
        let text = match self {
            Self::Embed => wire.input.or(wire.prompt),
            Self::Embeddings => wire.prompt.or(wire.input),
        };
        if text.is_some_and(|text| !matches!(text.get(), "\"\"" | "[]" | "null")) {
            return None;
        }
        let mut out = BytesMut::with_capacity(64);
        let mut answer = Object::open(&mut out);
        if self == Self::Embed {
            answer.text("model", &wire.model?);
        }
        let list = if self == Self::Embed { "embeddings" } else { "embedding" };
        answer.key(list).put_slice(b"[]");
        drop(answer);
        Some(out.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(format: Format, body: &str) -> Option<String> {
        answer_to_load(format, body.as_bytes(), 0).map(|told| String::from_utf8(told.to_vec()).unwrap())
    }

    #[test]
    fn loading_and_unloading_are_told_apart() {
        let told = load(Format::OllamaGenerate, r#"{"model":"m"}"#).unwrap();
        assert_eq!(
            told,
            r#"{"model":"m","created_at":"1970-01-01T00:00:00Z","response":"","done":true,"done_reason":"load"}"#
        );
        let told = load(Format::OllamaChat, r#"{"model":"m","messages":[],"keep_alive":"0s"}"#).unwrap();
        assert!(
            told.ends_with(
                r#""message":{"role":"assistant","content":""},"done":true,"done_reason":"unload"}"#
            )
        );
    }

    #[test]
    fn a_time_is_none_in_every_spelling_of_zero() {
        for (time, is) in [("0", true), ("0.0", true), ("\"0s\"", true), ("\"5m\"", false), ("-1", false)] {
            assert_eq!(is_zero(time), is, "{time}");
        }
    }

    #[test]
    fn loading_is_told_from_asking_by_the_fields_of_each_api() {
        use Format::{Chat, OllamaChat, OllamaGenerate};
        for (format, body, is) in [
            (OllamaChat, r#"{"model":"m"}"#, true),
            (OllamaChat, r#"{"model":"m","messages":[],"keep_alive":0}"#, true),
            (OllamaChat, r#"{"model":"m","prompt":"x"}"#, true),
            (OllamaChat, r#"{"model":"m","messages":[{"role":"user","content":""}]}"#, false),
            (OllamaGenerate, r#"{"model":"m","prompt":""}"#, true),
            (OllamaGenerate, r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#, true),
            (OllamaGenerate, r#"{"model":"m","prompt":"x"}"#, false),
            (OllamaGenerate, r#"{"model":"m","images":["x"]}"#, false),
            (OllamaGenerate, "{}", false),
            (OllamaGenerate, "no json", false),
            (Chat, r#"{"model":"m","messages":[]}"#, false),
        ] {
            assert_eq!(load(format, body).is_some(), is, "{format} {body}");
        }
    }

    #[test]
    fn no_text_has_no_vectors() {
        for (api, body, told) in [
            (EmbeddingApi::Embed, r#"{"model":"m","input":""}"#, Some(r#"{"model":"m","embeddings":[]}"#)),
            (EmbeddingApi::Embed, r#"{"model":"m","input":[]}"#, Some(r#"{"model":"m","embeddings":[]}"#)),
            (EmbeddingApi::Embeddings, r#"{"model":"m"}"#, Some(r#"{"embedding":[]}"#)),
            (EmbeddingApi::Embed, r#"{"model":"m","input":["a"]}"#, None),
        ] {
            assert_eq!(api.answer_to_load(body.as_bytes()).as_deref(), told.map(str::as_bytes), "{body}");
        }
    }
}
