//! Appends JSON to a buffer. An object or array closes itself when it is dropped.

use std::{fmt::Display, io::Write as _};

use bytes::{BufMut as _, BytesMut};

use super::RawValue;

/// An object being written.
#[derive(Debug)]
pub(crate) struct Object<'b> {
    out: &'b mut BytesMut,
    empty: bool,
    end: &'static [u8],
}

/// An array being written.
#[derive(Debug)]
pub(crate) struct Array<'b> {
    out: &'b mut BytesMut,
    empty: bool,
}

fn string(out: &mut BytesMut, text: &str) {
    out.put_u8(b'"');
    escape(out, text);
    out.put_u8(b'"');
}

/// The bytes at which the inside of a string may need an escape.
static SPECIAL: [bool; 256] = {
    let mut special = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        special[byte] = true;
        byte += 1;
    }
    let others = [b'"', b'\\', 0xC2, 0xE2];
    let mut at = 0;
    while at < others.len() {
        special[others[at] as usize] = true;
        at += 1;
    }
    special
};

/// Writes the inside of a string. Besides what JSON asks for, three line ends of Unicode are escaped: several
/// clients end the line of an event there.
fn escape(out: &mut BytesMut, text: &str) {
    let mut rest = text.as_bytes();
    let mut from = 0;
    while let Some(found) = rest.get(from..).and_then(|tail| tail.iter().position(|byte| is_special(*byte))) {
        let (plain, tail) = rest.split_at(from + found);
        let (length, escaped): (usize, &[u8]) = match *tail {
            [b'"', ..] => (1, b"\\\""),
            [b'\\', ..] => (1, b"\\\\"),
            [b'\n', ..] => (1, b"\\n"),
            [b'\r', ..] => (1, b"\\r"),
            [b'\t', ..] => (1, b"\\t"),
            [0xC2, 0x85, ..] => (2, b"\\u0085"),
            [0xE2, 0x80, 0xA8, ..] => (3, b"\\u2028"),
            [0xE2, 0x80, 0xA9, ..] => (3, b"\\u2029"),
            [control @ 0..0x20, ..] => {
                out.put_slice(plain);
                let _ = write!(out.writer(), "\\u{control:04x}");
                (rest, from) = (tail.get(1..).unwrap_or_default(), 0);
                continue;
            }
            _ => {
                from += found + 1;
                continue;
            }
        };
        out.put_slice(plain);
        out.put_slice(escaped);
        (rest, from) = (tail.get(length..).unwrap_or_default(), 0);
    }
    out.put_slice(rest);
}

