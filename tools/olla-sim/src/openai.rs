//! The OpenAI dialect: chat, completions, embeddings.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::reply::{Frame, Reply};
use crate::script::{Call, Script, fnv1a};

/// The time of every answer: a constant, so that equal requests get equal bytes.
pub(crate) const CREATED: u64 = 1_750_000_000;
const DIMENSIONS: usize = 8;
const DONE: &[u8] = b"data: [DONE]\n\n";

pub(crate) fn chat(script: &Script, ask: &Ask) -> Reply {
    if ask.stream == Some(true) {
        return chat_stream(script, ask).paced(script);
    }
    let (message, finish) = match &script.call {
        Some(call) => (call_message(script, call), "tool_calls"),
        None => (json!({"role": "assistant", "content": script.text()}), finish(script)),
    };
    let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": finish});
    whole(script, "chat.completion", "chatcmpl", &choice)
}

pub(crate) fn completion(script: &Script, ask: &Ask) -> Reply {
    if ask.stream == Some(true) {
        return completion_stream(script, ask).paced(script);
    }
    let choice =
        json!({"index": 0, "text": script.text(), "logprobs": null, "finish_reason": finish(script)});
    whole(script, "text_completion", "cmpl", &choice)
}

pub(crate) fn embeddings(script: &Script, ask: &Ask) -> Reply {
    let wants_base64 = ask.encoding_format.as_deref() == Some("base64");
    let data = inputs(&ask.input).into_iter().enumerate().map(|(index, input)| {
        let vector = vector(&input.to_string());
        let embedding = if wants_base64 {
            json!(BASE64.encode(vector.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>()))
        } else {
            json!(vector)
        };
        json!({"object": "embedding", "index": index, "embedding": embedding})
    });
    Reply::json(&json!({
        "object": "list",
        "data": data.collect::<Vec<_>>(),
        "model": script.model,
        "usage": {"prompt_tokens": script.prompt_tokens, "total_tokens": script.prompt_tokens},
    }))
    .after(script.pace.ttft)
}

/// The texts to embed: one, or one for each element of a list; a list of numbers is one tokenised text.
pub(crate) fn inputs(input: &Value) -> Vec<&Value> {
    match input {
        Value::Array(many) if !many.iter().all(Value::is_number) => many.iter().collect(),
        one => vec![one],
    }
}

/// A vector that depends on the text only.
pub(crate) fn vector(text: &str) -> [f32; DIMENSIONS] {
    let hash = fnv1a(text.as_bytes()).to_le_bytes();
    hash.map(|byte| (f32::from(byte) - 127.5) / 127.5)
}

fn whole(script: &Script, object: &str, prefix: &str, choice: &Value) -> Reply {
    Reply::json(&json!({
        "id": format!("{prefix}-{}", script.id),
        "object": object,
        "created": CREATED,
        "model": script.model,
        "choices": [choice],
        "usage": usage(script),
    }))
    .after(script.pace.whole())
}

fn chat_stream(script: &Script, ask: &Ask) -> Reply {
    let chunk = Chunks::new(script, "chat.completion.chunk", "chatcmpl");
    let (deltas, finish): (Box<dyn Iterator<Item = Value> + Send>, _) = match &script.call {
        Some(call) => (Box::new(call_pieces(script, call).into_iter()), "tool_calls"),
        None => (Box::new(script.tokens().map(|token| json!({"content": token}))), finish(script)),
    };
    let first = chunk.delta(&json!({"role": "assistant", "content": ""}), false);
    let last = chunk.frame(&json!({"index": 0, "delta": {}, "finish_reason": finish}), false);
    let tail = chunk.tail(script, ask);
    let middle = deltas.map(move |delta| chunk.delta(&delta, true));
    Reply::events(std::iter::once(first).chain(middle).chain([last]).chain(tail))
}

fn completion_stream(script: &Script, ask: &Ask) -> Reply {
    let chunk = Chunks::new(script, "text_completion", "cmpl");
    let last = chunk
        .frame(&json!({"index": 0, "text": "", "logprobs": null, "finish_reason": finish(script)}), false);
    let tail = chunk.tail(script, ask);
    let tokens = script.tokens().map(move |token| {
        chunk.frame(&json!({"index": 0, "text": token, "logprobs": null, "finish_reason": null}), true)
    });
    Reply::events(tokens.chain([last]).chain(tail))
}

/// What the chunks of one stream have in common.
struct Chunks {
    id: String,
    object: &'static str,
    model: String,
}

impl Chunks {
    fn new(script: &Script, object: &'static str, prefix: &str) -> Self {
        Chunks { id: format!("{prefix}-{}", script.id), object, model: script.model.clone() }
    }

    fn with(&self, choices: &Value) -> Value {
        json!({"id": self.id, "object": self.object, "created": CREATED, "model": self.model, "choices": choices})
    }

    fn frame(&self, choice: &Value, is_token: bool) -> Frame {
        Frame::data(&self.with(&json!([choice])), is_token)
    }

    fn delta(&self, delta: &Value, is_token: bool) -> Frame {
        self.frame(&json!({"index": 0, "delta": delta, "finish_reason": null}), is_token)
    }

    /// The usage chunk if the client wants one, and the end mark.
    fn tail(&self, script: &Script, ask: &Ask) -> Vec<Frame> {
        let mut tail = Vec::with_capacity(2);
        if ask.wants_usage() {
            let mut chunk = self.with(&json!([]));
            if let Some(fields) = chunk.as_object_mut() {
                fields.insert("usage".to_owned(), usage(script));
            }
            tail.push(Frame::data(&chunk, false));
        }
        tail.push(Frame { bytes: DONE.into(), is_token: false });
        tail
    }
}

fn usage(script: &Script) -> Value {
    let (prompt, completion) = (script.prompt_tokens, script.completion_tokens());
    json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion})
}

fn finish(script: &Script) -> &'static str {
    if script.was_limited { "length" } else { "stop" }
}

fn call_message(script: &Script, call: &Call) -> Value {
    let function = json!({"name": call.name, "arguments": call.arguments.to_string()});
    let calls = json!([{"id": format!("call-{}", script.id), "type": "function", "function": function}]);
    json!({"role": "assistant", "content": null, "tool_calls": calls})
}

/// The deltas of a streamed call: name first, then the arguments in two halves.
fn call_pieces(script: &Script, call: &Call) -> Vec<Value> {
    let id = format!("call-{}", script.id);
    let arguments = call.arguments.to_string();
    let middle =
        (0..=arguments.len() / 2).rev().find(|index| arguments.is_char_boundary(*index)).unwrap_or(0);
    let (one, two) = arguments.split_at(middle);
    let head =
        json!({"index": 0, "id": id, "type": "function", "function": {"name": call.name, "arguments": ""}});
    let part = |text: &str| json!({"index": 0, "function": {"arguments": text}});
    [head, part(one), part(two)].map(|call| json!({"tool_calls": [call]})).into()
}
