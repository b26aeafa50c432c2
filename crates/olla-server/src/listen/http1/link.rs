//! The bytes of a connection in both directions, and for what it waits.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use olla_proxy::{
    clock,
    http1::{self, Inbox, TakesBuffers},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use crate::listen::Patience;

/// A socket, and what has been received by it.
#[derive(Debug)]
pub(in crate::listen) struct Link<S> {
    pub(in crate::listen) socket: S,
    pub(in crate::listen) inbox: Inbox,
    waiting: Waiting,
    /// Since when the client does not take what is written.
    blocked_since: Option<Instant>,
}

/// What a client is to do next, and since when.
#[derive(Debug, Clone, Copy)]
enum Waiting {
    /// To say something.
    Opened(Instant),
    /// To ask again, if it likes.
    Idle(Instant),
    /// To finish a request head.
    Head(Instant),
    /// Nothing: it has asked.
    Asked,
}

/// Bytes that a client may send ahead of the answer to its request before nobody looks whether it is still there.
const MOST_AHEAD: usize = 64 * 1024;

// === impl Link ===

impl<S> Link<S> {
    pub(in crate::listen) fn new(socket: S) -> Self {
        let waiting = Waiting::Opened(clock::instant());
        Self { socket, inbox: Inbox::new(), waiting, blocked_since: None }
    }

    /// Notes that a request head has come.
    pub(super) fn asked(&mut self) {
        self.waiting = Waiting::Asked;
    }

    /// Notes that the answer has been sent.
    pub(super) fn answered(&mut self) {
        let now = clock::instant();
        let has_begun = !self.inbox.bytes.is_empty();
        self.waiting = if has_begun { Waiting::Head(now) } else { Waiting::Idle(now) };
    }

    /// Returns when the client will have been waited for too long, if it is waited for at all.
    ///
    /// It is when it does not read, whatever it has asked for: a response that nobody takes holds a backend.
    pub(in crate::listen) fn expiry(&self, patience: Patience) -> Option<Instant> {
        match (self.blocked_since, self.waiting) {
            (Some(since), _) | (None, Waiting::Idle(since)) => since.checked_add(patience.idle),
            // A client that connects and says nothing is held to the limit of a head.
            (None, Waiting::Opened(since) | Waiting::Head(since)) => since.checked_add(patience.head),
            (None, Waiting::Asked) => None,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    /// Receives what there is, and returns how much, in bytes; zero at the end.
    pub(in crate::listen) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let received = ready!(self.inbox.poll_fill(&mut self.socket, cx))?;
        self.waiting = match self.waiting {
            Waiting::Idle(_) => Waiting::Head(clock::instant()),
            Waiting::Opened(since) | Waiting::Head(since) => Waiting::Head(since),
            Waiting::Asked => Waiting::Asked,
        };
        Poll::Ready(Ok(received))
    }

    /// Completes when the client has left, as long as it has not sent too much ahead. What it sends meanwhile is kept: it
    /// is for later.
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

    /// Writes what the socket takes of the pieces, and returns how many bytes that are; never zero.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = http1::poll_write(Pin::new(&mut self.socket), cx, pieces);
        match ready!(self.noting_blocked(polled))? {
            0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            written => Poll::Ready(Ok(written)),
        }
    }

    /// Hands a buffer to the socket, if that takes it.
    pub(super) fn poll_take(&mut self, cx: &mut Context<'_>, buffer: &mut Vec<u8>) -> Poll<io::Result<()>>
    where
        S: TakesBuffers,
    {
        let polled = Pin::new(&mut self.socket).poll_take(cx, buffer);
        // What it leaves is written next, and that tells whether the client takes anything.
        if polled.is_pending() || buffer.is_empty() { self.noting_blocked(polled) } else { polled }
    }

    /// Notes whether the client takes what it has been sent, while there is no more.
    pub(super) fn note_whether_behind(&mut self)
    where
        S: TakesBuffers,
    {
        let taken = if self.socket.is_behind() { Poll::Pending } else { Poll::Ready(()) };
        let _ = self.noting_blocked(taken);
    }

    /// Waits until the socket has taken all that has been written, and says that this is all.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.socket).poll_shutdown(cx);
        self.noting_blocked(polled)
    }

