//! A response before it is on the wire: what to say, at which pace, and where to break off. Dialects build it,
//! faults rewrite it, `wire` sends it.

use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::fault::Framed;
use crate::kind::Kind;
use crate::script::Script;

pub(crate) type Frames = Box<dyn Iterator<Item = Frame> + Send>;

/// One event or line of a stream.
pub(crate) struct Frame {
    pub(crate) bytes: Bytes,
    /// Whether it carries a token, and so waits for its turn.
    pub(crate) is_token: bool,
}

pub(crate) enum Body {
    Full(Bytes),
    Stream(Frames),
}

/// Where a response breaks off.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cut {
    BeforeHead(Ending),
    /// After so many bytes of the body. A shorter body is cut just before it is complete.
    After(usize, Ending),
}

/// How a response breaks off.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ending {
    Close,
    Reset,
    Hang,
    /// Sends these bytes, then closes.
    Garbage(&'static [u8]),
}

/// The dialect in which an error is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    OpenAi,
    Anthropic,
    Ollama,
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) dialect: Dialect,
    pub(crate) body: Body,
    /// Header lines beyond those of every response, each with its line end.
    pub(crate) header_lines: String,
    /// Time before the first byte, or before the first body byte with `early_head`.
    pub(crate) wait: Duration,
    /// Time between tokens of a stream.
    pub(crate) step: Duration,
    /// Whether the head leaves at once.
    pub(crate) early_head: bool,
    /// Whether each token is a write of its own.
    pub(crate) apart: bool,
    pub(crate) chunked: bool,
    pub(crate) cut: Option<Cut>,
    pub(crate) close: bool,
    pub(crate) bytes_per_second: Option<NonZeroU32>,
    pub(crate) idle_limit: Option<Duration>,
}

/// What the connection adds to a head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner<'a> {
    pub(crate) engine: &'a str,
    pub(crate) kind: Kind,
    pub(crate) close: bool,
    /// An HTTP/1.0 client knows no chunks; its stream ends with the connection.
    pub(crate) version_10: bool,
    /// The response to HEAD has no body.
    pub(crate) head_only: bool,
}

// === impl Reply ===

impl Reply {
    fn new(content_type: &str, body: Body) -> Self {
        let header_lines =
            if content_type.is_empty() { String::new() } else { format!("content-type: {content_type}\r\n") };
        Reply {
            status: 200,
            dialect: Dialect::OpenAi,
            chunked: matches!(body, Body::Stream(_)),
            body,
            header_lines,
            wait: Duration::ZERO,
            step: Duration::ZERO,
            early_head: false,
            apart: false,
            cut: None,
            close: false,
            bytes_per_second: None,
            idle_limit: None,
        }
    }

    pub(crate) fn json(value: &Value) -> Self {
        Reply::new("application/json", Body::Full(value.to_string().into()))
    }

    pub(crate) fn text(text: impl Into<Bytes>) -> Self {
        Reply::new("text/plain; charset=utf-8", Body::Full(text.into()))
    }

    pub(crate) fn empty() -> Self {
        Reply::new("", Body::Full(Bytes::new()))
    }

    pub(crate) fn stream(content_type: &str, frames: impl Iterator<Item = Frame> + Send + 'static) -> Self {
        Reply::new(content_type, Body::Stream(Box::new(frames)))
    }

    pub(crate) fn events(frames: impl Iterator<Item = Frame> + Send + 'static) -> Self {
        Reply::stream("text/event-stream", frames).header("cache-control", "no-cache")
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.header_lines.extend([name, ": ", value, "\r\n"]);
        self
    }

