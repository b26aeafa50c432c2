//! Writes the events of a stream.

use bytes::{BufMut as _, BytesMut};

use crate::{
    Dialect, ErrorFacts,
    anthropic::{stop, usage},
    asked::Asked,
    canonical::{Delta, Event, Failure, Head, Stop, Usage},
    json::Object,
    tokens,
};

/// Writes the events of a stream.
#[derive(Debug)]
pub(crate) struct StreamWriter {
    asked: Asked,
    begun: bool,
    open: Option<u32>,
    /// Bytes of text, thoughts and input, for a backend that does not count.
    written: usize,
}

// === impl StreamWriter ===

impl StreamWriter {
    /// Begins with what the request asked for.
    pub(crate) const fn new(asked: Asked) -> Self {
        Self { asked, begun: false, open: None, written: 0 }
    }

    /// Writes the beginning, before the backend has said anything. A second time nothing.
    pub(crate) fn begin(&mut self, out: &mut BytesMut) {
        self.start(None, out);
    }

    /// Tells the client that the backend is still at work.
    pub(crate) fn ping(&self, out: &mut BytesMut) {
        if self.begun {
            frame(out, "ping");
        }
    }

    /// Writes an event.
    pub(crate) fn write(&mut self, event: &Event<'_>, out: &mut BytesMut) {
        match event {
            Event::Start { usage, .. } => self.start(*usage, out),
            Event::BlockStart { index, head } => self.block_start(*index, *head, out),
            Event::BlockDelta { index, delta } => self.block_delta(*index, *delta, out),
            Event::BlockStop { index } => {
                self.open = None;
                frame(out, "content_block_stop").number("index", u64::from(*index));
            }
            Event::Finish { stop, usage } => self.finish(stop, *usage, out),
            Event::Ping => self.ping(out),
            Event::Error(failure) => self.error(failure, out),
        }
    }

    fn start(&mut self, usage: Option<Usage>, out: &mut BytesMut) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let mut event = frame(out, "message_start");
        let mut message = event.object("message");
        message.text("id", &self.asked.stamp.id("msg_01")).text("type", "message").text("role", "assistant");
        message.text("model", &self.asked.model).json("content", "[]");
        message.null("stop_reason").null("stop_sequence");
        let guess = || Usage { input: self.asked.prompt_tokens, ..Usage::default() };
        usage::write(&usage.unwrap_or_else(guess), &mut message);
        drop(message);
        drop(event);
        self.ping(out);
    }

    fn block_start(&mut self, index: u32, head: Head<'_>, out: &mut BytesMut) {
        self.open = Some(index);
        let mut event = frame(out, "content_block_start");
        event.number("index", u64::from(index));
        let mut block = event.object("content_block");
        match head {
            Head::Text | Head::Refusal => block.text("type", "text").text("text", ""),
            Head::Thinking => block.text("type", "thinking").text("thinking", "").text("signature", ""),
            Head::RedactedThinking(data) => block.text("type", "redacted_thinking").text("data", data),
            Head::ToolUse { id, name, .. } => {
                block.text("type", "tool_use").text("id", id);
                block.text("name", self.asked.names.inward(name)).json("input", "{}")
            }
        };
    }

    fn block_delta(&mut self, index: u32, delta: Delta<'_>, out: &mut BytesMut) {
        let mut event = frame(out, "content_block_delta");
        event.number("index", u64::from(index));
        let mut wire = event.object("delta");
        let (kind, key, text) = match delta {
            Delta::Text(text) => ("text_delta", "text", text),
            Delta::Thinking(text) => ("thinking_delta", "thinking", text),
            Delta::Signature(text) => ("signature_delta", "signature", text),
            Delta::ToolInput(text) => ("input_json_delta", "partial_json", text),
        };
        wire.text("type", kind).text(key, text);
        if !matches!(delta, Delta::Signature(_)) {
            self.written += text.len();
        }
    }

    fn finish(&mut self, stop: &Stop<'_>, usage: Option<Usage>, out: &mut BytesMut) {
        let guess = || Usage {
            input: self.asked.prompt_tokens,
            output: tokens::of_bytes(self.written),
            ..Usage::default()
        };
        let usage = usage.unwrap_or_else(guess);
        let mut event = frame(out, "message_delta");
        stop::write(stop, &mut event.object("delta"));
        usage::write(&usage, &mut event);
        drop(event);
        frame(out, "message_stop");
    }

    fn error(&mut self, failure: &Failure, out: &mut BytesMut) {
        if let Some(index) = self.open.take() {
            frame(out, "content_block_stop").number("index", u64::from(index));
        }
        let Failure { status, code, message } = failure;
        let facts = ErrorFacts::new(*status, code, message);
        out.put_slice(&Dialect::Anthropic.error_event(&facts));
    }
}

/// Opens an event. Its name and the type in its data are the same.
fn frame<'b>(out: &'b mut BytesMut, name: &str) -> Object<'b> {
    out.put_slice(b"event: ");
    out.put_slice(name.as_bytes());
    out.put_slice(b"\ndata: ");
    let mut object = Object::open_with_end(out, b"}\n\n");
    object.text("type", name);
    object
}
