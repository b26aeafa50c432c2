//! What a backend says of an error, in whatever shape.

use bytes::Bytes;
use serde::Deserialize;

use crate::{
    Dialect, ErrorFacts,
    canonical::Failure,
    json::{Count, RawValue, Text},
};

/// An error as a backend tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BackendError {
    pub(crate) message: String,
    /// Its `type`, or else its `code`.
    pub(crate) kind: Option<String>,
    overflow: bool,
    pub(crate) status: Option<u16>,
}

/// Any of the usual shapes, of a body or of what its `error` holds.
#[derive(Default, Deserialize)]
struct WireError<'a> {
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    detail: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default)]
    code: Option<&'a RawValue>,
}

/// What servers call a prompt that is longer than the model's context.
const OVERFLOW_KINDS: [&str; 2] = ["context_length_exceeded", "exceed_context_size_error"];

/// Longer messages are cut.
const MAX_MESSAGE: usize = 2048;

// === impl BackendError ===

impl BackendError {
    /// Reads a body: OpenAI's, Anthropic's and Ollama's errors, FastAPI's `detail`, or plain text.
    pub(crate) fn read(body: &str) -> Self {
        let plain = |text: &str| Self { message: cut(text), ..Self::default() };
        let Ok(wire) = serde_json::from_str::<WireError<'_>>(body) else {
            return serde_json::from_str::<Text<'_>>(body)
                .map_or_else(|_| plain(body.trim()), |text| plain(&text));
        };
        if let Some(inner) = wire.error {
            let inner = Self::read(inner.get());
            if !inner.message.is_empty() && inner.message != "null" {
                return inner;
            }
        }
        let text = wire.message.or(wire.detail).map(words);
        let kind = [wire.kind, wire.code].into_iter().flatten().map(words);
        let kinds: Vec<_> =
            kind.filter(|kind| !kind.is_empty() && kind != "null" && kind != "error").collect();
        let number = wire.code.and_then(|code| serde_json::from_str::<Count>(code.get()).ok());
        Self {
            message: text.unwrap_or_else(|| cut(body.trim())),
            status: number
                .and_then(|Count(code)| u16::try_from(code).ok())
                .filter(|c| (400..600).contains(c)),
            overflow: kinds.iter().any(|kind| OVERFLOW_KINDS.contains(&&**kind)),
            kind: kinds.into_iter().next(),
        }
    }

    /// Reads the error that stands where an answer, or an event of it, should: in `error`, or as the whole, which
    /// then calls itself an error in its `type` or `object`.
    pub(crate) fn instead(
        body: &str,
        error: Option<&RawValue>,
        names: [Option<&RawValue>; 2],
    ) -> Option<Self> {
        let is_named = names.into_iter().flatten().any(|name| name.get() == "\"error\"");
        let is_told = error.is_some_and(|error| error.get() != "null");
        (is_named || is_told).then(|| Self::read(body))
    }

    /// Returns whether the prompt is longer than the model's context.
    pub(crate) fn is_context_overflow(&self) -> bool {
        let message = self.message.to_ascii_lowercase();
        self.overflow
            || [
                "context length",
                "context size",
                "context window",
                "maximum context",
                "prompt is too long",
                "input is too long",
                "exceeds the available context",
            ]
            .iter()
            .any(|sign| message.contains(sign))
    }

    /// Returns the status and the body for a client of a dialect. The status is the backend's own, and so are the
    /// words.
    pub(crate) fn tell(&self, status: u16, dialect: Dialect) -> (u16, Bytes) {
        let overflow = (400..500).contains(&status) && self.is_context_overflow();
        let message = match (&*self.message, overflow) {
            ("", _) => format!("the backend answered with status {status}"),
            // Claude Code makes room when it reads these words.
            (message, true) if dialect == Dialect::Anthropic => format!("prompt is too long: {message}"),
            (message, _) => message.to_owned(),
        };
        let code = if overflow { "context_length_exceeded" } else { "backend_error" };
        let status = if overflow { 400 } else { status };
        let facts = ErrorFacts::new(status, code, &message);
        (status, dialect.error_body(&facts))
    }

    /// Returns the HTTP status that fits an error told inside a stream that had begun well.
    pub(crate) fn likely_status(&self) -> u16 {
        let by_kind = match self.kind.as_deref() {
            Some("overloaded_error") => Some(529),
            Some("rate_limit_error" | "rate_limit_exceeded") => Some(429),
            Some("timeout_error") => Some(504),
            Some("invalid_request_error" | "BadRequestError" | "exceed_context_size_error") => Some(400),
            Some("authentication_error") => Some(401),
            Some("permission_error") => Some(403),
            Some("not_found_error" | "NotFoundError") => Some(404),
            _ => None,
        };
        self.status.or(by_kind).unwrap_or(502)
    }

    /// Returns the end of a stream.
    pub(crate) fn into_failure(self) -> Failure {
        let code = if self.is_context_overflow() { "context_length_exceeded" } else { "error_in_stream" };
        Failure { status: self.likely_status(), code: code.into(), message: self.message }
    }
}

/// A string without its quotes, anything else as it is.
fn words(raw: &RawValue) -> String {
    serde_json::from_str::<Text<'_>>(raw.get()).map_or_else(|_| cut(raw.get()), |text| cut(&text))
}

fn cut(text: &str) -> String {
    let end = (0..=MAX_MESSAGE.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_shape_is_read() {
        for (body, message, kind) in [
            (r#"{"error":{"message":"no","type":"x_error","code":"y"}}"#, "no", Some("x_error")),
            (
                r#"{"type":"error","error":{"type":"overloaded_error","message":"full"}}"#,
                "full",
                Some("overloaded_error"),
            ),
            (r#"{"error":"model not found"}"#, "model not found", None),
            (
                r#"{"object":"error","message":"bad","type":"BadRequestError","code":400}"#,
                "bad",
                Some("BadRequestError"),
            ),
            (r#"{"detail":"Not Found"}"#, "Not Found", None),
            (
                r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#,
                r#"[{"loc":["body"],"msg":"field required"}]"#,
                None,
            ),
            ("Internal Server Error\n", "Internal Server Error", None),
            (r#"{"error":null,"message":"m"}"#, "m", None),
            (r#"{"x":1}"#, r#"{"x":1}"#, None),
        ] {
            let error = BackendError::read(body);
            assert_eq!((&*error.message, error.kind.as_deref()), (message, kind), "{body}");
        }
    }

    #[test]
    fn an_overflow_of_the_context_is_recognised() {
        for (body, is) in [
            (
                r#"{"error":{"message":"x","type":"invalid_request_error","code":"context_length_exceeded"}}"#,
                true,
            ),
            (
                r#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}"#,
                true,
            ),
            (
                r#"{"message":"This model's maximum context length is 8192 tokens.","type":"BadRequestError"}"#,
                true,
            ),
            (r#"{"error":{"message":"context deadline exceeded"}}"#, false),
        ] {
            assert_eq!(BackendError::read(body).is_context_overflow(), is, "{body}");
        }
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        let message = BackendError::read(&"é".repeat(5000)).message;
        assert!(message.len() <= MAX_MESSAGE && message.ends_with('é'));
    }
}
