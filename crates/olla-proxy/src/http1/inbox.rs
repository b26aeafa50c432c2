//! Receives into one buffer, whose size follows what arrives.

use std::{
    io,
    pin::pin,
    task::{Context, Poll},
};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What a connection has received and nobody has used.
#[derive(Debug)]
pub struct Inbox {
    /// The bytes; what is used is taken off their beginning.
    pub bytes: BytesMut,
    /// How much room is made when there is none left to receive into.
    room: usize,
}

/// Room to receive into: little for streams, whose pieces are small,
pub(super) const LEAST_ROOM: usize = 2 * 1024;
/// and more for what fills it.
const MOST_ROOM: usize = 256 * 1024;
/// It is not worth a system call to receive less.
const WORTH_RECEIVING: usize = 1024;

// === impl Inbox ===

impl Inbox {
    /// Returns an empty one, which takes no memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self { bytes: BytesMut::new(), room: LEAST_ROOM }
    }

    /// Makes room for so many bytes that are about to come, or for as many as are received at a time.
    pub fn expect(&mut self, bytes: u64) {
        let room = bytes.clamp(LEAST_ROOM as u64, MOST_ROOM as u64) as usize;
        self.room = self.room.max(room);
    }

    /// Lets go of a large buffer of which all has been used: it would stay for as long as there is any room left in it.
    pub fn let_go(&mut self) {
        if self.bytes.is_empty() && self.room > LEAST_ROOM {
            self.bytes = BytesMut::new();
        }
    }

    /// Receives what there is, and returns how much, in bytes; zero at the end.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn poll_fill<S>(&mut self, socket: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<usize>>
    where
        S: AsyncRead + Unpin,
    {
        if self.bytes.capacity() - self.bytes.len() < WORTH_RECEIVING {
            self.bytes.reserve(self.room);
        }
        let room = self.bytes.capacity() - self.bytes.len();
        let polled = pin!(socket.read_buf(&mut self.bytes)).poll(cx);
        if let Poll::Ready(Ok(received)) = polled {
            if received == room {
                self.room = (self.room * 2).min(MOST_ROOM);
            } else if received < self.room / 4 {
                self.room = (self.room / 2).max(LEAST_ROOM);
            }
        }
        polled
    }
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn the_room_follows_what_arrives() {
        let (mut client, mut socket) = tokio::io::duplex(1 << 20);
        let mut inbox = Inbox::new();
        client.write_all(&[b'x'; 100_000]).await.unwrap();

        let mut reads = vec![];
        while inbox.bytes.len() < 100_000 {
            reads.push(poll_fn(|cx| inbox.poll_fill(&mut socket, cx)).await.unwrap());
        }
        assert!(reads[0] < 3_000 && reads.len() < 10 && reads[reads.len() - 2] > 20_000, "{reads:?}");

        inbox.expect(1 << 30);
        assert_eq!(inbox.room, MOST_ROOM);
    }

    #[tokio::test]
    async fn a_large_buffer_that_has_been_used_does_not_stay() {
        let (mut client, mut socket) = tokio::io::duplex(1 << 20);
        let mut inbox = Inbox::new();
        inbox.expect(100_000);
        client.write_all(&[b'x'; 50_000]).await.unwrap();
        poll_fn(|cx| inbox.poll_fill(&mut socket, cx)).await.unwrap();

        inbox.let_go();
        let body = inbox.bytes.split().freeze();
        inbox.let_go();

        assert_eq!((body.len(), inbox.bytes.capacity()), (50_000, 0));
        assert!(body.is_unique());
    }
}
