//! Whole messages.

use bytes::BytesMut;

use super::{request::WireContent, stop, usage};
use crate::{
    Format, Unreadable,
    asked::Asked,
    backend_error::BackendError,
    canonical::{Content, Place, Response, Stop, Usage},
    json::{Object, RawValue, Text, record},
    tokens,
};

record! {
    /// A message.
    struct WireMessage<'a> {
        content: WireContent<'a> = "content",
        stop_reason: Option<Text<'a>> = "stop_reason",
        stop_sequence: Option<Text<'a>> = "stop_sequence",
        usage: Option<&'a RawValue> = "usage",
        error: Option<&'a RawValue> = "error",
        kind: Option<&'a RawValue> = "type",
        object: Option<&'a RawValue> = "object",
    }
}

/// Reads a whole message.
pub(crate) fn read(body: &str) -> Result<Response<'_>, Unreadable> {
    let malformed = |reason: String| Unreadable::Malformed { expected: Format::Messages.as_str(), reason };
    let wire: WireMessage<'_> = serde_json::from_str(body).map_err(|error| malformed(error.to_string()))?;
    if let Some(error) = BackendError::instead(body, wire.error, [wire.kind, wire.object]) {
        return Err(Unreadable::Error { status: error.likely_status(), message: error.message });
    }
    if matches!(wire.content, WireContent::Absent) {
        return Err(malformed("it has no content".into()));
    }
    let blocks = wire.content.read(Place::default());
    let usage: Option<usage::WireUsage> = crate::json::lenient(wire.usage);
    Ok(Response {
        refusal: None,
        blocks: blocks.into_iter().map(|block| block.content).collect(),
        stop: Stop {
            reason: stop::read(wire.stop_reason.as_deref().unwrap_or_default()),
            sequence: wire.stop_sequence,
        },
        usage: usage.map(|usage| usage.read()),
    })
}

/// Appends a whole message.
pub(crate) fn write(response: &Response<'_>, asked: &Asked, out: &mut BytesMut) {
    let mut body = Object::open(out);
    body.text("id", &asked.stamp.id("msg_01")).text("type", "message").text("role", "assistant");
    body.text("model", &asked.model);
    let mut content = body.array("content");
    let mut written = 0;
    for block in &response.blocks {
        written += block_bytes(block);
        match block {
            Content::Text(text) => {
                content.object().text("type", "text").text("text", text);
            }
            Content::Thinking { text, signature } => {
                let mut wire = content.object();
                wire.text("type", "thinking").text("thinking", text).text("signature", signature);
            }
            Content::RedactedThinking(data) => {
                content.object().text("type", "redacted_thinking").text("data", data);
            }
            Content::ToolUse(call) => {
                let mut wire = content.object();
                wire.text("type", "tool_use").text("id", &call.id);
                wire.text("name", asked.names.inward(&call.name));
                call.write_input("input", &mut wire);
            }
            Content::Image { .. }
            | Content::Document(_)
            | Content::ToolResult(_)
            | Content::Hosted(_)
            | Content::Foreign(_) => {}
        }
    }
    drop(content);
    stop::write(&response.stop, &mut body);
    let guess =
        || Usage { input: asked.prompt_tokens, output: tokens::of_bytes(written), ..Usage::default() };
    usage::write(&response.usage.unwrap_or_else(guess), &mut body);
}

fn block_bytes(block: &Content<'_>) -> usize {
    match block {
        Content::Text(text) | Content::Thinking { text, .. } => text.len(),
        Content::ToolUse(call) => call.input.len(),
        _ => 0,
    }
}
