//! How large a request may be, as far as its head tells.

use http::request;

use crate::{Error, glance::Glance, settings::Limits};

/// The key of the configuration that limits all bodies.
pub(crate) const MAX_BODY_KEY: &str = "server.request_limits.max_body_size";

/// Refuses a head that is too large, or that announces a body that is. The body is counted as it arrives.
pub(crate) fn check(head: &request::Parts, glance: &Glance, limits: &Limits) -> Result<(), Error> {
    if limits.max_body_bytes > 0 && glance.content_length.is_some_and(|len| len > limits.max_body_bytes) {
        return Err(Error::BodyTooLarge { limit_bytes: limits.max_body_bytes, key: MAX_BODY_KEY });
    }
    if limits.max_header_bytes > 0 && head_bytes(head, glance) > limits.max_header_bytes {
        return Err(Error::HeadersTooLarge { limit_bytes: limits.max_header_bytes });
    }
    Ok(())
}

/// The request line is counted too.
fn head_bytes(head: &request::Parts, glance: &Glance) -> u64 {
    let target = head.uri.path_and_query().map_or(0, |p| p.as_str().len());
    let line = head.method.as_str().len() + target + " HTTP/1.1 \r\n".len();
    line as u64 + glance.bytes
}
