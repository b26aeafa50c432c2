//! HTTP/1.1 with a backend (RFC 9112), driven by the task of the request: no task of a connection's own, and no
//! channel between the two.
//!
//! Whoever has a [`Connection`] has it alone. Dropping it, or a future or body that holds it, closes it, and that
//! cancels what it was doing; a request that is to be sent this moment is sent before. Nobody looks at an idle one until
//! it is taken again, or swept out.

mod head;
mod incoming;
mod sending;

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use http::{Method, response};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use super::OwnRequest;
use crate::http1::{Direct, Inbox, TakesBuffers};
use head::Head;
pub(super) use incoming::{Broken, Incoming};
use sending::Sending;

/// What bytes go through.
#[derive(Debug)]
pub(super) enum Socket {
    /// As they are.
    Plain(Direct),
    /// Encrypted.
    Tls(Box<TlsStream<TcpStream>>),
}

/// An open connection, and what is under way on it.
#[derive(Debug)]
pub(super) struct Connection {
    socket: Socket,
    inbox: Inbox,
    sending: Sending,
}

/// Why there is no response head.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// The connection has ended; `sent` tells whether the backend may have seen any of the request.
    Closed { sent: bool },
    /// What came is no response.
    Malformed,
}

// === impl Connection ===

impl Connection {
    pub(super) fn new(socket: Socket) -> Self {
        Self { socket, inbox: Inbox::new(), sending: Sending::default() }
    }

    /// Sends a request and waits for the head of its response. Returns also how long the backend keeps the connection
    /// when it is idle, where it says so.
    ///
    /// A response may come before the request has been sent: its body goes on sending the rest.
    pub(super) async fn exchange(
        mut self: Box<Self>,
        request: &OwnRequest<'_>,
    ) -> Result<(Box<response::Parts>, Incoming, Option<Duration>), Unanswered> {
        self.sending.begin(request);
        let is_head = *request.method == Method::HEAD;
        let Head { parts, length, keeps_alive, keeps_idle } =
            poll_fn(|cx| self.poll_head(cx, is_head)).await?;
        Ok((parts, Incoming::new(self, length, keeps_alive), keeps_idle))
    }

    /// Returns whether an idle connection is still open, and silent as it should be. Costs no system call while
    /// nothing has happened to it.
    pub(super) fn is_open(&mut self) -> bool {
        self.inbox.bytes.is_empty()
            && match &mut self.socket {
                Socket::Plain(stream) => stream.is_silent(),
                Socket::Tls(stream) => {
                    let mut byte = [0];
                    let mut cx = Context::from_waker(Waker::noop());
                    Pin::new(stream).poll_read(&mut cx, &mut ReadBuf::new(&mut byte)).is_pending()
                }
            }
    }

    fn poll_head(&mut self, cx: &mut Context<'_>, is_head: bool) -> Poll<Result<Head, Unanswered>> {
        let sending = self.poll_sending(cx);
        loop {
            match head::read(&mut self.inbox.bytes, is_head) {
                Ok(Some(head)) => return Poll::Ready(Ok(head)),
                Ok(None) => {}
                Err(_) => return Poll::Ready(Err(Unanswered::Malformed)),
            }
            match self.poll_receive(cx) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(self.closed())),
                // What the backend said before it closed would have come by now.
                Poll::Pending if matches!(sending, Poll::Ready(Err(_))) => {
                    return Poll::Ready(Err(self.closed()));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn closed(&self) -> Unanswered {
        Unanswered::Closed { sent: self.sending.has_begun() && !self.socket.has_sent_nothing() }
    }

    /// Sends what the socket takes.
    fn poll_sending(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.sending.poll(&mut self.socket, cx)
    }

    /// Receives what there is and returns how much, in bytes; zero at the end.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.inbox.poll_fill(&mut self.socket, cx)
    }
}

// === impl Socket ===

impl Socket {
    /// Returns whether all that has been written has been sent.
    fn is_settled(&self) -> bool {
        match self {
            Self::Plain(socket) => socket.is_settled(),
            // Flushed when it is written.
            Self::Tls(_) => true,
        }
    }

    /// Returns whether nothing has been sent of what was written last, and nothing will be.
    fn has_sent_nothing(&self) -> bool {
        matches!(self, Self::Plain(socket) if socket.has_sent_nothing())
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Tls(socket) => Pin::new(socket).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, buf),
            Self::Tls(socket) => Pin::new(socket).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
            Self::Tls(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(socket) => Pin::new(socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(socket) => Pin::new(socket).poll_shutdown(cx),
        }
    }
}

impl TakesBuffers for Socket {
    fn poll_take(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut Vec<u8>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_take(cx, buffer),
            Self::Tls(_) => Poll::Ready(Ok(())),
        }
    }
}
