//! The fields of a head (RFC 9112 §5), which share its bytes.

use std::ops::Range;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use memchr::memchr_iter;
use smallvec::SmallVec;

use super::Malformed;

/// Where the names and values of fields stand in a head.
#[derive(Debug)]
pub struct Spans(SmallVec<[(Range<usize>, Range<usize>); 24]>);

// === impl Spans ===

impl Spans {
    /// Notes where fields stand that have been found in a head.
    #[must_use]
    pub fn of(head: &[u8], fields: &[httparse::Header<'_>]) -> Self {
        let spans = fields.iter().map(|field| (span(head, field.name.as_bytes()), span(head, field.value)));
        Self(spans.collect())
    }

    /// Reads the fields, with room for so many more, and shows each to `seen`.
    ///
    /// # Errors
    /// Fails if one of them has no good name or value.
    pub fn read(
        &self,
        head: &Bytes,
        more: usize,
        mut seen: impl FnMut(&HeaderName, &HeaderValue),
    ) -> Result<HeaderMap, Malformed> {
        let Self(spans) = self;
        let mut headers = HeaderMap::with_capacity(spans.len() + more);
        for (name, value) in spans {
            let name = head.get(name.clone()).unwrap_or_default();
            let name = HeaderName::from_bytes(name).map_err(|_| Malformed)?;
            let value = HeaderValue::from_maybe_shared(head.slice(value.clone())).map_err(|_| Malformed)?;
            seen(&name, &value);
            headers.append(name, value);
        }
        Ok(headers)
    }
}

/// Writes a field line.
pub fn push_field(head: &mut Vec<u8>, name: &HeaderName, value: &[u8]) {
    let name = name.as_str();
    head.reserve(name.len() + value.len() + 4);
    // Not in a loop: what stands between is no call then.
    head.extend_from_slice(name.as_bytes());
    head.extend_from_slice(b": ");
    head.extend_from_slice(value);
    head.extend_from_slice(b"\r\n");
}

/// Writes how long a body is, in bytes.
pub fn push_length(head: &mut Vec<u8>, length: u64) {
    push_field(head, &header::CONTENT_LENGTH, itoa::Buffer::new().format(length).as_bytes());
}

/// Returns where a part of these bytes stands in them.
#[must_use]
pub fn span(bytes: &[u8], part: &[u8]) -> Range<usize> {
    let begin = (part.as_ptr() as usize).saturating_sub(bytes.as_ptr() as usize);
    begin..begin + part.len()
}

/// Returns whether each line ends with a carriage return and a line feed. A recipient may do with the line feed alone
/// (RFC 9112 §2.2), and another one need not: what is a line to one is part of a line to the other.
#[must_use]
pub fn ends_lines(bytes: &[u8]) -> bool {
    memchr_iter(b'\n', bytes).all(|feed| feed > 0 && bytes.get(feed - 1) == Some(&b'\r'))
}

/// Reads digits, and nothing else, as a number.
#[must_use]
pub fn digits(text: &[u8]) -> Option<u64> {
    let add = |number: u64, digit: &u8| {
        let digit = u64::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
        number.checked_mul(10)?.checked_add(digit)
    };
    if text.is_empty() { None } else { text.iter().try_fold(0, add) }
}

/// Returns whether a list such as that of `Connection` has this word in it, in any case.
#[must_use]
pub fn lists(value: &HeaderValue, word: &str) -> bool {
    let mut words = value.as_bytes().split(|byte| *byte == b',');
    words.any(|listed| listed.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_feed_alone_ends_no_line() {
        for (text, expected) in
            [("", true), ("a\r\nb\r\n\r\n", true), ("\n", false), ("a\r\n\n", false), ("a\rb\n", false)]
        {
            assert_eq!(ends_lines(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_field_is_a_line() {
        let mut head = vec![];

        push_field(&mut head, &header::VIA, b"x");
        push_length(&mut head, 17);

        assert_eq!(head, b"via: x\r\ncontent-length: 17\r\n");
    }

    #[test]
    fn a_number_is_of_digits_only() {
        assert_eq!(digits(b"007"), Some(7));
        assert_eq!(digits(u64::MAX.to_string().as_bytes()), Some(u64::MAX));
        for text in ["", "+1", "-1", " 1", "1_0", "0x1", "18446744073709551616", "99999999999999999999"] {
            assert_eq!(digits(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn a_word_of_a_list_is_found_in_any_case() {
        let value = HeaderValue::from_static("x, Close ,y");

        assert!(lists(&value, "close") && lists(&value, "y") && !lists(&value, "clos"));
    }
}
