//! Reads the events of a stream.

use serde::Deserialize;

use crate::{
    Stamp,
    anthropic::{request::WireBlock, stop, usage::WireUsage},
    backend_error::BackendError,
    canonical::{Content, Delta, Event, Failure, Head, Place, Stop, Usage},
    json::{Count, Loose, RawValue, Text},
};

/// Reads the events of a stream.
#[derive(Debug)]
pub(crate) struct StreamReader {
    stamp: Stamp,
    started: bool,
    done: bool,
    /// The block that is open: its index there and here.
    open: Option<(u64, u32)>,
    next_index: u32,
    calls: u32,
    /// The blocks, as they are counted there, that another one has begun within.
    interrupted: Vec<u64>,
    stop: Option<Stop<'static>>,
    usage: Option<Usage>,
}

/// An event of any type.
#[derive(Deserialize)]
struct WireEvent<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(default)]
    message: Loose<WireStart>,
    #[serde(default)]
    index: Loose<Count>,
    #[serde(borrow, default)]
    content_block: Option<WireBlock<'a>>,
    #[serde(borrow, default)]
    delta: Option<WireDelta<'a>>,
    #[serde(default)]
    usage: Loose<WireUsage>,
    #[serde(borrow, default)]
    object: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WireStart {
    #[serde(default)]
    usage: Loose<WireUsage>,
}

/// How a block, or the message, goes on.
#[derive(Deserialize)]
struct WireDelta<'a> {
    #[serde(borrow, default)]
    text: Option<Text<'a>>,
    #[serde(borrow, default)]
    thinking: Option<Text<'a>>,
    #[serde(borrow, default)]
    signature: Option<Text<'a>>,
    #[serde(borrow, default)]
    partial_json: Option<Text<'a>>,
    #[serde(borrow, default)]
    stop_reason: Option<Text<'a>>,
    #[serde(borrow, default)]
    stop_sequence: Option<Text<'a>>,
}

/// More blocks than this are not watched.
const MAX_BLOCKS: usize = 1024;

