//! Writes a response: whole, and as the frame of a stream.

mod items;

use bytes::{BufMut as _, BytesMut};

use crate::{
    asked::Asked,
    canonical::{Failure, Response, Stop, StopReason, Usage},
    json::Object,
    tokens,
};
pub(super) use items::{Item, Said, Status};

/// How a response stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Standing<'s> {
    InProgress,
    Ended(&'s Stop<'s>, Usage),
    Failed(&'s Failure),
}

/// How an answer ends with which the model refuses in words: that is all it says.
pub(super) const REFUSED: Stop<'static> = Stop { reason: StopReason::EndTurn, sequence: None };

/// Appends a whole response.
pub(crate) fn write(response: &Response<'_>, asked: &Asked, out: &mut BytesMut) {
    let mut items = BytesMut::new();
    let (mut number, mut written) = (0, 0);
    let stop = if response.refusal.is_some() { &REFUSED } else { &response.stop };
    let mut blocks = response.blocks.iter().enumerate().peekable();
    while let Some((at, block)) = blocks.next() {
        let refuses = response.refusal == Some(at);
        let Some(item) = Item::of(block, refuses, asked, number) else { continue };
        if number > 0 {
            items.put_u8(b',');
        }
        let status = if blocks.peek().is_none() { Status::of_last(stop) } else { Status::Completed };
        item.write(status, asked, &mut Object::open(&mut items));
        number += 1;
        written += item.length();
    }
    let guess =
        || Usage { input: asked.prompt_tokens, output: tokens::of_bytes(written), ..Usage::default() };
    let usage = response.usage.unwrap_or_else(guess);
    frame(Standing::Ended(stop, usage), &items, asked, Object::open(out));
}

/// Writes a response of these items.
pub(super) fn frame(standing: Standing<'_>, items: &[u8], asked: &Asked, mut body: Object<'_>) {
    let incomplete = match standing {
        Standing::Ended(stop, _) => incomplete(stop),
        Standing::InProgress | Standing::Failed(_) => None,
    };
    let status = match (standing, incomplete) {
        (Standing::InProgress, _) => "in_progress",
        (Standing::Failed(_), _) => "failed",
        (Standing::Ended(..), Some(_)) => "incomplete",
        (Standing::Ended(..), None) => "completed",
    };
    body.text("id", &id(asked)).text("object", "response");
    body.number("created_at", asked.stamp.unix_seconds).text("status", status).flag("background", false);
    match standing {
        Standing::Failed(failure) => {
            body.object("error").text("code", code(failure)).text("message", &failure.message);
        }
        Standing::InProgress | Standing::Ended(..) => {
            body.null("error");
        }
    }
    match incomplete {
        Some(reason) => {
            body.object("incomplete_details").text("reason", reason);
        }
        None => {
            body.null("incomplete_details");
        }
    }
    body.text("model", &asked.model);
    let output = body.key("output");
    output.put_u8(b'[');
    output.put_slice(items);
    output.put_u8(b']');
    match &asked.previous {
        Some(previous) => body.text("previous_response_id", previous),
        None => body.null("previous_response_id"),
    };
    body.flag("store", asked.kept).fields(&asked.echo);
    match standing {
        Standing::Ended(_, usage) => self::usage(&usage, &mut body),
        Standing::InProgress | Standing::Failed(_) => {
            body.null("usage");
        }
    }
}

/// Returns the id of the response.
pub(crate) fn id(asked: &Asked) -> String {
    asked.stamp.id("resp_")
}

/// Returns the reason why a response is incomplete.
pub(super) fn incomplete(stop: &Stop<'_>) -> Option<&'static str> {
    match stop.reason {
        StopReason::MaxTokens | StopReason::ContextWindow => Some("max_output_tokens"),
        StopReason::Refusal => Some("content_filter"),
        StopReason::EndTurn | StopReason::StopSequence | StopReason::ToolUse | StopReason::PauseTurn => None,
    }
}

/// The codes that clients act on.
pub(super) fn code(failure: &Failure) -> &str {
    match (&*failure.code, failure.status) {
        ("context_length_exceeded", _) => "context_length_exceeded",
        (_, 429) => "rate_limit_exceeded",
        (_, 503 | 529) => "server_is_overloaded",
        (_, 400..=499) => "invalid_prompt",
        _ => "server_error",
    }
}

fn usage(usage: &Usage, body: &mut Object<'_>) {
    let mut wire = body.object("usage");
    wire.number("input_tokens", usage.prompt());
    wire.object("input_tokens_details").number("cached_tokens", usage.cache_read);
    wire.number("output_tokens", usage.output);
    wire.object("output_tokens_details").number("reasoning_tokens", usage.reasoning.unwrap_or(0));
    wire.number("total_tokens", usage.prompt().saturating_add(usage.output));
}
