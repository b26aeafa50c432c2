//! What the writer of an answer has to know of the request.

use crate::{Stamp, tool_names::ToolNames};

/// What the writer of an answer has to know of the request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    /// The model, in the client's spelling.
    pub(crate) model: String,
    pub(crate) stamp: Stamp,
    pub(crate) names: ToolNames,
    /// About how many tokens the prompt has, for answers that begin before the backend has counted.
    pub(crate) prompt_tokens: u64,
    /// Whether a stream should end with the figures of usage, where a dialect leaves the choice.
    pub(crate) stream_usage: bool,
}
