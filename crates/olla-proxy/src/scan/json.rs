//! Reads a JSON body chunk by chunk: finds the model, the string under `model` at the top level, and what
//! else counts for the choice of a backend.
//!
//! It keeps no tree, only what the open arrays and objects are. What they mean is told by
//! [`prompt`](super::prompt).

use std::{mem, ops::Range};

use memchr::memchr2;

use super::prompt::{Facts, LONGEST_WORD, Place, Slot};

/// Arrays and objects that are looked into, one in the other. What is deeper counts as nothing.
const MAX_DEPTH: usize = 16;
/// A word with every letter escaped. A longer one is another.
const MAX_WORD: usize = "\\u0000".len() * LONGEST_WORD;
/// So many bytes are looked at one by one: most keys have ended before a faster search would have begun.
const NEAR: usize = 12;

/// Reads a JSON object chunk by chunk.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    state: State,
    /// Bytes of earlier chunks.
    offset: u64,
    /// Open arrays and objects.
    depth: usize,
    /// The innermost of them,
    here: Frame,
    /// and those around it, from the outermost on.
    around: [Frame; MAX_DEPTH],
    /// Whether the next string is a key.
    at_key: bool,
    /// What the value of the last key is.
    slot: Slot,
    string: Text,
    string_start: u64,
    /// Bytes of the current text.
    text_bytes: u64,
    word: Word,
    unit: Unit,
    model: Option<Range<u64>>,
    previous: Option<Range<u64>>,
    facts: Facts,
}

/// An array or an object.
#[derive(Debug, Default, Clone, Copy)]
struct Frame {
    place: Place,
    is_array: bool,
}

/// What the current string is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Text {
    /// Nothing that matters.
    #[default]
    Other,
    Key,
    Model,
    /// The id of an earlier response.
    Previous,
    /// Text of the prompt.
    Prompt,
    /// The type of a part.
    Type,
}

/// A key or the like, quotes excluded.
#[derive(Debug)]
struct Word {
    raw: [u8; MAX_WORD],
    /// More than there is room for if the word is too long.
    len: usize,
}

/// The digits of `\u0000` so far.
#[derive(Debug, Default)]
struct Unit {
    value: u16,
    digits: u8,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the opening brace.
    #[default]
    Start,
    Structure,
    String,
    Escape,
    /// After `\u` in text of the prompt.
    Unicode,
    /// Not an object.
    Other,
    /// The object has ended.
    Done,
}

// === impl Scanner ===

impl Scanner {
    /// Reads the next chunk.
    pub(crate) fn feed(&mut self, chunk: &[u8]) {
        let mut at = 0;
        while at < chunk.len() {
            at = match self.state {
                State::Start => self.start(chunk, at),
                State::Structure => self.structure(chunk, at),
                State::String => self.string(chunk, at),
                State::Escape => self.escape(chunk, at),
                State::Unicode => self.unicode(chunk, at),
                State::Other | State::Done => chunk.len(),
            };
        }
        self.offset += chunk.len() as u64;
    }

    /// Returns whether the body begins like a JSON object.
    pub(crate) fn is_object(&self) -> bool {
        !matches!(self.state, State::Start | State::Other)
    }

    /// Returns where the last string for the model stands, and that for an earlier response, quotes included, and
    /// what else was found.
    pub(crate) fn finish(self) -> (Option<Range<u64>>, Option<Range<u64>>, Facts) {
        (self.model, self.previous, self.facts)
    }

    fn start(&mut self, chunk: &[u8], at: usize) -> usize {
        match chunk[at] {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b'{' => {
                (self.state, self.depth, self.at_key) = (State::Structure, 1, true);
                self.here.place = Place::Root;
            }
            _ => self.state = State::Other,
        }
        at + 1
    }

