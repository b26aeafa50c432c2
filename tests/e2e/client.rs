//! A client that sees everything: status, headers, body, and how the body ended.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};

use crate::olla::PATIENCE;

pub(crate) type Body = Full<Bytes>;

/// A response with its whole body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HeaderMap,
    pub(crate) body: Bytes,
}

// === impl Answer ===

impl Answer {
    /// Reads the body to its end.
    pub(crate) async fn read(response: Response<Incoming>) -> Result<Self, hyper::Error> {
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Self { status: head.status.as_u16(), headers: head.headers, body })
    }

    /// Returns the header, or an empty string.
    pub(crate) fn header(&self, name: &str) -> &str {
        header_of(&self.headers, name)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// Returns the `code` of an error in the OpenAI shape.
    pub(crate) fn error_code(&self) -> String {
        assert_eq!(self.header("content-type"), "application/json");
        self.json()["error"]["code"].as_str().unwrap_or_else(|| panic!("no code: {self:?}")).to_owned()
    }
}

pub(crate) fn header_of<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

/// Returns a chat request for a model.
pub(crate) fn chat(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "Hello!"}]})
}

/// Returns a request for a streamed chat.
pub(crate) fn streamed_chat(model: &str) -> Value {
    let mut chat = chat(model);
    chat["stream"] = true.into();
    chat
}

pub(crate) fn post(path: &str, document: &Value) -> Request<Body> {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    request.body(document.to_string().into()).unwrap()
}

/// Opens a connection that serves one request after the other.
pub(crate) async fn connect(address: SocketAddr) -> http1::SendRequest<Body> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Sends a request on a connection of its own and returns the head, with the body still to come.
pub(crate) async fn open(address: SocketAddr, mut request: Request<Body>) -> Response<Incoming> {
    if !request.headers().contains_key(header::HOST) {
        request.headers_mut().insert(header::HOST, "localhost".parse().unwrap());
    }
    let mut connection = connect(address).await;
    timeout(PATIENCE, connection.send_request(request)).await.expect("an answer in time").unwrap()
}

/// Sends a request on a connection of its own and reads the whole answer.
pub(crate) async fn exchange(address: SocketAddr, request: Request<Body>) -> Answer {
    let response = open(address, request).await;
    timeout(PATIENCE, Answer::read(response)).await.expect("a whole answer in time").unwrap()
}