type Emit<'e> = &'e mut dyn FnMut(Event<'_>);

// === impl StreamReader ===

impl StreamReader {
    /// Begins with what ids are made of, for calls that come without.
    pub(crate) const fn new(stamp: Stamp) -> Self {
        Self {
            stamp,
            started: false,
            done: false,
            open: None,
            next_index: 0,
            calls: 0,
            interrupted: vec![],
            stop: None,
            usage: None,
        }
    }

    /// Reads the data of one event.
    pub(crate) fn read(&mut self, data: &str, emit: Emit<'_>) {
        if self.done {
            return;
        }
        let Ok(event) = serde_json::from_str::<WireEvent<'_>>(data) else { return };
        if let Some(error) = BackendError::instead(data, event.error, [event.kind, event.object]) {
            self.fail(error.into_failure(), emit);
            return;
        }
        match event.kind.map(|kind| kind.get().trim_matches('"')) {
            Some("message_start") => self.start(event.message.0, emit),
            Some("content_block_start") => self.block_start(event, emit),
            Some("content_block_delta") => match (event.delta, self.current(event.index.0)) {
                (Some(delta), Some((_, index))) => deltas(index, &delta, emit),
                _ => self.check_order(event.index.0, emit),
            },
            Some("content_block_stop") if self.current(event.index.0).is_some() => self.close(emit),
            Some("message_delta") => self.message_delta(event),
            Some("message_stop") => {
                self.stop.get_or_insert_default();
                self.end(emit);
            }
            Some("ping") => emit(Event::Ping),
            _ => {}
        }
    }

    /// Ends the stream, once nothing more comes.
    pub(crate) fn end(&mut self, emit: Emit<'_>) {
        if self.done {
            return;
        }
        let Some(stop) = self.stop.take() else {
            self.fail(Failure::truncated(), emit);
            return;
        };
        self.start(None, emit);
        self.close(emit);
        self.done = true;
        emit(Event::Finish { stop: &stop, usage: self.usage });
    }

    fn fail(&mut self, failure: Failure, emit: Emit<'_>) {
        self.done = true;
        emit(Event::Error(failure));
    }

    fn start(&mut self, message: Option<WireStart>, emit: Emit<'_>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        self.usage = message.and_then(|message| message.usage.0).map(|usage| usage.read());
        emit(Event::Start { usage: self.usage });
    }

    /// What would go on with a block that another has interrupted is lost. The answer must not look complete.
    fn check_order(&mut self, index: Option<Count>, emit: Emit<'_>) {
        if index.is_some_and(|Count(index)| self.interrupted.contains(&index)) {
            let why = "the backend mixes the pieces of its answer";
            self.fail(Failure::bad_gateway("malformed_answer", why), emit);
        }
    }

    /// The open block, if the event is about it. What is about a block of an unknown kind is skipped.
    fn current(&self, index: Option<Count>) -> Option<(u64, u32)> {
        self.open.filter(|(there, _)| index.is_none_or(|Count(index)| index == *there))
    }

    fn block_start(&mut self, event: WireEvent<'_>, emit: Emit<'_>) {
        self.start(None, emit);
        self.interrupted
            .extend(self.open.map(|(there, _)| there).filter(|_| self.interrupted.len() < MAX_BLOCKS));
        self.close(emit);
        let Some(block) = event.content_block else { return };
        let there = event.index.0.map_or_else(|| u64::from(self.next_index), |Count(index)| index);
        let index = self.next_index;
        let mut content = block.read(Place::default()).content;
        if let Content::ToolUse(call) = &mut content {
            self.calls += 1;
            if call.name.is_empty() {
                let failure =
                    Failure::bad_gateway("malformed_answer", "the backend called a tool without a name");
                self.fail(failure, emit);
                return;
            }
            if call.id.is_empty() {
                call.id = self.stamp.numbered("call_", self.calls).into();
            }
        }
        let (head, first) = match &content {
            Content::Text(text) => (Head::Text, Delta::Text(text)),
            Content::Thinking { text, .. } => (Head::Thinking, Delta::Thinking(text)),
            Content::RedactedThinking(data) => (Head::RedactedThinking(data), Delta::Text("")),
            Content::ToolUse(call) => {
                let input = if call.input.trim() == "{}" { "" } else { &*call.input };
                (Head::ToolUse { id: &call.id, name: &call.name, kind: call.kind }, Delta::ToolInput(input))
            }
            Content::Image { .. }
            | Content::Document(_)
            | Content::ToolResult(_)
            | Content::Hosted(_)
            | Content::Foreign(_) => return,
        };
        self.interrupted.retain(|interrupted| *interrupted != there);
        self.open = Some((there, index));
        self.next_index += 1;
        emit(Event::BlockStart { index, head });
        let (Delta::Text(text) | Delta::Thinking(text) | Delta::ToolInput(text) | Delta::Signature(text)) =
            first;
        if !text.is_empty() {
            emit(Event::BlockDelta { index, delta: first });
        }
    }

    fn close(&mut self, emit: Emit<'_>) {
        if let Some((_, index)) = self.open.take() {
            emit(Event::BlockStop { index });
        }
    }

    fn message_delta(&mut self, event: WireEvent<'_>) {
        if let Some(usage) = event.usage.0 {
            self.usage.get_or_insert_default().update(usage.read());
        }
        let Some(delta) = event.delta else { return };
        if let Some(reason) = delta.stop_reason {
            let sequence = delta.stop_sequence.map(|text| text.into_owned().into());
            self.stop = Some(Stop { reason: stop::read(&reason), sequence });
        }
    }
}

fn deltas(index: u32, delta: &WireDelta<'_>, emit: Emit<'_>) {
    let all = [
        delta.text.as_deref().map(Delta::Text),
        delta.thinking.as_deref().map(Delta::Thinking),
        delta.signature.as_deref().map(Delta::Signature),
        delta.partial_json.as_deref().filter(|json| !json.is_empty()).map(Delta::ToolInput),
    ];
    for delta in all.into_iter().flatten() {
        emit(Event::BlockDelta { index, delta });
    }
}
