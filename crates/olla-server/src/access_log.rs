//! One log line for each finished request.

use std::borrow::Cow;

use http::Uri;
use olla_core::{Formats, Outcome, Recorder, RequestRecord, address};
use tracing::{info, warn};

use crate::stats::MESSAGES;

/// Logs every request: at `info`, or at `warn` when it failed.
#[derive(Debug)]
pub(crate) struct AccessLog;

/// Query parameters that hold secrets.
const SECRET: [&str; 11] = [
    "api_key",
    "api-key",
    "apikey",
    "token",
    "access_token",
    "key",
    "password",
    "secret",
    "client_secret",
    "auth",
    "sig",
];

// === impl AccessLog ===

impl Recorder for AccessLog {
    fn record(&self, record: &RequestRecord) {
        let last = record.attempts.last();
        let client = record.client.map(address);
        macro_rules! line {
            ($level:ident) => {
                $level!(
                    // As a field, it is text: the general formatter is not asked to show it.
                    message = "request",
                    request_id = &*record.id,
                    client = client.as_deref(),
                    method = record.method.as_str(),
                    path = &*shown(&record.uri),
                    status = record.status.map(|s| s.as_u16()),
                    model = record.model.as_deref(),
                    endpoint = last.map(|a| &*a.endpoint.spec.name),
                    attempts = record.attempts.len(),
                    mode = record.formats.and_then(mode),
                    sticky = record.affinity.map(|a| a.outcome.as_str()),
                    ttft_ms = record.first_byte.map(|t| t.as_millis() as u64),
                    duration_ms = record.duration.as_millis() as u64,
                    bytes_in = record.bytes_in,
                    bytes_out = record.bytes_out,
                    error = record.error,
                )
            };
        }
        match record.outcome {
            Outcome::Success | Outcome::Cancelled => line!(info),
            Outcome::Failure => line!(warn),
        }
    }
}

/// Says how a client of one format was served, where that is not a matter of course.
fn mode(formats: Formats) -> Option<&'static str> {
    if formats.is_translated() {
        return Some("translation");
    }
    (formats.client == MESSAGES && formats.is_passed_on()).then_some("passthrough")
}

/// Returns a request target without its secret query values.
fn shown(uri: &Uri) -> Cow<'_, str> {
    let Some(query) = uri.query() else { return Cow::Borrowed(uri.path()) };
    // alloc: inference has no queries.
    let mut shown = uri.path().to_owned();
    for (n, pair) in query.split('&').enumerate() {
        shown.push(if n == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => {
                shown.push_str(name);
                shown.push_str("=[REDACTED]");
            }
            _ => shown.push_str(pair),
        }
    }
    Cow::Owned(shown)
}

fn is_secret(name: &str) -> bool {
    let decoded = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
    SECRET.iter().any(|secret| decoded.eq_ignore_ascii_case(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_queries_without_their_secrets() {
        let uri: Uri = "/v1/models?api%5Fkey=abc&x=1&TOKEN=t&flag".parse().unwrap();

        assert_eq!(shown(&uri), "/v1/models?api%5Fkey=[REDACTED]&x=1&TOKEN=[REDACTED]&flag");
    }
}
