//! Backends that do on the wire exactly what a script says.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{Notify, Semaphore},
    task::JoinHandle,
};

use super::soon;

/// A listening backend, and what it heard.
pub(crate) struct Backend {
    address: SocketAddr,
    heard: Log,
    connections: Arc<AtomicUsize>,
    signals: Arc<Signals>,
    // Held so that nobody else gets the port of a backend that refuses.
    _socket: Option<TcpSocket>,
    accepting: Option<JoinHandle<()>>,
}

/// What test and script tell each other.
struct Signals {
    cue: Notify,
    /// One permit a report: none is lost where several come before anybody waits.
    report: Semaphore,
}

/// One accepted connection.
pub(crate) struct Conn {
    /// Counted from 0.
    pub(crate) number: usize,
    stream: TcpStream,
    buffer: Vec<u8>,
    heard: Log,
    signals: Arc<Signals>,
}

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    /// Connection on which it arrived.
    pub(crate) connection: usize,
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

type Log = Arc<Mutex<Vec<Heard>>>;

// === impl Signals ===

impl Signals {
    fn new() -> Self {
        Self { cue: Notify::new(), report: Semaphore::new(0) }
    }
}

// === impl Backend ===

impl Backend {
    /// Runs the script for each connection.
    pub(crate) async fn scripted<S, F>(script: S) -> Self
    where
        S: Fn(Conn) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, connections) = (Log::default(), Arc::new(AtomicUsize::new(0)));
        let signals = Arc::new(Signals::new());
        let (log, count, cues) = (Arc::clone(&heard), Arc::clone(&connections), Arc::clone(&signals));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = count.fetch_add(1, Relaxed);
                stream.set_nodelay(true).unwrap();
                let (heard, signals) = (Arc::clone(&log), Arc::clone(&cues));
                tokio::spawn(script(Conn { number, stream, buffer: vec![], heard, signals }));
            }
        });
        Self { address, heard, connections, signals, _socket: None, accepting: Some(accepting) }
    }

    /// Answers each request with these pieces of a stream, then closes the connection, in the way of a stream that is complete
    /// or not.
    pub(crate) async fn streaming(pieces: &[&'static str], complete: bool) -> Self {
        let pieces = pieces.to_vec();
        Self::scripted(move |mut conn| {
            let pieces = pieces.clone();
            async move {
                while conn.request().await.is_some() {
                    conn.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
                        .await;
                    for piece in &pieces {
                        conn.send(&format!("{:x}\r\n{piece}\r\n", piece.len())).await;
                    }
                    if !complete {
                        return;
                    }
                    conn.send("0\r\n\r\n").await;
                }
            }
        })
        .await
    }

    /// Answers every request with these bytes and keeps the connection open.
    pub(crate) async fn answering(response: impl Into<String>) -> Self {
        let response = response.into();
        Self::scripted(move |mut conn| {
            let response = response.clone();
            async move {
                while conn.request().await.is_some() {
                    conn.send(&response).await;
                }
            }
        })
        .await
    }

    /// Answers the first request of each connection with these bytes and closes it.
    pub(crate) async fn answering_once(response: impl Into<String>) -> Self {
        let response = response.into();
        Self::scripted(move |mut conn| {
            let response = response.clone();
            async move {
                conn.request().await;
                conn.send(&response).await;
            }
        })
        .await
    }

    /// Refuses every connection.
    pub(crate) fn refusing() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        Self {
            address: socket.local_addr().unwrap(),
            heard: Log::default(),
            connections: Arc::default(),
            signals: Arc::new(Signals::new()),
            _socket: Some(socket),
            accepting: None,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the requests it received, oldest first.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// Returns the only request it received.
    pub(crate) fn heard_one(&self) -> Heard {
        let [one] = &self.heard()[..] else { panic!("not one request: {:?}", self.heard()) };
        one.clone()
    }

    /// Lets the script go on from [`Conn::cue`].
    pub(crate) fn cue(&self) {
        self.signals.cue.notify_one();
    }

    /// Waits until the script gets to [`Conn::report`].
    pub(crate) async fn reported(&self) {
        soon(self.signals.report.acquire()).await.unwrap().forget();
    }

    /// Returns how many connections it has accepted.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        if let Some(accepting) = &self.accepting {
            accepting.abort();
        }
    }
}

// === impl Conn ===

impl Conn {
    /// Reads a request to its end, or returns `None` when the proxy has closed the connection.
    pub(crate) async fn request(&mut self) -> Option<Heard> {
        let head_len = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at + 4;
            }
            self.fill().await?;
        };
        let head = String::from_utf8(self.buffer[..head_len - 4].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let line = lines.next().unwrap().to_owned();
        let headers: Vec<(String, String)> =
            lines.filter_map(|l| l.split_once(": ")).map(|(n, v)| (n.to_lowercase(), v.to_owned())).collect();
        let len = headers.iter().find(|(n, _)| n == "content-length").map_or(0, |(_, v)| v.parse().unwrap());
        while self.buffer.len() < head_len + len {
            self.fill().await?;
        }
        let body = String::from_utf8(self.buffer[head_len..head_len + len].to_vec()).unwrap();
        self.buffer.drain(..head_len + len);
        let heard = Heard { connection: self.number, line, headers, body };
        self.heard.lock().unwrap().push(heard.clone());
        Some(heard)
    }

    /// Reads a request head and leaves the body unread.
    pub(crate) async fn head(&mut self) {
        while find(&self.buffer, b"\r\n\r\n").is_none() && self.fill().await.is_some() {}
    }

    pub(crate) async fn send(&mut self, bytes: &str) {
        // The proxy may have left: that is for the test to judge.
        let _ = self.stream.write_all(bytes.as_bytes()).await;
    }

    /// Waits for [`Backend::cue`].
    pub(crate) async fn cue(&self) {
        self.signals.cue.notified().await;
    }

    /// Ends the wait of [`Backend::reported`].
    pub(crate) fn report(&self) {
        self.signals.report.add_permits(1);
    }

    /// Closes the connection, then reports.
    pub(crate) fn report_closing(self) {
        let signals = Arc::clone(&self.signals);
        drop(self);
        signals.report.add_permits(1);
    }

    /// Returns when the proxy has closed the connection.
    pub(crate) async fn closed(&mut self) {
        while self.fill().await.is_some() {}
    }

    /// Resets the connection.
    pub(crate) fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    async fn fill(&mut self) -> Option<()> {
        let mut chunk = [0; 4096];
        let len = self.stream.read(&mut chunk).await.ok().filter(|len| *len > 0)?;
        self.buffer.extend_from_slice(&chunk[..len]);
        Some(())
    }
}

// === impl Heard ===

impl Heard {
    /// Returns the value of a header that occurs at most once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| &**v);
        let value = values.next();
        assert_eq!(values.next(), None, "{name} occurs twice");
        value
    }
}

/// Returns a 200 of JSON.
pub(crate) fn ok(body: &str) -> String {
    answer("200 OK", "content-type: application/json\r\n", body)
}

/// Returns a response with these header lines and its length.
pub(crate) fn answer(status: &str, lines: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{lines}content-length: {}\r\n\r\n{body}", body.len())
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
