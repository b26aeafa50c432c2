//! One error, spelt in each dialect: as a whole body, and as the end of a stream.

use bytes::Bytes;
use serde_json::json;

use crate::Dialect;

/// What there is to say about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorFacts<'a> {
    /// The HTTP status, from which each dialect derives its own kind of error. A stream that had already
    /// begun tells the status it would have had.
    pub status: u16,
    /// The stable name of the error, in `snake_case`.
    pub code: &'a str,
    /// What happened and what to do, for people.
    pub message: &'a str,
    /// The parameter or the field of the request that is wrong.
    pub param: Option<&'a str>,
    /// The request's identity.
    pub request_id: Option<&'a str>,
}

// === impl ErrorFacts ===

impl<'a> ErrorFacts<'a> {
    /// Says that much, of no one field and of no request in particular.
    #[must_use]
    pub const fn new(status: u16, code: &'a str, message: &'a str) -> Self {
        Self { status, code, message, param: None, request_id: None }
    }
}

// === impl Dialect ===

impl Dialect {
    /// Returns the error as a whole JSON body.
    #[must_use]
    pub fn error_body(self, facts: &ErrorFacts<'_>) -> Bytes {
        self.error_json(facts).into()
    }

    /// Returns the error as the last event, or line, of a stream that has begun.
    ///
    /// It belongs after a complete event: nothing can be appended sensibly to half of one.
    #[must_use]
    pub fn error_event(self, facts: &ErrorFacts<'_>) -> Bytes {
        let json = self.error_json(facts);
        let event = match self {
            Self::OpenAi => format!("data: {json}\n\n"),
            Self::Anthropic => format!("event: error\ndata: {json}\n\n"),
            Self::Ollama => format!("{json}\n"),
        };
        event.into()
    }

    fn error_json(self, facts: &ErrorFacts<'_>) -> String {
        let ErrorFacts { status, code, message, param, request_id } = *facts;
        let mut json = match self {
            Self::OpenAi => json!({
                "error": { "message": message, "type": openai_type(status), "param": param, "code": code }
            }),
            Self::Anthropic => json!({
                "type": "error",
                "error": { "type": anthropic_type(status), "message": message, "code": code }
            }),
            Self::Ollama => json!({ "error": message, "code": code }),
        };
        if let (Self::Anthropic, Some(id), Some(fields)) = (self, request_id, json.as_object_mut()) {
            fields.insert("request_id".to_owned(), id.into());
        }
        on_one_line(&json.to_string())
    }
}

fn openai_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        429 => "rate_limit_error",
        503 => "service_unavailable_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

fn anthropic_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        504 => "timeout_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

