//! Why an answer ends.

use crate::{
    canonical::{Stop, StopReason},
    json::Object,
};

/// Reads `stop_reason`. Reasons to come are read as the end of a turn.
pub(super) fn read(name: &str) -> StopReason {
    match name {
        "max_tokens" => StopReason::MaxTokens,
        "stop_sequence" => StopReason::StopSequence,
        "tool_use" => StopReason::ToolUse,
        "pause_turn" => StopReason::PauseTurn,
        "refusal" => StopReason::Refusal,
        "model_context_window_exceeded" => StopReason::ContextWindow,
        _ => StopReason::EndTurn,
    }
}

/// Writes `stop_reason` and `stop_sequence`.
pub(super) fn write(stop: &Stop<'_>, object: &mut Object<'_>) {
    let reason = match stop.reason {
        StopReason::EndTurn => "end_turn",
        StopReason::MaxTokens => "max_tokens",
        StopReason::StopSequence => "stop_sequence",
        StopReason::ToolUse => "tool_use",
        StopReason::PauseTurn => "pause_turn",
        StopReason::Refusal => "refusal",
        StopReason::ContextWindow => "model_context_window_exceeded",
    };
    object.text("stop_reason", reason);
    match &stop.sequence {
        Some(sequence) => object.text("stop_sequence", sequence),
        None => object.null("stop_sequence"),
    };
}
