//! Calls of tools as their pieces arrive: interleaved, without an index, without an id, whole or in crumbs.

use crate::{
    canonical::ToolKind,
    json::{Closing, Count},
    openai_chat::answer::WireCall,
};

/// The calls of an answer, in the order in which they were first heard of.
#[derive(Debug, Default)]
pub(super) struct Calls(Vec<Call>);

/// One call.
#[derive(Debug, Default)]
pub(super) struct Call {
    index: Option<u64>,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) kind: ToolKind,
    /// What has arrived and was not passed on yet.
    pub(super) waiting: String,
    closing: Closing,
    pub(super) stage: Stage,
}

/// How far a call has been passed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Stage {
    #[default]
    Heard,
    Open,
    Done,
    /// There was nothing to pass on.
    Void,
}

/// More calls than this are a backend gone wild.
const MAX_CALLS: usize = 1024;

// === impl Calls ===

impl Calls {
    /// Takes a piece of a call. Returns how many bytes it holds back, or `None` if there are too many calls.
    pub(super) fn add(&mut self, piece: &WireCall<'_>) -> Option<usize> {
        let at = self.find(piece).unwrap_or(self.0.len());
        if at == self.0.len() {
            if at == MAX_CALLS {
                return None;
            }
            self.0.push(Call { index: piece.index.0.map(|Count(index)| index), ..Call::default() });
        }
        let call = self.0.get_mut(at)?;
        Some(call.add(piece))
    }

    /// Finds the call that a piece belongs to. Servers differ in what they tell: the index should, but some
    /// leave it out and some send zero for every call. A new id means a new call where a name comes with it; some
    /// make up a new one for every piece.
    fn find(&self, piece: &WireCall<'_>) -> Option<usize> {
        let id = piece.id.0.as_deref().unwrap_or_default();
        let name = piece.part().and_then(|part| part.name.as_deref()).unwrap_or_default();
        if !id.is_empty()
            && let Some(at) = self.0.iter().position(|call| call.id == id && call.fits(piece))
        {
            return Some(at);
        }
        let at = match piece.index.0 {
            Some(Count(index)) => self.0.iter().rposition(|call| call.index == Some(index)),
            None => self.0.len().checked_sub(1),
        }?;
        let call = self.0.get(at)?;
        let complete = call.closing.is_closed();
        let other_id = !id.is_empty() && !call.id.is_empty() && (complete || !name.is_empty());
        let other_name =
            !name.is_empty() && !call.name.is_empty() && piece.index.0.is_none() && id.is_empty();
        let another = other_id || (other_name && (complete || call.name != name));
        (!another).then_some(at)
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut Call> {
        self.0.get_mut(at)
    }

    /// Returns the first call that was not passed on yet.
    pub(super) fn next(&self) -> Option<(usize, &Call)> {
        self.0.iter().enumerate().find(|(_, call)| call.stage == Stage::Heard)
    }

    /// Returns whether a call was passed on.
    pub(super) fn any_passed(&self) -> bool {
        self.0.iter().any(|call| matches!(call.stage, Stage::Open | Stage::Done))
    }
}

// === impl Call ===

impl Call {
    fn fits(&self, piece: &WireCall<'_>) -> bool {
        piece.index.0.is_none_or(|Count(index)| self.index.is_none_or(|own| own == index))
    }

    fn add(&mut self, piece: &WireCall<'_>) -> usize {
        let before = self.bytes();
        if let Some(id) = piece.id.0.as_deref().filter(|_| self.id.is_empty() && self.stage == Stage::Heard) {
            id.clone_into(&mut self.id);
        }
        if piece.custom.is_some() {
            self.kind = ToolKind::Freeform;
        }
        let Some(part) = piece.part() else { return self.bytes() - before };
        if let Some(name) = part.name.as_deref().filter(|_| self.name.is_empty()) {
            name.clone_into(&mut self.name);
        }
        let text = &**part.arguments();
        match self.kind {
            ToolKind::Freeform => self.waiting.push_str(text),
            // What follows a complete object would only spoil it.
            ToolKind::Function => {
                let own = self.closing.feed(text);
                self.waiting.push_str(text.get(..own).unwrap_or_default());
            }
        }
        self.bytes() - before
    }

    const fn bytes(&self) -> usize {
        self.id.len() + self.name.len() + self.waiting.len()
    }

    /// Returns whether enough is known to pass it on: with the arguments no id is to be expected any more.
    pub(super) fn is_ready(&self) -> bool {
        !self.name.is_empty() && (!self.id.is_empty() || !self.waiting.is_empty())
    }

    /// Returns whether nothing was said of it but that it exists.
    pub(super) fn is_empty(&self) -> bool {
        self.name.is_empty() && self.waiting.is_empty()
    }

    /// Returns whether its arguments are complete.
    pub(super) const fn is_complete(&self) -> bool {
        self.closing.is_closed()
    }
}

// === impl WireCall ===

impl<'a> WireCall<'a> {
    fn part(&self) -> Option<&crate::openai_chat::answer::WireFunction<'a>> {
        self.function.as_ref().or(self.custom.as_ref())
    }
}
