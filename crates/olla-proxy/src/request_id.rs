//! The identity of a request: the client's own where it is usable, else a new one.

use http::HeaderMap;

use crate::{glance::Glance, headers::X_REQUEST_ID};

const PREFIX: &[u8; 4] = b"req_";
const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
/// 110 random bits: no two requests of one installation meet.
const RANDOM_DIGITS: usize = 22;

/// Returns the client's `X-Request-ID` if it is 1 to 128 printable ASCII characters, else a new identity
/// of the form `req_…`.
pub(crate) fn of(headers: &HeaderMap, glance: &Glance) -> Box<str> {
    let own = if glance.has_request_id { headers.get(X_REQUEST_ID) } else { None };
    match own.and_then(|id| id.to_str().ok()) {
        Some(id) if (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()) => {
            id.into()
        }
        _ => new(),
    }
}

fn new() -> Box<str> {
    let mut id = [0; PREFIX.len() + RANDOM_DIGITS];
    let (prefix, random) = id.split_at_mut(PREFIX.len());
    prefix.copy_from_slice(PREFIX);
    let mut bits = u128::from(fastrand::u64(..)) << 64 | u128::from(fastrand::u64(..));
    for digit in random {
        *digit = DIGITS[(bits & 31) as usize];
        bits >>= 5;
    }
    // They are ASCII.
    std::str::from_utf8(&id).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of_client(id: &'static str) -> Box<str> {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_static(id));
        of_headers(&headers)
    }

    fn of_headers(headers: &HeaderMap) -> Box<str> {
        of(headers, &Glance::at(headers))
    }

    #[test]
    fn keeps_a_usable_identity_of_the_client() {
        assert_eq!(&*of_client("abc-123"), "abc-123");
    }

    #[test]
    fn makes_a_new_one_otherwise() {
        for id in [of_headers(&HeaderMap::new()), of_client("with space"), of_client("")] {
            assert!(id.starts_with("req_"), "{id:?}");
        }
        assert_ne!(new(), new());
    }
}
