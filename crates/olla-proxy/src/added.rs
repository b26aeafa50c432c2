//! Header fields that Olla adds to a message, beside the map of the others: to put a field into a map and take it out
//! again costs ten times what it costs to write it, so that they are lines of a head from the beginning.

use std::{fmt, net::IpAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{
    headers::{
        VIA, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, X_OLLA_SESSION_ID, append_hop, is_added,
    },
    http1::span,
};

/// Fields that Olla adds to a request or a response, each name once.
#[derive(Default)]
pub struct Added(Vec<u8>);

/// What becomes the value of a field.
pub(crate) trait Value {
    /// Writes visible characters.
    fn write(self, line: &mut Vec<u8>);
}

// === impl Added ===

impl Added {
    pub(crate) const NONE: &Self = &Self(Vec::new());

    /// Has room for fields of so many bytes, with four of punctuation for each.
    // alloc: one per message.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Adds a field. For texts that may be anything, there is [`push_text`](Self::push_text).
    // Names are known where they are added: what stands there is a few moves then, and no call.
    #[inline(always)]
    pub(crate) fn push(&mut self, name: &'static str, value: impl Value) {
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b": ");
        value.write(&mut self.0);
        self.0.extend_from_slice(b"\r\n");
    }

    /// Adds a field, unless this is no text for one (RFC 9110 §5.5).
    #[inline]
    pub(crate) fn push_text(&mut self, name: &'static str, text: &str) {
        if is_text(text.as_bytes()) {
            self.push(name, text.as_bytes());
        }
    }

    /// Returns the fields as they stand in a head, each with the end of its line.
    #[must_use]
    pub fn lines(&self) -> &[u8] {
        &self.0
    }

    /// Puts the fields into the headers if one of these may have the name of one, which is seldom so; keeps them
    /// otherwise.
    pub(crate) fn meet(self, headers: &mut HeaderMap) -> Self {
        if headers.keys().any(is_added) {
            self.merge_into(headers);
            return Self::default();
        }
        self
    }

    /// Puts the fields into the headers, each as it is meant: most in the place of another, some behind those of other
    /// proxies (RFC 9110 §5.3), and some only where trusted proxies have said nothing.
    pub(crate) fn merge_into(self, headers: &mut HeaderMap) {
        for (name, mut value) in self.into_fields() {
            match name.as_str() {
                VIA | X_FORWARDED_FOR => append_hop(headers, name, value),
                X_FORWARDED_PROTO | X_FORWARDED_HOST => {
                    headers.entry(name).or_insert(value);
                }
                name_text => {
                    // A session's name is for its client alone: it is shown in no log.
                    value.set_sensitive(name_text == X_OLLA_SESSION_ID);
                    headers.insert(name, value);
                }
            }
        }
    }

    /// Puts those fields into the headers whose names are not there.
    pub(crate) fn complete(&self, headers: &mut HeaderMap) {
        for (name, value) in Self(self.0.clone()).into_fields() {
            headers.entry(name).or_insert(value);
        }
    }

    fn into_fields(self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let text = Bytes::from(self.0);
        let lines: Vec<_> = text.split(|byte| *byte == b'\n').map(|line| span(&text, line)).collect();
        lines.into_iter().filter_map(move |line| {
            let line = text.slice(line);
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = HeaderName::from_bytes(line.get(..colon)?).ok()?;
            let value = line.slice(colon + 2..line.len() - 1);
            Some((name, HeaderValue::from_maybe_shared(value).ok()?))
        })
    }
}

impl fmt::Debug for Added {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Added").finish_non_exhaustive()
    }
}

/// Returns whether a field may have this value.
fn is_text(value: &[u8]) -> bool {
    // Nothing ends it early: sixteen bytes are looked at in a step then.
    value.iter().fold(true, |all, byte| all & matches!(byte, b' '..=b'~' | b'\t' | 0x80..))
}

// === impl Value ===

impl Value for &[u8] {
    fn write(self, line: &mut Vec<u8>) {
        line.extend_from_slice(self);
    }
}

impl Value for &'static str {
    fn write(self, line: &mut Vec<u8>) {
        line.extend_from_slice(self.as_bytes());
    }
}

