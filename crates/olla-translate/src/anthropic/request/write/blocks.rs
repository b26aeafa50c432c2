//! Writes content blocks.

use std::borrow::Cow;

use crate::{
    Format, Untranslatable,
    canonical::{Block, Content, Document, DocumentSource, MediaSource, ToolResult},
    json::{Array, Object},
    notes::Notes,
};

/// Returns whether a block is the result of a tool.
pub(super) fn is_result(block: &Block<'_>) -> bool {
    matches!(block.content, Content::ToolResult(_))
}

/// Returns whether a block is sent. Anthropic refuses empty texts, and thoughts that it has not signed.
pub(super) fn is_written(block: &Block<'_>) -> bool {
    match &block.content {
        Content::Text(text) => !text.trim().is_empty(),
        Content::Thinking { signature, .. } => !signature.is_empty(),
        Content::Hosted(_) => false,
        Content::Image { .. }
        | Content::Document(_)
        | Content::ToolUse(_)
        | Content::ToolResult(_)
        | Content::RedactedThinking(_)
        | Content::Foreign(_) => true,
    }
}

/// Notes a block that is not sent, if it is missed.
pub(super) fn note_skipped(block: &Block<'_>, notes: &mut Notes<'_>) {
    match &block.content {
        Content::Thinking { signature, .. } if signature.is_empty() => {
            notes.dropped.note("thinking without a signature");
        }
        Content::Hosted(kind) => notes.dropped.note(kind.to_string()),
        _ => {}
    }
}

/// Returns a text as Anthropic takes it: what the model has to go on with must not end in white space.
pub(super) fn trimmed(text: &str, is_prefill: bool) -> &str {
    if is_prefill { text.trim_end() } else { text }
}

/// Writes a block.
pub(super) fn write(
    block: &Block<'_>,
    is_prefill: bool,
    notes: &mut Notes<'_>,
    list: &mut Array<'_>,
) -> Result<(), Untranslatable> {
    match &block.content {
        Content::Text(text) => {
            list.object().text("type", "text").text("text", trimmed(text, is_prefill));
        }
        Content::Image { source, .. } if notes.abilities.images => {
            let mut wire = list.object();
            wire.text("type", "image");
            media(source, &mut wire.object("source"));
        }
        Content::Document(document) => return self::document(document, notes, list),
        Content::ToolUse(call) => {
            let mut wire = list.object();
            wire.text("type", "tool_use").text("id", &id(&call.id));
            wire.text("name", &notes.names.outward(&call.name));
            call.write_input("input", &mut wire);
        }
        Content::ToolResult(result) => return tool_result(result, notes, list),
        Content::Thinking { text, signature } => {
            let mut wire = list.object();
            wire.text("type", "thinking").text("thinking", text).text("signature", signature);
        }
        Content::RedactedThinking(data) => {
            list.object().text("type", "redacted_thinking").text("data", data);
        }
        Content::Image { .. } => return Err(Untranslatable::unseen(block.place, Format::Messages)),
        Content::Hosted(_) | Content::Foreign(_) => {
            return Err(Untranslatable::block(&block.content, block.place, Format::Messages));
        }
    }
    Ok(())
}

fn document(
    document: &Document<'_>,
    notes: &mut Notes<'_>,
    list: &mut Array<'_>,
) -> Result<(), Untranslatable> {
    let mut wire = list.object();
    wire.text("type", "document");
    match &document.source {
        DocumentSource::Media(source) => media(source, &mut wire.object("source")),
        DocumentSource::Text(text) => {
            let mut source = wire.object("source");
            source.text("type", "text").text("media_type", "text/plain").text("data", text);
        }
        DocumentSource::Blocks(blocks) => {
            let mut source = wire.object("source");
            source.text("type", "content");
            let mut list = source.array("content");
            for block in blocks {
                write(block, false, notes, &mut list)?;
            }
        }
    }
    for (key, value) in [("title", &document.title), ("context", &document.context)] {
        if let Some(value) = value {
            wire.text(key, value);
        }
    }
    Ok(())
}

fn media(source: &MediaSource<'_>, wire: &mut Object<'_>) {
    match source {
        MediaSource::Base64 { media_type, data } => {
            wire.text("type", "base64").text("media_type", media_type).text("data", data);
        }
        MediaSource::Url(url) => {
            wire.text("type", "url").text("url", url);
        }
        MediaSource::File(file) => {
            wire.text("type", "file").text("file_id", file);
        }
    }
}

fn tool_result(
    result: &ToolResult<'_>,
    notes: &mut Notes<'_>,
    list: &mut Array<'_>,
) -> Result<(), Untranslatable> {
    let mut wire = list.object();
    wire.text("type", "tool_result").text("tool_use_id", &id(&result.id));
    match &*result.content {
        [] => {}
        [only] if only.as_text().is_some() => {
            wire.text("content", only.as_text().unwrap_or_default());
        }
        blocks => {
            let mut list = wire.array("content");
            for block in blocks.iter().filter(|block| is_written(block)) {
                write(block, false, notes, &mut list)?;
            }
        }
    }
    if result.is_error {
        wire.flag("is_error", true);
    }
    Ok(())
}

/// Anthropic takes ids of letters, digits, `_` and `-`. Other servers write what they like.
fn id(id: &str) -> Cow<'_, str> {
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !id.is_empty() && id.chars().all(fine) {
        return Cow::Borrowed(id);
    }
    let mut plain = String::with_capacity(id.len() + 8);
    for c in id.chars() {
        // Every character has a spelling of its own, so that ids stay apart.
        if fine(c) { plain.push(c) } else { plain.push_str(&format!("-{:x}-", u32::from(c))) }
    }
    if plain.is_empty() { Cow::Borrowed("call") } else { Cow::Owned(plain) }
}
