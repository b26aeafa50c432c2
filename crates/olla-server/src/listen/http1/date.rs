//! The `Date` of a response that has none (RFC 9110 §6.6.1), written once a second.

use std::{
    cell::RefCell,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use olla_proxy::clock;
use tokio::time::Instant;

/// A field line, and how long it holds.
struct Line {
    text: String,
    until: Option<Instant>,
}

thread_local! {
    static LINE: RefCell<Line> = const { RefCell::new(Line { text: String::new(), until: None }) };
}

/// Writes the field.
pub(super) fn push_field(text: &mut Vec<u8>) {
    LINE.with_borrow_mut(|line| {
        let now = clock::instant();
        if line.until.is_none_or(|until| until <= now) {
            let time = SystemTime::now();
            let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
            line.text = format!("date: {}\r\n", httpdate::fmt_http_date(time));
            line.until =
                Some(now + (Duration::from_secs(1) - Duration::from_nanos(since.subsec_nanos().into())));
        }
        text.extend_from_slice(line.text.as_bytes());
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_which_second_it_is() {
        let mut text = vec![];
        let before = SystemTime::now() - Duration::from_secs(1);

        push_field(&mut text);

        let text = String::from_utf8(text).unwrap();
        let said = text.strip_prefix("date: ").and_then(|text| text.strip_suffix("\r\n")).unwrap();
        let said = httpdate::parse_http_date(said).unwrap();
        assert!(before <= said && said <= SystemTime::now(), "{text}");
    }
}
