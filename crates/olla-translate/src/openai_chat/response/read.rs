//! Reads a whole chat completion.

use crate::{
    Format, Unreadable,
    canonical::{Content, Response, Stop, StopReason, ToolKind, ToolUse},
    json::Text,
    openai_chat::answer::{WireAnswer, WireCall, WireMessage, settle, stop_reason},
};

/// Reads a whole chat completion.
pub(crate) fn read(body: &str) -> Result<Response<'_>, Unreadable> {
    let malformed = |reason: String| Unreadable::Malformed { expected: Format::Chat.as_str(), reason };
    let answer: WireAnswer<'_> = serde_json::from_str(body).map_err(|error| malformed(error.to_string()))?;
    if let Some(error) = answer.error(body) {
        return Err(Unreadable::Error { status: error.likely_status(), message: error.message });
    }
    let usage = answer.usage();
    let Some(choice) = answer.choices.0 else { return Err(malformed("it has no choices".into())) };
    let sequence = choice.stop_sequence();
    let Some(message) = choice.message.or(choice.delta) else {
        return Err(malformed("its choice has no message".into()));
    };
    let refused = !message.refusal.0.is_empty();
    let blocks = blocks(message);
    let refusal = blocks.iter().rposition(|block| matches!(block, Content::Text(_))).filter(|_| refused);
    let has_calls = blocks.iter().any(|block| matches!(block, Content::ToolUse(_)));
    let Some(reason) = stop_reason(choice.finish_reason.0.as_deref().unwrap_or("stop")) else {
        let message = "it ended with an error".to_owned();
        return Err(Unreadable::Error { status: 502, message });
    };
    let reason = match (reason, &sequence) {
        (StopReason::EndTurn, Some(_)) => StopReason::StopSequence,
        (reason, _) => reason,
    };
    let reason = settle(reason, has_calls, refused);
    let sequence = sequence.filter(|_| reason == StopReason::StopSequence).map(Text::from);
    Ok(Response { blocks, refusal, stop: Stop { reason, sequence }, usage })
}

/// Thoughts come first, then text, then calls.
fn blocks(mut message: WireMessage<'_>) -> Vec<Content<'_>> {
    let mut blocks = vec![];
    let thoughts = message.thoughts();
    for thought in std::mem::take(&mut message.thinking_blocks) {
        match (thought.thinking, thought.data) {
            (Some(text), _) => {
                blocks.push(Content::Thinking { text, signature: thought.signature.unwrap_or_default() });
            }
            (None, Some(data)) => blocks.push(Content::RedactedThinking(data)),
            (None, None) => {}
        }
    }
    if blocks.is_empty() && !thoughts.is_empty() {
        blocks.push(Content::Thinking { text: thoughts, signature: Text::default() });
    }
    let texts = [message.content.0, message.refusal.0];
    blocks.extend(texts.into_iter().filter(|text| !text.is_empty()).map(Content::Text));
    let old =
        message.function_call.0.map(|function| WireCall { function: Some(function), ..WireCall::default() });
    for call in message.tool_calls.into_iter().chain(old) {
        let kind = if call.custom.is_some() { ToolKind::Freeform } else { ToolKind::Function };
        let Some(function) = call.function.or(call.custom) else { continue };
        blocks.push(Content::ToolUse(ToolUse {
            id: call.id.0.unwrap_or_default(),
            input: function.arguments().clone(),
            name: function.name.unwrap_or_default(),
            kind,
        }));
    }
    blocks
}
