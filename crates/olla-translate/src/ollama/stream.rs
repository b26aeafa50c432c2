//! Writes the lines of a stream.

use std::time::Duration;

use bytes::{BufMut as _, BytesMut};

use super::{
    Api,
    response::{Timing, done, head, tool_call},
};
use crate::{
    Dialect, ErrorFacts,
    asked::Asked,
    canonical::{Delta, Event, Failure, Head, Stop, ToolUse, Usage},
    json::Object,
    tokens,
};

/// Writes the lines of a stream.
#[derive(Debug)]
pub(crate) struct StreamWriter {
    asked: Asked,
    api: Api,
    /// When the model began to answer.
    first: Option<Duration>,
    /// A call is told as a whole.
    call: Option<ToolUse<'static>>,
    calls: u64,
    written: usize,
}

// === impl StreamWriter ===

impl StreamWriter {
    /// Begins with what the request asked for.
    pub(crate) const fn new(asked: Asked, api: Api) -> Self {
        Self { asked, api, first: None, call: None, calls: 0, written: 0 }
    }

    /// Tells how long ago the request was sent.
    pub(crate) const fn tick(&mut self, elapsed: Duration) {
        self.asked.elapsed = elapsed;
    }

    /// Returns how many bytes of the answer are kept.
    pub(crate) fn held_bytes(&self) -> usize {
        self.call.as_ref().map_or(0, |call| call.input.len())
    }

    /// Writes an event. Lines have no beginning, and no sign of life.
    pub(crate) fn write(&mut self, event: &Event<'_>, out: &mut BytesMut) {
        match event {
            Event::Start { .. } | Event::Ping => {}
            Event::BlockStart { head, .. } => {
                self.first.get_or_insert(self.asked.elapsed);
                if let Head::ToolUse { id, name, kind } = *head {
                    let (id, name) = (id.to_owned().into(), name.to_owned().into());
                    self.call = Some(ToolUse { id, name, input: String::new().into(), kind });
                }
            }
            Event::BlockDelta { delta, .. } => self.delta(*delta, out),
            Event::BlockStop { .. } => self.call_done(out),
            Event::Finish { stop, usage } => self.finish(stop, *usage, out),
            Event::Error(failure) => {
                let Failure { status, code, message } = failure;
                let facts = ErrorFacts::new(*status, code, message);
                out.put_slice(&Dialect::Ollama.error_event(&facts));
            }
        }
    }

    fn delta(&mut self, delta: Delta<'_>, out: &mut BytesMut) {
        let (key, text) = match (delta, self.api) {
            (Delta::Text(text), Api::Chat) => ("content", text),
            (Delta::Text(text), Api::Generate) => ("response", text),
            (Delta::Thinking(text), _) => ("thinking", text),
            (Delta::ToolInput(text), _) => {
                if let Some(call) = &mut self.call {
                    call.input.0.to_mut().push_str(text);
                }
                self.written += text.len();
                return;
            }
            (Delta::Signature(_), _) => return,
        };
        self.written += text.len();
        let mut line = self.line(out);
        match self.api {
            Api::Chat => {
                let mut message = line.object("message");
                message.text("role", "assistant");
                if key != "content" {
                    message.text("content", "");
                }
                message.text(key, text);
            }
            Api::Generate => {
                if key != "response" {
                    line.text("response", "");
                }
                line.text(key, text);
            }
        }
        line.flag("done", false);
    }

    fn call_done(&mut self, out: &mut BytesMut) {
        let Some(call) = self.call.take() else { return };
        if self.api == Api::Generate {
            return;
        }
        let mut line = self.line(out);
        let mut message = line.object("message");
        message.text("role", "assistant").text("content", "");
        tool_call(self.calls, &call, &self.asked, &mut message.array("tool_calls"));
        drop(message);
        line.flag("done", false);
        drop(line);
        self.calls += 1;
    }

    fn finish(&self, stop: &Stop<'_>, usage: Option<Usage>, out: &mut BytesMut) {
        let output = tokens::of_bytes(self.written);
        let guess = || Usage { input: self.asked.prompt_tokens, output, ..Usage::default() };
        let total = self.asked.elapsed;
        let timing = Timing { prompt: self.first.unwrap_or(total), total };
        let mut line = self.line(out);
        match self.api {
            Api::Chat => {
                line.object("message").text("role", "assistant").text("content", "");
            }
            Api::Generate => {
                line.text("response", "");
            }
        }
        done(stop, &usage.unwrap_or_else(guess), timing, &mut line);
    }

    fn line<'b>(&self, out: &'b mut BytesMut) -> Object<'b> {
        let mut line = Object::open_with_end(out, b"}\n");
        head(&self.asked, &mut line);
        line
    }
}
