//! The little of HTTP/1 that both the engine and the load generator read: heads, header values, chunked bodies.
//! It accepts what real clients send and refuses the rest; it never guesses.

use bytes::{Buf, Bytes, BytesMut};

/// Largest head that is accepted.
pub(crate) const HEAD_LIMIT_BYTES: usize = 64 * 1024;

/// How a request body was delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Neither header: no body.
    None,
    /// `Content-Length` with this value.
    ContentLength(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// The head of a request: the raw bytes and what the connection must know of them.
#[derive(Debug, Clone)]
pub(crate) struct RequestHead {
    raw: Bytes,
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
    pub(crate) version_10: bool,
    pub(crate) expects_continue: bool,
}

/// The error for bytes that are not HTTP/1.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed HTTP/1 message")]
pub(crate) struct Malformed;

/// Decodes a chunked body that arrives in pieces.
#[derive(Debug, Default)]
pub(crate) struct Dechunk {
    state: ChunkState,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum ChunkState {
    #[default]
    Size,
    Data(usize),
    DataEnd,
    Trailer,
    Done,
}

/// Removes a complete head from the front of `inbox`, without interpreting it.
pub(crate) fn take_head(inbox: &mut BytesMut) -> Result<Option<Bytes>, Malformed> {
    match memchr::memmem::find(inbox, b"\r\n\r\n") {
        Some(end) => Ok(Some(inbox.split_to(end + 4).freeze())),
        None if inbox.len() > HEAD_LIMIT_BYTES => Err(Malformed),
        None => Ok(None),
    }
}

/// Iterates over the header fields of a raw head; values are trimmed.
pub(crate) fn fields(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    lines(head).skip(1).filter_map(|line| {
        let colon = memchr::memchr(b':', line)?;
        let (name, value) = line.split_at_checked(colon)?;
        Some((name, value.get(1..)?.trim_ascii()))
    })
}

/// Returns the first line of a raw head.
pub(crate) fn first_line(head: &[u8]) -> &str {
    lines(head).next().and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default()
}

fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end).take_while(|line| !line.is_empty())
}

