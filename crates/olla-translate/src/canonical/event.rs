//! The events of a streamed answer.

use std::borrow::Cow;

use super::{Stop, ToolKind, Usage};
use crate::ErrorFacts;

/// One event of a stream. Blocks come one after the other: one ends before the next starts.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// The answer begins.
    Start { usage: Option<Usage> },
    /// A block begins.
    BlockStart { index: u32, head: Head<'a> },
    /// The block goes on.
    BlockDelta { index: u32, delta: Delta<'a> },
    /// The block is complete.
    BlockStop { index: u32 },
    /// The answer is complete. Nothing follows.
    Finish { stop: &'a Stop<'a>, usage: Option<Usage> },
    /// The backend is still there.
    Ping,
    /// The answer breaks off. Nothing follows.
    Error(Failure),
}

/// How a block begins.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Head<'a> {
    Text,
    /// A text that says that the model refuses.
    Refusal,
    Thinking,
    RedactedThinking(&'a str),
    ToolUse {
        id: &'a str,
        name: &'a str,
        kind: ToolKind,
    },
}

/// How a block goes on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Delta<'a> {
    Text(&'a str),
    Thinking(&'a str),
    Signature(&'a str),
    ToolInput(&'a str),
}

/// Why an answer broke off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The HTTP status that it would have had.
    pub(crate) status: u16,
    /// The stable name of the error.
    pub(crate) code: Cow<'static, str>,
    /// What happened, for people.
    pub(crate) message: String,
}

// === impl Failure ===

impl Failure {
    /// Makes the failure of a backend that did not do what its format asks for.
    pub(crate) fn bad_gateway(code: &'static str, message: &str) -> Self {
        Self { status: 502, code: code.into(), message: message.to_owned() }
    }

    /// Makes the failure of a stream that ended too early.
    pub(crate) fn truncated() -> Self {
        Self::bad_gateway("truncated_answer", "the backend ended its answer before it was complete")
    }
}

impl From<&ErrorFacts<'_>> for Failure {
    fn from(facts: &ErrorFacts<'_>) -> Self {
        Self { status: facts.status, code: facts.code.to_owned().into(), message: facts.message.to_owned() }
    }
}
