//! What of a backend's header fields is not for clients: its connection, its cookies, secrets, and what only
//! Olla may say.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use memchr::memmem;
use olla_core::{Endpoint, EndpointSpec};

use crate::headers::{is_credential, is_hop_by_hop, remove_hop_by_hop};

/// Shorter values of credentials stand in other headers by chance,
const SHORTEST_CREDENTIAL: usize = 8;
/// and so do shorter ones of other configured headers, which may be names of teams and regions.
const SHORTEST_VALUE: usize = 16;

/// Removes what clients do not get from a response head.
pub(super) fn remove(headers: &mut HeaderMap, endpoint: &Endpoint) {
    let spec = &endpoint.spec;
    let private = |(name, value): &(&HeaderName, &HeaderValue)| {
        (!is_usual(name)
            && (is_olla(name) || is_cross_origin(name) || is_of_the_host(name) || is_credential(name)))
            || spec.headers.iter().any(|(configured, _)| configured == *name)
            || tells_secret(value, spec)
    };
    // One look at each is enough for most answers.
    if !headers.iter().any(|pair| (!is_usual(pair.0) && is_hop_by_hop(pair.0)) || private(&pair)) {
        return;
    }
    // With both, the length is a lie: the body was read by its chunks (RFC 9112 §6.3).
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    remove_hop_by_hop(headers);
    // alloc: few backends say such things.
    let names: Vec<HeaderName> = headers.iter().filter(private).map(|(name, _)| name.clone()).collect();
    for name in names {
        headers.remove(name);
    }
}

/// Removes what clients do not get from trailers, and what never means anything there (RFC 9110 §6.5.1).
pub(crate) fn remove_from_trailers(trailers: &mut HeaderMap, endpoint: &Endpoint) {
    remove(trailers, endpoint);
    for name in [header::CONTENT_LENGTH, header::LOCATION, header::CONTENT_LOCATION] {
        trailers.remove(name);
    }
}

/// What nearly every answer has, and is for clients.
fn is_usual(name: &HeaderName) -> bool {
    matches!(name.as_str(), "content-type" | "content-length" | "date" | "server" | "cache-control")
}

/// Only this Olla speaks for Olla: the backend may be another one.
fn is_olla(name: &HeaderName) -> bool {
    name.as_str().starts_with("x-olla-")
}

/// Who may call Olla from a web page is for Olla's operator to say, not for each backend.
fn is_cross_origin(name: &HeaderName) -> bool {
    name.as_str().starts_with("access-control-")
}

/// What holds for the host that says it; for a client that host is Olla.
fn is_of_the_host(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "set-cookie" | "set-cookie2" | "alt-svc" | "strict-transport-security" | "refresh"
    )
}

/// Returns whether a value holds what the backend was sent to prove who asks, or another configured value.
fn tells_secret(value: &HeaderValue, spec: &EndpointSpec) -> bool {
    spec.headers.iter().any(|(name, secret)| {
        let secret = without_scheme(secret.as_bytes());
        let shortest = if is_credential(name) { SHORTEST_CREDENTIAL } else { SHORTEST_VALUE };
        secret.len() >= shortest
            && value.len() >= secret.len()
            && memmem::find(value.as_bytes(), secret).is_some()
    })
}

/// `Bearer sk-…` is a secret from the space on.
fn without_scheme(value: &[u8]) -> &[u8] {
    let scheme = value.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    match value.split_at_checked(scheme) {
        Some((_, [b' ', token @ ..])) => token,
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_is_no_secret() {
        assert_eq!(without_scheme(b"Bearer sk-1"), b"sk-1");
        assert_eq!(without_scheme(b"sk-1 x"), b"sk-1 x");
        assert_eq!(without_scheme(b"token"), b"token");
    }
}