    fn noting_blocked<T>(&mut self, polled: Poll<T>) -> Poll<T> {
        if polled.is_pending() {
            self.blocked_since.get_or_insert_with(clock::instant);
        } else {
            self.blocked_since = None;
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
        time::advance,
    };

    use super::*;

    const PATIENCE: Patience =
        Patience { head: Duration::from_secs(10), idle: Duration::from_secs(60), max_head_bytes: 1 };

    /// Returns in how many seconds the client will have been waited for too long.
    fn expires_in(link: &Link<DuplexStream>) -> Option<u64> {
        link.expiry(PATIENCE).map(|expiry| (expiry - Instant::now()).as_secs())
    }

    async fn hear(link: &mut Link<DuplexStream>, client: &mut DuplexStream, words: &[u8]) {
        client.write_all(words).await.unwrap();
        poll_fn(|cx| link.poll_fill(cx)).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_or_dawdles_is_given_the_time_of_a_head() {
        let (mut client, socket) = tokio::io::duplex(10);
        let mut link = Link::new(socket);
        assert_eq!(expires_in(&link), Some(10));

        advance(Duration::from_secs(4)).await;
        hear(&mut link, &mut client, b"GET").await;
        assert_eq!(expires_in(&link), Some(6));

        link.inbox.bytes.clear();
        link.asked();
        link.answered();
        hear(&mut link, &mut client, b"GET").await;
        advance(Duration::from_secs(4)).await;
        hear(&mut link, &mut client, b" / ").await;
        assert_eq!(expires_in(&link), Some(6), "drop by drop is not given more");
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_its_answer_may_be_idle_for_longer_and_who_waits_for_it_for_ever() {
        let (mut client, socket) = tokio::io::duplex(10);
        let mut link = Link::new(socket);

        link.asked();
        assert_eq!(expires_in(&link), None);
        hear(&mut link, &mut client, b"body").await;
        assert_eq!(expires_in(&link), None);

        link.inbox.bytes.clear();
        link.answered();
        assert_eq!(expires_in(&link), Some(60));
    }

    /// The rest of an earlier write waits for room in it, or it does not.
    struct Behind(bool);

    impl AsyncRead for Behind {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Behind {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl TakesBuffers for Behind {
        fn is_behind(&self) -> bool {
            self.0
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_take_the_rest_is_waited_for_though_there_is_no_more() {
        let mut link = Link::new(Behind(true));
        link.asked();

        for seconds in [60, 50] {
            link.note_whether_behind();
            let expiry = link.expiry(PATIENCE).unwrap();
            assert_eq!((expiry - Instant::now()).as_secs(), seconds);
            advance(Duration::from_secs(10)).await;
        }
        link.socket.0 = false;
        link.note_whether_behind();

        assert_eq!(link.expiry(PATIENCE), None);
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_is_waited_for_even_while_it_is_served() {
        let (mut client, socket) = tokio::io::duplex(4);
        let mut link = Link::new(socket);
        link.asked();
        let mut write = async |words: &[u8]| {
            let mut buffer = words.to_vec();
            let mut writing = |cx: &mut Context<'_>| {
                ready!(link.poll_take(cx, &mut buffer))?;
                link.poll_write(cx, &[IoSlice::new(&buffer)])
            };
            poll_fn(|cx| Poll::Ready(writing(cx))).await
        };

        assert!(write(b"full").await.is_ready());
        assert!(write(b"more").await.is_pending());
        advance(Duration::from_secs(50)).await;
        assert!(write(b"more").await.is_pending());
        assert_eq!(expires_in(&link), Some(10));
        client.read_exact(&mut [0; 4]).await.unwrap();
        poll_fn(|cx| link.poll_write(cx, &[IoSlice::new(b"more")])).await.unwrap();
        assert_eq!(expires_in(&link), None);
    }
}