    pub(crate) fn in_dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Delays the whole response.
    pub(crate) fn after(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Gives a stream the pace of its script.
    pub(crate) fn paced(mut self, script: &Script) -> Self {
        self.wait = script.pace.ttft;
        self.step = script.pace.step();
        self.early_head = script.pace.early_head;
        self.apart = script.pace.apart;
        self
    }

    /// Changes how the body is announced. A stream becomes one body of known length where that is asked.
    pub(crate) fn frame_as(&mut self, framed: Option<Framed>) {
        match framed {
            None => {}
            Some(Framed::Chunked) => self.chunked = true,
            Some(Framed::ContentLength) => {
                self.chunked = false;
                if let Body::Stream(frames) = &mut self.body {
                    let whole: Vec<u8> = frames.flat_map(|frame| frame.bytes).collect();
                    self.body = Body::Full(whole.into());
                }
            }
        }
    }

    /// Whether the response can leave in one write.
    pub(crate) fn is_instant(&self) -> bool {
        let at_once = self.wait.is_zero() && self.step.is_zero() && !self.apart;
        at_once && self.cut.is_none() && self.bytes_per_second.is_none()
    }

    /// Whether the end of the body is the end of the connection.
    pub(crate) fn ends_with_connection(&self, manner: Manner<'_>) -> bool {
        self.chunked && manner.version_10
    }

    /// Renders the head.
    pub(crate) fn head(&self, manner: Manner<'_>) -> Vec<u8> {
        let mut head = Vec::with_capacity(256);
        let status = self.status.to_string();
        let parts =
            ["HTTP/1.1 ", &status, " ", reason(self.status), "\r\nx-sim-engine: ", manner.engine, "\r\n"];
        head.extend(parts.iter().flat_map(|part| part.as_bytes()));
        head.extend_from_slice(manner.kind.header_lines().as_bytes());
        head.extend_from_slice(self.header_lines.as_bytes());
        match &self.body {
            _ if matches!(self.status, 204 | 304) => {}
            _ if self.ends_with_connection(manner) => {}
            Body::Full(bytes) if !self.chunked => {
                head.extend_from_slice(format!("content-length: {}\r\n", bytes.len()).as_bytes());
            }
            Body::Full(_) | Body::Stream(_) => head.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        }
        if manner.close || self.close || self.ends_with_connection(manner) {
            head.extend_from_slice(b"connection: close\r\n");
        }
        head.extend_from_slice(b"\r\n");
        head
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}

// === impl Body ===

impl Body {
    pub(crate) fn into_frames(self) -> Frames {
        match self {
            Body::Full(bytes) => Box::new(std::iter::once(Frame { bytes, is_token: false })),
            Body::Stream(frames) => frames,
        }
    }
}

// === impl Frame ===

impl Frame {
    /// A server-sent event with data only.
    pub(crate) fn data(data: &Value, is_token: bool) -> Self {
        Frame { bytes: format!("data: {data}\n\n").into(), is_token }
    }

    /// A server-sent event with a name.
    pub(crate) fn event(name: &str, data: &Value, is_token: bool) -> Self {
        Frame { bytes: format!("event: {name}\ndata: {data}\n\n").into(), is_token }
    }

    /// A line of newline-delimited JSON.
    pub(crate) fn line(value: &Value, is_token: bool) -> Self {
        Frame { bytes: format!("{value}\n").into(), is_token }
    }
}

// === impl Dialect ===

impl Dialect {
    /// An error response in this dialect.
    pub(crate) fn error(self, status: u16, message: &str) -> Reply {
        Reply { status, ..Reply::json(&self.error_body(status, message)) }.in_dialect(self)
    }

    fn error_body(self, status: u16, message: &str) -> Value {
        let kind = match (self, status) {
            (Dialect::OpenAi, 429) => "rate_limit_exceeded",
            (Dialect::Anthropic, 429) => "rate_limit_error",
            (Dialect::Anthropic, 404) => "not_found_error",
            (Dialect::Anthropic, 500..) => "api_error",
            (Dialect::OpenAi, 500..) => "server_error",
            (Dialect::OpenAi | Dialect::Anthropic | Dialect::Ollama, _) => "invalid_request_error",
        };
        let code = match status {
            404 => json!("model_not_found"),
            _ => Value::Null,
        };
        match self {
            Dialect::OpenAi => {
                json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
            }
            Dialect::Anthropic => json!({"type": "error", "error": {"type": kind, "message": message}}),
            Dialect::Ollama => json!({"error": message}),
        }
    }

    /// An error inside a stream of this dialect.
    pub(crate) fn error_event(self) -> Frame {
        let body = self.error_body(500, "the model stopped working in the middle of the answer");
        match self {
            Dialect::OpenAi => Frame::data(&body, true),
            Dialect::Anthropic => Frame::event("error", &body, true),
            Dialect::Ollama => Frame::line(&body, true),
        }
    }
}