    fn structure(&mut self, chunk: &[u8], mut at: usize) -> usize {
        while let Some(&byte) = chunk.get(at) {
            at += 1;
            match byte {
                b'"' => {
                    self.open_string(self.offset + at as u64 - 1);
                    at = self.string(chunk, at);
                    if self.state != State::Structure {
                        return at;
                    }
                }
                b'{' | b'[' => self.open(byte),
                b'}' | b']' => {
                    self.close();
                    if self.depth == 0 {
                        self.state = State::Done;
                        return at;
                    }
                }
                b':' => self.at_key = false,
                b',' => (self.at_key, self.slot) = (!self.here.is_array, Slot::Nothing),
                b' ' | b'\t' | b'\r' | b'\n' => {}
                // A number or a literal.
                _ => {
                    self.value(byte);
                    let rest = chunk[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric());
                    at += rest.count();
                }
            }
        }
        at
    }

    fn open(&mut self, bracket: u8) {
        let is_array = bracket == b'[';
        let place = self.value(bracket).place(is_array);
        if let Some(around) = self.around.get_mut(self.depth - 1) {
            *around = self.here;
        }
        let place = if self.depth < MAX_DEPTH { place } else { Place::Other };
        self.here = Frame { place, is_array };
        self.depth += 1;
        (self.at_key, self.slot) = (!is_array, Slot::Nothing);
    }

    fn close(&mut self) {
        self.depth -= 1;
        let around = self.depth.checked_sub(1).and_then(|outer| self.around.get(outer));
        self.here = around.copied().unwrap_or_default();
        (self.at_key, self.slot) = (false, Slot::Nothing);
    }

    /// Notes that a value begins, and tells which. A literal or a number may seem to begin more than once, but
    /// only its first byte is in the slot.
    fn value(&mut self, first: u8) -> Slot {
        match self.here.place {
            Place::Other => return Slot::Nothing,
            Place::Text => return Slot::Text,
            Place::Root | Place::Parts if self.here.is_array => return Slot::Prompt,
            Place::Root | Place::Parts => {}
            Place::Tools => {
                (self.facts.tools, self.here.place) = (true, Place::Text);
                return Slot::Text;
            }
            Place::Images => {
                (self.facts.images, self.here.place) = (true, Place::Other);
                return Slot::Nothing;
            }
        }
        let slot = mem::take(&mut self.slot);
        match slot {
            // As a model it is none, and it hides an earlier one.
            Slot::Model if first != b'"' => self.model = None,
            Slot::Previous if first != b'"' => self.previous = None,
            Slot::Stream => {
                self.facts.stream = match first {
                    b't' => Some(true),
                    b'f' => Some(false),
                    _ => None,
                }
            }
            _ => {}
        }
        slot
    }

    fn open_string(&mut self, position: u64) {
        self.string = match (self.here.place, self.at_key) {
            (Place::Other, _) | (Place::Text, true) => Text::Other,
            (_, true) => Text::Key,
            (_, false) => match self.value(b'"') {
                Slot::Model => Text::Model,
                Slot::Previous => Text::Previous,
                Slot::Prompt | Slot::Text => Text::Prompt,
                Slot::Type => Text::Type,
                Slot::Nothing | Slot::Stream | Slot::Tools | Slot::Images | Slot::Way => Text::Other,
            },
        };
        (self.state, self.string_start) = (State::String, position);
        (self.word.len, self.text_bytes) = (0, 0);
    }

    fn string(&mut self, chunk: &[u8], mut at: usize) -> usize {
        while self.state == State::String {
            let rest = &chunk[at..];
            let Some(len) = plain_length(rest) else {
                self.keep(rest);
                return chunk.len();
            };
            at += len + 1;
            if rest[len] == b'"' {
                self.close_string(&rest[..len], self.offset + at as u64);
                self.state = State::Structure;
            } else {
                self.keep(&rest[..len]);
                self.state = State::Escape;
                at = self.escape(chunk, at);
            }
        }
        at
    }

