//! Waiting until a time and not longer. Where connections take [turns](clock::turn), it takes no timer.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::clock;

/// Tells when a time has come.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    // alloc: only where nobody keeps the time, and somebody has to wait.
    sleep: Option<Pin<Box<Sleep>>>,
}

pin_project! {
    /// A future that has time until a deadline.
    #[derive(Debug)]
    pub(crate) struct Within<F> {
        #[pin]
        future: F,
        deadline: Option<Instant>,
        timer: Timer,
    }
}

/// The time has come before what was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLate;

/// Waits for a future until the deadline, where there is one. What is ready at once is never too late.
pub(crate) fn within<F: Future>(deadline: Option<Instant>, future: F) -> Within<F> {
    Within { future, deadline, timer: Timer::default() }
}

// === impl Timer ===

impl Timer {
    /// Completes at this time, or at an earlier one that it was asked for before: then the caller looks again.
    pub(crate) fn poll_until(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if at <= clock::instant() {
            return Poll::Ready(());
        }
        if clock::wake_at(at) {
            return Poll::Pending;
        }
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if at < sleep.deadline() {
            sleep.as_mut().reset(at);
        }
        if sleep.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        if at > sleep.deadline() {
            sleep.as_mut().reset(at);
        }
        Poll::Ready(())
    }
}

// === impl Within ===

impl<F: Future> Future for Within<F> {
    type Output = Result<F::Output, TooLate>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        match this.deadline {
            Some(deadline) => this.timer.poll_until(*deadline, cx).map(|()| Err(TooLate)),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, poll_fn, ready},
        pin::pin,
        time::Duration,
    };

    use super::*;

    fn in_seconds(seconds: u64) -> Option<Instant> {
        Some(Instant::now() + Duration::from_secs(seconds))
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_longer_is_given_up_at_the_time() {
        let begun = Instant::now();

        assert_eq!(within(in_seconds(3), pending::<()>()).await, Err(TooLate));
        assert_eq!(begun.elapsed().as_secs(), 3);
        assert_eq!(within(Some(begun), ready(1)).await, Ok(1), "it need not be waited for");
        assert_eq!(within(None, ready(1)).await, Ok(1));
    }

    #[tokio::test(start_paused = true)]
    async fn who_keeps_the_time_is_asked_for_it() {
        let (begun, deadline) = (Instant::now(), in_seconds(3));
        let mut waiting = pin!(within(deadline, pending::<()>()));

        let (polled, alarm) = poll_fn(|cx| Poll::Ready(clock::turn(|| waiting.as_mut().poll(cx)))).await;
        assert!(polled.is_pending() && alarm == deadline && waiting.timer.sleep.is_none());
        tokio::time::advance(Duration::from_secs(3)).await;
        let (polled, alarm) = poll_fn(|cx| Poll::Ready(clock::turn(|| waiting.as_mut().poll(cx)))).await;

        assert_eq!((polled, alarm), (Poll::Ready(Err(TooLate)), None));
        assert_eq!(begun.elapsed().as_secs(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_may_be_asked_for_another_time_meanwhile() {
        for times in [[3, 1], [1, 3], [2, 2]] {
            let (begun, mut timer) = (Instant::now(), Timer::default());
            let [first, last] = times.map(|seconds| begun + Duration::from_secs(seconds));
            assert!(poll_fn(|cx| Poll::Ready(timer.poll_until(first, cx))).await.is_pending());

            while Instant::now() < last {
                poll_fn(|cx| timer.poll_until(last, cx)).await;
            }

            assert_eq!(begun.elapsed().as_secs(), times[1]);
        }
    }
}
