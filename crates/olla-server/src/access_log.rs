//! One log line for each finished request.

use http::Uri;
use olla_core::{Formats, Outcome, Recorder, RequestRecord};
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
        macro_rules! line {
            ($level:ident) => {
                $level!(
                    request_id = record.id.to_str().unwrap_or_default(),
                    client = record.client.map(tracing::field::display),
                    method = record.method.as_str(),
                    path = %Redacted(&record.uri),
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
                    "request"
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

/// A request target whose secret query values are not shown.
struct Redacted<'a>(&'a Uri);

impl std::fmt::Display for Redacted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.path())?;
        let Some(query) = self.0.query() else { return Ok(()) };
        for (n, pair) in query.split('&').enumerate() {
            let separator = if n == 0 { '?' } else { '&' };
            match pair.split_once('=') {
                Some((name, _)) if is_secret(name) => write!(f, "{separator}{name}=[REDACTED]")?,
                _ => write!(f, "{separator}{pair}")?,
            }
        }
        Ok(())
    }
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

        assert_eq!(Redacted(&uri).to_string(), "/v1/models?api%5Fkey=[REDACTED]&x=1&TOKEN=[REDACTED]&flag");
    }
}
