//! The time of a log line, as `2026-11-24T04:29:18.720618Z` (RFC 3339).

use std::{
    cell::RefCell,
    time::{SystemTime, UNIX_EPOCH},
};

use olla_core::date;

/// A time down to its second, and that second.
#[derive(Debug, Default)]
struct Shown {
    unix_seconds: Option<u64>,
    /// As in `2026-11-24T04:29:18`.
    text: String,
}

thread_local! {
    static SECOND: RefCell<Shown> = RefCell::default();
}

/// Appends a time.
pub(super) fn push(line: &mut String, time: SystemTime) {
    SECOND.with_borrow_mut(|second| second.push(line, time));
}

// === impl Shown ===

impl Shown {
    /// Many lines share their second.
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

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
    }
}
