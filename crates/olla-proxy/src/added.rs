//! Header fields that Olla adds to a message, beside the map of the others: to put a field into a map and take it out
//! again costs ten times what it costs to write it, and what becomes text when it is written needs no memory before.

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::headers::append_hop;

/// Fields that Olla adds to a request or a response, each name once.
#[derive(Debug, Default)]
pub struct Added(Vec<Field>);

#[derive(Debug)]
struct Field {
    name: &'static str,
    value: Value,
    meeting: Meeting,
}

/// What becomes the value of a field.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Header(HeaderValue),
    /// Visible ASCII.
    Static(&'static str),
    /// Without control characters.
    Shared(Arc<str>),
    Number(u64),
    /// As in `0.341s`.
    Seconds(Duration),
    Address(IpAddr),
}

/// How a field that Olla adds meets one that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meeting {
    /// It takes its place.
    Replaces,
    /// It goes on with the chain (RFC 9110 §5.3).
    Follows,
    /// It is left out: trusted proxies have said the other.
    Yields,
}

// === impl Added ===

impl Added {
    pub(crate) const NONE: &Self = &Self(Vec::new());

    // alloc: one per message.
    pub(crate) fn with_capacity(fields: usize) -> Self {
        Self(Vec::with_capacity(fields))
    }

    /// Adds a field, in the place of another.
    pub(crate) fn push(&mut self, name: &'static str, value: impl Into<Value>) {
        self.push_meeting(name, value, Meeting::Replaces);
    }

    pub(crate) fn push_meeting(&mut self, name: &'static str, value: impl Into<Value>, meeting: Meeting) {
        self.0.push(Field { name, value: value.into(), meeting });
    }

    /// Writes the fields, each as a line of a head.
    pub fn write(&self, head: &mut Vec<u8>) {
        for Field { name, value, .. } in &self.0 {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b": ");
            value.write(head);
            head.extend_from_slice(b"\r\n");
        }
    }

    /// Puts the fields into the headers if there is one of their names, which is seldom so; keeps them otherwise.
    pub(crate) fn meet(self, headers: &mut HeaderMap) -> Self {
        let is_met = |name: &HeaderName| {
            let name = name.as_str();
            let may_be = matches!(name.as_bytes(), [b'x', b'-', ..] | [b'r' | b'v', ..]);
            may_be && self.0.iter().any(|field| field.name == name)
        };
        if headers.keys().any(is_met) {
            self.merge_into(headers);
            return Self::default();
        }
        self
    }

    /// Puts the fields into the headers.
    pub(crate) fn merge_into(self, headers: &mut HeaderMap) {
        for Field { name, value, meeting } in self.0 {
            let name = HeaderName::from_static(name);
            match meeting {
                Meeting::Replaces => {
                    headers.insert(name, value.into_header());
                }
                Meeting::Follows => append_hop(headers, name, value.into_header()),
                Meeting::Yields => {
                    headers.entry(name).or_insert_with(|| value.into_header());
                }
            }
        }
    }

    /// Puts those fields into the headers whose names are not there.
    pub(crate) fn complete(&self, headers: &mut HeaderMap) {
        for Field { name, value, .. } in &self.0 {
            headers.entry(*name).or_insert_with(|| value.clone().into_header());
        }
    }
}

// === impl Value ===

impl Value {
    /// Returns a text if it can stand in a header (RFC 9110 §5.5).
    pub(crate) fn shared(text: &Arc<str>) -> Option<Self> {
        let can_stand = |byte| matches!(byte, b' '..=b'~' | b'\t' | 0x80..);
        text.bytes().all(can_stand).then(|| Self::Shared(Arc::clone(text)))
    }

