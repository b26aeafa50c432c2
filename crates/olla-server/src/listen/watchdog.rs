//! Closes connections that are idle for too long, or that take too long over a request head.
//!
//! One lazy timer for each connection: it is only moved when it fires, or when something ends sooner.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use tokio::{
    task::unconstrained,
    time::{Instant, Sleep, sleep_until},
};

use super::Patience;

/// Tells when a connection should be closed.
#[derive(Debug)]
pub(super) struct Watchdog {
    patience: Patience,
    timer: Pin<Box<Sleep>>,
    /// Whether the timer knows whom to wake. It does until it fires, however often it is reset.
    is_armed: bool,
}

// === impl Watchdog ===

impl Watchdog {
    pub(super) fn new(patience: Patience) -> Self {
        let timer = Box::pin(sleep_until(Instant::now() + patience.head));
        Self { patience, timer, is_armed: false }
    }

    /// Completes when the time has come at which the connection has been quiet for too long; it is asked for whenever
    /// it may have changed. Poll it after the connection.
    pub(super) fn poll_expired(
        &mut self,
        cx: &mut Context<'_>,
        expiry: impl Fn(Patience) -> Option<Instant>,
    ) -> Poll<()> {
        let expiry = expiry(self.patience);
        loop {
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

#[cfg(test)]
mod tests {
    use std::{cell::Cell, time::Duration};

    use tokio::{task::coop, time::timeout};

    use super::*;

    const PATIENCE: Patience =
        Patience { head: Duration::from_secs(10), idle: Duration::from_secs(60), max_head_bytes: 1 };

    #[tokio::test(start_paused = true)]
    async fn it_barks_at_the_time_and_not_before() {
        let begun = Instant::now();
        for seconds in [1, 10, 11, 1000] {
            let mut watchdog = Watchdog::new(PATIENCE);
            let expiry = Instant::now() + Duration::from_secs(seconds);
            let begun = Instant::now();

            poll_fn(|cx| watchdog.poll_expired(cx, |_| Some(expiry))).await;

            assert_eq!(begun.elapsed().as_secs(), seconds);
        }
        assert_eq!(begun.elapsed().as_secs(), 1022);
    }

    #[tokio::test(start_paused = true)]
    async fn it_sees_that_a_busy_connection_is_busy_no_more() {
        let (mut watchdog, begun) = (Watchdog::new(PATIENCE), Instant::now());
        let idle_since = Cell::new(None);
        let expired = poll_fn(|cx| {
            if begun.elapsed().as_secs() >= 30 {
                idle_since.set(Some(begun + Duration::from_secs(30)));
            }
            watchdog.poll_expired(cx, |patience| idle_since.get().map(|since| since + patience.idle))
        });

        expired.await;

        assert_eq!(begun.elapsed().as_secs(), 90);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_has_used_up_its_turn_is_watched_all_the_same() {
        let (mut watchdog, begun) = (Watchdog::new(PATIENCE), Instant::now());
        let mut is_first = true;
        let expired = poll_fn(|cx| {
            while is_first && coop::has_budget_remaining() {
                let _ = pin!(coop::consume_budget()).poll(cx);
            }
            is_first = false;
            watchdog.poll_expired(cx, |patience| Some(begun + patience.head))
        });

        timeout(Duration::from_secs(3600), expired).await.unwrap();

        assert_eq!(begun.elapsed().as_secs(), 10);
    }
}
