//! Log lines as JSON objects: time, level, then the fields of the event in their order, the message first.
//!
//! Each request ends with such a line, so it is put together by hand: a general serializer takes ten times as
//! long. There are no spans in this program, and lines show none.

use std::{
    cell::RefCell,
    fmt::{self, Write},
    time::{SystemTime, UNIX_EPOCH},
};

use olla_proxy::clock;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

use super::sink::Sink;

/// Sends events to a sink as JSON, one object a line.
#[derive(Debug)]
pub(super) struct JsonLines(pub(super) Sink);

/// An object in the making.
struct Line<'a>(&'a mut String);

/// What is written here becomes the inside of a JSON string.
struct Escaped<'a>(&'a mut String);

/// A time down to its second, and that second.
#[derive(Debug, Default)]
struct Shown {
    unix_seconds: Option<u64>,
    /// As in `2026-11-24T04:29:18`.
    text: String,
}

thread_local! {
    static LINE: RefCell<String> = RefCell::default();
    static SECOND: RefCell<Shown> = RefCell::default();
}

// === impl JsonLines ===

impl<S: Subscriber> Layer<S> for JsonLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // Taken, not borrowed: a value that is shown could log something itself.
        let mut line = LINE.take();
        line.clear();
        line.push_str("{\"timestamp\":\"");
        SECOND.with_borrow_mut(|second| second.push(&mut line, clock::wall()));
        line.push_str("\",\"level\":\"");
        line.push_str(event.metadata().level().as_str());
        line.push('"');
        event.record(&mut Line(&mut line));
        line.push_str("}\n");
        self.0.push(line.as_bytes());
        LINE.set(line);
    }
}

// === impl Line ===

impl Line<'_> {
    fn name(&mut self, field: &Field) {
        // Names are identifiers of this program: nothing in them needs escaping.
        self.0.push_str(",\"");
        let name = field.name();
        self.0.push_str(name.strip_prefix("r#").unwrap_or(name));
        self.0.push_str("\":");
    }

    fn bare(&mut self, field: &Field, value: &str) {
        self.name(field);
        self.0.push_str(value);
    }
}

impl Visit for Line<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.name(field);
        self.0.push('"');
        escape(self.0, value);
        self.0.push('"');
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.bare(field, itoa::Buffer::new().format(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.bare(field, itoa::Buffer::new().format(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bare(field, if value { "true" } else { "false" });
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON knows neither infinity nor NaN.
        if value.is_finite() { self.record_debug(field, &value) } else { self.bare(field, "null") }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.name(field);
        self.0.push('"');
        // Only a value that refuses to be shown fails; the line then lacks the rest of it.
        let _ = write!(Escaped(self.0), "{value:?}");
        self.0.push('"');
    }
}

// === impl Escaped ===

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(self.0, text);
        Ok(())
    }
}

/// Appends text as the inside of a JSON string (RFC 8259 §7).
fn escape(line: &mut String, text: &str) {
    if is_plain(text) {
        return line.push_str(text);
    }
    let mut rest = text;
    while let Some(at) = rest.bytes().position(is_special) {
        // Such a byte is a character of its own.
        let (plain, special) = rest.split_at(at);
        line.push_str(plain);
        match special.as_bytes().first() {
            Some(b'"') => line.push_str("\\\""),
            Some(b'\\') => line.push_str("\\\\"),
            Some(b'\n') => line.push_str("\\n"),
            Some(b'\r') => line.push_str("\\r"),
            Some(b'\t') => line.push_str("\\t"),
            Some(other) => {
                line.push_str("\\u00");
                push_hex(line, *other);
            }
            None => {}
        }
        rest = special.get(1..).unwrap_or_default();
    }
    line.push_str(rest);
}

fn is_special(byte: u8) -> bool {
    (byte < b' ') | (byte == b'"') | (byte == b'\\')
}

