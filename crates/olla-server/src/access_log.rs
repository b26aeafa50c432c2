//! One log line for each finished request.

use std::{borrow::Cow, time::Duration};

use http::Uri;
use olla_core::{Formats, Outcome, Recorder, RequestRecord, address};
use tracing::Level;

use crate::{
    log::{self, Fields},
    stats::MESSAGES,
};

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
        let level = match record.outcome {
            Outcome::Success | Outcome::Cancelled => Level::INFO,
            Outcome::Failure => Level::WARN,
        };
        log::write(level, "request", |line| fields(record, line));
    }
}

fn fields(record: &RequestRecord, line: &mut Fields<'_>) {
    line.text("request_id", &record.id);
    if let Some(client) = record.client {
        line.word("client", &address(client));
    }
    line.word("method", record.method.as_str());
    line.text("path", &shown(&record.uri));
    if let Some(status) = record.status {
        line.number("status", status.as_u16());
    }
    line.some_text("model", record.model.as_deref());
    line.some_text("endpoint", record.attempts.last().map(|last| &*last.endpoint.spec.name));
    line.number("attempts", record.attempts.len());
    if let Some(mode) = record.formats.and_then(mode) {
        line.word("mode", mode);
    }
    if let Some(affinity) = record.affinity {
        line.word("sticky", affinity.outcome.as_str());
    }
    if let Some(time) = record.first_byte {
        line.number("ttft_ms", millis(time));
    }
    line.number("duration_ms", millis(record.duration));
    line.number("bytes_in", record.bytes_in);
    line.number("bytes_out", record.bytes_out);
    line.some_text("error", record.error);
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
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