/// Writes JSON without line ends: between values they mean nothing, and of Unicode's those within strings are
/// escaped.
fn line(out: &mut BytesMut, json: &str) {
    for piece in json.split_inclusive(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
        let text = piece.trim_end_matches(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']);
        out.put_slice(text.as_bytes());
        out.put_slice(match piece.get(text.len()..).unwrap_or_default() {
            "\u{85}" => b"\\u0085",
            "\u{2028}" => b"\\u2028",
            "\u{2029}" => b"\\u2029",
            _ => b"",
        });
    }
}

fn is_special(byte: u8) -> bool {
    SPECIAL.get(usize::from(byte)).copied().unwrap_or(false)
}

fn number(out: &mut BytesMut, number: u64) {
    let _ = write!(out.writer(), "{number}");
}

// === impl Object ===

impl<'b> Object<'b> {
    /// Opens an object at the end of the buffer.
    pub(crate) fn open(out: &'b mut BytesMut) -> Self {
        Self::open_with_end(out, b"}")
    }

    /// Opens an object that ends, with its bracket, like this.
    pub(crate) fn open_with_end(out: &'b mut BytesMut, end: &'static [u8]) -> Self {
        out.put_u8(b'{');
        Self { out, empty: true, end }
    }

    /// Opens the inside of an object, without its brackets.
    pub(crate) fn fields_alone(out: &'b mut BytesMut) -> Self {
        Self { out, empty: true, end: b"" }
    }

    /// Writes a key, which must need no escapes, and hands out the buffer for its value.
    pub(crate) fn key(&mut self, key: &str) -> &mut BytesMut {
        self.out.put_slice(if std::mem::take(&mut self.empty) { b"\"" } else { b",\"" });
        self.out.put_slice(key.as_bytes());
        self.out.put_slice(b"\":");
        self.out
    }

    /// Writes a key that may need escapes, and hands out the buffer for its value.
    pub(crate) fn any_key(&mut self, key: &str) -> &mut BytesMut {
        if !std::mem::take(&mut self.empty) {
            self.out.put_u8(b',');
        }
        string(self.out, key);
        self.out.put_u8(b':');
        self.out
    }

    pub(crate) fn text(&mut self, key: &str, text: &str) -> &mut Self {
        string(self.key(key), text);
        self
    }

    /// Writes a text of several pieces.
    pub(crate) fn texts<'t>(&mut self, key: &str, pieces: impl IntoIterator<Item = &'t str>) -> &mut Self {
        let out = self.key(key);
        out.put_u8(b'"');
        for piece in pieces {
            escape(out, piece);
        }
        out.put_u8(b'"');
        self
    }

    pub(crate) fn number(&mut self, key: &str, value: u64) -> &mut Self {
        number(self.key(key), value);
        self
    }

    /// Writes what spells itself as JSON, such as a number.
    pub(crate) fn display(&mut self, key: &str, value: impl Display) -> &mut Self {
        let _ = write!(self.key(key).writer(), "{value}");
        self
    }

    pub(crate) fn flag(&mut self, key: &str, value: bool) -> &mut Self {
        self.json(key, if value { "true" } else { "false" })
    }

    pub(crate) fn null(&mut self, key: &str) -> &mut Self {
        self.json(key, "null")
    }

    /// Writes what is JSON already.
    pub(crate) fn json(&mut self, key: &str, json: &str) -> &mut Self {
        self.key(key).put_slice(json.as_bytes());
        self
    }

    /// Writes what is JSON already, on one line.
    pub(crate) fn line(&mut self, key: &str, json: &str) -> &mut Self {
        line(self.key(key), json);
        self
    }

    /// The same under a key that may need escapes.
    pub(crate) fn any_line(&mut self, key: &str, json: &str) -> &mut Self {
        line(self.any_key(key), json);
        self
    }

    /// Writes fields that were written alone.
    pub(crate) fn fields(&mut self, fields: &[u8]) -> &mut Self {
        if !fields.is_empty() {
            self.out.put_slice(if std::mem::take(&mut self.empty) { b"" } else { b"," });
            self.out.put_slice(fields);
        }
        self
    }

    pub(crate) fn raw(&mut self, key: &str, raw: &RawValue) -> &mut Self {
        self.json(key, raw.get())
    }

    pub(crate) fn object(&mut self, key: &str) -> Object<'_> {
        Object::open(self.key(key))
    }

    pub(crate) fn array(&mut self, key: &str) -> Array<'_> {
        Array::open(self.key(key))
    }
}

impl Drop for Object<'_> {
    fn drop(&mut self) {
        self.out.put_slice(self.end);
    }
}

// === impl Array ===

impl<'b> Array<'b> {
    /// Opens an array at the end of the buffer.
    pub(crate) fn open(out: &'b mut BytesMut) -> Self {
        out.put_u8(b'[');
        Self { out, empty: true }
    }

    /// Returns whether it has no item so far.
    pub(crate) const fn is_empty(&self) -> bool {
        self.empty
    }

    /// Hands out the buffer for the next item.
    pub(crate) fn item(&mut self) -> &mut BytesMut {
        if !std::mem::take(&mut self.empty) {
            self.out.put_u8(b',');
        }
        self.out
    }

    pub(crate) fn object(&mut self) -> Object<'_> {
        Object::open(self.item())
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        string(self.item(), text);
        self
    }
}

impl Drop for Array<'_> {
    fn drop(&mut self) {
        self.out.put_u8(b']');
    }
}