/// Returns whether nothing has to be escaped; looks at eight bytes at a time.
fn is_plain(text: &str) -> bool {
    const ONES: u64 = u64::MAX / 255;
    // The lowest byte that is less has its highest bit set by the subtraction; only bytes above it can be wrong.
    let has_less = |word: u64, than: u8| word.wrapping_sub(ONES * u64::from(than)) & !word & (ONES << 7) != 0;
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let is_plain_word = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word);
        let differs = |byte: u8| !has_less(word ^ (ONES * u64::from(byte)), 1);
        !has_less(word, b' ') && differs(b'"') && differs(b'\\')
    };
    words.iter().all(is_plain_word)
        && match text.as_bytes().last_chunk::<8>() {
            _ if rest.is_empty() => true,
            // The rest, and what has been looked at before.
            Some(last) => is_plain_word(last),
            None => !rest.iter().any(|byte| is_special(*byte)),
        }
}

fn push_hex(line: &mut String, byte: u8) {
    for digit in [byte >> 4, byte & 15] {
        line.extend(char::from_digit(digit.into(), 16));
    }
}

// === impl Shown ===

impl Shown {
    /// Appends a time as `2026-11-24T04:29:18.720618Z` (RFC 3339). Many lines share their second.
    fn push(&mut self, line: &mut String, time: SystemTime) {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.unix_seconds != Some(since.as_secs()) {
            self.unix_seconds = Some(since.as_secs());
            self.text.clear();
            push_second(&mut self.text, since.as_secs());
        }
        line.push_str(&self.text);
        line.push('.');
        push_padded(line, since.subsec_micros().into(), 6);
        line.push('Z');
    }
}

fn push_second(text: &mut String, unix_seconds: u64) {
    let (days, second) = (unix_seconds / 86_400, unix_seconds % 86_400);
    let (year, month, day) = date(days);
    push_padded(text, year, 4);
    for (before, number) in
        [('-', month), ('-', day), ('T', second / 3600), (':', second / 60 % 60), (':', second % 60)]
    {
        text.push(before);
        push_padded(text, number, 2);
    }
}

fn push_padded(line: &mut String, number: u64, width: usize) {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(number);
    line.push_str("000000".get(..width.saturating_sub(digits.len())).unwrap_or_default());
    line.push_str(digits);
}

/// Returns year, month and day of a day since 1970 in the Gregorian calendar.
///
/// Counted from 1 March of the year 0, so that a leap day is the last of its year; 400 years have 146,097 days.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March on have 153 days for each five.
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = 400 * era + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use serde_json::{Value, json};
    use tracing_subscriber::{Registry, layer::SubscriberExt};

    use super::*;
    use crate::log::sink::Page;

    fn logged(log: impl FnOnce()) -> Vec<Value> {
        let page = Page::default();
        let (sink, flush) = Sink::start(page.clone()).unwrap();
        let subscriber = Registry::default().with(JsonLines(sink));
        tracing::subscriber::with_default(subscriber, log);
        drop(flush);
        page.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
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
    fn a_value_that_logs_gets_a_line_of_its_own() {
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
    fn times_are_those_of_the_calendar() {
        let mut shown = Shown::default();
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_399, "2000-02-28T23:59:59.000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000Z"),
            (1_772_323_199, "2026-02-28T23:59:59.000000Z"),
            (1_772_323_200, "2026-03-01T00:00:00.000000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000Z"),
        ] {
            let mut line = String::new();
            shown.push(&mut line, UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!(line, expected);
        }
        let mut line = String::new();
        shown.push(&mut line, UNIX_EPOCH + Duration::new(4_107_542_400, 12_345_678));
        assert_eq!(line, "2100-03-01T00:00:00.012345Z", "the second of the last one");
    }

    proptest! {
        #[test]
        fn every_day_is_the_one_after_the_day_before(day in 0u64..200_000) {
            let ((year, month, of_month), next) = (date(day), date(day + 1));
            let days_of_february = if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) { 29 } else { 28 };
            let days = [31, days_of_february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month as usize - 1];
            let expected = match (month, of_month) {
                (12, 31) => (year + 1, 1, 1),
                (_, last) if last == days => (year, month + 1, 1),
                _ => (year, month, of_month + 1),
            };
            prop_assert_eq!(next, expected);
        }

        #[test]
        fn any_text_is_read_back_as_it_was(text in "\\PC*|[\\x00-\\x7f]*") {
            let mut line = String::from('"');
            escape(&mut line, &text);
            line.push('"');
            prop_assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        }
    }
}
