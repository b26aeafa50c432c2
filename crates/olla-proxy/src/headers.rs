//! Header names of Olla's own, and the rules of RFC 9110 §7.6 for those that a proxy must not pass on.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use olla_translate::Dialect;
use smallvec::SmallVec;

pub(crate) const X_OLLA_REQUEST_ID: &str = "x-olla-request-id";
pub(crate) const X_OLLA_ENDPOINT: &str = "x-olla-endpoint";
pub(crate) const X_OLLA_BACKEND_TYPE: &str = "x-olla-backend-type";
pub(crate) const X_OLLA_MODEL: &str = "x-olla-model";
pub(crate) const X_OLLA_RESPONSE_TIME: &str = "x-olla-response-time";
pub(crate) const X_OLLA_ROUTING_STRATEGY: &str = "x-olla-routing-strategy";
pub(crate) const X_OLLA_ROUTING_DECISION: &str = "x-olla-routing-decision";
pub(crate) const X_OLLA_ROUTING_REASON: &str = "x-olla-routing-reason";
pub(crate) const X_OLLA_STICKY_SESSION: &str = "x-olla-sticky-session";
pub(crate) const X_OLLA_STICKY_KEY_SOURCE: &str = "x-olla-sticky-key-source";
pub(crate) const X_OLLA_SESSION_ID: &str = "x-olla-session-id";
pub(crate) const X_OLLA_MODE: &str = "x-olla-mode";
pub(crate) const X_OLLA_TRANSLATION_DROPPED: &str = "x-olla-translation-dropped";
pub(crate) const X_OLLA_TOKEN_COUNT: &str = "x-olla-token-count";
pub(crate) const X_SERVED_BY: &str = "x-served-by";
pub(crate) const X_PROXIED_BY: &str = "x-proxied-by";
pub(crate) const X_MODEL: &str = "x-model";
pub(crate) const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// How Anthropic's clients know a request.
pub(crate) const REQUEST_ID: &str = "request-id";
pub(crate) const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");
pub(crate) const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
/// Whether the SDKs of OpenAI and Anthropic try again.
pub(crate) const X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(crate) const X_REAL_IP: &str = "x-real-ip";
pub(crate) const X_FORWARDED_FOR: &str = "x-forwarded-for";
pub(crate) const X_FORWARDED_PROTO: &str = "x-forwarded-proto";
pub(crate) const X_FORWARDED_HOST: &str = "x-forwarded-host";
pub(crate) const VIA: &str = "via";
pub(crate) const X_RATELIMIT_LIMIT: &str = "x-ratelimit-limit";
pub(crate) const X_RATELIMIT_REMAINING: &str = "x-ratelimit-remaining";
pub(crate) const X_RATELIMIT_RESET: &str = "x-ratelimit-reset";

/// Returns whether a field has a name that Olla gives to those that it adds.
pub(crate) fn is_added(name: &HeaderName) -> bool {
    let name = name.as_str();
    match name.as_bytes() {
        [b'x', b'-', ..] => {
            name.starts_with("x-olla-")
                || matches!(
                    name,
                    X_SERVED_BY
                        | X_PROXIED_BY
                        | X_MODEL
                        | X_REAL_IP
                        | X_FORWARDED_FOR
                        | X_FORWARDED_PROTO
                        | X_FORWARDED_HOST
                        | X_RATELIMIT_LIMIT
                        | X_RATELIMIT_REMAINING
                        | X_RATELIMIT_RESET
                )
        }
        [b'v' | b'r', ..] => matches!(name, VIA | REQUEST_ID),
        _ => false,
    }
}

/// Returns whether a header concerns one connection only.
pub(crate) fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Returns whether a header is what clients prove themselves with; a backend gets these only where its
/// endpoint says so. Gateways have many names for their keys, with a common end.
pub(crate) fn is_credential(name: &HeaderName) -> bool {
    const ENDS: [&str; 4] = ["api-key", "auth-token", "access-token", "subscription-key"];
    *name == header::AUTHORIZATION
        || *name == header::COOKIE
        || ENDS.iter().any(|end| name.as_str().ends_with(end))
}

