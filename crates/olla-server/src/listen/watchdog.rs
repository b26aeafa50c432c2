//! Closes connections that are idle for too long, or that take too long over a request head.
//!
//! One lazy timer for each connection: requests only note what the connection is doing, and the timer,
//! when it fires, looks whether that has gone on for too long.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::Patience;

/// What one connection is doing; written by its socket, its requests and its responses.
#[derive(Debug)]
pub(super) struct Activity {
    /// Requests whose response has not ended.
    busy: AtomicU32,
    quiet: Mutex<Quiet>,
}

/// What a connection without requests is waiting for.
#[derive(Debug, Clone, Copy)]
enum Quiet {
    /// A request, since then.
    Idle(Instant),
    /// The rest of a request head, since then.
    Head(Instant),
    /// HTTP/2 frames of any kind, since then.
    Http2(Instant),
}

/// Keeps a connection from counting as idle.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Activity>);

/// The socket, telling the activity when a request head begins.
#[derive(Debug)]
pub(super) struct Watched<S> {
    socket: S,
    activity: Arc<Activity>,
}

/// Completes when the connection should be closed.
#[derive(Debug)]
pub(super) struct Watchdog {
    activity: Arc<Activity>,
    patience: Patience,
    timer: Pin<Box<Sleep>>,
}

const HTTP2_PREFACE: &[u8] = b"PRI *";

// === impl Activity ===

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        // A client that connects and says nothing is held to the limit of a head.
        let quiet = Mutex::new(Quiet::Head(Instant::now()));
        Arc::new(Self { busy: AtomicU32::new(0), quiet })
    }

    /// Notes that a request has arrived.
    pub(super) fn enter(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Relaxed);
        Busy(Arc::clone(self))
    }

    fn read(&self, bytes: &[u8]) {
        if self.busy.load(Relaxed) > 0 || bytes.is_empty() {
            return;
        }
        let now = Instant::now();
        self.update(|quiet| match quiet {
            Quiet::Http2(_) => Quiet::Http2(now),
            _ if bytes.starts_with(HTTP2_PREFACE) => Quiet::Http2(now),
            Quiet::Idle(_) => Quiet::Head(now),
            Quiet::Head(since) => Quiet::Head(since),
        });
    }

    fn leave(&self) {
        if self.busy.fetch_sub(1, Relaxed) == 1 {
            let now = Instant::now();
            self.update(|quiet| match quiet {
                Quiet::Http2(_) => Quiet::Http2(now),
                Quiet::Idle(_) | Quiet::Head(_) => Quiet::Idle(now),
            });
        }
    }

    fn update(&self, change: impl FnOnce(Quiet) -> Quiet) {
        let mut quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        *quiet = change(*quiet);
    }

    /// Returns when the connection will have been quiet for too long, or `None` while it is busy.
    fn expiry(&self, patience: Patience) -> Option<Instant> {
        if self.busy.load(Relaxed) > 0 {
            return None;
        }
        match *self.quiet.lock().unwrap_or_else(PoisonError::into_inner) {
            Quiet::Idle(since) | Quiet::Http2(since) => since.checked_add(patience.idle),
            Quiet::Head(since) => since.checked_add(patience.head),
        }
    }
}

// === impl Busy ===

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.leave();
    }
}

// === impl Watchdog ===

impl Watchdog {
    pub(super) fn new(activity: Arc<Activity>, patience: Patience) -> Self {
        let timer = Box::pin(sleep_until(Instant::now() + patience.head));
        Self { activity, patience, timer }
    }

    /// Completes when the connection has been quiet for too long. Poll it after the connection.
    pub(super) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let expiry = self.activity.expiry(self.patience);
            // The timer is only moved forward when it fires, and back when something ends sooner.
            if let Some(expiry) = expiry
                && expiry < self.timer.deadline()
            {
                self.timer.as_mut().reset(expiry);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            match expiry {
                Some(expiry) if expiry <= now => return Poll::Ready(()),
                Some(expiry) => self.timer.as_mut().reset(expiry),
                None => self.timer.as_mut().reset(now + self.patience.head.min(self.patience.idle)),
            }
        }
    }
}

// === impl Watched ===

impl<S> Watched<S> {
    pub(super) fn new(socket: S, activity: Arc<Activity>) -> Self {
        Self { socket, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(cx, buf);
        self.activity.read(buf.filled().get(before..).unwrap_or_default());
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bufs)
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
    use std::{future::poll_fn, time::Duration};

    use super::*;

    const PATIENCE: Patience =
        Patience { head: Duration::from_secs(10), idle: Duration::from_secs(60), max_head_bytes: 1 };

    async fn expires_after(activity: &Arc<Activity>) -> Duration {
        let start = Instant::now();
        let mut watchdog = Watchdog::new(Arc::clone(activity), PATIENCE);
        poll_fn(|cx| watchdog.poll_expired(cx)).await;
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing_gets_the_time_of_a_head() {
        assert_eq!(expires_after(&Activity::new()).await.as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_kept_for_longer_than_a_head_takes() {
        let activity = Activity::new();
        drop(activity.enter());

        assert_eq!(expires_after(&activity).await.as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_comes_drop_by_drop_is_not_given_more_time() {
        let activity = Activity::new();
        drop(activity.enter());
        activity.read(b"GET");
        tokio::time::advance(Duration::from_secs(4)).await;
        activity.read(b" / ");

        assert_eq!(expires_after(&activity).await.as_secs(), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_connection_never_expires() {
        let activity = Activity::new();
        let busy = activity.enter();

        let waited = tokio::time::timeout(Duration::from_secs(3600), expires_after(&activity)).await;
        assert!(waited.is_err());
        drop(busy);

        assert_eq!(expires_after(&activity).await.as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn http2_frames_are_not_a_slow_head() {
        let activity = Activity::new();
        activity.read(b"PRI * HTTP/2.0\r\n");

        assert_eq!(expires_after(&activity).await.as_secs(), 60);
    }
}
