//! Lines of the log, in the format of each place that they go to: what is traced, and the line of a request, which goes
//! a shorter way. There are no spans in this program, and lines show none.

use std::{cell::RefCell, fmt};

use olla_proxy::clock;
use tracing::{
    Event, Level, Metadata, Subscriber, dispatcher,
    field::{Field, Visit},
    level_filters::LevelFilter,
    subscriber::Interest,
};
use tracing_subscriber::{Layer, layer::Context};

use super::{json, sink::Sink, text, time};

/// Writes lines of some levels to some places.
#[derive(Debug)]
pub(crate) struct Lines {
    level: LevelFilter,
    places: Vec<(Format, Sink)>,
}

/// How a line looks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Format {
    /// For programs.
    Json,
    /// For people.
    Text { colors: bool },
}

/// The fields of a line in the making.
pub(crate) struct Fields<'a> {
    line: &'a mut String,
    format: Format,
}

/// A buffer that has grown beyond this is let go of.
const LONGEST_KEPT: usize = 32 * 1024;

thread_local! {
    static LINE: RefCell<String> = RefCell::default();
}

/// Writes a line with these fields where what is traced goes. It costs half of what an event does.
pub(crate) fn write(level: Level, message: &'static str, fields: impl Fn(&mut Fields<'_>)) {
    dispatcher::get_default(|traced| {
        if let Some(lines) = traced.downcast_ref::<Lines>().filter(|lines| lines.level >= level) {
            lines.write(level, |line| {
                line.word("message", message);
                fields(line);
            });
        }
    });
}

// === impl Lines ===

impl Lines {
    pub(super) fn new(level: LevelFilter, places: Vec<(Format, Sink)>) -> Self {
        Self { level, places }
    }

