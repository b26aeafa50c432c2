//! The head of a request, and what it says of its body and of its connection.
//!
//! Whatever another server in the chain could read in another way is refused, even where RFC 9112 lets a recipient be
//! lenient: request smuggling lives on that.

use std::mem::MaybeUninit;

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, Request, Uri, Version, header, request};
use httparse::{ParserConfig, Status};
use memchr::memchr;
use olla_proxy::http1::{Length, digits, head_end, lists, read_fields, span};

use super::refused::{LONGEST_TARGET, MOST_FIELDS, Refused};

/// A head that has been read.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) parts: Box<request::Parts>,
    pub(super) length: Length,
    /// Whether the client wants to go on with this connection.
    pub(super) keeps_alive: bool,
    /// Whether it waits to be told to send the body (RFC 9110 §10.1.1).
    pub(super) expects_continue: bool,
    /// Whether it reads what stands behind a body (RFC 9110 §6.5.1).
    pub(super) takes_trailers: bool,
}

/// What the fields say of the message itself.
#[derive(Debug, Default)]
struct Said {
    length: Option<u64>,
    /// Whether it stands there more than once.
    repeats_length: bool,
    is_chunked: bool,
    closes: bool,
    keeps_alive: bool,
    expects_continue: bool,
    takes_trailers: bool,
    contradiction: Option<&'static str>,
}

/// Room for what is put into the head on its way.
const ADDED: usize = 2;

/// Takes a request head off what was received, or returns `None` where it is not complete yet; all of it but the last
/// `news` bytes has been looked at before.
pub(super) fn take(received: &mut BytesMut, news: usize, most_bytes: usize) -> Result<Option<Head>, Refused> {
    // Some clients send an empty line too many (RFC 9112 §2.2).
    while received.starts_with(b"\r\n") {
        received.advance(2);
    }
    // Whoever speaks something else, such as TLS, is told at once; and what is no end of a line here ends none later.
    if !matches!(**received, [] | [b'\r']) && !received.first().is_some_and(|first| is_token(*first)) {
        return Err(Refused::Malformed("it does not begin with a method"));
    }
    // Without a line more, there is not more of a head: who sends byte by byte is not read byte by byte.
    let newest = received.get(received.len().saturating_sub(news)..).unwrap_or_default();
    if memchr(b'\n', newest).is_none() {
        return if received.len() <= most_bytes { Ok(None) } else { Err(Refused::TooLarge) };
    }
    let Some((len, is_regular)) = head_end(received) else {
        // What will be no head however it goes on is refused before it ends.
        parse(received, |_| ())?;
        return if received.len() <= most_bytes { Ok(None) } else { Err(Refused::TooLarge) };
    };
    if len > most_bytes {
        return Err(Refused::TooLarge);
    }
    let head = received.split_to(len).freeze();
    let read = parse(&head, |read| read_head(&head, read))?;
    if !is_regular {
        return Err(Refused::Malformed("a line of its head ends without a carriage return"));
    }
    read.unwrap_or(Err(Refused::Malformed("its head has another end than it seems to have"))).map(Some)
}

/// Shows a head that is complete.
fn parse<T>(head: &[u8], show: impl FnOnce(&httparse::Request<'_, '_>) -> T) -> Result<Option<T>, Refused> {
    let mut fields = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let mut read = httparse::Request::new(&mut []);
    let parsed = ParserConfig::default().parse_request_with_uninit_headers(&mut read, head, &mut fields);
    match parsed.map_err(Refused::by_parser)? {
        Status::Complete(len) if len == head.len() => Ok(Some(show(&read))),
        Status::Complete(_) | Status::Partial => Ok(None),
    }
}

fn read_head(head: &Bytes, read: &httparse::Request<'_, '_>) -> Result<Head, Refused> {
    // alloc: one per request; it goes through several stages, and would be copied for each.
    let mut parts = Box::new(Request::new(()).into_parts().0);
    parts.method = Method::from_bytes(read.method.unwrap_or_default().as_bytes())
        .map_err(|_| Refused::Malformed("its method is none"))?;
    parts.version = if read.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    let target = span(head, read.path.unwrap_or_default().as_bytes());
    if target.len() > LONGEST_TARGET {
        return Err(Refused::LongTarget);
    }
    let uri = Uri::from_maybe_shared(head.slice(target));
    parts.uri = uri.map_err(|_| Refused::Malformed("its target is no path and no URI"))?;
    let mut said = Said::default();
    let headers = read_fields(head, read.headers, ADDED, |name, value| said.note(name, value));
    parts.headers =
        headers.map_err(|_| Refused::Malformed("one of its header fields has no good name or value"))?;
    said.head(parts)
}

/// Returns whether a method or a name may have this byte (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

// === impl Said ===

impl Said {
    fn note(&mut self, name: &HeaderName, value: &HeaderValue) {
        match *name {
            header::CONTENT_LENGTH => self.has_length(value),
            header::TRANSFER_ENCODING => self.is_coded(value),
            header::CONNECTION => {
                self.closes |= lists(value, "close");
                self.keeps_alive |= lists(value, "keep-alive");
            }
            header::EXPECT => self.expects_continue |= value.as_bytes().eq_ignore_ascii_case(b"100-continue"),
            header::TE => self.takes_trailers |= lists(value, "trailers"),
            _ => {}
        }
    }

    fn has_length(&mut self, value: &HeaderValue) {
        match digits(value.as_bytes()) {
            Some(length) if self.length.is_none() => self.length = Some(length),
            // Twice the same says nothing else than once.
            Some(length) if self.length == Some(length) => self.repeats_length = true,
            Some(_) => self.contradiction = Some("it has two lengths (Content-Length)"),
            None => self.contradiction = Some("its Content-Length is no number"),
        }
    }

    fn is_coded(&mut self, value: &HeaderValue) {
        if self.is_chunked || !value.as_bytes().eq_ignore_ascii_case(b"chunked") {
            self.contradiction = Some("its Transfer-Encoding is another than chunked");
        }
        self.is_chunked = true;
    }

    /// RFC 9112 §6.3, §9.3.
    fn head(self, mut parts: Box<request::Parts>) -> Result<Head, Refused> {
        if self.repeats_length
            && let Some(length) = parts.headers.get(header::CONTENT_LENGTH).cloned()
        {
            parts.headers.insert(header::CONTENT_LENGTH, length);
        }
        let is_11 = parts.version == Version::HTTP_11;
        let contradiction = match self {
            // Some would go by the length, and take what follows for a request.
            Self { is_chunked: true, length: Some(_), .. } => {
                Some("it has both a Content-Length and a Transfer-Encoding")
            }
            Self { is_chunked: true, .. } if !is_11 => Some("HTTP/1.0 has no Transfer-Encoding"),
            _ => self.contradiction,
        };
        if let Some(contradiction) = contradiction {
            return Err(Refused::Malformed(contradiction));
        }
        let length =
            if self.is_chunked { Length::Chunked } else { Length::Exact(self.length.unwrap_or_default()) };
        Ok(Head {
            parts,
            length,
            keeps_alive: !self.closes && (is_11 || self.keeps_alive),
            expects_continue: is_11 && self.expects_continue,
            takes_trailers: self.takes_trailers,
        })
    }
}
