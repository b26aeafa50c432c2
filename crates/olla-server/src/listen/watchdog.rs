//! Closes connections that are idle for too long, or that take too long over a request head.
//!
//! One lazy timer for each connection: requests only note what the connection is doing, and the timer,
//! when it fires, looks whether that has gone on for too long.

use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use olla_proxy::{clock, http1};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::unconstrained,
    time::{Instant, Sleep, sleep_until},
};

use super::{Patience, http1::Link};

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
    waiting_for: Waiting,
    blocked_since: Instant,
}

/// What a connection without requests is waiting for.
#[derive(Debug, Clone, Copy)]
enum Waiting {
    /// The first byte, since then.
    Opened(Instant),
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

/// The socket of an HTTP/2 connection, telling the activity what goes through it.
#[derive(Debug)]
pub(super) struct Watched<S>(Link<S>);

/// Completes when the connection should be closed.
#[derive(Debug)]
pub(super) struct Watchdog {
    activity: Arc<Activity>,
    patience: Patience,
    timer: Pin<Box<Sleep>>,
    /// Whether the timer knows whom to wake. It does until it fires, however often it is reset.
    is_armed: bool,
}

const HTTP2_PREFACE: &[u8] = b"PRI *";

// === impl Activity ===

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        let now = Instant::now();
        let quiet = Mutex::new(Quiet { waiting_for: Waiting::Opened(now), blocked_since: now });
        Arc::new(Self { busy: AtomicU32::new(0), blocked: AtomicBool::new(false), quiet })
    }

    /// Notes that a request has arrived.
    pub(super) fn enter(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Relaxed);
        Busy(Arc::clone(self))
    }

    /// Notes that the client has sent this.
    pub(super) fn read(&self, bytes: &[u8]) {
        if self.busy.load(Relaxed) > 0 || bytes.is_empty() {
            return;
        }
        let now = clock::instant();
        self.wait(|waiting| match waiting {
            Waiting::Opened(_) if bytes.starts_with(HTTP2_PREFACE) => Waiting::Http2(now),
            Waiting::Http2(_) => Waiting::Http2(now),
            // A client that connects and says nothing is held to the limit of a head.
            Waiting::Opened(since) | Waiting::Head(since) => Waiting::Head(since),
            Waiting::Idle(_) => Waiting::Head(now),
        });
    }

    /// Notes whether the client took what was written.
    pub(super) fn wrote(&self, accepted: bool) {
        if accepted != self.blocked.load(Relaxed) {
            return;
        }
        self.blocked.store(!accepted, Relaxed);
        let now = clock::instant();
        self.lock().blocked_since = now;
        self.wait(|waiting| waiting.restarted(now));
    }

    fn leave(&self) {
        if self.busy.fetch_sub(1, Relaxed) == 1 {
            let now = clock::instant();
            self.wait(|waiting| match waiting {
                Waiting::Http2(_) => Waiting::Http2(now),
                Waiting::Opened(_) | Waiting::Idle(_) | Waiting::Head(_) => Waiting::Idle(now),
            });
        }
    }

    fn wait(&self, change: impl FnOnce(Waiting) -> Waiting) {
        let mut quiet = self.lock();
        quiet.waiting_for = change(quiet.waiting_for);
    }

    fn lock(&self) -> MutexGuard<'_, Quiet> {
        self.quiet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when the connection will have been quiet for too long, or `None` while it is busy.
    ///
    /// A client that does not read is quiet too, whatever it has asked for: a response that nobody takes
    /// holds a backend.
    fn expiry(&self, patience: Patience) -> Option<Instant> {
        if self.blocked.load(Relaxed) {
            return self.lock().blocked_since.checked_add(patience.idle);
        }
        if self.busy.load(Relaxed) > 0 {
            return None;
        }
        match self.lock().waiting_for {
            Waiting::Idle(since) | Waiting::Http2(since) => since.checked_add(patience.idle),
            Waiting::Opened(since) | Waiting::Head(since) => since.checked_add(patience.head),
        }
    }
}

// === impl Waiting ===

impl Waiting {
    /// Counts the idle time from `now`: the end of the last response is still on its way out.
    fn restarted(self, now: Instant) -> Self {
        match self {
            Self::Idle(_) => Self::Idle(now),
            other => other,
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
        Self { activity, patience, timer, is_armed: false }
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
            // A look costs less than a poll, and this is called for every turn of the connection.
            if self.is_armed && !self.timer.is_elapsed() {
                return Poll::Pending;
            }
            // Whatever its turn has cost so far: a poll that is put off tells the timer of nobody.
            let timer = poll_fn(|cx| self.timer.as_mut().poll(cx));
            self.is_armed = pin!(unconstrained(timer)).poll(cx).is_pending();
            if self.is_armed {
                return Poll::Pending;
            }
            // The clock itself: where time stands still, this might have no end.
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
    /// Goes on with a connection of which something may have been received.
    pub(super) fn new(link: Link<S>) -> Self {
        Self(link)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self(link) = &mut *self;
        let received = &mut link.inbox.bytes;
        if !received.is_empty() {
            buf.put_slice(&received.split_to(buf.remaining().min(received.len())));
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut link.socket).poll_read(cx, buf);
        link.activity.read(buf.filled().get(before..).unwrap_or_default());
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.0.socket).poll_write(cx, buf);
        self.0.activity.wrote(polled.is_ready());
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = http1::poll_write(Pin::new(&mut self.0.socket), cx, bufs);
        self.0.activity.wrote(polled.is_ready());
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.0.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::task::coop;

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
    async fn a_client_that_does_not_read_expires_even_while_it_is_served() {
        let activity = Activity::new();
        let _busy = activity.enter();
        activity.wrote(false);
        tokio::time::advance(Duration::from_secs(50)).await;
        activity.wrote(true);
        activity.wrote(false);

        assert_eq!(expires_after(&activity).await.as_secs(), 60, "since it last took something");
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_on_its_way_out_is_not_idle_time() {
        let activity = Activity::new();
        drop(activity.enter());
        activity.wrote(false);
        tokio::time::advance(Duration::from_secs(50)).await;
        activity.wrote(true);

        assert_eq!(expires_after(&activity).await.as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_looks_like_http2_later_on_is_still_a_slow_head() {
        let activity = Activity::new();
        activity.read(b"G");
        activity.read(b"PRI * HTTP/2.0\r\n");

        assert_eq!(expires_after(&activity).await.as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_has_used_up_its_turn_is_watched_all_the_same() {
        let mut watchdog = Watchdog::new(Activity::new(), PATIENCE);
        let start = Instant::now();
        let mut is_first = true;
        let expired = poll_fn(|cx| {
            while is_first && coop::has_budget_remaining() {
                let _ = pin!(coop::consume_budget()).poll(cx);
            }
            is_first = false;
            watchdog.poll_expired(cx)
        });

        tokio::time::timeout(Duration::from_secs(3600), expired).await.unwrap();

        assert_eq!(start.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn http2_frames_are_not_a_slow_head() {
        let activity = Activity::new();
        activity.read(b"PRI * HTTP/2.0\r\n");

        assert_eq!(expires_after(&activity).await.as_secs(), 60);
    }
}
