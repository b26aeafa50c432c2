//! Writes a whole chat completion.

use bytes::BytesMut;

use crate::{
    asked::Asked,
    canonical::{Content, Response, ToolKind, ToolUse, Usage},
    json::{Array, Object},
    openai_chat::{stop, usage},
    tokens,
};

/// Appends a whole chat completion.
pub(crate) fn write(response: &Response<'_>, asked: &Asked, out: &mut BytesMut) {
    let mut body = Object::open(out);
    body.text("id", &asked.stamp.id("chatcmpl-")).text("object", "chat.completion");
    body.number("created", asked.stamp.unix_seconds).text("model", &asked.model);
    let mut choices = body.array("choices");
    let mut choice = choices.object();
    choice.number("index", 0);
    message(&response.blocks, asked, &mut choice);
    choice.null("logprobs");
    stop::write(&response.stop, &mut choice);
    drop(choice);
    drop(choices);
    let written = response.blocks.iter().map(said_bytes).sum();
    let guess =
        || Usage { input: asked.prompt_tokens, output: tokens::of_bytes(written), ..Usage::default() };
    usage::write(&response.usage.unwrap_or_else(guess), &mut body);
}

fn said_bytes(block: &Content<'_>) -> usize {
    match block {
        Content::Text(text) | Content::Thinking { text, .. } => text.len(),
        Content::ToolUse(call) => call.input.len(),
        _ => 0,
    }
}

fn message(blocks: &[Content<'_>], asked: &Asked, choice: &mut Object<'_>) {
    let mut message = choice.object("message");
    message.text("role", "assistant");
    let texts = || {
        blocks.iter().filter_map(|block| if let Content::Text(text) = block { Some(&**text) } else { None })
    };
    let calls: Vec<_> = blocks
        .iter()
        .filter_map(|b| if let Content::ToolUse(call) = b { Some(call) } else { None })
        .collect();
    if texts().next().is_none() && !calls.is_empty() {
        message.null("content");
    } else {
        message.texts("content", texts());
    }
    message.null("refusal");
    thoughts(blocks, &mut message);
    if !calls.is_empty() {
        let mut list = message.array("tool_calls");
        calls.into_iter().for_each(|call| tool_call(call, asked, &mut list));
    }
}

/// Thoughts are told as text, and with their signatures, so that they can be sent back.
fn thoughts(blocks: &[Content<'_>], message: &mut Object<'_>) {
    let texts = || {
        blocks
            .iter()
            .filter_map(|b| if let Content::Thinking { text, .. } = b { Some(&**text) } else { None })
    };
    if texts().next().is_some() {
        message.texts("reasoning_content", texts());
    }
    let is_proof = |block: &&Content<'_>| match block {
        Content::Thinking { signature, .. } => !signature.is_empty(),
        Content::RedactedThinking(_) => true,
        _ => false,
    };
    if !blocks.iter().any(|block| is_proof(&block)) {
        return;
    }
    let mut list = message.array("thinking_blocks");
    for block in blocks.iter().filter(is_proof) {
        match block {
            Content::Thinking { text, signature } => {
                let mut wire = list.object();
                wire.text("type", "thinking").text("thinking", text).text("signature", signature);
            }
            Content::RedactedThinking(data) => {
                list.object().text("type", "redacted_thinking").text("data", data);
            }
            _ => {}
        }
    }
}

fn tool_call(call: &ToolUse<'_>, asked: &Asked, list: &mut Array<'_>) {
    let mut wire = list.object();
    wire.text("id", &call.id);
    let name = asked.names.inward(&call.name);
    match call.kind {
        ToolKind::Function => {
            wire.text("type", "function");
            let arguments = if call.input.is_empty() { "{}" } else { &*call.input };
            wire.object("function").text("name", name).text("arguments", arguments);
        }
        ToolKind::Freeform => {
            wire.text("type", "custom");
            wire.object("custom").text("name", name).text("input", &call.input);
        }
    }
}
