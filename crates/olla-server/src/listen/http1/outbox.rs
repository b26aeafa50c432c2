//! What is on its way into the socket: heads and small pieces in one buffer, large pieces as they are.

use std::{
    io, mem,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use olla_proxy::http1::{self, TakesBuffers};
use tokio::io::AsyncRead;

use super::link::Link;

/// The bytes to be sent next.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// These first,
    small: Vec<u8>,
    /// then these,
    large: Bytes,
    /// then what ends them.
    end: &'static [u8],
    /// How many of all have been sent.
    sent: u64,
}

/// No more bytes than this are gathered before they are sent.
const ENOUGH: usize = 16 * 1024;

// === impl Outbox ===

impl Outbox {
    /// Returns whether what is there should be sent before there is more.
    pub(super) fn is_full(&self) -> bool {
        !self.large.is_empty() || self.small.len() >= ENOUGH
    }

    /// Returns the buffer for a head or what ends a body. To be called when this is not full.
    pub(super) fn text(&mut self) -> &mut Vec<u8> {
        if self.small.capacity() == 0 {
            self.small = http1::spare();
        }
        &mut self.small
    }

    /// Adds a piece of a body, and what stands behind it. To be called when this is not full.
    pub(super) fn push(&mut self, piece: Bytes, end: &'static [u8]) {
        if piece.len() > http1::LONGEST_COPIED {
            (self.large, self.end) = (piece, end);
        } else {
            let small = self.text();
            small.extend_from_slice(&piece);
            small.extend_from_slice(end);
        }
    }

    /// Sends all.
    pub(super) fn poll_send<S>(&mut self, link: &mut Link<S>, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        S: AsyncRead + TakesBuffers + Unpin,
    {
        if self.sent == 0 && self.large.is_empty() && !self.small.is_empty() {
            ready!(link.poll_take(cx, &mut self.small))?;
        }
        loop {
            let pieces = http1::unsent([&*self.small, &*self.large, self.end], self.sent);
            if pieces.is_empty() {
                break;
            }
            self.sent += ready!(link.poll_write(cx, &pieces))? as u64;
        }
        http1::give_back(mem::take(&mut self.small));
        (self.large, self.end, self.sent) = (Bytes::new(), &[], 0);
        Poll::Ready(Ok(()))
    }
}
