//! The fields of a head (RFC 9112 §5), which share its bytes.

use std::ops::Range;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use memchr::memchr_iter;

use super::Malformed;

/// What nearly every message says, and need not have a share of its head for.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Reads the fields that have been found in a head, with room for so many more, and shows each to `seen`.
///
/// # Errors
/// Fails if one of them has no good name or value.
pub fn read_fields(
    head: &Bytes,
    fields: &[httparse::Header<'_>],
    more: usize,
    mut seen: impl FnMut(&HeaderName, &HeaderValue),
) -> Result<HeaderMap, Malformed> {
    let mut headers = HeaderMap::with_capacity(fields.len() + more);
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Malformed)?;
        let value = match field.value {
            b"application/json" => JSON,
            value => HeaderValue::from_maybe_shared(head.slice(span(head, value))).map_err(|_| Malformed)?,
        };
        seen(&name, &value);
        headers.append(name, value);
    }
    Ok(headers)
}

/// Returns where a head ends, if it does: behind its empty line. Says also whether each line ends as it should, and not
/// with a line feed alone, which some take for an end and others do not (RFC 9112 §2.2).
#[must_use]
pub fn head_end(bytes: &[u8]) -> Option<(usize, bool)> {
    let mut is_regular = true;
    for feed in memchr_iter(b'\n', bytes) {
        is_regular &= feed > 0 && bytes.get(feed - 1) == Some(&b'\r');
        match bytes.get(feed + 1..) {
            Some([b'\r', b'\n', ..]) => return Some((feed + 3, is_regular)),
            Some([b'\n', ..]) => return Some((feed + 2, false)),
            _ => {}
        }
    }
    None
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
    fn a_head_ends_with_an_empty_line() {
        for (text, expected) in [
            ("", None),
            ("GET / HTTP/1.1\r\n", None),
            ("a\r\nb\r\n\r", None),
            ("a\r\nb\r\n\r\nc\r\n\r\n", Some((8, true))),
            ("a\nb\r\n\r\n", Some((7, false))),
            ("a\r\n\nb", Some((4, false))),
            ("a\n\r\nb", Some((4, false))),
        ] {
            assert_eq!(head_end(text.as_bytes()), expected, "{text:?}");
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
