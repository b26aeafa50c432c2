//! What a client is told whose request is refused before anybody has seen it.

use http::StatusCode;

/// Why a request is refused. Nobody knows where the next one begins: the connection is closed behind the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::listen) enum Refused {
    /// It is no HTTP/1.1, or none that can be read in one way only.
    Malformed(&'static str),
    LongTarget,
    TooManyFields,
    TooLarge,
}

/// Header fields of one request.
pub(super) const MOST_FIELDS: usize = 100;
/// The longest target that a URI can be, in bytes.
pub(super) const LONGEST_TARGET: usize = u16::MAX as usize - 1;

// === impl Refused ===

impl Refused {
    pub(super) fn by_parser(error: httparse::Error) -> Self {
        use httparse::Error::{HeaderName, HeaderValue, NewLine, Status, Token, TooManyHeaders, Version};
        Self::Malformed(match error {
            TooManyHeaders => return Self::TooManyFields,
            HeaderName => "the name of a header field has a character that none may have",
            HeaderValue => "the value of a header field has a character that none may have",
            NewLine => "a line of its head does not end as it should",
            Version => "it is for another version",
            Status | Token => "its first line is not a method, a target and a version",
        })
    }

    /// Returns the status, the code and the message of the answer.
    pub(in crate::listen) fn answer(self) -> (StatusCode, &'static str, String) {
        let large = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        match self {
            Self::Malformed(how) => (
                StatusCode::BAD_REQUEST,
                "malformed_request",
                format!("this is no request of HTTP/1.1: {how}"),
            ),
            Self::LongTarget => (
                StatusCode::URI_TOO_LONG,
                "uri_too_long",
                format!("the path of the request is longer than {LONGEST_TARGET} bytes"),
            ),
            Self::TooManyFields => {
                (large, "too_many_headers", format!("the request has more than {MOST_FIELDS} header fields"))
            }
            Self::TooLarge => (
                large,
                "headers_too_large",
                "the head of the request is larger than server.request_limits.max_header_size".to_owned(),
            ),
        }
    }
}
