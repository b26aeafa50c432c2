//! About how many tokens a text has, without a tokenizer.
//!
//! Every model has a tokenizer of its own, and they differ by a fifth and more. This one imitates what those of
//! today have in common: how they cut a text into words, numbers, signs and spaces, and about how many tokens
//! each of these becomes. `tests/tokens` holds the corpus that it is held against.

mod text;

use crate::canonical::{Block, Content, DocumentSource, MediaSource, Request, Tool, ToolSort};

pub(crate) use text::estimate;

/// What the marks of a message's beginning and end take.
const PER_MESSAGE: u64 = 4;
/// What the frame of a tool's description takes.
const PER_TOOL: u64 = 8;
/// A picture of usual size, as Anthropic counts.
const PER_IMAGE: u64 = 1_300;
/// A page of a PDF document, as Anthropic counts, and about how many bytes of base64 it takes.
const PER_PAGE: u64 = 2_000;
const PAGE_BYTES: u64 = 60_000;

/// Returns about how many tokens so many bytes of prose are; at least one if there are any.
pub(crate) fn of_bytes(bytes: usize) -> u64 {
    u64::try_from(bytes.div_ceil(4)).unwrap_or(u64::MAX)
}

/// Returns about how many tokens the prompt of a request has, quickly: a quarter of its bytes.
pub(crate) fn of_request(request: &Request<'_>) -> u64 {
    sum(request, &|text| of_bytes(text.len()))
}

/// Returns about how many tokens the prompt of a request has, carefully.
pub(crate) fn count(request: &Request<'_>) -> u64 {
    let messages = u64::try_from(request.turns.len()).unwrap_or(u64::MAX);
    let system = u64::from(!request.system.is_empty());
    let tools = u64::try_from(request.tools.len()).unwrap_or(u64::MAX);
    let frames = messages.saturating_add(system).saturating_mul(PER_MESSAGE) + tools.saturating_mul(PER_TOOL);
    sum(request, &estimate).saturating_add(frames)
}

fn sum(request: &Request<'_>, measure: &dyn Fn(&str) -> u64) -> u64 {
    let turns = request.turns.iter().flat_map(|turn| &turn.blocks);
    let blocks: u64 = request.system.iter().chain(turns).map(|block| of_block(block, measure)).sum();
    let tools: u64 = request.tools.iter().map(|tool| of_tool(tool, measure)).sum();
    blocks.saturating_add(tools)
}

fn of_block(block: &Block<'_>, measure: &dyn Fn(&str) -> u64) -> u64 {
    match &block.content {
        Content::Text(text) | Content::Thinking { text, .. } => measure(text),
        Content::ToolUse(call) => measure(&call.name) + measure(&call.input),
        Content::ToolResult(result) => result.content.iter().map(|block| of_block(block, measure)).sum(),
        Content::Image { .. } => PER_IMAGE,
        Content::Document(document) => match &document.source {
            DocumentSource::Text(text) => measure(text),
            DocumentSource::Blocks(blocks) => blocks.iter().map(|block| of_block(block, measure)).sum(),
            DocumentSource::Media(MediaSource::Base64 { data, .. }) => {
                let bytes = u64::try_from(data.len()).unwrap_or(u64::MAX);
                (bytes / PAGE_BYTES + 1).saturating_mul(PER_PAGE)
            }
            DocumentSource::Media(MediaSource::Url(_) | MediaSource::File(_)) => PER_PAGE,
        },
        Content::RedactedThinking(data) => of_bytes(data.len()),
        Content::Hosted(_) | Content::Foreign(_) => 0,
    }
}

fn of_tool(tool: &Tool<'_>, measure: &dyn Fn(&str) -> u64) -> u64 {
    let schema = match &tool.sort {
        ToolSort::Function { schema, .. } => schema.as_deref().map_or(0, measure),
        ToolSort::Freeform { .. } | ToolSort::Hosted(_) => 0,
    };
    measure(&tool.name) + tool.description.as_deref().map_or(0, measure) + schema
}
