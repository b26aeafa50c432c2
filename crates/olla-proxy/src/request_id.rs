//! The identity of a request: the client's own where it is usable, else a new one.

use http::{HeaderMap, HeaderValue};

use crate::{glance::Glance, headers::X_REQUEST_ID};

const PREFIX: &[u8; 4] = b"req_";
const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
/// 110 random bits: no two requests of one installation meet.
const RANDOM_DIGITS: usize = 22;

/// Returns the client's `X-Request-ID` if it is 1 to 128 printable ASCII characters, else a new identity
/// of the form `req_…`.
pub(crate) fn of(headers: &HeaderMap, glance: &Glance) -> HeaderValue {
    let own = if glance.has_request_id { headers.get(X_REQUEST_ID) } else { None };
    match own {
        Some(id) if (1..=128).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic) => {
            id.clone()
        }
        _ => new(),
    }
}

fn new() -> HeaderValue {
    let mut id = [0; PREFIX.len() + RANDOM_DIGITS];
    let (prefix, random) = id.split_at_mut(PREFIX.len());
    prefix.copy_from_slice(PREFIX);
    let mut bits = u128::from(fastrand::u64(..)) << 64 | u128::from(fastrand::u64(..));
    for digit in random {
        *digit = DIGITS[(bits & 31) as usize];
        bits >>= 5;
    }
    HeaderValue::from_bytes(&id).unwrap_or(HeaderValue::from_static("req_0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_client(id: &'static str) -> HeaderValue {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_static(id));
        of_headers(&headers)
    }

    fn of_headers(headers: &HeaderMap) -> HeaderValue {
        of(headers, &Glance::at(headers))
    }

    #[test]
    fn keeps_a_usable_identity_of_the_client() {
        assert_eq!(of_client("abc-123"), "abc-123");
    }

    #[test]
    fn makes_a_new_one_otherwise() {
        for id in [of_headers(&HeaderMap::new()), of_client("with space"), of_client("")] {
            assert!(id.to_str().unwrap().starts_with("req_"), "{id:?}");
        }
        assert_ne!(new(), new());
    }
}
