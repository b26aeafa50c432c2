//! The bytes of a connection in both directions, of which the watchdog is told.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use olla_proxy::http1::{self, Inbox};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::listen::watchdog::Activity;

/// A socket, and what has been received by it.
#[derive(Debug)]
pub(in crate::listen) struct Link<S> {
    pub(in crate::listen) socket: S,
    pub(in crate::listen) inbox: Inbox,
    pub(in crate::listen) activity: Arc<Activity>,
}

/// Bytes that a client may send ahead of the answer to its request before nobody looks whether it is still there.
const MOST_AHEAD: usize = 64 * 1024;

// === impl Link ===

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    /// Receives what there is, and returns how much, in bytes; zero at the end.
    pub(in crate::listen) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let received = ready!(self.inbox.poll_fill(&mut self.socket, cx))?;
        let before = self.inbox.bytes.len() - received;
        self.activity.read(self.inbox.bytes.get(before..).unwrap_or_default());
        Poll::Ready(Ok(received))
    }

    /// Completes when the client has left. What it sends meanwhile is kept, up to a point: it is for later.
    pub(super) fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Rarely is there anything: room for it is made when there is.
        let mut some = [MaybeUninit::uninit(); 256];
        while self.inbox.bytes.len() < MOST_AHEAD {
            let mut ahead = ReadBuf::uninit(&mut some);
            match ready!(Pin::new(&mut self.socket).poll_read(cx, &mut ahead)) {
                Ok(()) if !ahead.filled().is_empty() => self.inbox.bytes.extend_from_slice(ahead.filled()),
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }

    /// Writes what the socket takes, and returns how many bytes that are; never zero.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, piece: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write(cx, piece);
        self.wrote(polled)
    }

    /// The same for pieces.
    pub(super) fn poll_write_pieces(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = http1::poll_write(Pin::new(&mut self.socket), cx, pieces);
        self.wrote(polled)
    }

    fn wrote(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.activity.wrote(polled.is_ready());
        match ready!(polled)? {
            0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            written => Poll::Ready(Ok(written)),
        }
    }
}
