//! The answer as it arrives, in the format of the client.

use std::time::Duration;

use bytes::BytesMut;

use super::{Backend, Translation};
use crate::{
    ErrorFacts, Format, Usage, anthropic,
    asked::Asked,
    canonical::{Event, Failure},
    framing::Framing,
    freeform::Freeform,
    json::Halves,
    ollama, openai_chat, responses,
};

/// Turns a stream of the backend into one of the client, event by event as they arrive.
///
/// It holds back nothing that could be sent, and at most 16 MiB of what could not be yet. For clients of Responses
/// it keeps a copy of the answer, of at most 64 MiB.
#[derive(Debug)]
pub struct StreamTranslator {
    framing: Framing,
    halves: Halves,
    reader: Reader,
    freeform: Freeform,
    writer: Writer,
    outcome: Outcome,
    usage: Option<Usage>,
}

/// How a stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// More is to come.
    Open,
    /// The answer is complete, and so is what was written.
    Complete,
    /// The answer broke off. An error was written as the last event.
    Failed,
}

/// The longest event that a backend may send, in bytes.
const MAX_EVENT: usize = 8 << 20;

/// The longest answer of which all has to be kept until its end, in bytes.
const MAX_ANSWER: usize = 64 << 20;

#[derive(Debug)]
enum Reader {
    Messages(anthropic::StreamReader),
    Chat(Box<openai_chat::StreamReader>),
}

/// Writes the events of a stream in any format.
#[derive(Debug)]
pub(super) enum Writer {
    Messages(anthropic::StreamWriter),
    Chat(openai_chat::StreamWriter),
    Responses(Box<responses::StreamWriter>),
    Ollama(Box<ollama::StreamWriter>),
}

// === impl StreamTranslator ===

impl StreamTranslator {
    pub(super) fn new(pair: Translation, asked: Asked, freeform: Freeform) -> Self {
        Self {
            framing: Framing::with_limit(pair.backend.format().dialect(), MAX_EVENT),
            halves: Halves::default(),
            reader: Reader::new(pair.backend, &asked),
            freeform,
            writer: Writer::new(pair.client, asked),
            outcome: Outcome::Open,
            usage: None,
        }
    }

    /// Writes how the stream begins, before the backend has said anything. Without it, the beginning is
    /// written with the first event of the backend.
    pub fn begin(&mut self, out: &mut BytesMut) {
        if self.outcome == Outcome::Open {
            self.writer.begin(out);
        }
    }

    /// Writes a sign of life, for a client that has waited. Nothing, if the stream has not begun.
    pub fn ping(&mut self, out: &mut BytesMut) {
        if self.outcome == Outcome::Open {
            self.writer.write(&Event::Ping, out);
        }
    }

    /// Tells how long ago the request was sent. Clients of Ollama are told durations; others do not need it.
    pub fn tick(&mut self, elapsed: Duration) {
        if let Writer::Ollama(writer) = &mut self.writer {
            writer.tick(elapsed);
        }
    }

    /// Translates the next bytes of the backend, cut anywhere.
    pub fn feed(&mut self, bytes: &[u8], out: &mut BytesMut) {
        if self.outcome != Outcome::Open {
            return;
        }
        let Self { framing, halves, reader, freeform, writer, outcome, usage } = self;
        let mut write = |event: Event<'_>| {
            freeform.pass(event, &mut |event| write_event(writer, &event, (outcome, usage), out));
        };
        framing.feed(bytes, |data| {
            halves.pass(&String::from_utf8_lossy(data), &mut |data| reader.read(data, &mut write));
        });
        if framing.overflowed() {
            self.fail("an event of the backend is too long", "event_too_long", out);
        } else if self.writer.held_bytes() > MAX_ANSWER {
            self.fail("the answer of the backend is too long", "answer_too_long", out);
        }
    }

    /// Ends the stream when that of the backend has ended. If the answer was not complete, an error is
    /// written: what was cut off never looks complete.
    pub fn finish(&mut self, out: &mut BytesMut) {
        if self.outcome != Outcome::Open {
            return;
        }
        let Self { framing, halves, reader, freeform, writer, outcome, usage } = self;
        let mut write = |event: Event<'_>| {
            freeform.pass(event, &mut |event| write_event(writer, &event, (outcome, usage), out));
        };
        framing.end(|data| {
            halves.pass(&String::from_utf8_lossy(data), &mut |data| reader.read(data, &mut write));
        });
        halves.end(&mut |data| reader.read(data, &mut write));
        reader.end(&mut write);
    }

    /// Ends the stream with an error, if the answer was not complete.
    pub fn abort(&mut self, facts: &ErrorFacts<'_>, out: &mut BytesMut) {
        if self.outcome == Outcome::Open {
            self.outcome = Outcome::Failed;
            self.writer.write(&Event::Error(Failure::from(facts)), out);
        }
    }

    /// Returns how the stream stands.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Returns the tokens that the backend has counted so far.
    #[must_use]
    pub const fn usage(&self) -> Option<Usage> {
        self.usage
    }

    fn fail(&mut self, message: &str, code: &str, out: &mut BytesMut) {
        self.abort(&ErrorFacts::new(502, code, message), out);
    }
}