impl Value for &HeaderValue {
    fn write(self, line: &mut Vec<u8>) {
        line.extend_from_slice(self.as_bytes());
    }
}

impl Value for u64 {
    fn write(self, line: &mut Vec<u8>) {
        line.extend_from_slice(itoa::Buffer::new().format(self).as_bytes());
    }
}

impl Value for IpAddr {
    fn write(self, line: &mut Vec<u8>) {
        olla_core::push_address(line, self);
    }
}

/// As in `0.341s`.
impl Value for Duration {
    fn write(self, line: &mut Vec<u8>) {
        let millis = self.subsec_millis();
        let digit = |unit| b'0' + (millis / unit % 10) as u8;
        self.as_secs().write(line);
        line.extend_from_slice(&[b'.', digit(100), digit(10), digit(1), b's']);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added() -> Added {
        let mut added = Added::default();
        added.push("x-served-by", "olla");
        added.push("via", "1.1 olla");
        added.push("x-ratelimit-reset", 3);
        added.push("x-forwarded-proto", "http");
        added
    }

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let fields = fields.iter();
        fields.map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn what_meets_nothing_is_kept_out_of_the_map() {
        let mut map = headers(&[("x-other", "1"), ("vary", "x"), ("retry-after", "1")]);

        assert_eq!(added().meet(&mut map).lines(), added().lines());
        assert_eq!(map.len(), 3);
    }

    #[test]
    fn what_meets_its_like_replaces_it_or_yields_to_it_and_the_chain_goes_on() {
        for (name, value, expected) in [
            ("x-served-by", "vllm", "olla"),
            ("via", "1.0 nginx", "1.0 nginx, 1.1 olla"),
            ("x-ratelimit-reset", "5", "3"),
            ("x-forwarded-proto", "https", "https"),
        ] {
            let mut map = headers(&[(name, value)]);

            assert_eq!(added().meet(&mut map).lines(), b"");
            assert_eq!((map.len(), &map[name]), (4, &HeaderValue::from_static(expected)));
        }
    }

    #[test]
    fn what_an_endpoint_sets_is_left_as_it_is() {
        let mut map = headers(&[("via", "mine")]);

        added().complete(&mut map);

        assert_eq!((map.len(), &map["via"]), (4, &HeaderValue::from_static("mine")));
    }

    #[test]
    fn a_value_is_the_same_in_a_line_and_in_a_map() {
        let check = |push: &dyn Fn(&mut Added), expected: &str| {
            let (mut added, mut map) = (Added::default(), HeaderMap::new());
            push(&mut added);
            assert_eq!(added.lines(), format!("x: {expected}\r\n").as_bytes());
            added.merge_into(&mut map);
            assert_eq!(map["x"].as_bytes(), expected.as_bytes());
        };
        check(&|added| added.push("x", &HeaderValue::from_static("a: b")), "a: b");
        check(&|added| added.push("x", "text"), "text");
        check(&|added| added.push("x", ""), "");
        check(&|added| added.push_text("x", "größe 3.2:3b"), "größe 3.2:3b");
        check(&|added| added.push("x", u64::MAX), "18446744073709551615");
        check(&|added| added.push("x", Duration::ZERO), "0.000s");
        check(&|added| added.push("x", Duration::from_micros(12_034_999)), "12.034s");
        check(&|added| added.push("x", IpAddr::from([203, 0, 113, 7])), "203.0.113.7");
        check(&|added| added.push("x", IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1])), "2001:db8::1");
    }

    #[test]
    fn what_is_no_text_for_a_field_is_left_out() {
        for text in ["a\nb", "\u{7f}", "a\rb", "\0"] {
            let mut added = Added::default();

            added.push_text("x", text);

            assert!(added.lines().is_empty() && HeaderValue::from_str(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_sessions_name_is_shown_in_no_log() {
        let (mut added, mut map) = (added(), HeaderMap::new());
        added.push_text(X_OLLA_SESSION_ID, "secret");

        added.merge_into(&mut map);

        assert!(map[X_OLLA_SESSION_ID].is_sensitive() && !map["via"].is_sensitive());
    }
}
