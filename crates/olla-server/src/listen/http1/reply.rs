//! A response as it is sent: its head, and then its body (RFC 9112 §4, §6).

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, response};
use http_body::Body;
use olla_proxy::{
    Answered,
    http1::{digits, lists, push_field, push_length},
};

use super::{date, outbox::Outbox};

/// What a request says of how it is answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// The answer has no body, whatever its head says (RFC 9110 §9.3.2).
    pub(super) is_head: bool,
    /// The client knows no chunks, and keeps a connection only if it is told to.
    pub(super) is_http10: bool,
    /// It reads what stands behind a body.
    pub(super) takes_trailers: bool,
    /// Another request may follow.
    pub(super) keeps_alive: bool,
}

/// A response whose head has been handed out.
#[derive(Debug)]
pub(super) struct Reply<B> {
    /// What is left of the body.
    body: Option<B>,
    ending: Ending,
    /// Whether the body has broken off. Nothing may follow, and least of all what ends it.
    is_broken: bool,
    keeps_alive: bool,
}

/// How the client sees that a body has ended.
#[derive(Debug)]
enum Ending {
    /// After so many bytes more.
    Length(u64),
    /// After the last chunk, and trailers of these names.
    Chunks(Vec<HeaderName>),
    /// With the connection.
    Close,
}

/// What is to be done with what has been gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gathered {
    /// To be sent before there is more.
    Enough,
    /// To be sent; more will come.
    Some,
    /// To be sent; that is all.
    All,
    /// To be sent, and then the connection has to be closed: what has been sent must not look complete.
    Broken,
}

/// What a response says of itself.
#[derive(Debug, Default)]
struct Said {
    closes: bool,
    dates: bool,
    length: Option<u64>,
}

// === impl Reply ===

impl<B> Reply<B> {
    /// Returns whether the client takes the end of the connection for the end of the body.
    pub(super) fn ends_with_connection(&self) -> bool {
        matches!(self.ending, Ending::Close)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Reply<B> {
    /// Puts the head into the outbox.
    pub(super) fn begin(answered: Answered<B>, manner: Manner, outbox: &mut Outbox) -> Self {
        let Answered { head, added, body } = answered;
        let has_body = !manner.is_head && !is_bodiless(head.status);
        let text = outbox.text();
        push_status_line(text, head.status);
        let said = push_fields(text, &head, has_body);
        text.extend_from_slice(added.lines());
        if !said.dates {
            date::push_field(text);
        }
        let length = body.size_hint().exact();
        let ending = match length.or(said.length) {
            _ if !has_body => Ending::Length(0),
            Some(length) => Ending::Length(length),
            None if manner.is_http10 => Ending::Close,
            None => Ending::Chunks(trailers(&head.headers, manner)),
        };
        match (&ending, length) {
            (Ending::Length(length), _) if has_body => push_length(text, *length),
            (Ending::Chunks(_), _) => text.extend_from_slice(b"transfer-encoding: chunked\r\n"),
            // What a GET would be answered with, where this is known: a backend's answer to HEAD has nothing, too.
            (_, Some(length @ 1..)) if manner.is_head && said.length.is_none() => push_length(text, length),
            _ => {}
        }
        let keeps_alive = manner.keeps_alive && !said.closes && !matches!(ending, Ending::Close);
        text.extend_from_slice(match (keeps_alive, manner.is_http10) {
            (false, _) => b"connection: close\r\n\r\n",
            (true, true) => b"connection: keep-alive\r\n\r\n",
            (true, false) => b"\r\n",
        });
        let mut reply = Self { body: has_body.then_some(body), ending, is_broken: false, keeps_alive };
        reply.end_where_it_does(outbox);
        reply
    }

    /// Returns whether another request may follow.
    pub(super) fn keeps_alive(&self) -> bool {
        self.keeps_alive
    }

    /// Puts what there is of the body into the outbox.
    pub(super) fn gather(&mut self, outbox: &mut Outbox, cx: &mut Context<'_>) -> Gathered {
        while let Some(body) = &mut self.body {
            if outbox.is_full() {
                return Gathered::Enough;
            }
            match Pin::new(body).poll_frame(cx) {
                Poll::Pending => return Gathered::Some,
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        self.ending.push(data, outbox);
                        self.end_where_it_does(outbox);
                    }
                    Err(_) if self.ending.lacks_bytes() => (self.body, self.is_broken) = (None, true),
                    Err(frame) => {
                        if let Ok(trailers) = frame.into_trailers() {
                            self.end(&trailers, outbox);
                        }
                    }
                },
                Poll::Ready(None) if !self.ending.lacks_bytes() => {
                    self.end(&HeaderMap::new(), outbox);
                }
                Poll::Ready(None | Some(Err(_))) => (self.body, self.is_broken) = (None, true),
            }
        }
        if self.is_broken { Gathered::Broken } else { Gathered::All }
    }

