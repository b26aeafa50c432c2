//! Closes connections that are idle for too long, or that take too long over a request head, and keeps the time for what
//! is done on them.
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
    /// it may have changed. Wakes the task at the `alarm` of its turn. Poll it after the connection.
    pub(super) fn poll_expired(
        &mut self,
        cx: &mut Context<'_>,
        alarm: Option<Instant>,
        expiry: impl Fn(Patience) -> Option<Instant>,
    ) -> Poll<()> {
        let expiry = expiry(self.patience);
        let soonest = expiry.into_iter().chain(alarm).min();
        loop {
            if let Some(soonest) = soonest.filter(|soonest| *soonest < self.timer.deadline()) {
                self.timer.as_mut().reset(soonest);
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
            if expiry.is_some_and(|expiry| expiry <= now) {
                return Poll::Ready(());
            }
            if alarm.is_some_and(|alarm| alarm <= now) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let idle = || now + self.patience.head.min(self.patience.idle);
            self.timer.as_mut().reset(soonest.unwrap_or_else(idle));
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

            poll_fn(|cx| watchdog.poll_expired(cx, None, |_| Some(expiry))).await;

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
            watchdog.poll_expired(cx, None, |patience| idle_since.get().map(|since| since + patience.idle))
        });

        expired.await;

        assert_eq!(begun.elapsed().as_secs(), 90);
    }

    #[tokio::test(start_paused = true)]
    async fn an_alarm_wakes_the_task_and_ends_nothing() {
        let (mut watchdog, begun) = (Watchdog::new(PATIENCE), Instant::now());
        let [first, second] = [3, 20].map(|seconds| begun + Duration::from_secs(seconds));
        let mut woken_after = vec![];
        let expired = poll_fn(|cx| {
            let now = Instant::now();
            woken_after.push((now - begun).as_secs());
            let alarm = [first, second].into_iter().find(|alarm| *alarm > now);
            watchdog.poll_expired(cx, alarm, |_| Some(begun + Duration::from_secs(30)))
        });

        expired.await;

        assert!(woken_after.contains(&3) && woken_after.contains(&20), "{woken_after:?}");
        assert_eq!(begun.elapsed().as_secs(), 30);
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
            watchdog.poll_expired(cx, None, |patience| Some(begun + patience.head))
        });

        timeout(Duration::from_secs(3600), expired).await.unwrap();

        assert_eq!(begun.elapsed().as_secs(), 10);
    }
}
