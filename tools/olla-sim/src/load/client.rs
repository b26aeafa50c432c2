//! One client connection: sends a prepared request and reads the response to its proven end.

use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Plan;
use crate::http1::{self, Dechunk};

/// The end of a stream must be within so many of its last bytes.
const TAIL_BYTES: usize = 1024;

#[derive(Debug)]
pub(super) struct Client {
    addr: std::net::SocketAddr,
    request: Bytes,
    stream: Option<TcpStream>,
    inbox: BytesMut,
    sent: u64,
    received: u64,
}

/// How one request went.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) status: Option<u16>,
    pub(super) error: Option<&'static str>,
    pub(super) cancelled: bool,
    pub(super) engine: Option<String>,
    pub(super) ttft: Option<Duration>,
    pub(super) gaps: Vec<Duration>,
}

#[derive(Debug)]
struct Response {
    status: u16,
    body: Length,
    close: bool,
    streams: bool,
    engine: Option<String>,
}

#[derive(Debug)]
enum Length {
    Known(usize),
    Chunked(Dechunk),
    UntilClose,
}

/// What is known of a body while it arrives.
#[derive(Debug)]
struct Progress {
    since: Instant,
    last: Instant,
    tail: BytesMut,
    outcome: Outcome,
}

// === impl Client ===

impl Client {
    pub(super) fn new(plan: &Plan) -> Self {
        let mut head = format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
            plan.target,
            plan.host,
            plan.body.len()
        );
        for (name, value) in &plan.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        let request = [head.as_bytes(), &plan.body].concat().into();
        let inbox = BytesMut::with_capacity(16 * 1024);
        Client { addr: plan.addr, request, stream: None, inbox, sent: 0, received: 0 }
    }

    /// Bytes sent and received so far.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.sent, self.received)
    }

    pub(super) fn disconnect(&mut self) {
        self.stream = None;
        self.inbox.clear();
    }

    /// Sends the request and reads its response; times count from `since`.
    pub(super) async fn exchange(&mut self, since: Instant) -> Outcome {
        let outcome = match self.try_exchange(since).await {
            Ok(outcome) | Err(outcome) => outcome,
        };
        if outcome.error.is_some() {
            self.disconnect();
        }
        outcome
    }

    async fn try_exchange(&mut self, since: Instant) -> Result<Outcome, Outcome> {
        self.connect().await?;
        let Some(stream) = self.stream.as_mut() else { return Err(Outcome::failed("connect")) };
        let written = stream.write_all(&self.request).await;
        if written.is_ok() {
            self.sent += self.request.len() as u64;
        }
        // A server may answer and close before it has read everything, so the answer counts, not the write.
        let response = self.head().await?;
        let status = response.status;
        let close = response.close;
        let mut outcome = self.body(response, since).await?;
        if close {
            self.disconnect();
        }
        if status != 200 {
            outcome.error = Some("status");
        }
        Ok(outcome)
    }

    async fn connect(&mut self) -> Result<(), Outcome> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.addr).await.map_err(|_| Outcome::failed("connect"))?;
            // A socket that refuses the option still works, only slower.
            let _ = stream.set_nodelay(true);
            self.stream = Some(stream);
        }
        Ok(())
    }

    async fn fill(&mut self) -> Option<usize> {
        self.inbox.reserve(4 * 1024);
        let count = self.stream.as_mut()?.read_buf(&mut self.inbox).await.ok().filter(|count| *count > 0)?;
        self.received += count as u64;
        Some(count)
    }

    async fn head(&mut self) -> Result<Response, Outcome> {
        loop {
            let head = http1::take_head(&mut self.inbox).map_err(|_| Outcome::failed("malformed"))?;
            match head.map(|head| Response::parse(&head)) {
                Some(Some(response)) if response.status == 100 => {}
                Some(Some(response)) => return Ok(response),
                Some(None) => return Err(Outcome::failed("malformed")),
                None if self.fill().await.is_some() => {}
                None if self.inbox.is_empty() => return Err(Outcome::failed("closed_before_head")),
                None => return Err(Outcome::failed("malformed")),
            }
        }
    }

    /// Reads the body to its end, and makes sure that it is the end.
    async fn body(&mut self, mut response: Response, since: Instant) -> Result<Outcome, Outcome> {
        let mut progress = Progress::new(&mut response, since);
        loop {
            let arrived = Instant::now();
            let mut grew = false;
            let done = match &mut response.body {
                Length::Chunked(decoder) => decoder.push(&mut self.inbox, |data| {
                    grew = true;
                    progress.keep_tail(data);
                }),
                Length::Known(left) => {
                    let now = (*left).min(self.inbox.len());
                    grew = now > 0;
                    progress.keep_tail(self.inbox.get(..now).unwrap_or_default());
                    self.inbox.advance(now);
                    *left -= now;
                    Ok(*left == 0)
                }
                Length::UntilClose => {
                    grew = !self.inbox.is_empty();
                    progress.keep_tail(&self.inbox.split());
                    Ok(false)
                }
            };
            if grew {
                progress.note(arrived, response.streams);
            }
            match done {
                Ok(true) => return Ok(progress.finish(response.streams)),
                Ok(false) => {}
                Err(_) => return Err(progress.failed("malformed")),
            }
            if self.fill().await.is_none() {
                return match response.body {
                    Length::UntilClose => Ok(progress.finish(response.streams)),
                    Length::Known(_) | Length::Chunked(_) => Err(progress.failed("truncated")),
                };
            }
        }
    }
}

