//! The head of a response, and what it says of its body.

use std::{mem::MaybeUninit, time::Duration};

use bytes::{Buf, BytesMut};
use http::{HeaderMap, HeaderName, Response, StatusCode, Version, header, response};
use httparse::{ParserConfig, Status};

use crate::http1::{Length, Malformed, digits, head_end, lists, read_fields};

/// A head that has been read.
#[derive(Debug)]
pub(super) struct Head {
    // alloc: one per response; it goes through several stages, and would be copied for each.
    pub(super) parts: Box<response::Parts>,
    pub(super) length: Length,
    /// Whether another request may follow on the connection.
    pub(super) keeps_alive: bool,
    /// How long the backend keeps the connection when it is idle, where it says so.
    pub(super) keeps_idle: Option<Duration>,
}

/// Which fields besides the length say where a message ends, and for how long its connection is kept. Most responses
/// have none of them, and to look for one costs as much as to read it.
#[derive(Debug, Clone, Copy, Default)]
struct Mentions {
    transfer_encoding: bool,
    connection: bool,
    keep_alive: bool,
}

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// Header fields of one response,
const MOST_FIELDS: usize = 100;
/// and bytes of its head.
const LONGEST: usize = 256 * 1024;
/// Room for what Olla may put into the head; what it adds to nearly every one is beside it.
const ADDED: usize = 1;

/// Takes a response head off what was received, or returns `None` where it is not complete yet. Interim responses
/// (RFC 9110 §15.2) are taken off and forgotten.
pub(super) fn read(received: &mut BytesMut, answers_head: bool) -> Result<Option<Head>, Malformed> {
    while let Some((parts, mentions)) = take(received)? {
        match parts.status {
            // Nobody has asked for another protocol.
            StatusCode::SWITCHING_PROTOCOLS => return Err(Malformed),
            status if status.is_informational() => {}
            status => {
                let bodiless = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED];
                let framing = framing(parts.version, &parts.headers, mentions)?;
                let empty = answers_head || bodiless.contains(&status);
                let length = if empty { Length::Exact(0) } else { framing };
                let keeps_alive = keeps_alive(parts.version, &parts.headers, mentions);
                let keeps_idle = keeps_idle(&parts.headers, mentions);
                return Ok(Some(Head { parts, length, keeps_alive, keeps_idle }));
            }
        }
    }
    Ok(None)
}

fn take(received: &mut BytesMut) -> Result<Option<(Box<response::Parts>, Mentions)>, Malformed> {
    // Some servers send an empty line too many. It counts as part of the head until there is one.
    let begin = empty_lines(received);
    let text = received.get(begin..).unwrap_or_default();
    let Some((len, _)) = head_end(text).filter(|(len, _)| *len <= LONGEST) else {
        // What will be no head however it goes on is refused before it ends.
        let is_good = received.len() < LONGEST && (text.is_empty() || parse(text, |_| ()).is_ok());
        return if is_good { Ok(None) } else { Err(Malformed) };
    };
    received.advance(begin);
    let head = received.split_to(len).freeze();
    parse(&head, |read| {
        let mut parts = Box::new(Response::new(()).into_parts().0);
        parts.status = StatusCode::from_u16(read.code.unwrap_or_default()).map_err(|_| Malformed)?;
        parts.version = if read.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
        let mut mentions = Mentions::default();
        parts.headers = read_fields(&head, read.headers, ADDED, |name, _| mentions.note(name))?;
        Ok(Some((parts, mentions)))
    })?
    // It has another end than was seen.
    .unwrap_or(Err(Malformed))
}

/// Returns how many bytes of empty lines stand before a head.
fn empty_lines(received: &[u8]) -> usize {
    let mut rest = received;
    while let Some(behind) = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n")) {
        rest = behind;
    }
    received.len() - rest.len()
}

