//! The items of an output.

use std::borrow::Cow;

use super::incomplete;
use crate::{
    asked::Asked,
    canonical::{Content, Stop, ToolKind},
    json::Object,
    responses::item::Seal,
};

/// An item of the output, as far as it has come.
#[derive(Debug)]
pub(in crate::responses) struct Item<'i> {
    pub(in crate::responses) id: String,
    pub(in crate::responses) said: Said<'i>,
    /// What was said, thought, or given to the tool.
    pub(in crate::responses) text: Cow<'i, str>,
}

/// What an item is.
#[derive(Debug)]
pub(in crate::responses) enum Said<'i> {
    Message,
    Refusal,
    Thoughts { signature: Cow<'i, str> },
    Redacted(Cow<'i, str>),
    Call { id: Cow<'i, str>, name: Cow<'i, str>, kind: ToolKind },
}

/// How an item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::responses) enum Status {
    InProgress,
    Completed,
    /// The answer was cut off within it.
    Incomplete,
}

// === impl Item ===

impl<'i> Item<'i> {
    /// Makes the item of a block.
    pub(super) fn of(block: &'i Content<'_>, refuses: bool, asked: &Asked, number: u32) -> Option<Self> {
        let (said, text) = match block {
            Content::Text(text) if refuses => (Said::Refusal, &**text),
            Content::Text(text) => (Said::Message, &**text),
            Content::Thinking { text, signature } => {
                (Said::Thoughts { signature: (**signature).into() }, &**text)
            }
            Content::RedactedThinking(data) => (Said::Redacted((**data).into()), ""),
            Content::ToolUse(call) => {
                let said = Said::Call { id: (*call.id).into(), name: (*call.name).into(), kind: call.kind };
                (said, &*call.input)
            }
            Content::Image { .. }
            | Content::Document(_)
            | Content::ToolResult(_)
            | Content::Hosted(_)
            | Content::Foreign(_) => return None,
        };
        Some(Self { id: said.id(asked, number), said, text: text.into() })
    }

    /// Returns how many bytes the model has written for it.
    pub(in crate::responses) fn length(&self) -> usize {
        self.text.len()
    }

    /// Writes the item. One in progress has no contents yet.
    pub(in crate::responses) fn write(&self, status: Status, asked: &Asked, item: &mut Object<'_>) {
        let done = status != Status::InProgress;
        let text = if done { &*self.text } else { "" };
        item.text("id", &self.id);
        match &self.said {
            Said::Message | Said::Refusal => {
                item.text("type", "message").text("status", status.as_str()).text("role", "assistant");
                let mut content = item.array("content");
                if done {
                    self.said.part(text, &mut content.object());
                }
            }
            Said::Thoughts { signature } => {
                item.text("type", "reasoning");
                let mut summary = item.array("summary");
                if done && !text.is_empty() {
                    summary.object().text("type", "summary_text").text("text", text);
                }
                drop(summary);
                if done && !signature.is_empty() {
                    Seal::Signature(signature).write(item);
                }
            }
            Said::Redacted(data) => {
                item.text("type", "reasoning").json("summary", "[]");
                Seal::Redacted(data).write(item);
            }
            Said::Call { id, name, kind } => {
                let (word, key) = match kind {
                    ToolKind::Function => ("function_call", "arguments"),
                    ToolKind::Freeform => ("custom_tool_call", "input"),
                };
                item.text("type", word).text("status", status.as_str()).text("call_id", id);
                asked.call_name(name, item);
                let bare = status == Status::Completed && *kind == ToolKind::Function && text.is_empty();
                item.text(key, if bare { "{}" } else { text });
            }
        }
    }
}

// === impl Said ===

impl Said<'_> {
    /// Makes the id of an item.
    pub(in crate::responses) fn id(&self, asked: &Asked, number: u32) -> String {
        let prefix = match self {
            Self::Message | Self::Refusal => "msg_",
            Self::Thoughts { .. } | Self::Redacted(_) => "rs_",
            Self::Call { kind: ToolKind::Function, .. } => "fc_",
            Self::Call { kind: ToolKind::Freeform, .. } => "ctc_",
        };
        asked.stamp.numbered(prefix, number + 1)
    }

    /// Writes the part of a message.
    pub(in crate::responses) fn part(&self, text: &str, part: &mut Object<'_>) {
        match self {
            Self::Refusal => part.text("type", "refusal").text("refusal", text),
            _ => {
                let part = part.text("type", "output_text").json("annotations", "[]");
                part.json("logprobs", "[]").text("text", text)
            }
        };
    }
}

// === impl Status ===

impl Status {
    /// Returns how the last item of an answer stands.
    pub(in crate::responses) fn of_last(stop: &Stop<'_>) -> Self {
        if incomplete(stop).is_some() { Self::Incomplete } else { Self::Completed }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
        }
    }
}
