//! A body out of what was received: its chunks or its length taken off (RFC 9112 §6, §7.1).
//!
//! Whatever has arrived is handed on at once, and in one piece: small chunks that have come together are joined.

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use memchr::memchr;

use super::{Malformed, ends_lines};

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

    /// Returns how many bytes are to come, where that is known.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        match self.place {
            Place::Rest(bytes) => Some(bytes),
            Place::Done => Some(0),
            Place::UntilClose
            | Place::ChunkSize
            | Place::Chunk(_)
            | Place::ChunkEnd
            | Place::Trailers
            | Place::Broken => None,
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
        let mut fields = [httparse::EMPTY_HEADER; MOST_TRAILERS];
        let (len, trailers) = match httparse::parse_headers(received, &mut fields) {
            Ok(httparse::Status::Complete((len, fields)))
                if len <= LONGEST_TRAILERS && ends_lines(&received[..len]) =>
            {
                (len, trailers(fields)?)
            }
            Ok(httparse::Status::Partial) if received.len() < LONGEST_TRAILERS => {
                return Ok(Decoded::Nothing);
            }
            Ok(_) | Err(_) => return Err(Malformed),
        };
        received.advance(len);
        self.place = Place::Done;
        Ok(if trailers.is_empty() { Decoded::End } else { Decoded::Trailers(trailers) })
    }
}

/// Reads `1a;extension`, and returns the size, the length of the line, and that of what stands behind the size.
fn chunk_size(received: &[u8]) -> Result<Option<(u64, usize, usize)>, Malformed> {
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

fn trailers(fields: &[httparse::Header<'_>]) -> Result<HeaderMap, Malformed> {
    let mut trailers = HeaderMap::new();
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Malformed)?;
        trailers.append(name, HeaderValue::from_bytes(field.value).map_err(|_| Malformed)?);
    }
    Ok(trailers)
}

#[cfg(test)]
mod tests {
    use olla_fuzz::fuzz;
    use proptest::prelude::*;

    use super::*;

    /// What came of a body: its data, its trailers and whether it ended, broke or goes on.
    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Read {
        data: Vec<u8>,
        trailers: Option<HeaderMap>,
        end: Option<Result<(), Malformed>>,
        left: Vec<u8>,
    }

