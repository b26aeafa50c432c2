//! A body out of what was received: its chunks or its length taken off (RFC 9112 §6, §7.1).
//!
//! Whatever has arrived is handed on at once, and in one piece: small chunks that have come together are joined.

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http_body::SizeHint;
use memchr::memchr;

use super::{Malformed, head_end, read_fields};

/// Reads one body.
#[derive(Debug)]
pub struct Decoder {
    place: Place,
    /// Bytes of chunk extensions so far.
    extensions: usize,
}

/// Where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// After so many bytes.
    Exact(u64),
    /// After its last chunk.
    Chunked,
    /// With its connection.
    UntilClose,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The rest of a body whose length was announced.
    Rest(u64),
    /// Everything until the connection ends.
    UntilClose,
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    Done,
    /// What came is no part of a body.
    Broken,
}

/// What was in the bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A piece of it.
    Data(Bytes),
    /// The fields behind it; it ends with them.
    Trailers(HeaderMap),
    /// Nothing: more has to be received.
    Nothing,
    /// There is nothing left of it.
    End,
}

/// The line with the size of a chunk and its extensions, in bytes,
const LONGEST_LINE: usize = 4 * 1024;
/// all extensions of a body, which nobody asks for and nobody reads,
const LONGEST_EXTENSIONS: usize = 16 * 1024;
/// and all its trailers.
const LONGEST_TRAILERS: usize = 16 * 1024;
const MOST_TRAILERS: usize = 32;
/// Longer chunks are not joined to those before: copying them would cost more than a frame.
const LONGEST_JOINED: usize = 4 * 1024;

// === impl Decoder ===

impl Decoder {
    /// Returns one for a body of this length.
    #[must_use]
    pub fn new(length: Length) -> Self {
        let place = match length {
            Length::Exact(0) => Place::Done,
            Length::Exact(bytes) => Place::Rest(bytes),
            Length::Chunked => Place::ChunkSize,
            Length::UntilClose => Place::UntilClose,
        };
        Self { place, extensions: 0 }
    }

