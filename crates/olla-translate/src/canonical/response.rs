//! A whole answer.

use super::{Content, Delta, Event, Head};
use crate::json::Text;

/// A whole answer.
#[derive(Debug, Default)]
pub(crate) struct Response<'a> {
    pub(crate) blocks: Vec<Content<'a>>,
    /// Which of the blocks, a text, says that the model refuses, where the backend tells.
    pub(crate) refusal: Option<usize>,
    pub(crate) stop: Stop<'a>,
    pub(crate) usage: Option<Usage>,
}

/// Why an answer ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop<'a> {
    pub(crate) reason: StopReason,
    /// The text that ended it, if it was one of those that the client named.
    pub(crate) sequence: Option<Text<'a>>,
}

/// Why an answer ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum StopReason {
    #[default]
    EndTurn,
    MaxTokens,
    StopSequence,
    ToolUse,
    PauseTurn,
    Refusal,
    ContextWindow,
}

/// The tokens that an answer took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Read anew: neither from a cache nor written to one.
    pub input: u64,
    /// Read from a cache.
    pub cache_read: u64,
    /// Written to a cache.
    pub cache_write: u64,
    /// Written by the model, thoughts included.
    pub output: u64,
    /// Of these, thoughts, where the backend tells.
    pub reasoning: Option<u64>,
    /// How the answer was served, where the backend tells.
    pub tier: Option<ServiceTier>,
}

/// How an answer was served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServiceTier {
    /// As usual.
    Standard,
    /// Ahead of others.
    Priority,
}

// === impl Usage ===

impl Usage {
    /// Returns all tokens of the prompt.
    #[must_use]
    pub const fn prompt(&self) -> u64 {
        self.input.saturating_add(self.cache_read).saturating_add(self.cache_write)
    }

    /// Takes over what a later report knows better; it counts from the beginning of the answer.
    pub(crate) fn update(&mut self, later: Self) {
        let keep = |new: u64, old: u64| if new == 0 { old } else { new };
        self.input = if later.prompt() == 0 { self.input } else { later.input };
        self.cache_read = keep(later.cache_read, self.cache_read);
        self.cache_write = keep(later.cache_write, self.cache_write);
        self.output = keep(later.output, self.output);
        self.reasoning = later.reasoning.or(self.reasoning);
        self.tier = later.tier.or(self.tier);
    }
}

// === impl Response ===

impl Response<'_> {
    /// Tells the answer as the events of a stream.
    pub(crate) fn replay(&self, emit: &mut dyn FnMut(Event<'_>)) {
        emit(Event::Start { usage: self.usage });
        for ((index, block), at) in (0..).zip(&self.blocks).zip(0_usize..) {
            let (head, deltas) = match block {
                Content::Text(text) if self.refusal == Some(at) => {
                    (Head::Refusal, [Some(Delta::Text(text)), None])
                }
                Content::Text(text) => (Head::Text, [Some(Delta::Text(text)), None]),
                Content::Thinking { text, signature } => {
                    let signature = (!signature.is_empty()).then_some(Delta::Signature(signature));
                    (Head::Thinking, [Some(Delta::Thinking(text)), signature])
                }
                Content::RedactedThinking(data) => (Head::RedactedThinking(data), [None, None]),
                Content::ToolUse(call) => {
                    let head = Head::ToolUse { id: &call.id, name: &call.name, kind: call.kind };
                    (head, [Some(Delta::ToolInput(&call.input)), None])
                }
                Content::Image { .. }
                | Content::Document(_)
                | Content::ToolResult(_)
                | Content::Hosted(_)
                | Content::Foreign(_) => continue,
            };
            emit(Event::BlockStart { index, head });
            for delta in deltas.into_iter().flatten() {
                emit(Event::BlockDelta { index, delta });
            }
            emit(Event::BlockStop { index });
        }
        emit(Event::Finish { stop: &self.stop, usage: self.usage });
    }
}