// === impl Response ===

impl Response {
    fn parse(head: &[u8]) -> Option<Self> {
        let mut words = http1::first_line(head).split(' ');
        let version_10 = match words.next()? {
            "HTTP/1.1" => false,
            "HTTP/1.0" => true,
            _ => return None,
        };
        let status = words.next()?.parse().ok()?;
        let mut response =
            Response { status, body: Length::UntilClose, close: version_10, streams: false, engine: None };
        for (name, value) in http1::fields(head) {
            response.note(name, value)?;
        }
        if matches!(status, 100..=199 | 204 | 304) {
            response.body = Length::Known(0);
        }
        response.close |= matches!(response.body, Length::UntilClose);
        Some(response)
    }

    fn note(&mut self, name: &[u8], value: &[u8]) -> Option<()> {
        if name.eq_ignore_ascii_case(b"content-length") {
            self.body = Length::Known(usize::try_from(http1::number(value)?).ok()?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.body = Length::Chunked(Dechunk::default());
        } else if name.eq_ignore_ascii_case(b"connection") {
            self.close =
                http1::has_token(value, "close") || (self.close && !http1::has_token(value, "keep-alive"));
        } else if name.eq_ignore_ascii_case(b"content-type") {
            self.streams =
                value.starts_with(b"text/event-stream") || value.starts_with(b"application/x-ndjson");
        } else if name.eq_ignore_ascii_case(b"x-sim-engine") {
            self.engine = Some(String::from_utf8_lossy(value).into_owned());
        }
        Some(())
    }
}

// === impl Progress ===

impl Progress {
    fn new(response: &mut Response, since: Instant) -> Self {
        let outcome =
            Outcome { status: Some(response.status), engine: response.engine.take(), ..Outcome::default() };
        Progress { since, last: since, tail: BytesMut::new(), outcome }
    }

    fn keep_tail(&mut self, data: &[u8]) {
        self.tail.extend_from_slice(data);
        let excess = self.tail.len().saturating_sub(TAIL_BYTES);
        self.tail.advance(excess);
    }

    /// Notes that body bytes have arrived.
    fn note(&mut self, arrived: Instant, streams: bool) {
        match self.outcome.ttft {
            None => self.outcome.ttft = Some(arrived.saturating_duration_since(self.since)),
            Some(_) if streams => self.outcome.gaps.push(arrived.saturating_duration_since(self.last)),
            Some(_) => {}
        }
        self.last = arrived;
    }

    /// A stream that ends without its dialect's end mark is cut short, whatever its framing says.
    fn finish(mut self, streams: bool) -> Outcome {
        let marks: [&[u8]; 3] = [b"data: [DONE]", b"\"message_stop\"", b"\"done\":true"];
        let marked = marks.iter().any(|mark| memchr::memmem::find(&self.tail, mark).is_some());
        if streams && !marked {
            self.outcome.error = Some("no_end_mark");
        }
        self.outcome
    }

    fn failed(mut self, error: &'static str) -> Outcome {
        self.outcome.error = Some(error);
        self.outcome
    }
}

// === impl Outcome ===

impl Outcome {
    pub(super) fn failed(error: &'static str) -> Self {
        Outcome { error: Some(error), ..Outcome::default() }
    }

    /// The client has left.
    pub(super) fn cancelled() -> Self {
        Outcome { cancelled: true, ..Outcome::default() }
    }
}
