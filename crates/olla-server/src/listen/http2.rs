//! What the watchdog has to know of a connection of HTTP/2, which hyper serves.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use bytes::BytesMut;
use olla_proxy::{clock, http1};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::Patience;

/// What one connection is doing; written by its socket, its requests and its responses.
#[derive(Debug)]
pub(super) struct Activity {
    /// Requests whose response has not ended.
    busy: AtomicU32,
    /// Whether the client has stopped taking what is written, and `blocked_since` says when.
    blocked: AtomicBool,
    quiet: Mutex<Quiet>,
}

#[derive(Debug, Clone, Copy)]
struct Quiet {
    /// When the client last sent something, or got an answer.
    since: Instant,
    blocked_since: Instant,
}

/// Keeps a connection from counting as idle.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Activity>);

/// The socket, telling the activity what goes through it.
#[derive(Debug)]
pub(super) struct Watched<S> {
    socket: S,
    /// What has been received before it was known for what.
    received: BytesMut,
    activity: Arc<Activity>,
}

// === impl Activity ===

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        let now = clock::instant();
        let quiet = Mutex::new(Quiet { since: now, blocked_since: now });
        Arc::new(Self { busy: AtomicU32::new(0), blocked: AtomicBool::new(false), quiet })
    }

    /// Notes that a request has arrived.
    pub(super) fn enter(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Relaxed);
        Busy(Arc::clone(self))
    }

    /// Notes whether the client took what was written.
    fn wrote(&self, accepted: bool) {
        if accepted == self.blocked.load(Relaxed) {
            self.blocked.store(!accepted, Relaxed);
            let now = clock::instant();
            *self.lock() = Quiet { since: now, blocked_since: now };
        }
    }

    fn heard(&self) {
        self.lock().since = clock::instant();
    }

    fn leave(&self) {
        if self.busy.fetch_sub(1, Relaxed) == 1 {
            self.heard();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Quiet> {
        self.quiet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when the connection will have been quiet for too long, or `None` while it is busy.
    ///
    /// A client that does not read is quiet too, whatever it has asked for: a response that nobody takes
    /// holds a backend.
    pub(super) fn expiry(&self, patience: Patience) -> Option<Instant> {
        if self.blocked.load(Relaxed) {
            return self.lock().blocked_since.checked_add(patience.idle);
        }
        if self.busy.load(Relaxed) > 0 {
            return None;
        }
        self.lock().since.checked_add(patience.idle)
    }
}

// === impl Busy ===

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.leave();
    }
}

// === impl Watched ===

impl<S> Watched<S> {
    /// Goes on with a connection of which so much has been received.
    pub(super) fn new(socket: S, received: BytesMut, activity: Arc<Activity>) -> Self {
        Self { socket, received, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { socket, received, activity } = &mut *self;
        if !received.is_empty() {
            buf.put_slice(&received.split_to(buf.remaining().min(received.len())));
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let polled = Pin::new(socket).poll_read(cx, buf);
        if buf.filled().len() > before {
            activity.heard();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.activity.wrote(polled.is_ready());
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = http1::poll_write(Pin::new(&mut self.socket), cx, bufs);
        self.activity.wrote(polled.is_ready());
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        time::advance,
    };

    use super::*;

    const PATIENCE: Patience =
        Patience { head: Duration::from_secs(10), idle: Duration::from_secs(60), max_head_bytes: 1 };

    /// Returns in how many seconds the connection will have been quiet for too long.
    fn expires_in(activity: &Activity) -> Option<u64> {
        activity.expiry(PATIENCE).map(|expiry| (expiry - Instant::now()).as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_requests_is_idle_from_the_end_of_the_last() {
        let activity = Activity::new();
        assert_eq!(expires_in(&activity), Some(60));

        let (one, other) = (activity.enter(), activity.enter());
        advance(Duration::from_secs(3600)).await;
        drop(one);
        assert_eq!(expires_in(&activity), None);
        drop(other);

        assert_eq!(expires_in(&activity), Some(60));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_quiet_even_while_it_is_served() {
        let activity = Activity::new();
        let _busy = activity.enter();
        activity.wrote(false);
        advance(Duration::from_secs(50)).await;
        assert_eq!(expires_in(&activity), Some(10));

        activity.wrote(true);
        activity.wrote(false);

        assert_eq!(expires_in(&activity), Some(60), "since it last took something");
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_on_its_way_out_is_not_idle_time() {
        let activity = Activity::new();
        drop(activity.enter());
        activity.wrote(false);
        advance(Duration::from_secs(50)).await;
        activity.wrote(true);

        assert_eq!(expires_in(&activity), Some(60));
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_been_received_before_comes_first_and_then_frames_are_a_sign_of_life() {
        let (mut client, socket) = tokio::io::duplex(100);
        let activity = Activity::new();
        let mut watched = Watched::new(socket, BytesMut::from("PRI"), Arc::clone(&activity));
        client.write_all(b" *").await.unwrap();
        drop(client);
        advance(Duration::from_secs(50)).await;

        let mut received = String::new();
        watched.read_to_string(&mut received).await.unwrap();

        assert_eq!((&*received, expires_in(&activity)), ("PRI *", Some(60)));
    }
}
