//! A raw client: it sends what it is told and reports every byte and every end of the connection.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use olla_sim::{Builder, Engine};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// No test waits longer for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const CHAT: &str = r#"{"model":"sim-model","messages":[{"role":"user","content":"hi there"}]}"#;
pub(crate) const CHAT_STREAM: &str =
    r#"{"model":"sim-model","stream":true,"messages":[{"role":"user","content":"hi there"}]}"#;

pub(crate) struct Raw {
    stream: TcpStream,
    seen: String,
}

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Closed,
    Reset,
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) async fn start(builder: Builder) -> Engine {
    builder.start(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap()
}

/// Starts an engine with nothing special about it.
pub(crate) async fn plain() -> Engine {
    start(Engine::builder("sim-a")).await
}

pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("took too long")
}

pub(crate) fn request(method: &str, path: &str, body: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: sim\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

pub(crate) async fn get(engine: &Engine, path: &str) -> Response {
    Raw::connect(engine).await.exchange("GET", path, "").await
}

pub(crate) async fn post(engine: &Engine, path: &str, body: &str) -> Response {
    Raw::connect(engine).await.exchange("POST", path, body).await
}

impl Raw {
    pub(crate) async fn connect(engine: &Engine) -> Self {
        Raw { stream: TcpStream::connect(engine.addr()).await.unwrap(), seen: String::new() }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Sends a request and reads its whole response; the connection stays open.
    pub(crate) async fn exchange(&mut self, method: &str, path: &str, body: &str) -> Response {
        self.send(&request(method, path, body)).await;
        self.response().await
    }

    pub(crate) async fn response(&mut self) -> Response {
        let head = self.take_through("\r\n\r\n").await;
        let field = |name: &str| {
            let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name));
            line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
        };
        let mut body = String::new();
        if let Some(length) = field("content-length") {
            body = self.take(length.parse().unwrap()).await;
        } else if field("transfer-encoding").as_deref() == Some("chunked") {
            loop {
                let line = self.take_through("\r\n").await;
                let size = usize::from_str_radix(line.trim(), 16).unwrap();
                let chunk = self.take(size + 2).await;
                if size == 0 {
                    break;
                }
                body.push_str(chunk.strip_suffix("\r\n").unwrap());
            }
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Response { status, head, body }
    }

    /// Reads until `mark` has arrived, and returns everything through it.
    pub(crate) async fn take_through(&mut self, mark: &str) -> String {
        loop {
            if let Some(at) = self.seen.find(mark) {
                let rest = self.seen.split_off(at + mark.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            self.more().await;
        }
    }

    async fn take(&mut self, bytes: usize) -> String {
        while self.seen.len() < bytes {
            self.more().await;
        }
        let rest = self.seen.split_off(bytes);
        std::mem::replace(&mut self.seen, rest)
    }

    async fn more(&mut self) {
        let mut buffer = [0; 4096];
        let count = in_time(self.stream.read(&mut buffer)).await.unwrap();
        assert!(count > 0, "the connection ended after {:?}", self.seen);
        self.seen.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }

    /// Reads to the end of the connection.
    pub(crate) async fn drain(mut self) -> (String, End) {
        let mut buffer = [0; 4096];
        loop {
            match in_time(self.stream.read(&mut buffer)).await {
                Ok(0) => return (self.seen, End::Closed),
                Ok(count) => self.seen.push_str(&String::from_utf8_lossy(&buffer[..count])),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return (self.seen, End::Reset),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

impl Response {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The data of each server-sent event, and the event's name if it has one.
    pub(crate) fn events(&self) -> Vec<(Option<&str>, &str)> {
        let events = self.body.split_terminator("\n\n").map(|event| {
            let name = event.lines().find_map(|line| line.strip_prefix("event: "));
            (name, event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap())
        });
        events.collect()
    }
}