    /// Returns whether the body has ended.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.place == Place::Done
    }

    /// Returns how many bytes are to come, as far as that is known.
    #[must_use]
    pub fn size_hint(&self) -> SizeHint {
        match self.place {
            Place::Rest(bytes) => SizeHint::with_exact(bytes),
            Place::Done => SizeHint::with_exact(0),
            Place::UntilClose
            | Place::ChunkSize
            | Place::Chunk(_)
            | Place::ChunkEnd
            | Place::Trailers
            | Place::Broken => SizeHint::default(),
        }
    }

    /// Returns whether the end of the connection is the end of the body.
    #[must_use]
    pub fn ends_with_connection(&self) -> bool {
        matches!(self.place, Place::UntilClose | Place::Done)
    }

    /// Takes the next of it off what was received.
    ///
    /// # Errors
    /// Fails where what was received is no part of such a body; all that was good of it has been returned by then.
    pub fn decode(&mut self, received: &mut BytesMut) -> Result<Decoded, Malformed> {
        match self.place {
            Place::Done => Ok(Decoded::End),
            Place::Broken => Err(Malformed),
            Place::UntilClose | Place::Rest(_) if received.is_empty() => Ok(Decoded::Nothing),
            Place::UntilClose => Ok(Decoded::Data(received.split().freeze())),
            Place::Rest(left) => {
                let taken = left.min(received.len() as u64);
                self.place = if taken == left { Place::Done } else { Place::Rest(left - taken) };
                Ok(Decoded::Data(received.split_to(taken as usize).freeze()))
            }
            Place::ChunkSize | Place::Chunk(_) | Place::ChunkEnd => self.chunks(received),
            Place::Trailers => self.trailers(received),
        }
    }

    /// Joins the data of all chunks that are there, within the buffer.
    fn chunks(&mut self, received: &mut BytesMut) -> Result<Decoded, Malformed> {
        let (mut begin, mut end, mut at) = (0, 0, 0);
        loop {
            let rest = received.get(at..).unwrap_or_default();
            match self.place {
                Place::ChunkSize => match chunk_size(rest) {
                    Ok(None) => break,
                    Ok(Some((size, line, extension))) => {
                        self.place = if size == 0 { Place::Trailers } else { Place::Chunk(size) };
                        at += line;
                        self.extensions += extension;
                        if self.extensions > LONGEST_EXTENSIONS {
                            self.place = Place::Broken;
                        }
                    }
                    Err(Malformed) => self.place = Place::Broken,
                },
                Place::Chunk(left) => {
                    let taken = left.min(rest.len() as u64) as usize;
                    if taken == 0 || (end > begin && taken > LONGEST_JOINED) {
                        break;
                    }
                    if end == begin {
                        (begin, end) = (at, at);
                    } else {
                        received.copy_within(at..at + taken, end);
                    }
                    end += taken;
                    at += taken;
                    self.place = match left - taken as u64 {
                        0 => Place::ChunkEnd,
                        left => Place::Chunk(left),
                    };
                }
                Place::ChunkEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        self.place = Place::ChunkSize;
                        at += 2;
                    }
                    [] | [b'\r'] => break,
                    _ => self.place = Place::Broken,
                },
                // Usually there are none, and the body ends here.
                Place::Trailers if rest.starts_with(b"\r\n") => {
                    self.place = Place::Done;
                    at += 2;
                }
                Place::Trailers | Place::Done | Place::Broken | Place::Rest(_) | Place::UntilClose => break,
            }
        }
        let mut taken = received.split_to(at);
        taken.truncate(end);
        taken.advance(begin);
        match self.place {
            // What is good of it comes first.
            _ if end > begin => Ok(Decoded::Data(taken.freeze())),
            Place::Done => Ok(Decoded::End),
            Place::Trailers => self.trailers(received),
            Place::Broken => Err(Malformed),
            Place::ChunkSize | Place::Chunk(_) | Place::ChunkEnd | Place::Rest(_) | Place::UntilClose => {
                Ok(Decoded::Nothing)
            }
        }
    }

    fn trailers(&mut self, received: &mut BytesMut) -> Result<Decoded, Malformed> {
        // What stands before them ends a line.
        let mut fields = [httparse::EMPTY_HEADER; MOST_TRAILERS];
        let Some((len, is_regular)) = trailers_end(received) else {
            // What will be none however it goes on is refused before it ends.
            let is_good =
                received.len() < LONGEST_TRAILERS && httparse::parse_headers(received, &mut fields).is_ok();
            return if is_good { Ok(Decoded::Nothing) } else { Err(Malformed) };
        };
        self.place = Place::Broken;
        let text = received.split_to(len).freeze();
        let trailers = match httparse::parse_headers(&text, &mut fields) {
            Ok(httparse::Status::Complete((end, fields)))
                if end == len && len <= LONGEST_TRAILERS && is_regular =>
            {
                read_fields(&text, fields, 0, |_, _| {})?
            }
            Ok(_) | Err(_) => return Err(Malformed),
        };
        self.place = Place::Done;
        Ok(if trailers.is_empty() { Decoded::End } else { Decoded::Trailers(trailers) })
    }
}

/// Returns where trailers end, which may be none.
fn trailers_end(received: &[u8]) -> Option<(usize, bool)> {
    match received {
        [b'\r', b'\n', ..] => Some((2, true)),
        [b'\n', ..] => Some((1, false)),
        _ => head_end(received),
    }
}

/// Reads a size that nothing stands behind, as nearly every one is, and returns also the length of the line.
fn bare_size(received: &[u8]) -> Option<(u64, usize)> {
    let mut size = 0;
    // Longer ones may be too large.
    for (digits, byte) in received.iter().enumerate().take(9) {
        match char::from(*byte).to_digit(16) {
            Some(digit) => size = size << 4 | u64::from(digit),
            None => {
                return (digits > 0 && received.get(digits..)?.starts_with(b"\r\n"))
                    .then_some((size, digits + 2));
            }
        }
    }
    None
}

/// Reads `1a;extension`, and returns the size, the length of the line, and that of what stands behind the size.
fn chunk_size(received: &[u8]) -> Result<Option<(u64, usize, usize)>, Malformed> {
    if let Some((size, line)) = bare_size(received) {
        return Ok(Some((size, line, 0)));
    }
    let Some(feed) = memchr(b'\n', received) else {
        return if received.len() < LONGEST_LINE { Ok(None) } else { Err(Malformed) };
    };
    let line = received.get(..feed).and_then(|line| line.strip_suffix(b"\r")).ok_or(Malformed)?;
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, rest) = line.split_at_checked(digits).ok_or(Malformed)?;
    let digits = std::str::from_utf8(digits).map_err(|_| Malformed)?;
    let size = u64::from_str_radix(digits, 16).map_err(|_| Malformed)?;
    match rest.trim_ascii() {
        // To some, a carriage return ends a line.
        _ if memchr(b'\r', rest).is_some() => Err(Malformed),
        [] | [b';', ..] if feed < LONGEST_LINE => Ok(Some((size, feed + 1, rest.len()))),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests;
