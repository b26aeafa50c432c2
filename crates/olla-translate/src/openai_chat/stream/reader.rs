//! Reads the chunks of a stream.

use super::calls::{Calls, Stage};
use crate::{
    Stamp,
    canonical::{Delta, Event, Failure, Head, ServiceTier, Stop, StopReason, Usage},
    json::Text,
    openai_chat::answer::{WireAnswer, WireCall, WireMessage, settle, stop_reason},
};

/// Reads the chunks of a stream, and tells of blocks that come one after the other.
#[derive(Debug)]
pub(crate) struct StreamReader {
    stamp: Stamp,
    started: bool,
    done: bool,
    open: Option<Open>,
    next_index: u32,
    calls: Calls,
    /// What the model said while a call was incomplete.
    held: Vec<(Voice, String)>,
    held_bytes: usize,
    refused: bool,
    stop: Option<Stop<'static>>,
    usage: Option<Usage>,
    tier: Option<ServiceTier>,
}

/// The block that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Said(Voice),
    Call(usize),
}

/// How the model speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Voice {
    Aloud,
    Refusing,
    Thinking,
}

/// How much of a stream is kept at most until its turn comes, in bytes.
const MAX_HELD: usize = 8 << 20;

type Emit<'e> = &'e mut dyn FnMut(Event<'_>);

// === impl StreamReader ===

impl StreamReader {
    /// Begins with what ids are made of, for calls that come without.
    pub(crate) fn new(stamp: Stamp) -> Self {
        Self {
            stamp,
            started: false,
            done: false,
            open: None,
            next_index: 0,
            calls: Calls::default(),
            held: vec![],
            held_bytes: 0,
            refused: false,
            stop: None,
            usage: None,
            tier: None,
        }
    }

    /// Reads the data of one event.
    pub(crate) fn read(&mut self, data: &str, emit: Emit<'_>) {
        if self.done {
            return;
        }
        if data.trim() == "[DONE]" {
            self.stop.get_or_insert_default();
            self.end(emit);
            return;
        }
        // What is no chunk is somebody's way to keep the connection alive.
        let Ok(answer) = serde_json::from_str::<WireAnswer<'_>>(data) else { return };
        if let Some(error) = answer.error(data) {
            self.fail(error.into_failure(), emit);
            return;
        }
        self.tier = answer.tier().or(self.tier);
        if let Some(usage) = answer.usage() {
            self.usage.get_or_insert_default().update(usage);
        }
        if !std::mem::replace(&mut self.started, true) {
            emit(Event::Start { usage: None });
        }
        let Some(choice) = answer.choices.0 else { return };
        let sequence = choice.stop_sequence();
        // A whole message within a stream repeats what was said before, if something was.
        let message = choice.message.filter(|_| self.next_index == 0);
        if let Some(message) = choice.delta.or(message) {
            self.message(message, emit);
        }
        if let Some(reason) = choice.finish_reason.0.filter(|reason| !matches!(&**reason, "" | "null")) {
            let Some(reason) = stop_reason(&reason) else {
                self.fail(
                    Failure::bad_gateway("error_in_stream", "the backend ended its answer with an error"),
                    emit,
                );
                return;
            };
            let reason = match (reason, &sequence) {
                (StopReason::EndTurn, Some(_)) => StopReason::StopSequence,
                (reason, _) => reason,
            };
            self.stop = Some(Stop { reason, sequence: sequence.map(Text::from) });
        }
    }

    /// Ends the stream, once nothing more comes.
    pub(crate) fn end(&mut self, emit: Emit<'_>) {
        if self.done {
            return;
        }
        let Some(mut stop) = self.stop.take() else {
            self.fail(Failure::truncated(), emit);
            return;
        };
        if !std::mem::replace(&mut self.started, true) {
            emit(Event::Start { usage: None });
        }
        self.close(emit);
        self.say_held(emit);
        while let Some((at, call)) = self.calls.next() {
            if call.name.is_empty() && !call.is_empty() {
                self.fail(
                    Failure::bad_gateway("malformed_answer", "the backend called a tool without a name"),
                    emit,
                );
                return;
            }
            if call.is_empty() {
                self.calls.get_mut(at).into_iter().for_each(|call| call.stage = Stage::Void);
                continue;
            }
            self.close(emit);
            self.start_call(at, emit);
        }
        self.close(emit);
        self.done = true;
        stop.reason = settle(stop.reason, self.calls.any_passed(), self.refused);
        if stop.reason != StopReason::StopSequence {
            stop.sequence = None;
        }
        let usage = self.usage.map(|usage| Usage { tier: self.tier, ..usage });
        emit(Event::Finish { stop: &stop, usage });
    }

    fn fail(&mut self, failure: Failure, emit: Emit<'_>) {
        self.done = true;
        emit(Event::Error(failure));
    }

    fn message(&mut self, mut message: WireMessage<'_>, emit: Emit<'_>) {
        let thoughts = message.thoughts();
        self.say(Voice::Thinking, &thoughts, emit);
        for thought in message.thinking_blocks.iter() {
            self.thought(thought.signature.as_deref(), thought.data.as_deref(), emit);
        }
        self.say(Voice::Aloud, &message.content.0, emit);
        if !message.refusal.0.is_empty() {
            self.refused = true;
            self.say(Voice::Refusing, &message.refusal.0, emit);
        }
        for call in message.tool_calls.iter() {
            self.call(call, emit);
        }
        if let Some(function) = message.function_call.0 {
            self.call(&WireCall { function: Some(function), ..WireCall::default() }, emit);
        }
    }

    /// A signature proves the thought before it; redacted thoughts stand alone.
    fn thought(&mut self, signature: Option<&str>, redacted: Option<&str>, emit: Emit<'_>) {
        if let Some(signature) = signature.filter(|signature| !signature.is_empty())
            && self.open == Some(Open::Said(Voice::Thinking))
        {
            emit(Event::BlockDelta { index: self.index(), delta: Delta::Signature(signature) });
        }
        if let Some(data) = redacted.filter(|data| !data.is_empty())
            && !matches!(self.open, Some(Open::Call(_)))
        {
            self.close(emit);
            emit(Event::BlockStart { index: self.next_index, head: Head::RedactedThinking(data) });
            emit(Event::BlockStop { index: self.next_index });
            self.next_index += 1;
        }
    }

    fn say(&mut self, voice: Voice, text: &str, emit: Emit<'_>) {
        if text.is_empty() || self.done {
            return;
        }
        if let Some(Open::Call(at)) = self.open {
            if self.calls.get_mut(at).is_some_and(|call| !call.is_complete()) {
                self.hold(voice, text, emit);
                return;
            }
            self.close(emit);
        }
        if self.open != Some(Open::Said(voice)) {
            self.close(emit);
            let head = match voice {
                Voice::Aloud => Head::Text,
                Voice::Refusing => Head::Refusal,
                Voice::Thinking => Head::Thinking,
            };
            self.start(Open::Said(voice), head, emit);
        }
        let delta = match voice {
            Voice::Aloud | Voice::Refusing => Delta::Text(text),
            Voice::Thinking => Delta::Thinking(text),
        };
        emit(Event::BlockDelta { index: self.index(), delta });
    }

    fn hold(&mut self, voice: Voice, text: &str, emit: Emit<'_>) {
        self.held_bytes += text.len();
        match self.held.last_mut() {
            Some((last, held)) if *last == voice => held.push_str(text),
            _ => self.held.push((voice, text.to_owned())),
        }
        self.check_held(emit);
    }

    fn check_held(&mut self, emit: Emit<'_>) {
        if self.held_bytes > MAX_HELD {
            self.fail(
                Failure::bad_gateway(
                    "malformed_answer",
                    "the backend mixes the pieces of its answer more than can be sorted",
                ),
                emit,
            );
        }
    }

    fn call(&mut self, piece: &WireCall<'_>, emit: Emit<'_>) {
        if self.done {
            return;
        }
        let Some(bytes) = self.calls.add(piece) else {
            self.held_bytes = usize::MAX;
            self.check_held(emit);
            return;
        };
        self.held_bytes += bytes;
        self.check_held(emit);
        self.pass_on(emit);
    }

    /// Passes on the calls as far as their turn has come.
    fn pass_on(&mut self, emit: Emit<'_>) {
        while !self.done {
            if let Some(Open::Call(at)) = self.open {
                self.pass_input(at, emit);
                let complete = self.calls.get_mut(at).is_some_and(|call| call.is_complete());
                if !complete || (self.held.is_empty() && self.calls.next().is_none()) {
                    return;
                }
                self.close(emit);
                self.say_held(emit);
            }
            let Some((at, call)) = self.calls.next() else { return };
            if !call.is_ready() {
                return;
            }
            self.close(emit);
            self.start_call(at, emit);
        }
    }

    fn say_held(&mut self, emit: Emit<'_>) {
        for (voice, text) in std::mem::take(&mut self.held) {
            self.held_bytes = self.held_bytes.saturating_sub(text.len());
            self.say(voice, &text, emit);
        }
    }

    fn start_call(&mut self, at: usize, emit: Emit<'_>) {
        let Some(call) = self.calls.get_mut(at) else { return };
        call.stage = Stage::Open;
        if call.id.is_empty() {
            call.id = self.stamp.numbered("call_", u32::try_from(at + 1).unwrap_or(u32::MAX));
        }
        let head = Head::ToolUse { id: &call.id, name: &call.name, kind: call.kind };
        let index = self.next_index;
        emit(Event::BlockStart { index, head });
        self.next_index += 1;
        self.open = Some(Open::Call(at));
        self.pass_input(at, emit);
    }

    fn pass_input(&mut self, at: usize, emit: Emit<'_>) {
        let index = self.index();
        let Some(call) = self.calls.get_mut(at) else { return };
        if !call.waiting.is_empty() {
            emit(Event::BlockDelta { index, delta: Delta::ToolInput(&call.waiting) });
            self.held_bytes = self.held_bytes.saturating_sub(call.waiting.len());
            call.waiting.clear();
        }
    }

    fn start(&mut self, open: Open, head: Head<'_>, emit: Emit<'_>) {
        emit(Event::BlockStart { index: self.next_index, head });
        self.next_index += 1;
        self.open = Some(open);
    }

    fn close(&mut self, emit: Emit<'_>) {
        let Some(open) = self.open.take() else { return };
        if let Open::Call(at) = open
            && let Some(call) = self.calls.get_mut(at)
        {
            call.stage = Stage::Done;
        }
        emit(Event::BlockStop { index: self.index() });
    }

    /// The index of the block that is open.
    const fn index(&self) -> u32 {
        self.next_index.saturating_sub(1)
    }
}
