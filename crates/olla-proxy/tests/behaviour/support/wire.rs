//! A client that writes and reads raw bytes.

use std::{net::SocketAddr, time::Duration};

use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::soon;

/// A connection to the proxy.
pub(crate) struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Closed,
    Reset,
}

// === impl Wire ===

impl Wire {
    pub(crate) async fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, unread: vec![] }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Sends a chat request that is answered with a stream or not, as the backend likes.
    pub(crate) async fn chat(&mut self) {
        let body = r#"{"model":"m","messages":[]}"#;
        let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: olla.test\r\n";
        self.send(&format!("{head}content-length: {}\r\n\r\n{body}", body.len())).await;
    }

    /// Reads through `mark` and returns everything up to its end.
    pub(crate) async fn until(&mut self, mark: &str) -> String {
        loop {
            let found = self.unread.windows(mark.len()).position(|w| w == mark.as_bytes());
            if let Some(at) = found {
                let rest = self.unread.split_off(at + mark.len());
                return String::from_utf8(std::mem::replace(&mut self.unread, rest)).unwrap();
            }
            let so_far = String::from_utf8_lossy(&self.unread).into_owned();
            assert_eq!(self.fill().await, None, "ended before {mark:?}: {so_far:?}");
        }
    }

    /// Reads the response head.
    pub(crate) async fn head(&mut self) -> String {
        self.until("\r\n\r\n").await
    }

    /// Reads to the end of the connection.
    pub(crate) async fn rest(mut self) -> (String, Ending) {
        loop {
            if let Some(ending) = self.fill().await {
                return (String::from_utf8(self.unread).unwrap(), ending);
            }
        }
    }

    /// Leaves without a word.
    pub(crate) fn leave(self) {
        drop(self);
    }

    /// Leaves with a reset, as a killed client with unread data does.
    pub(crate) fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    async fn fill(&mut self) -> Option<Ending> {
        let mut chunk = [0; 4096];
        match soon(self.stream.read(&mut chunk)).await {
            Ok(0) => Some(Ending::Closed),
            Ok(len) => {
                self.unread.extend_from_slice(&chunk[..len]);
                None
            }
            Err(_) => Some(Ending::Reset),
        }
    }
}