/// Returns whether a header belongs to a dialect that is not the backend's.
pub(crate) fn is_foreign(name: &HeaderName, backend: Dialect) -> bool {
    let name = name.as_str();
    (backend != Dialect::Anthropic && name.starts_with("anthropic-"))
        || (backend != Dialect::OpenAi && name.starts_with("openai-"))
}

/// Returns whether a proxy in front says something of the client with it.
pub(crate) fn is_of_forwarding(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "x-forwarded-for" | "x-forwarded-host" | "x-forwarded-proto" | "x-real-ip" | "forwarded"
    )
}

/// Every header that Olla adds for clients; browsers need them named (`Access-Control-Expose-Headers`).
pub const OLLA_HEADERS: [HeaderName; 14] = [
    HeaderName::from_static(X_OLLA_REQUEST_ID),
    HeaderName::from_static(X_OLLA_ENDPOINT),
    HeaderName::from_static(X_OLLA_BACKEND_TYPE),
    HeaderName::from_static(X_OLLA_MODEL),
    HeaderName::from_static(X_OLLA_RESPONSE_TIME),
    HeaderName::from_static(X_OLLA_ROUTING_STRATEGY),
    HeaderName::from_static(X_OLLA_ROUTING_DECISION),
    HeaderName::from_static(X_OLLA_ROUTING_REASON),
    HeaderName::from_static(X_OLLA_STICKY_SESSION),
    HeaderName::from_static(X_OLLA_STICKY_KEY_SOURCE),
    HeaderName::from_static(X_OLLA_SESSION_ID),
    HeaderName::from_static(X_OLLA_MODE),
    HeaderName::from_static(X_OLLA_TRANSLATION_DROPPED),
    HeaderName::from_static(X_OLLA_TOKEN_COUNT),
];

/// Removes headers that concern one connection only, and those that `Connection` names.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let named: SmallVec<[HeaderName; 4]> = headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    remove_all(headers, is_hop_by_hop);
}

/// Removes the headers with such names. One look at each is cheaper than a search for each name, and there is
/// seldom anything to remove.
pub(crate) fn remove_all(headers: &mut HeaderMap, is_such: impl Fn(&HeaderName) -> bool) {
    let names: SmallVec<[HeaderName; 4]> = headers.keys().filter(|name| is_such(name)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// Adds a hop to a chain, such as that of proxies (RFC 9110 §7.6.3), which may have come in several lines (§5.3).
pub(crate) fn append_hop(headers: &mut HeaderMap, name: HeaderName, hop: HeaderValue) {
    if let header::Entry::Vacant(vacant) = headers.entry(&name) {
        vacant.insert(hop);
        return;
    }
    // alloc: only behind another proxy.
    let mut chain = Vec::new();
    for line in headers.get_all(&name) {
        chain.extend_from_slice(line.as_bytes());
        chain.extend_from_slice(b", ");
    }
    chain.extend_from_slice(hop.as_bytes());
    headers.insert(name, HeaderValue::from_maybe_shared(Bytes::from(chain)).unwrap_or(hop));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removes_hop_by_hop_headers_and_those_named_in_connection() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "X-Private, close"),
            ("x-private", "1"),
            ("te", "trailers"),
            ("keep-alive", "timeout=5"),
            ("accept", "*/*"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }

        remove_hop_by_hop(&mut headers);

        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["accept"]);
    }

    #[test]
    fn joins_the_chain_of_proxies() {
        let mut headers = HeaderMap::new();
        let via = HeaderValue::from_static("1.1 olla/v1");

        append_hop(&mut headers, header::VIA, via.clone());
        append_hop(&mut headers, header::VIA, via);

        assert_eq!(headers[header::VIA], "1.1 olla/v1, 1.1 olla/v1");
    }
}
