//! What a writer of requests goes by, and what it leaves behind for the answer.

use crate::{Abilities, Dropped, tool_names::ToolNames};

/// What a writer of requests goes by, and what it leaves behind for the answer.
#[derive(Debug)]
pub(crate) struct Notes<'a> {
    pub(crate) abilities: &'a Abilities,
    pub(crate) dropped: Dropped,
    pub(crate) names: ToolNames,
}

// === impl Notes ===

impl<'a> Notes<'a> {
    /// Begins with what the backend understands.
    pub(crate) fn new(abilities: &'a Abilities) -> Self {
        Self { abilities, dropped: Dropped::default(), names: ToolNames::new(abilities.tool_name_limit) }
    }
}