/// Shows a head that is complete.
fn parse<T>(
    head: &[u8],
    show: impl FnOnce(&httparse::Response<'_, '_>) -> T,
) -> Result<Option<T>, Malformed> {
    let mut fields = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let mut read = httparse::Response::new(&mut []);
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(&mut read, head, &mut fields);
    match parsed.map_err(|_| Malformed)? {
        Status::Complete(len) if len == head.len() => Ok(Some(show(&read))),
        Status::Complete(_) | Status::Partial => Ok(None),
    }
}

// === impl Mentions ===

impl Mentions {
    fn note(&mut self, name: &HeaderName) {
        self.transfer_encoding |= *name == header::TRANSFER_ENCODING;
        self.connection |= *name == header::CONNECTION;
        self.keep_alive |= *name == KEEP_ALIVE;
    }
}

/// RFC 9112 §6.3.
fn framing(version: Version, headers: &HeaderMap, mentions: Mentions) -> Result<Length, Malformed> {
    if mentions.transfer_encoding
        && let Some(coding) = headers.get_all(header::TRANSFER_ENCODING).iter().next_back()
    {
        // A server of that age does not know chunks: what it means is anybody's guess.
        if version == Version::HTTP_10 {
            return Err(Malformed);
        }
        let last = coding.as_bytes().rsplit(|byte| *byte == b',').next().unwrap_or_default();
        let is_chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
        return Ok(if is_chunked { Length::Chunked } else { Length::UntilClose });
    }
    let mut length = None;
    for value in headers.get_all(header::CONTENT_LENGTH) {
        for value in value.as_bytes().split(|byte| *byte == b',') {
            let value = digits(value.trim_ascii()).ok_or(Malformed)?;
            if *length.get_or_insert(value) != value {
                return Err(Malformed);
            }
        }
    }
    Ok(length.map_or(Length::UntilClose, Length::Exact))
}

/// RFC 9112 §9.3. With a length besides the chunks, the backend and somebody on the way may disagree about where
/// the body ends (§6.1): what follows is not to be trusted.
fn keeps_alive(version: Version, headers: &HeaderMap, mentions: Mentions) -> bool {
    let says = |word: &str| {
        mentions.connection && headers.get_all(header::CONNECTION).iter().any(|value| lists(value, word))
    };
    let is_ambiguous = mentions.transfer_encoding && headers.contains_key(header::CONTENT_LENGTH);
    !is_ambiguous && !says("close") && (version == Version::HTTP_11 || says("keep-alive"))
}

