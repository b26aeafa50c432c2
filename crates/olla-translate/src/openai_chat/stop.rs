//! Why an answer ends.

use crate::{
    canonical::{Stop, StopReason},
    json::Object,
};

/// Writes `finish_reason` and, where one was met, the stop sequence, as vLLM does.
pub(super) fn write(stop: &Stop<'_>, choice: &mut Object<'_>) {
    let reason = match stop.reason {
        StopReason::EndTurn | StopReason::StopSequence | StopReason::PauseTurn => "stop",
        StopReason::MaxTokens | StopReason::ContextWindow => "length",
        StopReason::ToolUse => "tool_calls",
        StopReason::Refusal => "content_filter",
    };
    choice.text("finish_reason", reason);
    if let Some(sequence) = &stop.sequence {
        choice.text("stop_reason", sequence);
    }
}