/// JSON escapes line feeds itself; several clients also end a line at these three.
fn on_one_line(json: &str) -> String {
    json.replace('\u{85}', "\\u0085").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    const DIALECTS: [Dialect; 3] = [Dialect::OpenAi, Dialect::Anthropic, Dialect::Ollama];

    fn facts(status: u16) -> ErrorFacts<'static> {
        ErrorFacts::new(status, "no_endpoint", "no \"up\" endpoint\nfor x")
    }

    #[test]
    fn each_dialect_has_its_own_body() {
        for (dialect, body) in [
            (
                Dialect::OpenAi,
                r#"{"error":{"message":"no \"up\" endpoint\nfor x","type":"service_unavailable_error","param":null,"code":"no_endpoint"}}"#,
            ),
            (
                Dialect::Anthropic,
                r#"{"type":"error","error":{"type":"overloaded_error","message":"no \"up\" endpoint\nfor x","code":"no_endpoint"}}"#,
            ),
            (Dialect::Ollama, r#"{"error":"no \"up\" endpoint\nfor x","code":"no_endpoint"}"#),
        ] {
            assert_eq!(dialect.error_body(&facts(503)), body);
        }
    }

    #[test]
    fn only_anthropic_bodies_name_the_request() {
        let facts = ErrorFacts { request_id: Some("req_1"), ..facts(404) };

        for dialect in DIALECTS {
            let body: Value = serde_json::from_slice(&dialect.error_body(&facts)).unwrap();
            let expected = if dialect == Dialect::Anthropic { json!("req_1") } else { Value::Null };
            assert_eq!(body["request_id"], expected, "{dialect}");
        }
    }

    #[test]
    fn only_openai_bodies_name_the_parameter() {
        let facts = ErrorFacts { param: Some("limit"), ..facts(400) };

        for dialect in DIALECTS {
            let body: Value = serde_json::from_slice(&dialect.error_body(&facts)).unwrap();
            let expected = if dialect == Dialect::OpenAi { json!("limit") } else { Value::Null };
            assert_eq!(body["error"].get("param").unwrap_or(&Value::Null), &expected, "{dialect}");
        }
    }

    #[test]
    fn each_dialect_ends_a_stream_in_its_own_way() {
        for (dialect, before, after) in [
            (Dialect::OpenAi, "data: ", "\n\n"),
            (Dialect::Anthropic, "event: error\ndata: ", "\n\n"),
            (Dialect::Ollama, "", "\n"),
        ] {
            let body = String::from_utf8(dialect.error_body(&facts(502)).to_vec()).unwrap();
            assert_eq!(dialect.error_event(&facts(502)), format!("{before}{body}{after}"));
        }
    }

    #[test]
    fn the_status_decides_the_type() {
        for (status, openai, anthropic) in [
            (400, "invalid_request_error", "invalid_request_error"),
            (401, "authentication_error", "authentication_error"),
            (402, "invalid_request_error", "billing_error"),
            (403, "permission_error", "permission_error"),
            (404, "invalid_request_error", "not_found_error"),
            (413, "invalid_request_error", "request_too_large"),
            (422, "invalid_request_error", "invalid_request_error"),
            (429, "rate_limit_error", "rate_limit_error"),
            (500, "server_error", "api_error"),
            (502, "server_error", "api_error"),
            (503, "service_unavailable_error", "overloaded_error"),
            (504, "server_error", "timeout_error"),
            (529, "server_error", "overloaded_error"),
        ] {
            let kind = |dialect: Dialect| {
                let body: Value = serde_json::from_slice(&dialect.error_body(&facts(status))).unwrap();
                body["error"]["type"].as_str().unwrap().to_owned()
            };
            assert_eq!(kind(Dialect::OpenAi), openai, "{status}");
            assert_eq!(kind(Dialect::Anthropic), anthropic, "{status}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_one_event_of_valid_json(
            status in 100..=999_u16,
            message in "(?s).{0,40}|[\\r\\n\u{85}\u{2028}\u{2029}\u{0b}\u{0c}\"\\\\ a]{0,40}",
            code in "(?s).{0,8}",
            id in prop::option::of("(?s).{0,8}"),
        ) {
            let facts = ErrorFacts { request_id: id.as_deref(), code: &code, message: &message, ..facts(status) };
            for dialect in DIALECTS {
                let event = String::from_utf8(dialect.error_event(&facts).to_vec()).unwrap();
                let breaks = |c: char| {
                    matches!(c, '\n' | '\r' | '\u{0b}' | '\u{0c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
                };
                let lines: Vec<_> = event.split(breaks).collect();
                let json = match (dialect, &lines[..]) {
                    (Dialect::OpenAi, [data, "", ""]) | (Dialect::Anthropic, ["event: error", data, "", ""]) => {
                        data.strip_prefix("data: ").unwrap()
                    }
                    (Dialect::Ollama, [line, ""]) => *line,
                    _ => panic!("not one {dialect} event: {lines:?}"),
                };

                let value: Value = serde_json::from_str(json).unwrap();
                let told = if dialect == Dialect::Ollama { &value["error"] } else { &value["error"]["message"] };
                prop_assert_eq!(told, &message);
                prop_assert_eq!(json, dialect.error_body(&facts));
            }
        }
    }
}
