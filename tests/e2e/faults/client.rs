//! One request over one protocol, and all that its client can see.

use std::net::SocketAddr;

use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};

use super::table::{Ask, By, Saw};
use crate::{
    client::{self, Body, header_of},
    olla::PATIENCE,
};

/// The client's side of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// A connection to Olla.
pub(crate) struct Client {
    address: SocketAddr,
    sender: Sender,
}

enum Sender {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

/// A response as far as it came.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    status: Option<u16>,
    headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    is_complete: bool,
    is_endless: bool,
}

// === impl Client ===

impl Client {
    pub(crate) async fn connect(address: SocketAddr, protocol: Protocol) -> Self {
        let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let sender = match protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(io).await.unwrap();
                tokio::spawn(connection);
                Sender::Http1(sender)
            }
            Protocol::Http2 => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
                tokio::spawn(connection);
                Sender::Http2(sender)
            }
        };
        Self { address, sender }
    }

    /// Sends a request and reads as much of its response as there is.
    pub(crate) async fn exchange(&mut self, request: Request<Body>) -> Seen {
        let reading = async {
            match self.send(request).await {
                Ok(response) => Seen::read(response).await,
                Err(_) => Seen::default(),
            }
        };
        timeout(PATIENCE, reading).await.unwrap_or(Seen { is_endless: true, ..Seen::default() })
    }

    /// Whether the connection serves another request.
    pub(crate) async fn is_usable(&mut self) -> bool {
        let request = Request::get("/version").body(Body::default()).unwrap();
        let seen = self.exchange(request).await;
        (seen.status, seen.is_complete) == (Some(200), true)
    }

    async fn send(&mut self, mut request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        match &mut self.sender {
            Sender::Http1(sender) => {
                request.headers_mut().insert("host", "localhost".parse().unwrap());
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Http2(sender) => {
                let uri = format!("http://{}{}", self.address, request.uri());
                *request.uri_mut() = uri.parse().unwrap();
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }
}

// === impl Seen ===

impl Seen {
    async fn read(response: Response<Incoming>) -> Self {
        let (head, mut incoming) = response.into_parts();
        let (status, mut body) = (Some(head.status.as_u16()), Vec::new());
        let is_complete = loop {
            match incoming.frame().await {
                None => break true,
                Some(Err(_)) => break false,
                Some(Ok(frame)) => body.extend(frame.into_data().unwrap_or_default()),
            }
        };
        Self { status, headers: head.headers, body, is_complete, is_endless: false }
    }

    /// Who answered, as Olla says.
    pub(crate) fn by(&self) -> By {
        match header_of(&self.headers, "x-olla-endpoint") {
            "" => By::Nobody,
            name if name.ends_with("well") => By::Well,
            _ => By::Bad,
        }
    }

    pub(crate) fn saw(&self, ask: Ask) -> Saw {
        let told = ask.tells_error(&self.body);
        match (self.status, self.is_complete) {
            _ if self.is_endless => Saw::NoEnd,
            (None, _) => Saw::Nothing,
            (Some(200), true) if ask.has_end(&self.body) => Saw::Answer,
            (Some(200), true) if told => Saw::ErrorEvent,
            (Some(200), false) if told => Saw::ErrorEventAndAbort,
            (Some(_), false) => Saw::Abort,
            (Some(status), true) if status != 200 && ask.is_error(&self.body) => Saw::Error(status),
            (Some(_), true) => Saw::Lie,
        }
    }
}

// === impl Ask ===

impl Ask {
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Whole | Self::Stream => "/v1/chat/completions",
            Self::Anthropic => "/v1/messages",
            Self::Ollama => "/olla/ollama/api/chat",
        }
    }

    /// The path that the backend sees.
    pub(crate) fn path_behind(self) -> &'static str {
        self.path().trim_start_matches("/olla/ollama")
    }

    pub(crate) fn document(self, model: &str) -> Value {
        let mut document = client::chat(model);
        document["stream"] = (self != Self::Whole).into();
        if self == Self::Anthropic {
            document["max_tokens"] = json!(100);
        }
        document
    }

    /// Splits a stream into its events; a whole answer is one.
    pub(crate) fn events(self, body: &[u8]) -> Vec<&[u8]> {
        let mark: &[u8] = match self {
            Self::Whole => return vec![body],
            Self::Stream | Self::Anthropic => b"\n\n",
            Self::Ollama => b"\n",
        };
        let mut events = vec![];
        let mut rest = body;
        while let Some(at) = position_of(rest, mark) {
            let (event, tail) = rest.split_at(at + mark.len());
            events.push(event);
            rest = tail;
        }
        events
    }

    /// How many events come before the first output.
    pub(crate) fn opening_events(self) -> usize {
        match self {
            Self::Whole | Self::Ollama => 0,
            Self::Stream => 1,
            Self::Anthropic => 3,
        }
    }

    /// Whether the answer says itself that it is whole.
    fn has_end(self, body: &[u8]) -> bool {
        let events = self.events(body);
        let last = events.last().copied().unwrap_or_default();
        match self {
            Self::Whole => parsed(last)["choices"][0]["message"]["content"].is_string(),
            Self::Stream => last == b"data: [DONE]\n\n",
            Self::Anthropic => last.starts_with(b"event: message_stop\n"),
            Self::Ollama => parsed(last)["done"] == true,
        }
    }

    /// Whether the body is an error in the dialect.
    fn is_error(self, body: &[u8]) -> bool {
        let body = parsed(body);
        match self {
            Self::Whole | Self::Stream => body["error"]["message"].is_string(),
            Self::Anthropic => body["type"] == "error" && body["error"]["message"].is_string(),
            Self::Ollama => body["error"].is_string(),
        }
    }

    /// Whether the last that was said is an error in the dialect.
    fn tells_error(self, body: &[u8]) -> bool {
        let events = self.events(body);
        let last = String::from_utf8_lossy(events.last().copied().unwrap_or_default());
        let data = last.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or_default();
        match self {
            Self::Whole | Self::Ollama => self.is_error(last.as_bytes()),
            Self::Stream => self.is_error(data.as_bytes()),
            Self::Anthropic => last.starts_with("event: error\n") && self.is_error(data.as_bytes()),
        }
    }
}

fn parsed(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap_or_default()
}

fn position_of(body: &[u8], mark: &[u8]) -> Option<usize> {
    body.windows(mark.len()).position(|window| window == mark)
}
