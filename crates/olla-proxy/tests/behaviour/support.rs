//! The cast of these tests: scripted backends, a stage with the proxy on it, a client that speaks raw
//! bytes, and the journal of finished requests.

mod backend;
mod journal;
mod stage;
mod wire;

use std::time::Duration;

pub(crate) use backend::{Backend, Heard, answer, ok};
pub(crate) use journal::{Journal, Note};
pub(crate) use stage::{MODEL, Plan, Stage, Told, chat, get, post};
pub(crate) use wire::{Ending, Wire};

/// Waits for what must happen soon; a test that would hang fails instead.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(10), future).await.expect("nothing happened for 10 s")
}

pub(crate) fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Stops the clock. It does not move by itself either while the runtime waits for a socket, since the runtime
/// always has something to do.
pub(crate) fn stop_the_clock() {
    tokio::time::pause();
    tokio::spawn(async {
        loop {
            tokio::task::yield_now().await;
        }
    });
}

/// Lets this much time pass, and everybody notice.
pub(crate) async fn pass(time: Duration) {
    tokio::time::advance(time).await;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
}