    /// Ends with the last byte, where there is no need to ask for more.
    fn end_where_it_does(&mut self, outbox: &mut Outbox) {
        let is_over = match (&self.ending, &self.body) {
            (Ending::Length(left), _) => *left == 0,
            // What ends it stands behind what has not been sent yet.
            (_, Some(body)) => !outbox.is_full() && body.is_end_stream(),
            (_, None) => false,
        };
        if is_over {
            self.end(&HeaderMap::new(), outbox);
        }
    }

    fn end(&mut self, trailers: &HeaderMap, outbox: &mut Outbox) {
        self.body = None;
        if let Ending::Chunks(announced) = &self.ending {
            let text = outbox.text();
            text.extend_from_slice(b"0\r\n");
            for (name, value) in trailers.iter().filter(|(name, _)| announced.contains(name)) {
                push_field(text, name, value.as_bytes());
            }
            text.extend_from_slice(b"\r\n");
        }
    }
}

// === impl Ending ===

impl Ending {
    fn lacks_bytes(&self) -> bool {
        matches!(self, Self::Length(1..))
    }

    fn push(&mut self, mut data: Bytes, outbox: &mut Outbox) {
        match self {
            Self::Length(left) => {
                // More than was announced would be taken for the next answer.
                data.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= data.len() as u64;
                outbox.push(data, b"");
            }
            // To the client, a chunk of nothing is the last.
            Self::Chunks(_) if data.is_empty() => {}
            Self::Chunks(_) => {
                push_hex(outbox.text(), data.len());
                outbox.push(data, b"\r\n");
            }
            Self::Close => outbox.push(data, b""),
        }
    }
}

/// RFC 9112 §6.3.
fn is_bodiless(status: StatusCode) -> bool {
    status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

fn push_status_line(text: &mut Vec<u8>, status: StatusCode) {
    if status == StatusCode::OK {
        return text.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    }
    for part in ["HTTP/1.1 ", status.as_str(), " ", status.canonical_reason().unwrap_or_default(), "\r\n"] {
        text.extend_from_slice(part.as_bytes());
    }
}

/// Writes all fields but those that are about this connection and this message.
fn push_fields(text: &mut Vec<u8>, head: &response::Parts, has_body: bool) -> Said {
    let mut said = Said::default();
    for (name, value) in &head.headers {
        let passes = match name.as_str() {
            "connection" => {
                said.closes |= lists(value, "close");
                false
            }
            "transfer-encoding" => false,
            "content-length" => {
                said.length = digits(value.as_bytes());
                // That of a body is written when it is known how it ends; 204 has none (RFC 9110 §8.6).
                !has_body && head.status != StatusCode::NO_CONTENT
            }
            "date" => {
                said.dates = true;
                true
            }
            _ => true,
        };
        if passes {
            push_field(text, name, value.as_bytes());
        }
    }
    said
}

/// Writes the line with the size of a chunk.
fn push_hex(text: &mut Vec<u8>, size: usize) {
    let digits = (usize::BITS - size.leading_zeros()).div_ceil(4).max(1);
    text.extend((0..digits).rev().map(|digit| b"0123456789abcdef"[(size >> (4 * digit)) & 15]));
    text.extend_from_slice(b"\r\n");
}

/// Returns the names of the trailers that a response announces, where the client takes them (RFC 9110 §6.5.1).
fn trailers(headers: &HeaderMap, manner: Manner) -> Vec<HeaderName> {
    let announced = headers.get_all(header::TRAILER).into_iter().filter(|_| manner.takes_trailers);
    let names = announced.flat_map(|value: &HeaderValue| value.as_bytes().split(|byte| *byte == b','));
    names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok()).collect()
}
