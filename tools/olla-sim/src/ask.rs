//! What a request asks for, read once for all dialects: their fields have different names but never clash.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::script::Pace;

/// The body of an inference request.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Ask {
    pub(crate) model: String,
    pub(crate) stream: Option<bool>,
    pub(crate) messages: Option<Vec<Message>>,
    pub(crate) prompt: Value,
    pub(crate) input: Value,
    system: Value,
    max_tokens: Option<usize>,
    max_completion_tokens: Option<usize>,
    options: Option<Options>,
    tools: Option<Vec<Value>>,
    stream_options: Option<StreamOptions>,
    pub(crate) encoding_format: Option<String>,
    sim: Option<Overrides>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Message {
    role: String,
    content: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Options {
    num_predict: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StreamOptions {
    include_usage: bool,
}

/// Timing for one request: the body field `sim`, or the header `x-sim` with the same JSON.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Overrides {
    ttft_ms: Option<f64>,
    tokens_per_second: Option<f64>,
    tokens: Option<usize>,
    early_head: Option<bool>,
    apart: Option<bool>,
}

// === impl Ask ===

impl Ask {
    /// Reads a body; the error says what is wrong with it.
    pub(crate) fn read(body: &[u8], sim_header: Option<&[u8]>) -> Result<Self, serde_json::Error> {
        let mut ask: Ask = serde_json::from_slice(body)?;
        if let Some(value) = sim_header {
            ask.sim = Some(serde_json::from_slice(value)?);
        }
        Ok(ask)
    }

    /// Applies what this request wants to the pace of the engine.
    pub(crate) fn pace(&self, usual: Pace) -> Pace {
        let Some(sim) = &self.sim else { return usual };
        Pace {
            ttft: sim.ttft_ms.map_or(usual.ttft, |ms| duration(ms / 1e3)),
            tokens_per_second: sim.tokens_per_second.unwrap_or(usual.tokens_per_second),
            tokens: sim.tokens.unwrap_or(usual.tokens),
            early_head: sim.early_head.unwrap_or(usual.early_head),
            apart: sim.apart.unwrap_or(usual.apart),
        }
    }

    /// The most tokens the client accepts.
    pub(crate) fn limit(&self) -> usize {
        let predict = self.options.as_ref().and_then(|options| options.num_predict);
        let predict = predict.and_then(|count| usize::try_from(count).ok());
        self.max_completion_tokens.or(self.max_tokens).or(predict).unwrap_or(usize::MAX)
    }

    pub(crate) fn wants_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage)
    }

    /// The text to answer: the last user message, or the prompt.
    pub(crate) fn last_words(&self) -> String {
        let messages = self.messages.as_deref().unwrap_or_default();
        match messages.iter().rev().find(|message| message.role == "user") {
            Some(message) => text_of(&message.content),
            None => text_of(&self.prompt),
        }
    }

    /// A stable estimate of the prompt's size: four characters a token.
    pub(crate) fn prompt_tokens(&self) -> usize {
        let messages = self.messages.iter().flatten().map(|message| text_of(&message.content).len());
        let rest = [&self.prompt, &self.input, &self.system].map(|value| text_of(value).len());
        1 + (messages.sum::<usize>() + rest.iter().sum::<usize>()) / 4
    }

    /// The first tool, if the client offers tools and its last message asks to call one.
    pub(crate) fn called_tool(&self) -> Option<&Value> {
        let first = self.tools.as_ref()?.first()?;
        self.last_words().to_ascii_lowercase().contains("call the tool").then_some(first)
    }
}

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// All text in a value: strings, and the `text` of content parts.
pub(crate) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(text_of).collect::<Vec<_>>().join(" "),
        Value::Object(part) => part.get("text").map(text_of).unwrap_or_default(),
        Value::Null | Value::Bool(_) | Value::Number(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_user_message_is_found_in_strings_and_in_parts() {
        let body = br#"{"messages":[{"role":"user","content":"old"},
            {"role":"user","content":[{"type":"text","text":"new words"},{"type":"image_url"}]},
            {"role":"assistant","content":null}],"tools":null,"options":null}"#;

        let ask = Ask::read(body, None).unwrap();

        assert_eq!(ask.last_words().trim(), "new words");
    }

    #[test]
    fn a_header_overrides_the_pace_of_the_engine() {
        let ask = Ask::read(b"{}", Some(br#"{"tokens":3,"ttft_ms":1.5}"#)).unwrap();

        let pace = ask.pace(Pace::default());

        assert_eq!((pace.tokens, pace.ttft), (3, Duration::from_micros(1500)));
        assert!(Ask::read(b"{}", Some(br#"{"token":3}"#)).is_err());
    }
}
