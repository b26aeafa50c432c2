//! Collects the log lines of one thread. A test on a current-thread runtime is one thread.

use std::{cell::RefCell, fmt, sync::Once};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// The log lines of the test that opened it.
pub(crate) struct Journal(());

/// Installed for the whole process: a subscriber of one thread can miss the first event of a call site
/// that other threads reach at the same time.
struct EveryThread;

struct Line(String);

impl Journal {
    pub(crate) fn open() -> Self {
        static INSTALL: Once = Once::new();
        INSTALL.call_once(|| tracing::subscriber::set_global_default(EveryThread).unwrap());
        LINES.take();
        Self(())
    }

    /// Returns the lines with this text, fields included.
    pub(crate) fn lines(&self, text: &str) -> Vec<String> {
        LINES.with_borrow(|lines| lines.iter().filter(|line| line.contains(text)).cloned().collect())
    }
}

impl Subscriber for EveryThread {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        LINES.with_borrow_mut(|lines| lines.push(line.0));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!(" {field}={value:?}");
    }
}
