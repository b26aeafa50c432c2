//! The Anthropic dialect: messages, whole and streamed, and the token count.

use serde_json::{Value, json};

use crate::ask::Ask;
use crate::reply::{Frame, Reply};
use crate::script::Script;

pub(crate) fn messages(script: &Script, ask: &Ask) -> Reply {
    if ask.stream == Some(true) {
        return stream(script).paced(script);
    }
    let content = match &script.call {
        Some(call) => {
            json!({"type": "tool_use", "id": tool_id(script), "name": call.name, "input": call.arguments})
        }
        None => json!({"type": "text", "text": script.text()}),
    };
    let mut message = envelope(script, &json!([content]), script.completion_tokens());
    if let Some(fields) = message.as_object_mut() {
        fields.insert("stop_reason".to_owned(), json!(stop_reason(script)));
    }
    Reply::json(&message).after(script.pace.whole())
}

pub(crate) fn count_tokens(script: &Script) -> Reply {
    Reply::json(&json!({"input_tokens": script.prompt_tokens}))
}

fn stream(script: &Script) -> Reply {
    let start = json!({"type": "message_start", "message": envelope(script, &json!([]), 0)});
    let block = match &script.call {
        Some(call) => json!({"type": "tool_use", "id": tool_id(script), "name": call.name, "input": {}}),
        None => json!({"type": "text", "text": ""}),
    };
    let opening = [
        event(&start, false),
        event(&json!({"type": "content_block_start", "index": 0, "content_block": block}), false),
        event(&json!({"type": "ping"}), false),
    ];
    let deltas: Box<dyn Iterator<Item = Value> + Send> = match &script.call {
        Some(call) => {
            let arguments = call.arguments.to_string();
            Box::new(std::iter::once(json!({"type": "input_json_delta", "partial_json": arguments})))
        }
        None => Box::new(script.tokens().map(|token| json!({"type": "text_delta", "text": token}))),
    };
    let deltas =
        deltas.map(|delta| event(&json!({"type": "content_block_delta", "index": 0, "delta": delta}), true));
    let stop = json!({"stop_reason": stop_reason(script), "stop_sequence": null});
    let usage = json!({"output_tokens": script.completion_tokens()});
    let closing = [
        event(&json!({"type": "content_block_stop", "index": 0}), false),
        event(&json!({"type": "message_delta", "delta": stop, "usage": usage}), false),
        event(&json!({"type": "message_stop"}), false),
    ];
    Reply::events(opening.into_iter().chain(deltas).chain(closing))
}

/// An event bears the name of its type.
fn event(data: &Value, is_token: bool) -> Frame {
    let name = data.get("type").and_then(Value::as_str).unwrap_or_default();
    Frame::event(name, data, is_token)
}

fn envelope(script: &Script, content: &Value, output_tokens: usize) -> Value {
    json!({
        "id": format!("msg_{}", script.id),
        "type": "message",
        "role": "assistant",
        "model": script.model,
        "content": content,
        "stop_reason": null,
        "stop_sequence": null,
        "usage": {"input_tokens": script.prompt_tokens, "output_tokens": output_tokens},
    })
}

fn stop_reason(script: &Script) -> &'static str {
    match (&script.call, script.was_limited) {
        (Some(_), _) => "tool_use",
        (None, true) => "max_tokens",
        (None, false) => "end_turn",
    }
}

fn tool_id(script: &Script) -> String {
    format!("toolu_{}", script.id)
}
