//! Log lines as JSON objects: time, level, then the fields of the event in their order, the message first.
//!
//! Each request ends with such a line, so it is put together by hand: a general serializer takes ten times as
//! long.

use std::fmt::{self, Write};

/// What is written here becomes the inside of a JSON string.
struct Escaped<'a>(&'a mut String);

/// Begins a line.
pub(super) fn begin(line: &mut String, level: &str, time: impl FnOnce(&mut String)) {
    line.push_str("{\"timestamp\":\"");
    time(line);
    line.push_str("\",\"level\":\"");
    line.push_str(level);
    line.push('"');
}

pub(super) fn end(line: &mut String) {
    line.push_str("}\n");
}

#[inline(always)]
pub(super) fn text(line: &mut String, name: &'static str, value: &str) {
    push_name(line, name);
    line.push('"');
    escape(line, value);
    line.push('"');
}

/// Adds a text that needs no escaping.
#[inline(always)]
pub(super) fn word(line: &mut String, name: &'static str, value: &str) {
    debug_assert!(is_plain(value), "{name} needs escaping: {value:?}");
    push_name(line, name);
    line.push('"');
    line.push_str(value);
    line.push('"');
}

/// Adds a number, or what else is no text.
#[inline(always)]
pub(super) fn bare(line: &mut String, name: &'static str, value: &str) {
    push_name(line, name);
    line.push_str(value);
}

/// Adds what a value shows of itself.
pub(super) fn shown(line: &mut String, name: &'static str, value: &dyn fmt::Debug) {
    push_name(line, name);
    line.push('"');
    // Only a value that refuses to be shown fails; the line then lacks the rest of it.
    let _ = write!(Escaped(line), "{value:?}");
    line.push('"');
}

/// Names are identifiers of this program: nothing in them needs escaping.
#[inline(always)]
fn push_name(line: &mut String, name: &'static str) {
    line.push_str(",\"");
    line.push_str(name);
    line.push_str("\":");
}

// === impl Escaped ===

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(self.0, text);
        Ok(())
    }
}

/// Appends text as the inside of a JSON string (RFC 8259 §7).
fn escape(line: &mut String, text: &str) {
    if is_plain(text) {
        return line.push_str(text);
    }
    let mut rest = text;
    while let Some(at) = rest.bytes().position(is_special) {
        // Such a byte is a character of its own.
        let (plain, special) = rest.split_at(at);
        line.push_str(plain);
        match special.as_bytes().first() {
            Some(b'"') => line.push_str("\\\""),
            Some(b'\\') => line.push_str("\\\\"),
            Some(b'\n') => line.push_str("\\n"),
            Some(b'\r') => line.push_str("\\r"),
            Some(b'\t') => line.push_str("\\t"),
            Some(other) => {
                line.push_str("\\u00");
                push_hex(line, *other);
            }
            None => {}
        }
        rest = special.get(1..).unwrap_or_default();
    }
    line.push_str(rest);
}

fn is_special(byte: u8) -> bool {
    (byte < b' ') | (byte == b'"') | (byte == b'\\')
}

/// Returns whether nothing has to be escaped; looks at eight bytes at a time.
fn is_plain(text: &str) -> bool {
    const ONES: u64 = u64::MAX / 255;
    // The lowest byte that is less has its highest bit set by the subtraction; only bytes above it can be wrong.
    let has_less = |word: u64, than: u8| word.wrapping_sub(ONES * u64::from(than)) & !word & (ONES << 7) != 0;
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let is_plain_word = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word);
        let differs = |byte: u8| !has_less(word ^ (ONES * u64::from(byte)), 1);
        !has_less(word, b' ') && differs(b'"') && differs(b'\\')
    };
    words.iter().all(is_plain_word)
        && match text.as_bytes().last_chunk::<8>() {
            _ if rest.is_empty() => true,
            // The rest, and what has been looked at before.
            Some(last) => is_plain_word(last),
            None => !rest.iter().any(|byte| is_special(*byte)),
        }
}

fn push_hex(line: &mut String, byte: u8) {
    for digit in [byte >> 4, byte & 15] {
        line.extend(char::from_digit(digit.into(), 16));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_read_back_as_it_was(text in "\\PC*|[\\x00-\\x7f]*") {
            let mut line = String::from('"');
            escape(&mut line, &text);
            line.push('"');
            prop_assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        }
    }
}