    fn escape(&mut self, chunk: &[u8], at: usize) -> usize {
        let Some(&escaped) = chunk.get(at) else { return at };
        self.state = State::String;
        match (self.string, escaped) {
            (Text::Prompt, b'u') => {
                (self.state, self.unit) = (State::Unicode, Unit::default());
                return self.unicode(chunk, at + 1);
            }
            (Text::Prompt, _) => self.text_bytes += 1,
            _ => self.keep(&[b'\\', escaped]),
        }
        at + 1
    }

    fn unicode(&mut self, chunk: &[u8], mut at: usize) -> usize {
        while let Some(&byte) = chunk.get(at) {
            let Some(digit) = char::from(byte).to_digit(16) else {
                // No JSON.
                self.state = State::String;
                return at;
            };
            at += 1;
            let Some(bytes) = self.unit.push(digit as u16) else { continue };
            self.text_bytes += bytes;
            self.unit = Unit::default();
            // Where there is one there are more.
            if !chunk[at..].starts_with(b"\\u") {
                self.state = State::String;
                return at;
            }
            at += 2;
        }
        at
    }

    fn keep(&mut self, text: &[u8]) {
        match self.string {
            Text::Key | Text::Type => self.word.push(text),
            Text::Prompt => self.text_bytes += text.len() as u64,
            Text::Other | Text::Model | Text::Previous => {}
        }
    }

    fn close_string(&mut self, last: &[u8], end: u64) {
        match self.string {
            Text::Other => {}
            Text::Key => self.slot = self.word.end(last, |key| self.here.place.slot(key)),
            Text::Model => self.model = Some(self.string_start..end),
            Text::Previous => self.previous = Some(self.string_start..end),
            Text::Prompt => self.facts.add_text(self.text_bytes + last.len() as u64),
            Text::Type => self.word.end(last, |kind| self.facts.add_part(kind)),
        }
    }
}

/// Returns how many bytes stand before the next quote or backslash, if there is one.
fn plain_length(text: &[u8]) -> Option<usize> {
    let (near, far) = text.split_at(text.len().min(NEAR));
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\');
    near.iter().position(is_special).or_else(|| Some(near.len() + memchr2(b'"', b'\\', far)?))
}

// === impl Word ===

impl Word {
    fn push(&mut self, text: &[u8]) {
        let end = self.len.saturating_add(text.len());
        if let Some(room) = self.raw.get_mut(self.len..end) {
            room.copy_from_slice(text);
        }
        self.len = end;
    }

    /// Adds the last bytes and hands the word on, escapes resolved. What is too long, or no text, is handed on
    /// as an empty word.
    fn end<T>(&mut self, last: &[u8], reader: impl FnOnce(&[u8]) -> T) -> T {
        if self.len == 0 {
            // All of it: it was neither cut nor has it escapes.
            return reader(last);
        }
        self.push(last);
        let raw = self.raw.get(..self.len).unwrap_or_default();
        if !raw.contains(&b'\\') {
            return reader(raw);
        }
        // alloc: escapes in keys are rare.
        let quoted = [b"\"", raw, b"\""].concat();
        reader(serde_json::from_slice::<String>(&quoted).unwrap_or_default().as_bytes())
    }
}

impl Default for Word {
    fn default() -> Self {
        Self { raw: [0; MAX_WORD], len: 0 }
    }
}

// === impl Unit ===

impl Unit {
    /// Takes the next digit, and returns the bytes of the character in UTF-8 if that was the last.
    fn push(&mut self, digit: u16) -> Option<u64> {
        (self.value, self.digits) = (self.value << 4 | digit, self.digits + 1);
        (self.digits == 4).then_some(match self.value {
            0..0x80 => 1,
            // Half of a pair; together they are four bytes.
            0x80..0x800 | 0xD800..0xE000 => 2,
            _ => 3,
        })
    }
}

#[cfg(test)]
pub(super) mod tests;
