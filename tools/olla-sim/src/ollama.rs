//! Ollama's own dialect: newline-delimited JSON that streams unless told not to, and durations in nanoseconds.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::model::Use;
use crate::openai;
use crate::pages::CONTEXT;
use crate::reply::{Dialect, Frame, Reply};
use crate::script::Script;
use crate::state::State;

/// The time of every answer: a constant, so that equal requests get equal bytes.
pub(crate) const CREATED_AT: &str = "2025-06-15T15:06:40Z";

pub(crate) fn chat(script: &Script, ask: &Ask) -> Reply {
    let message = |text: String| ("message", json!({"role": "assistant", "content": text}));
    match &script.call {
        Some(call) => {
            let calls = json!([{"function": {"name": call.name, "arguments": call.arguments}}]);
            let message = ("message", json!({"role": "assistant", "content": "", "tool_calls": calls}));
            let spoken = part(&script.model, message.clone());
            answer(script, ask, std::iter::once(spoken), &last_line(script, message))
        }
        None => {
            let whole = last_line(script, message(script.text()));
            let model = script.model.clone();
            let tokens = script.tokens().map(move |token| part(&model, message(token)));
            answer(script, ask, tokens, &whole)
        }
    }
}

pub(crate) fn generate(script: &Script, ask: &Ask) -> Reply {
    let whole = last_line(script, ("response", json!(script.text())));
    let model = script.model.clone();
    let tokens = script.tokens().map(move |token| part(&model, ("response", json!(token))));
    answer(script, ask, tokens, &whole)
}

pub(crate) fn embed(script: &Script, ask: &Ask) -> Reply {
    let vectors: Vec<_> =
        openai::inputs(&ask.input).into_iter().map(|input| openai::vector(&input.to_string())).collect();
    Reply::json(&json!({
        "model": script.model,
        "embeddings": vectors,
        "total_duration": 1_000_000,
        "load_duration": 100_000,
        "prompt_eval_count": script.prompt_tokens,
    }))
    .after(script.pace.ttft)
}

pub(crate) fn embeddings(ask: &Ask) -> Reply {
    Reply::json(&json!({"embedding": openai::vector(&ask.prompt.to_string())}))
}

pub(crate) fn show(script: &Script) -> Reply {
    Reply::json(&json!({
        "modelfile": format!("FROM {}\n", script.model),
        "parameters": "",
        "template": "{{ .Prompt }}",
        "details": details(),
        "model_info": {"general.architecture": "llama", "llama.context_length": CONTEXT},
        "capabilities": Use::of(&script.model).capabilities(),
        "modified_at": CREATED_AT,
    }))
}

#[derive(Deserialize)]
struct Copy {
    source: String,
    destination: String,
}

/// Gives a model a second name, as `ollama cp` does.
pub(crate) fn copy(state: &State, body: &[u8]) -> Reply {
    match serde_json::from_slice::<Copy>(body) {
        Err(error) => Dialect::Ollama.error(400, &error.to_string()),
        Ok(copy) if state.copy(&copy.source, &tagged(&copy.destination)) => Reply::empty(),
        Ok(copy) => Dialect::Ollama.error(404, &format!("model '{}' not found", copy.source)),
    }
}

/// A name without a tag gets the usual one.
fn tagged(name: &str) -> String {
    if name.contains(':') { name.to_owned() } else { format!("{name}:latest") }
}

pub(crate) fn details() -> Value {
    json!({
        "parent_model": "",
        "format": "gguf",
        "family": "llama",
        "families": ["llama"],
        "parameter_size": "3.2B",
        "quantization_level": "Q4_K_M",
    })
}

/// Either the streamed lines and a last one without text, or `whole` alone.
fn answer(
    script: &Script,
    ask: &Ask,
    lines: impl Iterator<Item = Value> + Send + 'static,
    whole: &Value,
) -> Reply {
    if ask.stream == Some(false) {
        return Reply::json(whole).after(script.pace.whole());
    }
    let mut last = whole.clone();
    if let Some(fields) = last.as_object_mut() {
        if let Some(message) = fields.get_mut("message") {
            *message = json!({"role": "assistant", "content": ""});
        }
        if let Some(text) = fields.get_mut("response") {
            *text = json!("");
        }
    }
    let frames = lines.map(|line| Frame::line(&line, true)).chain([Frame::line(&last, false)]);
    Reply::stream("application/x-ndjson", frames).paced(script)
}

fn part(model: &str, (key, value): (&str, Value)) -> Value {
    json!({"model": model, "created_at": CREATED_AT, key: value, "done": false})
}

/// The line that ends an answer, with its numbers.
fn last_line(script: &Script, field: (&str, Value)) -> Value {
    let mut line = part(&script.model, field);
    let nanos = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1);
    let (ttft, whole) = (script.pace.ttft, script.pace.whole());
    let numbers: [(&str, Value); 8] = [
        ("done", json!(true)),
        ("done_reason", json!(if script.was_limited { "length" } else { "stop" })),
        ("total_duration", json!(nanos(whole))),
        ("load_duration", json!(1_000)),
        ("prompt_eval_count", json!(script.prompt_tokens)),
        ("prompt_eval_duration", json!(nanos(ttft))),
        ("eval_count", json!(script.completion_tokens())),
        ("eval_duration", json!(nanos(whole.saturating_sub(ttft)))),
    ];
    if let Some(fields) = line.as_object_mut() {
        fields.extend(numbers.map(|(key, value)| (key.to_owned(), value)));
    }
    line
}
