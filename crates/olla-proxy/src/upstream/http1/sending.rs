//! A request on its way into a socket: head and body in as few writes as it takes them in.

use std::{
    io, iter, mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderName, Method, header};

use crate::{
    http1::{self, LONGEST_COPIED_BODY, TakesBuffers},
    replay::Replay,
    upstream::OwnRequest,
};

/// What is being sent, and how far it has come.
#[derive(Debug, Default)]
pub(super) struct Sending {
    /// The head, and a small body behind it.
    head: Vec<u8>,
    /// A larger body.
    // alloc: so that a connection, which most have none on, stays small.
    body: Option<Box<Replay>>,
    sent: u64,
    is_flushed: bool,
}

// === impl Sending ===

impl Sending {
    /// Takes a request up (RFC 9112 §3).
    pub(super) fn begin(&mut self, request: &OwnRequest<'_>) {
        let Self { head, body, sent, is_flushed } = self;
        (*sent, *is_flushed) = (0, false);
        *head = http1::spare();
        for part in [request.method.as_str(), " ", request.target.as_str(), " HTTP/1.1\r\nhost: "] {
            head.extend_from_slice(part.as_bytes());
        }
        head.extend_from_slice(request.host.as_bytes());
        head.extend_from_slice(b"\r\n");
        let is_ours = |name: &HeaderName| *name == header::HOST || *name == header::CONTENT_LENGTH;
        for (name, value) in request.headers.iter().filter(|(name, _)| !is_ours(name)) {
            http1::push_field(head, name, value.as_bytes());
        }
        head.extend_from_slice(request.added.lines());
        // Where a body is usual, some servers insist on being told that there is none (RFC 9110 §8.6).
        let length = request.body.len();
        if length > 0 || matches!(*request.method, Method::POST | Method::PUT | Method::PATCH) {
            http1::push_length(head, length);
        }
        head.extend_from_slice(b"\r\n");
        if length <= LONGEST_COPIED_BODY as u64 {
            request.body.chunks().for_each(|chunk| head.extend_from_slice(chunk));
        } else {
            *body = Some(Box::new(Replay::clone(&request.body)));
        }
    }

    /// Returns whether any of it has been sent, or is on its way.
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
        S: TakesBuffers + Unpin,
    {
        if self.sent == 0 && self.body.is_none() {
            let all = self.head.len() as u64;
            ready!(Pin::new(&mut *socket).poll_take(cx, &mut self.head))?;
            self.sent = if self.head.is_empty() { all } else { 0 };
        }
        while self.sent < self.len() {
            let body = self.body.iter().flat_map(|body| body.chunks());
            let pieces = http1::unsent(iter::once(&*self.head).chain(body), self.sent);
            let written = http1::poll_write(Pin::new(&mut *socket), cx, &pieces);
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.sent += written as u64,
            }
        }
        if !self.is_flushed {
            ready!(Pin::new(socket).poll_flush(cx))?;
            self.is_flushed = true;
            http1::give_back(mem::take(&mut self.head));
            self.body = None;
        }
        Poll::Ready(Ok(()))
    }

    fn len(&self) -> u64 {
        self.head.len() as u64 + self.body.as_ref().map_or(0, |body| body.len())
    }
}

#[cfg(test)]
mod tests {
    use std::{borrow::Cow, future::poll_fn};

    use http::{HeaderMap, HeaderValue, uri::PathAndQuery};
    use tokio::io::AsyncReadExt;

    use super::*;
    use crate::added::Added;

    #[tokio::test]
    async fn a_request_arrives_whole_however_little_is_taken_at_a_time() {
        let host = HeaderValue::from_static("engine");
        let limit = LONGEST_COPIED_BODY;
        for (size, room) in [(0, 7), (1, 7), (limit, 100), (limit + 1, 1000), (100_000, 1 << 20)] {
            let mut request = OwnRequest {
                method: &Method::POST,
                target: Cow::Owned(PathAndQuery::from_static("/v1/x")),
                host: &host,
                headers: Cow::Owned(HeaderMap::new()),
                added: Added::NONE,
                body: Cow::Owned(Replay::default()),
            };
            request.body.to_mut().push(vec![b'a'; size / 2].into());
            request.body.to_mut().push(vec![b'b'; size - size / 2].into());
            let mut sending = Sending::default();
            let (mut from, mut to) = tokio::io::duplex(room);

            sending.begin(&request);
            let mut arrived = vec![];
            let (sent, read) = tokio::join!(
                async {
                    let sent = poll_fn(|cx| sending.poll(&mut from, cx)).await;
                    drop(from);
                    sent
                },
                to.read_to_end(&mut arrived)
            );

            assert!(sent.is_ok() && read.is_ok() && sending.is_done() && sending.has_begun(), "{size}");
            let head = format!("POST /v1/x HTTP/1.1\r\nhost: engine\r\ncontent-length: {size}\r\n\r\n");
            let body = "a".repeat(size / 2) + &"b".repeat(size - size / 2);
            assert!(arrived == (head + &body).into_bytes(), "{size}");
        }
    }
}
