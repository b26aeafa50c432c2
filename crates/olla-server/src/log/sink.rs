//! A queue of log lines that are written together: a request never waits for a terminal or a disk.
//!
//! One thread writes. It sleeps while there is nothing to write, and gathers lines for a moment when
//! there is, so that a busy server makes one system call for hundreds of lines.

use std::{
    io::{self, Write},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

/// Bytes waiting to be written; beyond that, lines are dropped and counted.
const CAPACITY: usize = 8 * 1024 * 1024;
/// How long lines wait for others: a wake-up costs more than the lines of a busy moment.
const GATHER: Duration = Duration::from_millis(20);
/// Bytes that are written at once: more would leave the caches of the processor before they are.
const ENOUGH: usize = 64 * 1024;

/// Takes log lines. Cloning shares the queue.
#[derive(Debug, Clone, Default)]
pub(super) struct Sink(Arc<Shared>);

/// Writes what is queued, and ends the writing thread, when it is dropped.
#[derive(Debug)]
#[must_use = "lines are lost without it"]
pub(super) struct Flush {
    sink: Sink,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    lines: Vec<u8>,
    dropped: u64,
    closed: bool,
}

// === impl Sink ===

impl Sink {
    /// Starts the thread that writes to `to`.
    ///
    /// # Errors
    /// Fails when no thread can be started.
    pub(super) fn start(to: impl Write + Send + 'static) -> io::Result<(Self, Flush)> {
        let sink = Self::default();
        let from = sink.clone();
        let writer = thread::Builder::new().name("olla-log".into()).spawn(move || from.write_all_to(to))?;
        Ok((sink.clone(), Flush { sink, writer: Some(writer) }))
    }

    /// Queues a line, or counts it where there are too many.
    pub(super) fn push(&self, line: &[u8]) {
        let mut queue = self.queue();
        if queue.lines.len() + line.len() > CAPACITY {
            queue.dropped += 1;
            return;
        }
        let before = queue.lines.len();
        queue.lines.extend_from_slice(line);
        let after = queue.lines.len();
        drop(queue);
        if before == 0 || (before < ENOUGH && after >= ENOUGH) {
            self.0.filled.notify_one();
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all_to(&self, mut to: impl Write) {
        let mut lines = Vec::new();
        loop {
            let (dropped, closed) = self.take(&mut lines);
            // Nobody is left to tell when the log itself cannot be written.
            let _ = to.write_all(&lines);
            if dropped > 0 {
                let _ = writeln!(
                    to,
                    "{{\"level\":\"WARN\",\"message\":\"log lines dropped\",\"lines\":{dropped}}}"
                );
            }
            let _ = to.flush();
            if closed {
                return;
            }
        }
    }

    /// Waits for lines, gives others a moment to join them, and takes them all.
    fn take(&self, lines: &mut Vec<u8>) -> (u64, bool) {
        let empty = |queue: &mut Queue| queue.lines.is_empty() && !queue.closed;
        let waited = self.0.filled.wait_while(self.queue(), empty);
        let queue = waited.unwrap_or_else(PoisonError::into_inner);
        let open = |queue: &mut Queue| !queue.closed && queue.lines.len() < ENOUGH;
        let gathered = self.0.filled.wait_timeout_while(queue, GATHER, open);
        let mut queue = gathered.unwrap_or_else(PoisonError::into_inner).0;
        lines.clear();
        std::mem::swap(&mut queue.lines, lines);
        (std::mem::take(&mut queue.dropped), queue.closed)
    }
}

// === impl Flush ===

impl Drop for Flush {
    fn drop(&mut self) {
        self.sink.queue().closed = true;
        self.sink.0.filled.notify_one();
        if let Some(writer) = self.writer.take() {
            // A panic of the writer has been reported by the panic hook.
            let _ = writer.join();
        }
    }
}

/// What a test reads back. Clones share the text.
#[cfg(test)]
#[derive(Clone, Default)]
pub(super) struct Page(Arc<Mutex<Vec<u8>>>);

#[cfg(test)]
impl Page {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[cfg(test)]
impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_every_line_once_and_in_order_before_it_ends() {
        let page = Page::default();
        let (sink, flush) = Sink::start(page.clone()).unwrap();

        for n in 0..1000 {
            sink.push(format!("{n}\n").as_bytes());
        }
        drop(flush);

        let expected: String = (0..1000).map(|n| format!("{n}\n")).collect();
        assert_eq!(page.text(), expected);
    }

    #[test]
    fn says_how_many_lines_did_not_fit() {
        let sink = Sink::default();
        let line = vec![b'x'; CAPACITY / 2 + 1];
        sink.push(&line);
        sink.push(&line);
        sink.queue().closed = true;
        let page = Page::default();

        sink.write_all_to(page.clone());

        assert!(page.text().ends_with("\"lines\":1}\n"));
    }
}