/// Writes an event, and keeps what the caller wants to know. After the last one nothing is written.
fn write_event(
    writer: &mut Writer,
    event: &Event<'_>,
    (outcome, usage): (&mut Outcome, &mut Option<Usage>),
    out: &mut BytesMut,
) {
    if *outcome != Outcome::Open {
        return;
    }
    match event {
        Event::Finish { usage: told, .. } => {
            (*outcome, *usage) = (Outcome::Complete, *told);
        }
        Event::Start { usage: told, .. } => *usage = *told,
        Event::Error(_) => *outcome = Outcome::Failed,
        Event::BlockStart { .. } | Event::BlockDelta { .. } | Event::BlockStop { .. } | Event::Ping => {}
    }
    writer.write(event, out);
}

// === impl Reader ===

impl Reader {
    fn new(backend: Backend, asked: &Asked) -> Self {
        match backend {
            Backend::Messages => Self::Messages(anthropic::StreamReader::new(asked.stamp)),
            Backend::Chat => Self::Chat(Box::new(openai_chat::StreamReader::new(asked.stamp))),
        }
    }

    fn read(&mut self, data: &str, emit: &mut dyn FnMut(Event<'_>)) {
        match self {
            Self::Messages(reader) => reader.read(data, emit),
            Self::Chat(reader) => reader.read(data, emit),
        }
    }

    fn end(&mut self, emit: &mut dyn FnMut(Event<'_>)) {
        match self {
            Self::Messages(reader) => reader.end(emit),
            Self::Chat(reader) => reader.end(emit),
        }
    }
}

// === impl Writer ===

impl Writer {
    pub(super) fn new(format: Format, asked: Asked) -> Self {
        match format {
            Format::Messages => Self::Messages(anthropic::StreamWriter::new(asked)),
            Format::Chat => Self::Chat(openai_chat::StreamWriter::new(asked)),
            Format::Responses => Self::Responses(Box::new(responses::StreamWriter::new(asked))),
            Format::OllamaChat => Self::Ollama(Box::new(ollama::StreamWriter::new(asked, ollama::Api::Chat))),
            Format::OllamaGenerate => {
                Self::Ollama(Box::new(ollama::StreamWriter::new(asked, ollama::Api::Generate)))
            }
        }
    }

    /// How much of the answer is kept for its end. Only the last event of a response tells all once more.
    fn held_bytes(&self) -> usize {
        match self {
            Self::Messages(_) | Self::Chat(_) => 0,
            Self::Responses(writer) => writer.held_bytes(),
            Self::Ollama(writer) => writer.held_bytes(),
        }
    }

    fn begin(&mut self, out: &mut BytesMut) {
        match self {
            Self::Messages(writer) => writer.begin(out),
            Self::Chat(writer) => writer.begin(out),
            Self::Responses(writer) => writer.begin(out),
            Self::Ollama(_) => {}
        }
    }

    pub(super) fn write(&mut self, event: &Event<'_>, out: &mut BytesMut) {
        match self {
            Self::Messages(writer) => writer.write(event, out),
            Self::Chat(writer) => writer.write(event, out),
            Self::Responses(writer) => writer.write(event, out),
            Self::Ollama(writer) => writer.write(event, out),
        }
    }
}
