//! How large a request may be, as far as its head tells.

use http::{HeaderMap, header, request};

use crate::{Error, settings::Limits};

/// The key of the configuration that limits all bodies.
pub(crate) const MAX_BODY_KEY: &str = "server.request_limits.max_body_size";

/// Refuses a head that is too large, or that announces a body that is. The body is counted as it arrives.
pub(crate) fn check(head: &request::Parts, limits: &Limits) -> Result<(), Error> {
    let declared = content_length(&head.headers);
    if limits.max_body_bytes > 0 && declared.is_some_and(|len| len > limits.max_body_bytes) {
        return Err(Error::BodyTooLarge { limit_bytes: limits.max_body_bytes, key: MAX_BODY_KEY });
    }
    if limits.max_header_bytes > 0 && head_bytes(head) > limits.max_header_bytes {
        return Err(Error::HeadersTooLarge { limit_bytes: limits.max_header_bytes });
    }
    Ok(())
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The request line and four bytes of punctuation for each field are counted too.
fn head_bytes(head: &request::Parts) -> u64 {
    let target = head.uri.path_and_query().map_or(0, |p| p.as_str().len());
    let line = head.method.as_str().len() + target + " HTTP/1.1 \r\n".len();
    let fields = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    (line + fields.sum::<usize>()) as u64
}