/// Whether a comma-separated header value holds `token`.
pub(crate) fn has_token(value: &[u8], token: &str) -> bool {
    value.split(|byte| *byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

/// Parses a decimal number that fills the whole value.
pub(crate) fn number(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
}

// === impl RequestHead ===

impl RequestHead {
    pub(crate) fn parse(raw: &Bytes) -> Result<Self, Malformed> {
        let (_, _, version) = request_line(raw).ok_or(Malformed)?;
        let version_10 = version == "HTTP/1.0";
        let mut head = RequestHead {
            framing: Framing::None,
            keep_alive: !version_10,
            version_10,
            expects_continue: false,
            raw: raw.clone(),
        };
        for (name, value) in fields(raw) {
            head.note(name, value)?;
        }
        Ok(head)
    }

    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), Malformed> {
        if name.eq_ignore_ascii_case(b"content-length") {
            // RFC 9112 §6.1: both framings in one message is an attack or a bug, never a request to serve.
            if self.framing != Framing::None {
                return Err(Malformed);
            }
            self.framing = Framing::ContentLength(number(value).ok_or(Malformed)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.framing != Framing::None || !has_token(value, "chunked") {
                return Err(Malformed);
            }
            self.framing = Framing::Chunked;
        } else if name.eq_ignore_ascii_case(b"connection") {
            self.keep_alive =
                !has_token(value, "close") && (self.keep_alive || has_token(value, "keep-alive"));
        } else if name.eq_ignore_ascii_case(b"expect") {
            self.expects_continue = has_token(value, "100-continue");
        }
        Ok(())
    }

    pub(crate) fn method(&self) -> &str {
        request_line(&self.raw).map_or("", |(method, _, _)| method)
    }

    /// Returns the request target: path and query.
    pub(crate) fn target(&self) -> &str {
        request_line(&self.raw).map_or("", |(_, target, _)| target)
    }

    pub(crate) fn path(&self) -> &str {
        self.target().split('?').next().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&[u8]> {
        fields(&self.raw).find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    pub(crate) fn raw(&self) -> &Bytes {
        &self.raw
    }
}

fn request_line(raw: &[u8]) -> Option<(&str, &str, &str)> {
    let mut words = first_line(raw).split(' ');
    let line = (words.next()?, words.next()?, words.next()?);
    let known = matches!(line.2, "HTTP/1.1" | "HTTP/1.0") && !line.0.is_empty() && words.next().is_none();
    known.then_some(line)
}

// === impl Dechunk ===

impl Dechunk {
    /// Consumes `input` and hands the data to `sink`; returns whether the body is complete.
    pub(crate) fn push(
        &mut self,
        input: &mut BytesMut,
        mut sink: impl FnMut(&[u8]),
    ) -> Result<bool, Malformed> {
        loop {
            self.state = match self.state {
                ChunkState::Done => return Ok(true),
                ChunkState::Data(left) => {
                    let now = left.min(input.len());
                    sink(input.get(..now).unwrap_or_default());
                    input.advance(now);
                    if now < left {
                        self.state = ChunkState::Data(left - now);
                        return Ok(false);
                    }
                    ChunkState::DataEnd
                }
                ChunkState::Size | ChunkState::DataEnd | ChunkState::Trailer => {
                    let Some(line) = take_line(input)? else { return Ok(false) };
                    self.after_line(line.trim_ascii_end())?
                }
            };
        }
    }

    fn after_line(&self, line: &[u8]) -> Result<ChunkState, Malformed> {
        match self.state {
            ChunkState::DataEnd if line.is_empty() => Ok(ChunkState::Size),
            ChunkState::DataEnd => Err(Malformed),
            ChunkState::Trailer if line.is_empty() => Ok(ChunkState::Done),
            ChunkState::Trailer => Ok(ChunkState::Trailer),
            ChunkState::Size => {
                let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
                let text = std::str::from_utf8(digits).map_err(|_| Malformed)?;
                match usize::from_str_radix(text, 16).map_err(|_| Malformed)? {
                    0 => Ok(ChunkState::Trailer),
                    size => Ok(ChunkState::Data(size)),
                }
            }
            ChunkState::Data(_) | ChunkState::Done => Err(Malformed),
        }
    }
}

fn take_line(input: &mut BytesMut) -> Result<Option<Bytes>, Malformed> {
    match memchr::memchr(b'\n', input) {
        Some(end) => Ok(Some(input.split_to(end + 1).freeze())),
        None if input.len() > HEAD_LIMIT_BYTES => Err(Malformed),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> Result<RequestHead, Malformed> {
        RequestHead::parse(&Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn a_head_yields_line_fields_and_framing() {
        let head =
            parse("POST /v1/x?q=1 HTTP/1.1\r\nHost: a\r\ncontent-length: 12\r\nExpect: 100-continue\r\n\r\n");

        let head = head.unwrap();
        assert_eq!((head.method(), head.target(), head.path()), ("POST", "/v1/x?q=1", "/v1/x"));
        assert_eq!(head.header("host"), Some(&b"a"[..]));
        assert_eq!(head.framing, Framing::ContentLength(12));
        assert!(head.keep_alive && head.expects_continue);
    }

    #[test]
    fn both_framings_at_once_and_unknown_versions_are_refused() {
        assert!(parse("POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert!(parse("POST / HTTP/1.1\r\ncontent-length: +1\r\n\r\n").is_err());
        assert!(parse("PRI * HTTP/2.0\r\n\r\n").is_err());
    }

    #[test]
    fn a_chunked_body_decodes_the_same_however_it_is_split() {
        let wire = b"4\r\nabcd\r\nA;x=y\r\n0123456789\r\n0\r\nt: v\r\n\r\nNEXT";
        for split in 0..wire.len() {
            let (mut decoder, mut body, mut input) = (Dechunk::default(), Vec::new(), BytesMut::new());
            input.extend_from_slice(&wire[..split]);
            decoder.push(&mut input, |data| body.extend_from_slice(data)).unwrap();
            input.extend_from_slice(&wire[split..]);

            assert!(decoder.push(&mut input, |data| body.extend_from_slice(data)).unwrap());
            assert_eq!((&body[..], &input[..]), (&b"abcd0123456789"[..], &b"NEXT"[..]));
        }
    }

    #[test]
    fn a_chunk_size_that_is_no_number_is_malformed() {
        let mut input = BytesMut::from(&b"zz\r\n"[..]);

        assert_eq!(Dechunk::default().push(&mut input, |_| {}), Err(Malformed));
    }
}
