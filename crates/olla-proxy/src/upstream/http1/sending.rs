//! A request on its way into a socket: head and body in as few writes as it takes them in.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderName, Method, header};
use tokio::io::AsyncWrite;

use crate::{replay::Replay, upstream::OwnRequest};

/// What is being sent, and how far it has come.
#[derive(Debug, Default)]
pub(super) struct Sending {
    head: Vec<u8>,
    body: Replay,
    sent: u64,
    is_flushed: bool,
}

/// Pieces in one write.
const PIECES: usize = 16;

// === impl Sending ===

impl Sending {
    /// Takes a request up (RFC 9112 §3).
    pub(super) fn begin(&mut self, request: &OwnRequest<'_>) {
        let Self { head, body, sent, is_flushed } = self;
        (*sent, *is_flushed) = (0, false);
        body.clone_from(&request.body);
        head.clear();
        for part in [request.method.as_str(), " ", request.target.as_str(), " HTTP/1.1\r\nhost: "] {
            head.extend_from_slice(part.as_bytes());
        }
        head.extend_from_slice(request.host.as_bytes());
        head.extend_from_slice(b"\r\n");
        let is_ours = |name: &HeaderName| *name == header::HOST || *name == header::CONTENT_LENGTH;
        let passed_on = request.headers.iter().filter(|(name, _)| !is_ours(name));
        for (name, value) in passed_on.chain(request.added.iter().map(|field| (&field.name, &field.value))) {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                head.extend_from_slice(part);
            }
        }
        // Where a body is usual, some servers insist on being told that there is none (RFC 9110 §8.6).
        if body.len() > 0 || matches!(*request.method, Method::POST | Method::PUT | Method::PATCH) {
            let mut digits = itoa::Buffer::new();
            let length = digits.format(body.len());
            for part in [header::CONTENT_LENGTH.as_str(), ": ", length, "\r\n"] {
                head.extend_from_slice(part.as_bytes());
            }
        }
        head.extend_from_slice(b"\r\n");
    }

    /// Returns whether any of it has been sent.
    pub(super) fn has_begun(&self) -> bool {
        self.sent > 0
    }

    /// Returns whether all of it has been sent.
    pub(super) fn is_done(&self) -> bool {
        self.is_flushed
    }

    /// Writes what the socket takes.
    pub(super) fn poll<S>(&mut self, socket: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        S: AsyncWrite + Unpin,
    {
        while self.sent < self.len() {
            let mut pieces = [IoSlice::new(&[]); PIECES];
            let count = self.rest(&mut pieces);
            let written = Pin::new(&mut *socket).poll_write_vectored(cx, &pieces[..count]);
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.sent += written as u64,
            }
        }
        if !self.is_flushed {
            ready!(Pin::new(socket).poll_flush(cx))?;
            self.is_flushed = true;
            self.body = Replay::default();
        }
        Poll::Ready(Ok(()))
    }

    fn len(&self) -> u64 {
        self.head.len() as u64 + self.body.len()
    }

    /// Fills in what has not been sent, and returns how many pieces that are.
    fn rest<'s>(&'s self, pieces: &mut [IoSlice<'s>; PIECES]) -> usize {
        let mut sent = self.sent;
        let unsent = std::iter::once(&*self.head).chain(self.body.chunks()).filter_map(|part| {
            let skipped = sent.min(part.len() as u64);
            sent -= skipped;
            part.get(skipped as usize..).filter(|rest| !rest.is_empty())
        });
        let mut count = 0;
        for (piece, rest) in pieces.iter_mut().zip(unsent) {
            *piece = IoSlice::new(rest);
            count += 1;
        }
        count
    }
}
