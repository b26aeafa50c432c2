//! What the tests of several parts need.

use std::time::Duration;

use tokio::{runtime, time::sleep};

/// Waits for what has to be woken to go on; a time limit that looks at it once more would not do.
pub(super) async fn woken<F: Future>(future: F) -> F::Output {
    tokio::select! {
        biased;
        () = sleep(Duration::from_secs(10)) => panic!("it is not woken"),
        output = future => output,
    }
}

pub(super) fn runtime_of_one_thread() -> runtime::Runtime {
    runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