/// Reads how long the backend keeps an idle connection: `Keep-Alive: timeout=5` (RFC 2068 §19.7.1.1).
fn keeps_idle(headers: &HeaderMap, mentions: Mentions) -> Option<Duration> {
    if !mentions.keep_alive {
        return None;
    }
    let value = headers.get(KEEP_ALIVE)?.to_str().ok()?;
    let seconds = value.split(',').find_map(|part| part.trim().strip_prefix("timeout=")?.parse().ok());
    seconds.map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Result<Option<Head>, Malformed> {
        read(&mut BytesMut::from(text), false)
    }

    #[test]
    fn a_head_ends_where_its_empty_line_does() {
        let text = "HTTP/1.1 200 Fine\r\nContent-Length: 5\r\nX-A: 1\r\nx-a:2 \r\n\r\nhello";
        for cut in 0..text.len() - "hello".len() {
            assert!(head(&text[..cut]).unwrap().is_none(), "{cut}");
        }
        let mut received = BytesMut::from(text);

        let head = read(&mut received, false).unwrap().unwrap();

        assert_eq!(
            (head.parts.status.as_u16(), head.length, head.keeps_alive),
            (200, Length::Exact(5), true)
        );
        assert_eq!(head.parts.headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(received, "hello");
    }

    #[test]
    fn empty_lines_before_a_head_are_passed_over() {
        for before in ["\r\n", "\n", "\r\n\n\r\n"] {
            assert_eq!(head(&format!("{before}HTTP/1.1 200 OK\r\n\r\n")).unwrap().unwrap().parts.status, 200);
            assert!(head(before).unwrap().is_none());
        }
        assert!(head("\r").unwrap().is_none());
        assert!(head(&"\r\n".repeat(LONGEST / 2)).is_err(), "there is no end to them");
    }

    #[test]
    fn interim_responses_are_passed_over() {
        let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 201 Made\r\n\r\n";

        assert_eq!(head(text).unwrap().unwrap().parts.status, 201);
        assert!(head(&text[..30]).unwrap().is_none());
        assert!(head("HTTP/1.1 101 Switching Protocols\r\n\r\n").is_err());
    }

    #[test]
    fn what_says_where_a_body_ends_is_read_in_one_way() {
        let chunked = Ok(Length::Chunked);
        for (version, fields, expected) in [
            ("1.1", "", Ok(Length::UntilClose)),
            ("1.1", "content-length: 0\r\n", Ok(Length::Exact(0))),
            ("1.1", "content-length: 7\r\ncontent-length: 7\r\n", Ok(Length::Exact(7))),
            ("1.1", "content-length: 7, 7\r\n", Ok(Length::Exact(7))),
            ("1.1", "content-length: 7\r\ncontent-length: 8\r\n", Err(Malformed)),
            ("1.1", "content-length: +7\r\n", Err(Malformed)),
            ("1.1", "content-length: \r\n", Err(Malformed)),
            ("1.1", "content-length: 99999999999999999999\r\n", Err(Malformed)),
            ("1.1", "transfer-encoding: chunked\r\n", chunked),
            ("1.1", "transfer-encoding: gzip, Chunked\r\n", chunked),
            (
                "1.1",
                "transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n",
                chunked,
            ),
            ("1.1", "transfer-encoding: chunked, gzip\r\n", Ok(Length::UntilClose)),
            ("1.0", "transfer-encoding: chunked\r\n", Err(Malformed)),
            ("1.0", "content-length: 7\r\n", Ok(Length::Exact(7))),
        ] {
            let read = head(&format!("HTTP/{version} 200 OK\r\n{fields}\r\n"));

            assert_eq!(read.map(|head| head.unwrap().length), expected, "{version} {fields}");
        }
    }

    #[test]
    fn some_responses_have_no_body_whatever_they_say() {
        for status in ["204 No Content", "304 Not Modified"] {
            let read = head(&format!("HTTP/1.1 {status}\r\ncontent-length: 7\r\n\r\n"));
            assert_eq!(read.unwrap().unwrap().length, Length::Exact(0), "{status}");
        }
        let answer = read(&mut BytesMut::from("HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n"), true);
        assert_eq!(answer.unwrap().unwrap().length, Length::Exact(0));
    }

    #[test]
    fn a_backend_may_say_how_long_it_keeps_a_connection() {
        for (value, seconds) in [("timeout=5, max=100", Some(5)), ("max=3,timeout=1", Some(1)), ("x", None)] {
            let read = head(&format!("HTTP/1.1 200 OK\r\nKeep-Alive: {value}\r\n\r\n"));
            assert_eq!(read.unwrap().unwrap().keeps_idle, seconds.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn a_connection_is_kept_where_both_sides_agree_on_what_follows() {
        for (version, fields, expected) in [
            ("1.1", "", true),
            ("1.1", "connection: close\r\n", false),
            ("1.1", "connection: x, Close\r\n", false),
            ("1.0", "", false),
            ("1.0", "connection: Keep-Alive\r\n", true),
            ("1.1", "transfer-encoding: chunked\r\ncontent-length: 5\r\n", false),
        ] {
            let read = head(&format!("HTTP/{version} 200 OK\r\n{fields}\r\n"));

            assert_eq!(read.unwrap().unwrap().keeps_alive, expected, "{version} {fields}");
        }
    }

    #[test]
    fn what_is_no_head_is_refused() {
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(MOST_FIELDS + 1));
        let long = format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(LONGEST));
        for text in [
            "hello\r\n\r\n",
            "HTTP/2 200\r\n\r\n",
            "HTTP/1.1 20\r\n\r\n",
            "HTTP/1.1 200 OK\r\na b: c\r\n\r\n",
        ] {
            assert!(head(text).is_err(), "{text}");
        }
        assert!(head(&many).is_err());
        assert!(head(&long).is_err());
    }
}
