//! Clients of one format over backends of another: who is asked how, and what comes back.

mod asking;
mod beside_messages;
mod failures;
mod streams;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use olla_core::{Failure, Formats, Outcome, Version};
use serde_json::{Value, json};

use crate::support::{Backend, Plan, Stage, Told, answer, get, millis, ok, pass, post, soon, stop_the_clock};

const MESSAGES: &str = "/olla/anthropic/v1/messages";
const CHAT_ANSWER: &str = r#"{"choices":[{"message":{"content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#;
const MESSAGE: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"hello"}],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":2}}"#;
const WORD: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"well\"}}]}\n\n";
const END: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
const ERROR: &str = "data: {\"error\":{\"message\":\"out of memory\"}}\n\n";

/// Endpoints that speak only chat: of a kind that does not list any path of Anthropic's.
fn over_chat(backends: &[&Backend]) -> Plan {
    let mut plan = Plan::over(backends);
    for position in 0..backends.len() {
        plan.kind(position, "lmdeploy");
    }
    plan
}

fn message(fields: &Value) -> Request<Full<Bytes>> {
    let mut body = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    post(MESSAGES, &body.to_string())
}

fn error(told: &Told) -> (u16, String, String) {
    let body = told.json();
    let text = |key: &str| body["error"][key].as_str().unwrap().to_owned();
    (told.status.as_u16(), text("type"), text("message"))
}
