//! Writes whole answers, and what all answers end with.

use std::time::Duration;

use bytes::BytesMut;

use super::Api;
use crate::{
    asked::Asked,
    canonical::{Content, Response, Stop, StopReason, ToolUse, Usage},
    json::{Array, Object},
    stamp::Rfc3339,
    tokens,
};

/// How long an answer took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Timing {
    /// Until the model began to answer.
    pub(super) prompt: Duration,
    /// From the request to the end of the answer.
    pub(super) total: Duration,
}

/// Appends a whole answer.
pub(crate) fn write(response: &Response<'_>, asked: &Asked, api: Api, out: &mut BytesMut) {
    let mut body = Object::open(out);
    head(asked, &mut body);
    let (mut text, mut thoughts) = (vec![], vec![]);
    let mut calls = vec![];
    for block in &response.blocks {
        match block {
            Content::Text(piece) => text.push(&**piece),
            Content::Thinking { text, .. } => thoughts.push(&**text),
            Content::ToolUse(call) => calls.push(call),
            _ => {}
        }
    }
    let written = text.iter().chain(&thoughts).map(|piece| piece.len()).sum::<usize>()
        + calls.iter().map(|call| call.input.len()).sum::<usize>();
    match api {
        Api::Chat => {
            let mut message = body.object("message");
            message.text("role", "assistant").texts("content", text);
            if !thoughts.is_empty() {
                message.texts("thinking", thoughts);
            }
            if !calls.is_empty() {
                let mut list = message.array("tool_calls");
                for (at, call) in (0..).zip(calls) {
                    tool_call(at, call, asked, &mut list);
                }
            }
        }
        Api::Generate => {
            body.texts("response", text);
            if !thoughts.is_empty() {
                body.texts("thinking", thoughts);
            }
        }
    }
    let timing = Timing { prompt: Duration::ZERO, total: asked.elapsed };
    let guess =
        || Usage { input: asked.prompt_tokens, output: tokens::of_bytes(written), ..Usage::default() };
    done(&response.stop, &response.usage.unwrap_or_else(guess), timing, &mut body);
}

/// Writes what every line begins with.
pub(super) fn head(asked: &Asked, body: &mut Object<'_>) {
    let now = asked.stamp.unix_seconds.saturating_add(asked.elapsed.as_secs());
    body.text("model", &asked.model).display("created_at", format_args!("\"{}\"", Rfc3339(now)));
}

/// Writes what an answer ends with.
pub(super) fn done(stop: &Stop<'_>, usage: &Usage, timing: Timing, body: &mut Object<'_>) {
    let reason = match stop.reason {
        StopReason::MaxTokens | StopReason::ContextWindow => "length",
        StopReason::EndTurn
        | StopReason::StopSequence
        | StopReason::ToolUse
        | StopReason::PauseTurn
        | StopReason::Refusal => "stop",
    };
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    body.flag("done", true).text("done_reason", reason);
    body.number("total_duration", nanos(timing.total)).number("load_duration", 0);
    body.number("prompt_eval_count", usage.prompt()).number("prompt_eval_duration", nanos(timing.prompt));
    body.number("eval_count", usage.output);
    body.number("eval_duration", nanos(timing.total.saturating_sub(timing.prompt)));
}

/// Writes a call of a tool.
pub(super) fn tool_call(at: u64, call: &ToolUse<'_>, asked: &Asked, list: &mut Array<'_>) {
    let mut wire = list.object();
    wire.text("id", &call.id);
    let mut function = wire.object("function");
    function.number("index", at).text("name", asked.names.inward(&call.name));
    call.write_input("arguments", &mut function);
}
