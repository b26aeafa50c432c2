//! The model of a conversation that all dialects are read into and written from.
//!
//! A dialect is a reader and a writer of it, for requests, whole answers and streams. It borrows from the body
//! that was read. Tokens are counted as Anthropic does: the input without what came from a cache.

mod content;
mod event;
mod request;
mod response;

pub(crate) use content::{
    Block, Content, Document, DocumentSource, MediaSource, Place, ToolKind, ToolResult, ToolUse,
};
pub(crate) use event::{Delta, Event, Failure, Head};
pub(crate) use request::{
    Effort, OutputFormat, Reasoning, Request, Role, Sampling, Thinking, Tool, ToolChoice, ToolSort, Turn,
    retain_allowed,
};
pub(crate) use response::{Response, Stop, StopReason};
pub use response::{ServiceTier, Usage};
