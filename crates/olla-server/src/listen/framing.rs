//! Watches where the requests of an HTTP/1 connection begin and end, and makes hyper refuse those which
//! another server in the chain could read differently: request smuggling lives on that.
//!
//! hyper is lenient where RFC 9112 lets it be: a lone line feed ends a line (§2.2), `Transfer-Encoding` beats
//! `Content-Length` (§6.3), and other codings than `chunked` pass. What it parsed shows none of that any more,
//! so the bytes have to be looked at before. Nothing is parsed for its own sake here: where this and hyper
//! would disagree, hyper refuses the request anyway.

use memchr::memchr;

/// Follows the requests of one connection, however its bytes are cut.
#[derive(Debug, Default)]
pub(super) struct Framing {
    place: Place,
    head: Head,
    cut: CutLine,
}

/// What comes next.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    RequestLine,
    Field,
    /// The rest of a body whose length was announced.
    Body(u64),
    ChunkSize,
    /// The rest of a chunk, its line end included.
    Chunk(u64),
    Trailer,
    /// Not for us: another protocol, or a request that hyper refuses.
    Unwatched,
}

/// What a head says of its body so far.
#[derive(Debug, Default, Clone, Copy)]
struct Head {
    length: Option<u64>,
    is_chunked: bool,
}

/// A line that has not ended with the bytes that were read.
#[derive(Debug)]
struct CutLine {
    start: [u8; LONGEST],
    /// More than there is room for if the line is long.
    len: usize,
    last: u8,
}

/// The line, or its beginning, without its line feed.
#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    text: &'a [u8],
    is_whole: bool,
    /// Before the line feed.
    last: Option<u8>,
}

/// Longer lines are none that say how long a body is, or are refused.
const LONGEST: usize = 64;
/// hyper lets it pass nowhere in a head or a trailer.
const SPOILT: u8 = 0;

// === impl Framing ===

impl Framing {
    /// Looks at the next bytes, and spoils what must be refused.
    pub(super) fn inspect(&mut self, bytes: &mut [u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let passed = match &mut self.place {
                Place::Unwatched => return,
                Place::Body(left) | Place::Chunk(left) => {
                    let passed = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left -= passed as u64;
                    match self.place {
                        Place::Body(0) => self.place = Place::RequestLine,
                        Place::Chunk(0) => self.place = Place::ChunkSize,
                        _ => {}
                    }
                    passed
                }
                Place::RequestLine | Place::Field | Place::ChunkSize | Place::Trailer => self.line(rest),
            };
            rest = rest.get_mut(passed..).unwrap_or_default();
        }
    }

    /// Reads to the end of the line, and returns how many bytes that took.
    fn line(&mut self, rest: &mut [u8]) -> usize {
        let Some(end) = memchr(b'\n', rest) else {
            self.cut.push(rest);
            return rest.len();
        };
        let (line, feed) = rest.split_at_mut(end);
        let next = if self.cut.len == 0 {
            self.after(Line { text: line, is_whole: true, last: line.last().copied() })
        } else {
            self.cut.push(line);
            let cut = std::mem::take(&mut self.cut);
            self.after(cut.line())
        };
        // hyper is as strict about the sizes of chunks, but would skip a spoilt byte in their extensions.
        if next.is_none() && self.place != Place::ChunkSize {
            feed[0] = SPOILT;
        }
        self.place = next.unwrap_or(Place::Unwatched);
        end + 1
    }

    /// Returns what follows a line, or `None` if the line must be refused.
    fn after(&mut self, line: Line<'_>) -> Option<Place> {
        if line.last != Some(b'\r') {
            return None;
        }
        let text = if line.is_whole { line.text.strip_suffix(b"\r")? } else { line.text };
        match self.place {
            // Some clients send an empty line too many (RFC 9112 §2.2).
            Place::RequestLine if text.is_empty() => Some(Place::RequestLine),
            // RFC 9113 §3.4.
            Place::RequestLine if text == b"PRI * HTTP/2.0" => Some(Place::Unwatched),
            Place::RequestLine => {
                self.head = Head::default();
                Some(Place::Field)
            }
            Place::Field if text.is_empty() => Some(self.head.body()),
            Place::Field => self.head.read(text, line.is_whole).then_some(Place::Field),
            Place::ChunkSize => match chunk_size(text)? {
                0 => Some(Place::Trailer),
                size => Some(Place::Chunk(size.checked_add(2)?)),
            },
            Place::Trailer if text.is_empty() => Some(Place::RequestLine),
            Place::Trailer => Some(Place::Trailer),
            Place::Body(_) | Place::Chunk(_) | Place::Unwatched => Some(self.place),
        }
    }
}

/// Reads `1a;extension`.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let digits = std::str::from_utf8(line.get(..digits)?).ok()?;
    u64::from_str_radix(digits, 16).ok()
}

/// Returns the value of a field line with this name, which ends with its colon.
fn value_of<'l>(line: &'l [u8], name: &[u8]) -> Option<&'l [u8]> {
    let (begin, value) = line.split_at_checked(name.len())?;
    // Most lines have no colon there.
    (begin.last() == Some(&b':') && begin.eq_ignore_ascii_case(name)).then(|| value.trim_ascii())
}

// === impl Head ===

impl Head {
    /// Reads a field line. Returns whether it agrees with those before.
    fn read(&mut self, line: &[u8], is_whole: bool) -> bool {
        if let Some(value) = value_of(line, b"content-length:") {
            return is_whole && !self.is_chunked && self.has_length(value);
        }
        if let Some(value) = value_of(line, b"transfer-encoding:") {
            let is_first = self.length.is_none() && !self.is_chunked;
            self.is_chunked = true;
            return is_whole && is_first && value.eq_ignore_ascii_case(b"chunked");
        }
        true
    }

    fn has_length(&mut self, value: &[u8]) -> bool {
        let digits = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
        let Some(length) = digits.and_then(|digits| digits.parse().ok()) else { return false };
        *self.length.get_or_insert(length) == length
    }

    fn body(self) -> Place {
        match self.length {
            _ if self.is_chunked => Place::ChunkSize,
            None | Some(0) => Place::RequestLine,
            Some(length) => Place::Body(length),
        }
    }
}

// === impl CutLine ===

impl CutLine {
    fn push(&mut self, more: &[u8]) {
        if let Some(room) = self.start.get_mut(self.len..) {
            let fits = room.len().min(more.len());
            room[..fits].copy_from_slice(&more[..fits]);
        }
        self.len = self.len.saturating_add(more.len());
        self.last = more.last().copied().unwrap_or(self.last);
    }

    fn line(&self) -> Line<'_> {
        let text = self.start.get(..self.len).unwrap_or(&self.start);
        Line { text, is_whole: self.len <= LONGEST, last: Some(self.last) }
    }
}

impl Default for CutLine {
    fn default() -> Self {
        Self { start: [0; LONGEST], len: 0, last: 0 }
    }
}

#[cfg(test)]
mod tests;
