//! About how many tokens a text has, without a tokenizer.

use crate::canonical::{Block, Content, Request, Tool, ToolSort};

/// Returns about how many tokens so many bytes of prose are; at least one if there are any.
pub(crate) fn of_bytes(bytes: usize) -> u64 {
    u64::try_from(bytes.div_ceil(4)).unwrap_or(u64::MAX)
}

/// Returns about how many tokens the prompt of a request has.
pub(crate) fn of_request(request: &Request<'_>) -> u64 {
    let turns = request.turns.iter().flat_map(|turn| &turn.blocks);
    let blocks: usize = request.system.iter().chain(turns).map(bytes_of_block).sum();
    let tools: usize = request.tools.iter().map(bytes_of_tool).sum();
    of_bytes(blocks + tools)
}

fn bytes_of_block(block: &Block<'_>) -> usize {
    match &block.content {
        Content::Text(text) | Content::Thinking { text, .. } => text.len(),
        Content::ToolUse(call) => call.name.len() + call.input.len(),
        Content::ToolResult(result) => result.content.iter().map(bytes_of_block).sum(),
        _ => 0,
    }
}

fn bytes_of_tool(tool: &Tool<'_>) -> usize {
    let schema = match &tool.sort {
        ToolSort::Function { schema, .. } => schema.as_deref().map_or(0, str::len),
        ToolSort::Freeform | ToolSort::Hosted(_) => 0,
    };
    tool.name.len() + tool.description.as_deref().map_or(0, str::len) + schema
}
