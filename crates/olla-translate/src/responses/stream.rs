//! Writes the events of a stream.

use std::borrow::Cow;

use bytes::{BufMut as _, BytesMut};

use super::response::{Item, REFUSED, Said, Standing, Status, frame, incomplete};
use crate::{
    asked::Asked,
    canonical::{Delta, Event, Failure, Head, Stop, ToolKind, Usage},
    json::Object,
    tokens,
};

/// Writes the events of a stream.
#[derive(Debug)]
pub(crate) struct StreamWriter {
    asked: Asked,
    begun: bool,
    sequence: u64,
    open: Option<Item<'static>>,
    /// Whether the open item has ended. What comes next tells whether it is complete.
    ended: bool,
    /// How many items are done, and they themselves: the last event tells them all once more.
    items: u32,
    done: BytesMut,
    written: usize,
    refused: bool,
}

// === impl StreamWriter ===

impl StreamWriter {
    /// Begins with what the request asked for.
    pub(crate) fn new(asked: Asked) -> Self {
        Self {
            asked,
            begun: false,
            sequence: 0,
            open: None,
            ended: false,
            items: 0,
            done: BytesMut::new(),
            written: 0,
            refused: false,
        }
    }

    /// Writes the beginning, before the backend has said anything. A second time nothing.
    pub(crate) fn begin(&mut self, out: &mut BytesMut) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        for name in ["response.created", "response.in_progress"] {
            let mut event = event(name, &mut self.sequence, out);
            frame(Standing::InProgress, b"", &self.asked, event.object("response"));
        }
    }

    /// Writes an event.
    pub(crate) fn write(&mut self, event: &Event<'_>, out: &mut BytesMut) {
        if self.ended && !matches!(event, Event::Ping) {
            let status = match event {
                Event::Finish { stop, .. } => Status::of_last(if self.refused { &REFUSED } else { stop }),
                _ => Status::Completed,
            };
            self.item_stop(status, out);
        }
        match event {
            Event::Start { .. } => self.begin(out),
            Event::BlockStart { head, .. } => self.item_start(*head, out),
            Event::BlockDelta { delta, .. } => self.item_delta(*delta, out),
            Event::BlockStop { .. } => self.ended = self.open.is_some(),
            Event::Finish { stop, usage } => self.finish(stop, *usage, out),
            Event::Ping if self.begun => out.put_slice(b": ping\n\n"),
            Event::Ping => {}
            Event::Error(failure) => self.fail(failure, out),
        }
    }

    /// Returns how many bytes of the answer are kept.
    pub(crate) fn held_bytes(&self) -> usize {
        self.done.len() + self.open.as_ref().map_or(0, Item::length)
    }

    fn item_start(&mut self, head: Head<'_>, out: &mut BytesMut) {
        let said = match head {
            Head::Text => Said::Message,
            Head::Refusal => Said::Refusal,
            Head::Thinking => Said::Thoughts { signature: Cow::Borrowed("") },
            Head::RedactedThinking(data) => Said::Redacted(Cow::Owned(data.to_owned())),
            Head::ToolUse { id, name, kind } => {
                Said::Call { id: Cow::Owned(id.to_owned()), name: Cow::Owned(name.to_owned()), kind }
            }
        };
        let item = Item { id: said.id(&self.asked, self.items), said, text: Cow::Borrowed("") };
        {
            let mut event = event("response.output_item.added", &mut self.sequence, out);
            event.number("output_index", u64::from(self.items));
            item.write(Status::InProgress, &self.asked, &mut event.object("item"));
        }
        match item.said {
            Said::Message | Said::Refusal => {
                let mut event = self.about("response.content_part.added", &item.id, out);
                item.said.part("", &mut event.number("content_index", 0).object("part"));
            }
            Said::Thoughts { .. } => {
                let mut event = self.about("response.reasoning_summary_part.added", &item.id, out);
                event.number("summary_index", 0).object("part").text("type", "summary_text").text("text", "");
            }
            Said::Redacted(_) | Said::Call { .. } => {}
        }
        self.refused |= matches!(item.said, Said::Refusal);
        self.open = Some(item);
    }

    fn item_delta(&mut self, delta: Delta<'_>, out: &mut BytesMut) {
        let Some(mut item) = self.open.take() else { return };
        if let (Delta::Signature(new), Said::Thoughts { signature }) = (delta, &mut item.said) {
            signature.to_mut().push_str(new);
        }
        if let Delta::Text(text) | Delta::Thinking(text) | Delta::ToolInput(text) = delta {
            let (name, index) = match item.said {
                Said::Message => ("response.output_text.delta", Some("content_index")),
                Said::Refusal => ("response.refusal.delta", Some("content_index")),
                Said::Thoughts { .. } => ("response.reasoning_summary_text.delta", Some("summary_index")),
                Said::Call { kind: ToolKind::Freeform, .. } => {
                    ("response.custom_tool_call_input.delta", None)
                }
                Said::Call { .. } | Said::Redacted(_) => ("response.function_call_arguments.delta", None),
            };
            let mut event = self.about(name, &item.id, out);
            if let Some(index) = index {
                event.number(index, 0);
            }
            event.text("delta", text);
            if matches!(item.said, Said::Message) {
                event.json("logprobs", "[]");
            }
            drop(event);
            item.text.to_mut().push_str(text);
        }
        self.open = Some(item);
    }

    fn item_stop(&mut self, status: Status, out: &mut BytesMut) {
        self.ended = false;
        let Some(item) = self.open.take() else { return };
        self.contents_done(&item, out);
        if self.items > 0 {
            self.done.put_u8(b',');
        }
        let from = self.done.len();
        item.write(status, &self.asked, &mut Object::open(&mut self.done));
        self.written += item.length();
        let mut event = event("response.output_item.done", &mut self.sequence, out);
        event.number("output_index", u64::from(self.items));
        event.key("item").put_slice(self.done.get(from..).unwrap_or_default());
        self.items += 1;
    }

    fn contents_done(&mut self, item: &Item<'_>, out: &mut BytesMut) {
        let text = &*item.text;
        match &item.said {
            Said::Message | Said::Refusal => {
                if matches!(item.said, Said::Refusal) {
                    let mut event = self.about("response.refusal.done", &item.id, out);
                    event.number("content_index", 0).text("refusal", text);
                } else {
                    let mut event = self.about("response.output_text.done", &item.id, out);
                    event.number("content_index", 0).text("text", text).json("logprobs", "[]");
                }
                let mut event = self.about("response.content_part.done", &item.id, out);
                item.said.part(text, &mut event.number("content_index", 0).object("part"));
            }
            Said::Thoughts { .. } => {
                let mut event = self.about("response.reasoning_summary_text.done", &item.id, out);
                event.number("summary_index", 0).text("text", text);
                drop(event);
                let mut event = self.about("response.reasoning_summary_part.done", &item.id, out);
                event
                    .number("summary_index", 0)
                    .object("part")
                    .text("type", "summary_text")
                    .text("text", text);
            }
            Said::Redacted(_) => {}
            Said::Call { kind: ToolKind::Function, .. } => {
                let mut event = self.about("response.function_call_arguments.done", &item.id, out);
                event.text("arguments", if text.is_empty() { "{}" } else { text });
            }
            Said::Call { kind: ToolKind::Freeform, .. } => {
                self.about("response.custom_tool_call_input.done", &item.id, out).text("input", text);
            }
        }
    }

    fn finish(&mut self, stop: &Stop<'_>, usage: Option<Usage>, out: &mut BytesMut) {
        let output = tokens::of_bytes(self.written);
        let guess = || Usage { input: self.asked.prompt_tokens, output, ..Usage::default() };
        let stop = if self.refused { &REFUSED } else { stop };
        let standing = Standing::Ended(stop, usage.unwrap_or_else(guess));
        let name = if incomplete(stop).is_some() { "response.incomplete" } else { "response.completed" };
        let mut event = event(name, &mut self.sequence, out);
        frame(standing, &self.done, &self.asked, event.object("response"));
    }

    fn fail(&mut self, failure: &Failure, out: &mut BytesMut) {
        self.begin(out);
        let mut event = event("response.failed", &mut self.sequence, out);
        frame(Standing::Failed(failure), &self.done, &self.asked, event.object("response"));
    }

    /// Opens an event about an item.
    fn about<'b>(&mut self, name: &str, id: &str, out: &'b mut BytesMut) -> Object<'b> {
        let mut event = event(name, &mut self.sequence, out);
        event.text("item_id", id).number("output_index", u64::from(self.items));
        event
    }
}

/// Opens an event. Its name and the type in its data are the same.
fn event<'b>(name: &str, sequence: &mut u64, out: &'b mut BytesMut) -> Object<'b> {
    out.put_slice(b"event: ");
    out.put_slice(name.as_bytes());
    out.put_slice(b"\ndata: ");
    let mut object = Object::open_with_end(out, b"}\n\n");
    object.text("type", name).number("sequence_number", *sequence);
    *sequence += 1;
    object
}
