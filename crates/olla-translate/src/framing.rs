//! Splits a stream into events: server-sent events (WHATWG HTML §9.2) or lines of JSON.

use memchr::memchr2;

use crate::Dialect;

/// Reads a stream, cut into pieces anywhere, and hands out the data of each event that is complete.
#[derive(Debug, Clone)]
pub(crate) struct Framing {
    format: Format,
    /// The current line, as far as it has come; the end of line is not part of it.
    line: Vec<u8>,
    /// The data of the current event.
    data: Vec<u8>,
    has_data: bool,
    /// Of a longer event only the beginning counts, in bytes.
    limit: usize,
    overflowed: bool,
    /// A line feed right after a carriage return ends no further line.
    after_return: bool,
    /// A byte order mark may come before the first line, and means nothing.
    is_first_line: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Events,
    Lines,
}

/// The longest event that is read; of a longer one only the beginning counts.
const MAX_EVENT: usize = 256 * 1024;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

// === impl Framing ===

impl Framing {
    /// Returns the framing of a dialect's streams.
    pub(crate) fn of(dialect: Dialect) -> Self {
        Self::with_limit(dialect, MAX_EVENT)
    }

    /// Returns the framing of a dialect's streams, for events of so many bytes.
    pub(crate) fn with_limit(dialect: Dialect, limit: usize) -> Self {
        let format = match dialect {
            Dialect::OpenAi | Dialect::Anthropic => Format::Events,
            Dialect::Ollama => Format::Lines,
        };
        Self {
            format,
            line: vec![],
            data: vec![],
            has_data: false,
            limit,
            overflowed: false,
            after_return: false,
            is_first_line: true,
        }
    }

    /// Returns whether an event was longer than the limit.
    pub(crate) const fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// Ends the stream. A last line without an end is handed out if lines are events; half an event never is.
    pub(crate) fn end(&mut self, mut event: impl FnMut(&[u8])) {
        if self.format == Format::Lines && !self.line.is_empty() {
            event(&self.line);
            self.line.clear();
        }
    }

    /// Reads the next bytes and hands out the data of each event that they complete.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut event: impl FnMut(&[u8])) {
        while let Some((&first, rest)) = bytes.split_first() {
            if std::mem::take(&mut self.after_return) && first == b'\n' {
                bytes = rest;
                continue;
            }
            let Some(end) = memchr2(b'\n', b'\r', bytes) else {
                self.overflowed |= push(&mut self.line, bytes, self.limit);
                return;
            };
            let (text, rest) = bytes.split_at(end);
            self.overflowed |= push(&mut self.line, text, self.limit);
            self.after_return = rest.first() == Some(&b'\r');
            self.end_line(&mut event);
            bytes = rest.get(1..).unwrap_or_default();
        }
    }

    fn end_line(&mut self, event: &mut impl FnMut(&[u8])) {
        if std::mem::take(&mut self.is_first_line) && self.line.starts_with(BYTE_ORDER_MARK) {
            self.line.drain(..BYTE_ORDER_MARK.len());
        }
        match self.format {
            Format::Lines => {
                if !self.line.is_empty() {
                    event(&self.line);
                }
            }
            Format::Events if self.line.is_empty() => {
                if std::mem::take(&mut self.has_data) {
                    event(&self.data);
                }
                self.data.clear();
            }
            Format::Events => {
                if let Some(value) = self.line.strip_prefix(b"data:") {
                    if std::mem::replace(&mut self.has_data, true) {
                        self.overflowed |= push(&mut self.data, b"\n", self.limit);
                    }
                    let value = value.strip_prefix(b" ").unwrap_or(value);
                    self.overflowed |= push(&mut self.data, value, self.limit);
                }
            }
        }
        self.line.clear();
    }
}

/// Appends what there is room for, and returns whether some was left out.
fn push(buffer: &mut Vec<u8>, bytes: &[u8], limit: usize) -> bool {
    let room = limit.saturating_sub(buffer.len());
    buffer.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
    room < bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(dialect: Dialect, chunks: &[&str]) -> Vec<String> {
        let mut found = vec![];
        let mut framing = Framing::of(dialect);
        for chunk in chunks {
            framing.feed(chunk.as_bytes(), |data| found.push(String::from_utf8_lossy(data).into_owned()));
        }
        found
    }

    #[test]
    fn every_end_of_line_and_every_cut_is_understood() {
        for ends in ["\n", "\r", "\r\n"] {
            let stream =
                ["event: x", "data: one", "data:two", ": note", "", "", "id: 7", "", "data", ""].join(ends);
            for at in 0..=stream.len() {
                let (head, tail) = stream.split_at(at);
                assert_eq!(events(Dialect::OpenAi, &[head, tail]), ["one\ntwo"], "{ends:?} {at}");
            }
        }
    }

    #[test]
    fn lines_are_events_of_ollama() {
        assert_eq!(
            events(Dialect::Ollama, &["{\"a\":1}\n{\"b\"", ":2}\r\n", "\n{"]),
            ["{\"a\":1}", "{\"b\":2}"]
        );
    }

    #[test]
    fn an_endless_event_takes_bounded_memory() {
        let mut framing = Framing::of(Dialect::OpenAi);
        for _ in 0..100 {
            framing.feed(&[b'x'; 64 * 1024], |_| {});
        }

        assert!(framing.line.capacity() <= 2 * MAX_EVENT);
    }
}
