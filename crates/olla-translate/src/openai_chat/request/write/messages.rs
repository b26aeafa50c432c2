//! Writes the messages of a chat.

mod parts;

use crate::{
    Format, ThoughtField, Untranslatable,
    canonical::{Block, Content, Request, Role, ToolKind, ToolResult, ToolUse, Turn},
    freeform,
    json::{Array, Object},
    notes::Notes,
};
use parts::{Part, joined};

/// Writes `messages`.
pub(super) fn write(
    request: &Request<'_>,
    notes: &mut Notes<'_>,
    body: &mut Object<'_>,
) -> Result<(), Untranslatable> {
    let mut messages = body.array("messages");
    instructions(&request.system, "system", &mut messages)?;
    for turn in &request.turns {
        match turn.role {
            Role::System => {
                // Chat templates of many models fail on a late system message.
                let role = if notes.abilities.late_system { "system" } else { "user" };
                if instructions(&turn.blocks, role, &mut messages)? && role == "user" {
                    notes.dropped.note("system messages (sent as the user's)");
                }
            }
            Role::User => user(turn, notes, &mut messages)?,
            Role::Assistant => assistant(turn, notes, &mut messages)?,
        }
    }
    if messages.is_empty() {
        // Nobody has said anything, and no server takes a conversation without messages.
        messages.object().text("role", "user").text("content", "");
    }
    Ok(())
}

/// Instructions are text. Chat templates expect a single string. Returns whether there were some.
fn instructions(blocks: &[Block<'_>], role: &str, messages: &mut Array<'_>) -> Result<bool, Untranslatable> {
    let mut texts = Vec::with_capacity(blocks.len());
    for block in blocks {
        let Some(text) = block.as_text() else {
            return Err(Untranslatable::block(&block.content, block.place, Format::Chat));
        };
        if !text.is_empty() {
            texts.push(text);
        }
    }
    if !texts.is_empty() {
        let mut message = messages.object();
        message.text("role", role).texts("content", joined(&texts));
    }
    Ok(!texts.is_empty())
}

/// The results of tools come first, each a message of its own: they answer the calls right before.
fn user(turn: &Turn<'_>, notes: &mut Notes<'_>, messages: &mut Array<'_>) -> Result<(), Untranslatable> {
    let mut parts = vec![];
    for block in &turn.blocks {
        if let Content::ToolResult(result) = &block.content {
            tool(result, notes, &mut parts, messages)?;
        }
    }
    for block in &turn.blocks {
        if !matches!(block.content, Content::ToolResult(_)) {
            Part::read(block, notes, &mut parts)?;
        }
    }
    if !parts.is_empty() {
        let mut message = messages.object();
        message.text("role", "user");
        Part::write(&parts, &mut message);
    }
    Ok(())
}

/// Only text fits into the message of a tool. Its images follow in the message of the user.
fn tool<'r>(
    result: &'r ToolResult<'_>,
    notes: &mut Notes<'_>,
    after: &mut Vec<Part<'r>>,
    messages: &mut Array<'_>,
) -> Result<(), Untranslatable> {
    let mut parts = vec![];
    for block in &result.content {
        Part::read(block, notes, &mut parts)?;
    }
    let (texts, media): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| matches!(part, Part::Text(_)));
    let texts: Vec<&str> = texts.iter().filter_map(Part::as_text).collect();
    let mut message = messages.object();
    message.text("role", "tool").text("tool_call_id", &result.id);
    let begins = texts.first().and_then(|text| text.get(..5)).unwrap_or_default();
    let mark = if result.is_error && !begins.eq_ignore_ascii_case("error") { "Error: " } else { "" };
    let seen = if texts.is_empty() && !media.is_empty() { "The result is in the next message." } else { "" };
    message.texts("content", [mark, seen].into_iter().chain(joined(&texts)));
    if !media.is_empty() {
        notes.dropped.note("tool results (images sent as the user's)");
        after.push(Part::Text(format!("Result of tool call {}:", &*result.id).into()));
        after.extend(media);
    }
    Ok(())
}

fn assistant(turn: &Turn<'_>, notes: &mut Notes<'_>, messages: &mut Array<'_>) -> Result<(), Untranslatable> {
    let (mut texts, mut calls, mut thoughts) = (vec![], vec![], vec![]);
    for block in &turn.blocks {
        match &block.content {
            Content::Text(text) if text.is_empty() => {}
            Content::Text(text) => texts.push(&**text),
            Content::ToolUse(call) => calls.push(call),
            Content::Thinking { .. } | Content::RedactedThinking(_) => thoughts.push(&block.content),
            Content::Hosted(kind) => notes.dropped.note(kind.to_string()),
            Content::Image { .. } | Content::Document(_) | Content::ToolResult(_) | Content::Foreign(_) => {
                return Err(Untranslatable::block(&block.content, block.place, Format::Chat));
            }
        }
    }
    if texts.is_empty() && calls.is_empty() && thoughts.is_empty() {
        return Ok(());
    }
    let mut message = messages.object();
    message.text("role", "assistant");
    if texts.is_empty() && !calls.is_empty() {
        message.null("content");
    } else {
        message.texts("content", joined(&texts));
    }
    self::thoughts(&thoughts, notes, &mut message);
    if !calls.is_empty() {
        let mut list = message.array("tool_calls");
        calls.into_iter().for_each(|call| tool_call(call, notes, &mut list));
    }
    Ok(())
}

fn thoughts(thoughts: &[&Content<'_>], notes: &mut Notes<'_>, message: &mut Object<'_>) {
    let texts = thoughts.iter().filter_map(|thought| match thought {
        Content::Thinking { text, .. } if !text.is_empty() => Some(&**text),
        _ => None,
    });
    let texts: Vec<&str> = texts.collect();
    let field = match notes.abilities.thoughts {
        ThoughtField::ReasoningContent | ThoughtField::ThinkingBlocks => "reasoning_content",
        ThoughtField::Reasoning => "reasoning",
        ThoughtField::ByModel | ThoughtField::Nowhere => {
            if !thoughts.is_empty() {
                notes.dropped.note("thinking of earlier turns");
            }
            return;
        }
    };
    if !texts.is_empty() {
        message.texts(field, joined(&texts));
    }
    let blocks = notes.abilities.thoughts == ThoughtField::ThinkingBlocks;
    if blocks && !thoughts.is_empty() {
        let mut list = message.array("thinking_blocks");
        for thought in thoughts {
            let mut block = list.object();
            match thought {
                Content::Thinking { text, signature } => {
                    block.text("type", "thinking").text("thinking", text).text("signature", signature);
                }
                Content::RedactedThinking(data) => {
                    block.text("type", "redacted_thinking").text("data", data);
                }
                _ => {}
            }
        }
    } else if thoughts.iter().any(|thought| matches!(thought, Content::RedactedThinking(_))) {
        notes.dropped.note("redacted_thinking");
    }
}

fn tool_call(call: &ToolUse<'_>, notes: &mut Notes<'_>, list: &mut Array<'_>) {
    let mut wire = list.object();
    wire.text("id", &call.id).text("type", "function");
    let mut function = wire.object("function");
    function.text("name", &notes.names.outward(&call.name));
    match call.kind {
        ToolKind::Function => function.text("arguments", &call.input),
        ToolKind::Freeform => function.text("arguments", &freeform::arguments(&call.input)),
    };
}