    fn write(&self, level: Level, fields: impl Fn(&mut Fields<'_>)) {
        // Taken, not borrowed: a value that is shown could log something itself.
        let mut line = LINE.take();
        for (format, sink) in &self.places {
            line.clear();
            let push_time = |line: &mut String| time::push(line, clock::wall());
            match *format {
                Format::Json => json::begin(&mut line, level.as_str(), push_time),
                Format::Text { colors } => text::begin(&mut line, level, colors, push_time),
            }
            fields(&mut Fields { line: &mut line, format: *format });
            match format {
                Format::Json => json::end(&mut line),
                Format::Text { .. } => line.push('\n'),
            }
            sink.push(line.as_bytes());
        }
        if line.capacity() <= LONGEST_KEPT {
            LINE.set(line);
        }
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.level >= *metadata.level() { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.level >= *metadata.level()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.write(*event.metadata().level(), |fields| event.record(fields));
    }
}

// === impl Fields ===

impl Fields<'_> {
    /// Adds a text.
    // Names are known where they are written: what stands there is a few moves then, and no call. So it is below.
    #[inline(always)]
    pub(crate) fn text(&mut self, name: &'static str, value: &str) {
        match self.format {
            Format::Json => json::text(self.line, name, value),
            Format::Text { colors } => text::text(self.line, name, value, colors),
        }
    }

    /// Adds a text that has nothing in it that would need escaping: no quotes, backslashes or control characters.
    #[inline(always)]
    pub(crate) fn word(&mut self, name: &'static str, value: &str) {
        match self.format {
            Format::Json => json::word(self.line, name, value),
            Format::Text { colors } => text::text(self.line, name, value, colors),
        }
    }

    /// Adds a text, if there is one.
    #[inline(always)]
    pub(crate) fn some_text(&mut self, name: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// Adds a number.
    #[inline(always)]
    pub(crate) fn number(&mut self, name: &'static str, value: impl itoa::Integer) {
        self.bare(name, itoa::Buffer::new().format(value));
    }

    #[inline(always)]
    fn bare(&mut self, name: &'static str, value: &str) {
        match self.format {
            Format::Json => json::bare(self.line, name, value),
            Format::Text { colors } => text::bare(self.line, name, value, colors),
        }
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(name(field), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(name(field), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(name(field), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bare(name(field), if value { "true" } else { "false" });
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON knows neither infinity nor NaN.
        if value.is_finite() { self.record_debug(field, &value) } else { self.bare(name(field), "null") }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match self.format {
            Format::Json => json::shown(self.line, name(field), value),
            Format::Text { colors } => text::shown(self.line, name(field), value, colors),
        }
    }
}

fn name(field: &Field) -> &'static str {
    let name = field.name();
    name.strip_prefix("r#").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tracing_subscriber::{Registry, layer::SubscriberExt};

    use super::*;
    use crate::log::sink::Page;

    fn written(format: Format, log: impl FnOnce()) -> String {
        let page = Page::default();
        let (sink, flush) = Sink::start(page.clone()).unwrap();
        let subscriber = Registry::default().with(Lines::new(LevelFilter::INFO, vec![(format, sink)]));
        tracing::subscriber::with_default(subscriber, log);
        drop(flush);
        page.text()
    }

    fn logged(log: impl FnOnce()) -> Vec<Value> {
        written(Format::Json, log).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn fields_follow_the_message_with_their_types() {
        let lines = logged(|| {
            tracing::warn!(
                endpoint = %"gpu-1", status = 502, took = 1.5, lost = f64::NAN, down = true,
                reason = Some("refused"), code = None::<&str>, delta = -3, "health changed"
            );
        });

        let mut line = lines[0].clone();
        let time = line.as_object_mut().unwrap().shift_remove("timestamp").unwrap();
        assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
        let expected = json!({
            "level": "WARN", "message": "health changed", "endpoint": "gpu-1", "status": 502, "took": "1.5",
            "lost": null, "down": true, "reason": "refused", "delta": -3,
        });
        assert_eq!(line, expected);
        assert!(line.as_object().unwrap().keys().eq(expected.as_object().unwrap().keys()));
    }

    #[test]
    fn a_value_that_logs_does_not_disturb_the_line_that_it_is_in() {
        struct Chatty;
        impl fmt::Display for Chatty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                tracing::info!("inner");
                f.write_str("outer")
            }
        }

        let lines = logged(|| tracing::info!(value = %Chatty, "said"));

        assert!(lines.iter().any(|line| line["value"] == "outer"), "{lines:?}");
    }

    #[test]
    fn a_line_is_the_same_whichever_way_it_goes() {
        for format in [Format::Json, Format::Text { colors: false }, Format::Text { colors: true }] {
            let traced =
                || tracing::warn!(endpoint = "gpu-1 \"a\"", status = 502, mode = None::<&str>, "request");
            let direct = || {
                write(Level::WARN, "request", |fields| {
                    fields.text("endpoint", "gpu-1 \"a\"");
                    fields.number("status", 502);
                    fields.some_text("mode", None);
                });
            };
            let both = clock::still(|| written(format, || (traced(), direct()).0));

            let lines: Vec<_> = both.lines().collect();
            assert!(lines.len() == 2 && lines[0] == lines[1], "{both}");
        }
    }

    #[test]
    fn what_is_below_the_level_is_not_written() {
        let nothing = written(Format::Json, || {
            tracing::debug!("traced");
            write(Level::DEBUG, "direct", |_| {});
        });

        assert_eq!(nothing, "");
    }

    #[test]
    fn people_get_text() {
        let log = || tracing::info!(name = "a\nb", url = %"http://x\n", took = 1.5, up = true, "found");

        let plain = written(Format::Text { colors: false }, log);
        let colored = written(Format::Text { colors: true }, log);

        assert_eq!(&plain[27..], "  INFO found name=\"a\\nb\" url=http://x\\n took=1.5 up=true\n");
        assert!(
            colored.starts_with("\x1b[2m2") && colored.contains("Z\x1b[0m \x1b[32m INFO\x1b[0m found"),
            "{colored}"
        );
        assert!(colored.ends_with(" \x1b[3mup\x1b[0m\x1b[2m=\x1b[0mtrue\n"), "{colored}");
    }
}
