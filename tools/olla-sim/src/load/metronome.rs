//! Beats at a steady rate, on a thread of its own: tokio's timers are exact to a millisecond, in which an open loop
//! would send its requests in bunches.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

/// Beats for as long as it lives. Each beat is for one request.
#[derive(Debug)]
pub(super) struct Metronome {
    rhythm: Rhythm,
    /// Beats that no request has been sent for.
    open: Arc<Semaphore>,
}

#[derive(Debug, Clone, Copy)]
struct Rhythm {
    start: Instant,
    per_second: f64,
}

// === impl Metronome ===

impl Metronome {
    /// Starts to beat; the first beat is at `start`.
    #[expect(clippy::disallowed_methods, reason = "a thread that does nothing else may sleep")]
    pub(super) fn start(start: Instant, per_second: f64) -> io::Result<Self> {
        let (rhythm, open) = (Rhythm { start, per_second }, Arc::new(Semaphore::new(0)));
        let beats = Arc::downgrade(&open);
        let beat = move || {
            for index in 0.. {
                thread::sleep(rhythm.due(index).saturating_duration_since(Instant::now()));
                let Some(beats) = beats.upgrade() else { return };
                beats.add_permits(1);
            }
        };
        thread::Builder::new().name("metronome".to_owned()).spawn(beat)?;
        Ok(Self { rhythm, open })
    }

    /// Returns when a beat is due.
    pub(super) fn due(&self, index: u64) -> Instant {
        self.rhythm.due(index)
    }

    #[cfg(test)]
    pub(super) fn missed(&self) -> usize {
        self.open.available_permits()
    }

    /// Takes a beat that has gone by, or waits for the next; returns whether it waited.
    pub(super) async fn beat(&self) -> bool {
        if let Ok(missed) = self.open.try_acquire() {
            missed.forget();
            return false;
        }
        if let Ok(beat) = self.open.acquire().await {
            beat.forget();
        }
        true
    }
}

// === impl Rhythm ===

impl Rhythm {
    fn due(self, index: u64) -> Instant {
        let after = Duration::try_from_secs_f64(index as f64 / self.per_second);
        self.start + after.unwrap_or(Duration::MAX / 4)
    }
}
