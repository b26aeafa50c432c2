//! Writes the chunks of a stream.

use bytes::{BufMut as _, BytesMut};

use crate::{
    Dialect, ErrorFacts,
    asked::Asked,
    canonical::{Delta, Event, Failure, Head, Stop, ToolKind, Usage},
    json::Object,
    openai_chat::{stop, usage},
    tokens,
};

/// Writes the chunks of a stream.
#[derive(Debug)]
pub(crate) struct StreamWriter {
    asked: Asked,
    id: String,
    begun: bool,
    /// How many calls have begun. Blocks of other kinds do not count.
    calls: u64,
    kind: ToolKind,
    /// Whether the open block is a call that has had no input yet.
    bare_call: bool,
    /// Bytes of text, thoughts and input, for a backend that does not count.
    written: usize,
}

// === impl StreamWriter ===

impl StreamWriter {
    /// Begins with what the request asked for.
    pub(crate) fn new(asked: Asked) -> Self {
        let id = asked.stamp.id("chatcmpl-");
        Self { asked, id, begun: false, calls: 0, kind: ToolKind::Function, bare_call: false, written: 0 }
    }

    /// Writes the beginning, before the backend has said anything. A second time nothing.
    pub(crate) fn begin(&mut self, out: &mut BytesMut) {
        if !std::mem::replace(&mut self.begun, true) {
            self.delta(out, |delta| {
                delta.text("role", "assistant").text("content", "");
            });
        }
    }

    /// Tells the client that the backend is still at work.
    pub(crate) fn ping(&self, out: &mut BytesMut) {
        if self.begun {
            out.put_slice(b": ping\n\n");
        }
    }

    /// Writes an event.
    pub(crate) fn write(&mut self, event: &Event<'_>, out: &mut BytesMut) {
        match event {
            Event::Start { .. } => self.begin(out),
            Event::BlockStart { head, .. } => self.block_start(*head, out),
            Event::BlockDelta { delta, .. } => self.block_delta(*delta, out),
            Event::BlockStop { .. } => {
                if std::mem::take(&mut self.bare_call) && self.kind == ToolKind::Function {
                    self.input("{}", out);
                }
            }
            Event::Finish { stop, usage } => self.finish(stop, *usage, out),
            Event::Ping => self.ping(out),
            Event::Error(failure) => {
                let Failure { status, code, message } = failure;
                let facts = ErrorFacts::new(*status, code, message);
                out.put_slice(&Dialect::OpenAi.error_event(&facts));
            }
        }
    }

    fn block_start(&mut self, head: Head<'_>, out: &mut BytesMut) {
        match head {
            Head::Text | Head::Refusal | Head::Thinking => {}
            Head::RedactedThinking(data) => self.delta(out, |delta| {
                let mut list = delta.array("thinking_blocks");
                list.object().text("type", "redacted_thinking").text("data", data);
            }),
            Head::ToolUse { id, name, kind } => {
                let (at, name) = (self.calls, self.asked.names.inward(name));
                self.delta(out, |delta| {
                    let mut list = delta.array("tool_calls");
                    let mut call = list.object();
                    call.number("index", at).text("id", id);
                    match kind {
                        ToolKind::Function => {
                            call.text("type", "function");
                            call.object("function").text("name", name).text("arguments", "");
                        }
                        ToolKind::Freeform => {
                            call.text("type", "custom");
                            call.object("custom").text("name", name).text("input", "");
                        }
                    }
                });
                self.calls += 1;
                (self.kind, self.bare_call) = (kind, true);
            }
        }
    }

    fn block_delta(&mut self, delta: Delta<'_>, out: &mut BytesMut) {
        if let Delta::Text(text) | Delta::Thinking(text) | Delta::ToolInput(text) = delta {
            self.written += text.len();
        }
        match delta {
            Delta::Text(text) => self.delta(out, |delta| {
                delta.text("content", text);
            }),
            Delta::Thinking(text) => self.delta(out, |delta| {
                delta.text("reasoning_content", text);
            }),
            // The text of the thought has gone out before; it is left empty here.
            Delta::Signature(signature) => self.delta(out, |delta| {
                let mut list = delta.array("thinking_blocks");
                list.object().text("type", "thinking").text("thinking", "").text("signature", signature);
            }),
            Delta::ToolInput(text) => {
                self.bare_call = false;
                self.input(text, out);
            }
        }
    }

    fn input(&self, text: &str, out: &mut BytesMut) {
        let at = self.calls.saturating_sub(1);
        self.delta(out, |delta| {
            let mut list = delta.array("tool_calls");
            let mut call = list.object();
            call.number("index", at);
            match self.kind {
                ToolKind::Function => call.object("function").text("arguments", text),
                ToolKind::Freeform => call.object("custom").text("input", text),
            };
        });
    }

    fn finish(&self, stop: &Stop<'_>, usage: Option<Usage>, out: &mut BytesMut) {
        {
            let mut chunk = self.chunk(out);
            let mut choices = chunk.array("choices");
            let mut choice = choices.object();
            choice.number("index", 0).json("delta", "{}");
            stop::write(stop, &mut choice);
        }
        if self.asked.stream_usage {
            let output = tokens::of_bytes(self.written);
            let guess = || Usage { input: self.asked.prompt_tokens, output, ..Usage::default() };
            let usage = usage.unwrap_or_else(guess);
            let mut chunk = self.chunk(out);
            chunk.json("choices", "[]");
            usage::write(&usage, &mut chunk);
        }
        out.put_slice(b"data: [DONE]\n\n");
    }

    fn delta(&self, out: &mut BytesMut, fill: impl FnOnce(&mut Object<'_>)) {
        let mut chunk = self.chunk(out);
        let mut choices = chunk.array("choices");
        let mut choice = choices.object();
        choice.number("index", 0);
        fill(&mut choice.object("delta"));
        choice.null("finish_reason");
    }

    fn chunk<'b>(&self, out: &'b mut BytesMut) -> Object<'b> {
        out.put_slice(b"data: ");
        let mut chunk = Object::open_with_end(out, b"}\n\n");
        chunk.text("id", &self.id).text("object", "chat.completion.chunk");
        chunk.number("created", self.asked.stamp.unix_seconds).text("model", &self.asked.model);
        chunk
    }
}
