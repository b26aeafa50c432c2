//! Finds the model in a `multipart/form-data` body (RFC 2046 §5.1, RFC 7578).
//!
//! Of the parts only header lines are kept, each up to a limit. Every byte is looked at a fixed number of
//! times, whatever the body holds: the delimiter begins with a CR and has no other, so that a match that
//! fails cannot hide the beginning of another one.

use std::{mem, ops::Range};

use memchr::{memchr, memmem::Finder, memrchr};

use super::parameters;

const KEY: &[u8] = b"model";
/// How much of a header line is looked at, in bytes.
const MAX_LINE: usize = 1024;
/// What ends the line before a boundary. At the start of the body and of each part's content it may be
/// missing, or rather have been read.
const NEW_LINE: &[u8] = b"\r\n";

/// Reads a form chunk by chunk.
#[derive(Debug)]
pub(crate) struct Scanner {
    state: State,
    /// Where in the body the next byte stands.
    position: u64,
    /// New line, two dashes, boundary.
    delimiter: Finder<'static>,
    /// How much of a delimiter has been read at the end of the last chunk.
    matched: usize,
    line: Vec<u8>,
    /// Whether the last byte of the line was a CR; the line may be longer than what is kept.
    line_at_cr: bool,
    part: Part,
    found: Option<Range<u64>>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// In a part's content, or before the first part.
    Content { start: u64 },
    /// After what looks like a delimiter.
    Delimited { content: Content, tail: Tail },
    /// In a part's header lines.
    Header,
    /// After the last part.
    Done,
}

/// A part's content, if what follows it is a delimiter.
#[derive(Debug, Clone, Copy)]
struct Content {
    start: u64,
    end: u64,
}

/// What has been read after a delimiter's boundary.
#[derive(Debug, Clone, Copy)]
enum Tail {
    Nothing,
    Dash,
    Padding,
    Cr,
}

/// What a part's headers say it is.
#[derive(Debug, Default, Clone, Copy)]
enum Part {
    Model,
    /// A file in the model's place: as a model it is none, and it hides an earlier one.
    File,
    #[default]
    Other,
}

// === impl Scanner ===

impl Scanner {
    /// Creates a scanner for a body with this boundary. A header value cannot hold a CR, nor can the boundary.
    pub(crate) fn new(boundary: &[u8]) -> Self {
        let delimiter = [NEW_LINE, b"--", boundary].concat();
        Self {
            state: State::Content { start: 0 },
            position: 0,
            delimiter: Finder::new(&delimiter).into_owned(),
            matched: NEW_LINE.len(),
            line: Vec::new(),
            line_at_cr: false,
            part: Part::default(),
            found: None,
        }
    }

    /// Reads the next chunk.
    pub(crate) fn feed(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        while !rest.is_empty() {
            let used = match self.state {
                State::Content { start } => self.content(rest, start),
                State::Delimited { content, tail } => self.delimited(rest, content, tail),
                State::Header => self.header(rest),
                State::Done => return,
            };
            self.position += used as u64;
            rest = rest.get(used..).unwrap_or_default();
        }
    }

    /// Returns where the content of the last part for the model stands.
    pub(crate) fn finish(self) -> Option<Range<u64>> {
        self.found
    }

    fn content(&mut self, rest: &[u8], start: u64) -> usize {
        let delimiter = self.delimiter.needle();
        let missing = delimiter.get(self.matched..).unwrap_or_default();
        let end = if self.matched > 0 && rest.starts_with(missing) {
            Some(missing.len())
        } else if self.matched > 0 && missing.starts_with(rest) {
            self.matched += rest.len();
            return rest.len();
        } else {
            self.delimiter.find(rest).map(|at| at + delimiter.len())
        };
        let Some(used) = end else {
            self.matched = begun(delimiter, rest);
            return rest.len();
        };
        self.matched = 0;
        let end = (self.position + used as u64).saturating_sub(delimiter.len() as u64).max(start);
        self.state = State::Delimited { content: Content { start, end }, tail: Tail::Nothing };
        used
    }

    /// Tells a delimiter from content that only begins like one.
    fn delimited(&mut self, rest: &[u8], content: Content, tail: Tail) -> usize {
        let tail = match (tail, rest.first()) {
            (Tail::Nothing, Some(b'-')) => Tail::Dash,
            (Tail::Dash, Some(b'-')) => {
                self.end_part(content);
                self.state = State::Done;
                return 1;
            }
            (Tail::Nothing | Tail::Padding, Some(b' ' | b'\t')) => Tail::Padding,
            (Tail::Nothing | Tail::Padding, Some(b'\r')) => Tail::Cr,
            (Tail::Cr, Some(b'\n')) => {
                self.end_part(content);
                self.state = State::Header;
                return 1;
            }
            _ => {
                self.state = State::Content { start: content.start };
                return 0;
            }
        };
        self.state = State::Delimited { content, tail };
        1
    }

    fn end_part(&mut self, content: Content) {
        match mem::take(&mut self.part) {
            Part::Model => self.found = Some(content.start..content.end),
            Part::File => self.found = None,
            Part::Other => {}
        }
    }

    fn header(&mut self, rest: &[u8]) -> usize {
        let line_feed = memchr(b'\n', rest);
        let text = rest.get(..line_feed.unwrap_or(rest.len())).unwrap_or_default();
        self.keep(text);
        self.line_at_cr = text.last().map_or(self.line_at_cr, |last| *last == b'\r');
        if line_feed.is_none() {
            return text.len();
        }
        if mem::take(&mut self.line_at_cr) {
            self.end_line(self.position + text.len() as u64 + 1);
        } else {
            // A line feed alone ends nothing.
            self.keep(b"\n");
        }
        text.len() + 1
    }

    fn keep(&mut self, text: &[u8]) {
        let room = MAX_LINE.saturating_sub(self.line.len());
        self.line.extend_from_slice(text.get(..room).unwrap_or(text));
    }

    fn end_line(&mut self, end: u64) {
        if self.line == b"\r" {
            (self.state, self.matched) = (State::Content { start: end }, NEW_LINE.len());
        } else if let Some(part) = Part::read(&self.line) {
            self.part = part;
        }
        self.line.clear();
    }
}

// === impl Part ===

impl Part {
    /// Reads a header line that says what the part is. As at most backends, it need not say `form-data`,
    /// and the last of several counts.
    fn read(line: &[u8]) -> Option<Self> {
        let (name, value) = line.split_at(memchr(b':', line)?);
        if !name.eq_ignore_ascii_case(b"content-disposition") {
            return None;
        }
        let (_, parameters) = parameters::split(value);
        if parameters::last(parameters, b"name").as_deref() != Some(KEY) {
            return Some(Self::Other);
        }
        let is_file = parameters::last(parameters, b"filename").is_some();
        Some(if is_file { Self::File } else { Self::Model })
    }
}

/// Returns how much of a delimiter stands at the end of a text in which there is no whole one.
fn begun(delimiter: &[u8], text: &[u8]) -> usize {
    let last = text.get(text.len().saturating_sub(delimiter.len())..).unwrap_or_default();
    let candidate = memrchr(b'\r', last).and_then(|at| last.get(at..)).unwrap_or_default();
    if delimiter.starts_with(candidate) { candidate.len() } else { 0 }
}

#[cfg(test)]
mod tests;
