//! What the engine says: words that depend only on the engine's name and the request, so that a test sees at a
//! glance who answered and what it heard.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::ask::Ask;
use crate::state::State;

const FILLER: [&str; 16] = [
    "and", "then", "the", "river", "went", "on", "past", "old", "stone", "mills", "toward", "a", "quiet",
    "grey", "harbour", "town",
];
/// Words of the request that are repeated.
const ECHO_WORDS: usize = 12;

/// How fast and how much an engine speaks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Time to the first token. Default: none.
    pub ttft: Duration,
    /// Tokens per second after the first; 0, the default, is as fast as possible.
    pub tokens_per_second: f64,
    /// Tokens of an answer. Default: 16.
    pub tokens: usize,
    /// Whether a stream's head leaves at once and not with the first token. Default: no.
    pub early_head: bool,
    /// Whether each token leaves in a write of its own even when there is no pause between them. Default: no.
    pub apart: bool,
}

/// The answer to one request, before a dialect writes it down.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) model: String,
    /// Unique for the request's content, and the same each time.
    pub(crate) id: String,
    pub(crate) call: Option<Call>,
    /// Whether the client's limit ended the answer.
    pub(crate) was_limited: bool,
    pub(crate) prompt_tokens: usize,
    pub(crate) pace: Pace,
    opening: Arc<[String]>,
}

/// A call of the first tool that the client offered.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) arguments: Value,
}

// === impl Script ===

impl Script {
    pub(crate) fn write(state: &State, ask: &Ask, body: &[u8]) -> Self {
        let mut pace = ask.pace(state.pace);
        let was_limited = ask.limit() < pace.tokens;
        pace.tokens = pace.tokens.min(ask.limit());
        let heard = ask.last_words();
        let opening = [&*state.name, "heard:"].into_iter().chain(heard.split_whitespace().take(ECHO_WORDS));
        Script {
            model: ask.model.clone(),
            id: format!("sim-{:016x}", fnv1a(body)),
            call: ask.called_tool().map(|tool| Call::of(tool, &state.name)),
            was_limited,
            prompt_tokens: ask.prompt_tokens(),
            pace,
            opening: opening.map(str::to_owned).collect(),
        }
    }

    /// The tokens in order; they join to [`Script::text`].
    pub(crate) fn tokens(&self) -> impl Iterator<Item = String> + Send + 'static {
        let opening = Arc::clone(&self.opening);
        (0..self.pace.tokens).map(move |index| {
            let filler = FILLER.get(index % FILLER.len()).copied().unwrap_or_default();
            let word = opening.get(index).map_or(filler, String::as_str);
            if index == 0 { word.to_owned() } else { format!(" {word}") }
        })
    }

    pub(crate) fn text(&self) -> String {
        self.tokens().collect()
    }

    pub(crate) fn completion_tokens(&self) -> usize {
        self.pace.tokens
    }
}

// === impl Call ===

impl Call {
    /// Accepts the OpenAI and Ollama form (`function.parameters`) and Anthropic's (`input_schema`).
    fn of(tool: &Value, engine: &str) -> Self {
        let function = tool.get("function").unwrap_or(tool);
        let schema = function.get("parameters").or_else(|| function.get("input_schema"));
        let properties = schema.and_then(|schema| schema.get("properties")).and_then(Value::as_object);
        let arguments = properties.into_iter().flatten().map(|(name, property)| {
            let value = match property.get("type").and_then(Value::as_str) {
                Some("string") => json!(engine),
                Some("number" | "integer") => json!(1),
                Some("boolean") => json!(true),
                Some("array") => json!([]),
                Some("object") => json!({}),
                Some(_) | None => Value::Null,
            };
            (name.clone(), value)
        });
        Call {
            name: function.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
            arguments: Value::Object(arguments.collect::<Map<_, _>>()),
        }
    }
}

// === impl Pace ===

impl Pace {
    /// Time between two tokens.
    pub(crate) fn step(self) -> Duration {
        if self.tokens_per_second <= 0.0 {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(self.tokens_per_second.recip()).unwrap_or_default()
    }

    /// Time to say everything.
    pub(crate) fn whole(self) -> Duration {
        let steps = u32::try_from(self.tokens.saturating_sub(1)).unwrap_or(u32::MAX);
        self.ttft.saturating_add(self.step().saturating_mul(steps))
    }
}

impl Default for Pace {
    fn default() -> Self {
        Pace { ttft: Duration::ZERO, tokens_per_second: 0.0, tokens: 16, early_head: false, apart: false }
    }
}

/// FNV-1a: short, stable, and good enough to tell requests apart.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
