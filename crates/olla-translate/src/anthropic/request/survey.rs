//! What has to be known of all messages before one is read.

use super::{WireBlock, WireContent, WireMessage};
use crate::json::{lenient, record};

record! {
    /// `citations` of a document.
    struct WireCitations<'a> {
        enabled: Option<bool> = "enabled",
    }
}

/// What the messages say of tools, and ask of the answer.
#[derive(Debug, Default)]
pub(super) struct Survey<'m> {
    /// Tools that a search has found, or that were called before.
    known: Vec<&'m str>,
    /// Whether the answer should cite documents.
    pub(super) cites: bool,
}

// === impl Survey ===

impl<'m> Survey<'m> {
    /// Looks through the messages.
    pub(super) fn of(messages: &'m [WireMessage<'_>]) -> Self {
        let mut survey = Self::default();
        messages.iter().for_each(|message| survey.content(&message.content));
        survey
    }

    /// Returns whether the model has come to know a tool by its name.
    pub(super) fn knows(&self, tool: &str) -> bool {
        self.known.contains(&tool)
    }

    fn content(&mut self, content: &'m WireContent<'_>) {
        if let WireContent::List(blocks) = content {
            blocks.iter().for_each(|block| self.block(block));
        }
    }

    fn block(&mut self, block: &'m WireBlock<'_>) {
        let citations: Option<WireCitations<'_>> = lenient(block.citations);
        self.cites |= citations.is_some_and(|citations| citations.enabled == Some(true));
        match block.kind.as_deref() {
            Some("tool_reference") => self.known.extend(block.tool_name.as_deref()),
            Some("tool_use") => self.known.extend(block.name.as_deref()),
            _ => self.content(&block.content),
        }
    }
}
