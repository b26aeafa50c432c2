//! The `Date` of a response that has none (RFC 9110 §6.6.1), written once a second.

use std::{cell::RefCell, time::UNIX_EPOCH};

use olla_proxy::clock;

/// A field line, and for which second it holds.
struct Line {
    unix_seconds: u64,
    text: String,
}

thread_local! {
    static LINE: RefCell<Line> = const { RefCell::new(Line { unix_seconds: 0, text: String::new() }) };
}

/// Writes the field.
pub(super) fn push_field(text: &mut Vec<u8>) {
    let since_1970 = clock::since_1970();
    LINE.with_borrow_mut(|line| {
        if line.unix_seconds != since_1970.as_secs() || line.text.is_empty() {
            let text = format!("date: {}\r\n", httpdate::fmt_http_date(UNIX_EPOCH + since_1970));
            *line = Line { unix_seconds: since_1970.as_secs(), text };
        }
        text.extend_from_slice(line.text.as_bytes());
    });
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn says_which_second_it_is() {
        let mut text = vec![];
        let before = SystemTime::now() - Duration::from_secs(1);

        push_field(&mut text);
        push_field(&mut text);

        let text = String::from_utf8(text).unwrap();
        for line in text.split_inclusive("\r\n") {
            let said = line.strip_prefix("date: ").and_then(|line| line.strip_suffix("\r\n")).unwrap();
            let said = httpdate::parse_http_date(said).unwrap();
            assert!(before <= said && said <= SystemTime::now(), "{text}");
        }
    }
}