    /// Decodes pieces as they come.
    fn read<'p>(length: Length, pieces: impl IntoIterator<Item = &'p [u8]>) -> Read {
        let (mut decoder, mut received) = (Decoder::new(length), BytesMut::new());
        let mut read = Read { data: vec![], trailers: None, end: None, left: vec![] };
        for piece in pieces {
            received.extend_from_slice(piece);
            while read.end.is_none() {
                match decoder.decode(&mut received) {
                    Ok(Decoded::Data(data)) => read.data.extend_from_slice(&data),
                    Ok(Decoded::Trailers(trailers)) => read.trailers = Some(trailers),
                    Ok(Decoded::Nothing) => break,
                    Ok(Decoded::End) => read.end = Some(Ok(())),
                    Err(malformed) => read.end = Some(Err(malformed)),
                }
            }
        }
        assert!(decoder.is_done() == (read.end == Some(Ok(()))));
        // What follows a body that broke is nobody's.
        if read.end != Some(Err(Malformed)) {
            read.left = received.to_vec();
        }
        read
    }

    fn chunked(text: &str) -> Read {
        read(Length::Chunked, [text.as_bytes()])
    }

    #[test]
    fn chunks_that_come_together_are_joined() {
        let mut received = BytesMut::from("5\r\nhello\r\n1;x=y\r\n \r\n5\r\nworld\r\n0\r\n\r\nnext");
        let mut decoder = Decoder::new(Length::Chunked);

        assert_eq!(decoder.decode(&mut received), Ok(Decoded::Data("hello world".into())));
        assert!(decoder.is_done());
        assert_eq!(received, "next");
    }

    #[test]
    fn a_long_chunk_is_not_copied_behind_another() {
        let long = "x".repeat(LONGEST_JOINED + 1);
        let mut received = BytesMut::from(&*format!("1\r\na\r\n{:x}\r\n{long}\r\n", long.len()));
        let mut decoder = Decoder::new(Length::Chunked);

        assert_eq!(decoder.decode(&mut received), Ok(Decoded::Data("a".into())));
        assert_eq!(decoder.decode(&mut received), Ok(Decoded::Data(long.into())));
        assert_eq!(decoder.decode(&mut received), Ok(Decoded::Nothing));
    }

    #[test]
    fn trailers_come_after_the_data() {
        let read = chunked("2\r\nhi\r\n0\r\nx-sum: 7\r\nx-b: c\r\n\r\nnext");

        assert_eq!((&*read.data, read.end), (&b"hi"[..], Some(Ok(()))));
        assert_eq!(read.trailers.unwrap().get("x-sum").unwrap(), "7");
        assert_eq!(read.left, b"next");
    }

    #[test]
    fn what_is_no_chunk_breaks_the_body_after_what_was_good_of_it() {
        for rest in [
            "x\r\n",
            "-1\r\na",
            "\r\n",
            "5\nhello",
            "1 2\r\n",
            "11111111111111111\r\n",
            "5;a\rb\r\nhello\r\n",
            "0\r\nno field\r\n\r\n",
            "0\r\na: b\nc: d\r\n\r\n",
        ] {
            let read = chunked(&format!("2\r\nhi\r\n{rest}"));

            assert_eq!((&*read.data, read.end), (&b"hi"[..], Some(Err(Malformed))), "{rest:?}");
        }
        assert_eq!(chunked("2\r\nhi?\r\n0\r\n\r\n").end, Some(Err(Malformed)));
    }

    #[test]
    fn what_never_ends_is_given_up() {
        assert_eq!(chunked(&"0".repeat(LONGEST_LINE)).end, Some(Err(Malformed)));
        assert_eq!(chunked(&format!("1;{}", "x".repeat(LONGEST_LINE))).end, Some(Err(Malformed)));
        let extended = format!("1;{}\r\nx\r\n", "x".repeat(LONGEST_EXTENSIONS / 8 - 1));
        assert_eq!(chunked(&extended.repeat(8)).end, None);
        assert_eq!(chunked(&extended.repeat(9)).end, Some(Err(Malformed)));
        let long = format!("0\r\na: {}", "x".repeat(LONGEST_TRAILERS));
        assert_eq!(chunked(&long).end, Some(Err(Malformed)));
        assert_eq!(chunked(&format!("{long}\r\n\r\n")).end, Some(Err(Malformed)));
    }

    #[test]
    fn a_length_is_kept_to() {
        let read = read(Length::Exact(7), [&b"hel"[..], b"lo world"]);

        assert_eq!((&*read.data, read.end, &*read.left), (&b"hello w"[..], Some(Ok(())), &b"orld"[..]));
    }

    proptest! {
        #[test]
        fn a_body_is_the_same_however_it_was_cut_and_arrives(
            data in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
            cuts in prop::collection::vec(1usize..30, 0..40),
        ) {
            let mut sent = vec![];
            for chunk in &data {
                sent.extend_from_slice(format!("{:X};e\r\n", chunk.len()).as_bytes());
                sent.extend_from_slice(chunk);
                sent.extend_from_slice(b"\r\n");
            }
            sent.extend_from_slice(b"0\r\nx-t: 1\r\n\r\nrest");

            let read = read(Length::Chunked, pieces(&sent, cuts));

            prop_assert_eq!(read.data, data.concat());
            prop_assert_eq!((read.trailers.unwrap().len(), read.end), (1, Some(Ok(()))));
            prop_assert_eq!(read.left, b"rest".to_vec());
        }
    }

    /// Cuts bytes into pieces of these sizes, and what is left into one.
    fn pieces(mut bytes: &[u8], sizes: Vec<usize>) -> Vec<&[u8]> {
        let mut pieces = vec![];
        for size in sizes {
            let (piece, rest) = bytes.split_at(size.min(bytes.len()));
            pieces.push(piece);
            bytes = rest;
        }
        pieces.push(bytes);
        pieces
    }

    #[test]
    fn fuzz_chunks() {
        let words = [
            "5\r\n",
            "hello",
            "\r\n",
            "0\r\n\r\n",
            ";x=y",
            "ffffffffffffffff",
            "a: b\r\n",
            "\n",
            "1\r\nx\r\n",
        ];
        fuzz("chunks", &words, |input| {
            let (size, bytes) = input.split_first().unwrap_or((&1, &[]));
            let size = usize::from(*size).max(1);

            let (whole, cut) = (read(Length::Chunked, [bytes]), read(Length::Chunked, bytes.chunks(size)));

            assert_eq!(whole.data, cut.data);
            assert_eq!(whole.end, cut.end);
            whole.end.map(|end| end.is_ok())
        });
    }
}