    fn write(&self, head: &mut Vec<u8>) {
        let mut digits = itoa::Buffer::new();
        let text = match self {
            Self::Header(value) => value.as_bytes(),
            Self::Static(text) => text.as_bytes(),
            Self::Shared(text) => text.as_bytes(),
            Self::Number(number) => digits.format(*number).as_bytes(),
            Self::Seconds(time) => return write_seconds(head, *time),
            Self::Address(address) => return olla_core::push_address(head, *address),
        };
        head.extend_from_slice(text);
    }

    /// Returns the value for a map.
    pub(crate) fn into_header(self) -> HeaderValue {
        match self {
            Self::Header(value) => value,
            // Not the constructor for constants, which takes whatever else these might be for a mistake.
            other => {
                let mut text = Vec::new();
                other.write(&mut text);
                HeaderValue::from_maybe_shared(Bytes::from(text))
                    .unwrap_or(HeaderValue::from_static("unknown"))
            }
        }
    }
}

fn write_seconds(head: &mut Vec<u8>, time: Duration) {
    let (mut whole, mut thousandths) = (itoa::Buffer::new(), itoa::Buffer::new());
    // With a digit in front, for the zeros that belong there.
    let thousandths = thousandths.format(1000 + time.subsec_millis()).as_bytes();
    for part in
        [whole.format(time.as_secs()).as_bytes(), b".", thousandths.get(1..).unwrap_or_default(), b"s"]
    {
        head.extend_from_slice(part);
    }
}

impl From<HeaderValue> for Value {
    fn from(value: HeaderValue) -> Self {
        Self::Header(value)
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Static(text)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<Duration> for Value {
    fn from(time: Duration) -> Self {
        Self::Seconds(time)
    }
}

impl From<IpAddr> for Value {
    fn from(address: IpAddr) -> Self {
        Self::Address(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added() -> Added {
        let mut added = Added::with_capacity(4);
        added.push("x-served-by", "olla");
        added.push_meeting("via", "1.1 olla", Meeting::Follows);
        added.push("retry-after", 3);
        added.push_meeting("x-forwarded-proto", "http", Meeting::Yields);
        added
    }

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let fields = fields.iter();
        fields.map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn what_meets_nothing_is_kept_out_of_the_map() {
        let mut map = headers(&[("x-other", "1"), ("vary", "x"), ("retry-after-ms", "1")]);

        assert_eq!(added().meet(&mut map).0.len(), 4);
        assert_eq!(map.len(), 3);
    }

    #[test]
    fn what_meets_its_like_replaces_it_or_yields_to_it_and_the_chain_goes_on() {
        for (name, value, expected) in [
            ("x-served-by", "vllm", "olla"),
            ("via", "1.0 nginx", "1.0 nginx, 1.1 olla"),
            ("retry-after", "5", "3"),
            ("x-forwarded-proto", "https", "https"),
        ] {
            let mut map = headers(&[(name, value)]);

            assert_eq!(added().meet(&mut map).0.len(), 0);
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
        let shared = |text: &str| Value::shared(&Arc::from(text));
        for (value, expected) in [
            (HeaderValue::from_static("a b").into(), "a b"),
            ("text".into(), "text"),
            (shared("llama 3.2:3b").unwrap(), "llama 3.2:3b"),
            (shared("größe").unwrap(), "größe"),
            (u64::MAX.into(), "18446744073709551615"),
            (Duration::from_millis(0).into(), "0.000s"),
            (Duration::from_micros(12_034_999).into(), "12.034s"),
            (IpAddr::from([203, 0, 113, 7]).into(), "203.0.113.7"),
            (IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]).into(), "2001:db8::1"),
        ] {
            let mut added = Added::with_capacity(1);
            added.push("x", Value::clone(&value));
            let mut head = vec![];

            added.write(&mut head);

            assert_eq!(String::from_utf8(head).unwrap(), format!("x: {expected}\r\n"));
            assert_eq!(value.into_header(), expected);
        }
        for text in ["a\nb", "\u{7f}", "a\rb", "\0"] {
            assert!(shared(text).is_none() && HeaderValue::from_str(text).is_err(), "{text:?}");
        }
    }
}
