//! Sends a reply over a socket, byte for byte as it says, while it watches whether the client is still there.
//! Knows nothing of dialects or faults.

use std::num::NonZeroU32;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::ledger::Phase;
use crate::reply::{Body, Cut, Ending, Manner, Reply};

/// Writes are gathered up to this size when nothing asks for a pause.
const GATHER_BYTES: usize = 32 * 1024;
/// Bytes read ahead of a response; beyond it the client is not watched until they are consumed.
const READ_AHEAD_BYTES: usize = 64 * 1024;

pub(crate) struct Wire {
    stream: TcpStream,
    /// Bytes received and not yet consumed.
    pub(crate) inbox: BytesMut,
    bytes_per_second: Option<NonZeroU32>,
}

/// The client closed the connection.
#[derive(Debug)]
pub(crate) struct Gone;

/// How a response ended, apart from the client going away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// To its end.
    Whole,
    /// Broken off as the reply wanted; the connection is spent.
    Cut,
}

/// Renders a reply that leaves in one write.
pub(crate) fn render(reply: Reply, manner: Manner<'_>) -> Bytes {
    let mut out = reply.head(manner);
    if manner.head_only {
        return out.into();
    }
    let chunked = reply.chunked && !manner.version_10;
    match reply.body {
        Body::Full(bytes) => put(&mut out, &bytes, chunked),
        Body::Stream(frames) => frames.for_each(|frame| put(&mut out, &frame.bytes, chunked)),
    }
    if chunked {
        out.extend_from_slice(b"0\r\n\r\n");
    }
    out.into()
}

fn put(out: &mut Vec<u8>, payload: &[u8], chunked: bool) {
    if payload.is_empty() {
        return; // An empty chunk would end the body.
    }
    if chunked {
        out.extend_from_slice(format!("{:x}\r\n", payload.len()).as_bytes());
    }
    out.extend_from_slice(payload);
    if chunked {
        out.extend_from_slice(b"\r\n");
    }
}

// === impl Wire ===

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        // A socket that refuses the option still works, only slower.
        let _ = stream.set_nodelay(true);
        Wire { stream, inbox: BytesMut::with_capacity(8 * 1024), bytes_per_second: None }
    }

    /// Reads more into the inbox.
    pub(crate) async fn fill(&mut self) -> Result<(), Gone> {
        self.inbox.reserve(4 * 1024);
        match self.stream.read_buf(&mut self.inbox).await {
            Ok(0) | Err(_) => Err(Gone),
            Ok(_) => Ok(()),
        }
    }

    /// Writes bytes, at the drip rate if there is one.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        let Some(rate) = self.bytes_per_second else {
            return self.stream.write_all(bytes).await.map_err(|_| Gone);
        };
        // About 50 writes a second, or one byte at a time when the rate is lower than that.
        let piece = (rate.get() / 50).max(1);
        let pause = Duration::from_secs_f64(f64::from(piece) / f64::from(rate.get()));
        for part in bytes.chunks(piece as usize) {
            self.stream.write_all(part).await.map_err(|_| Gone)?;
            self.pause(pause).await?;
        }
        Ok(())
    }

    /// Waits, and returns early when the client goes away.
    pub(crate) async fn pause(&mut self, time: Duration) -> Result<(), Gone> {
        if time.is_zero() {
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            gone = self.gone() => Err(gone),
        }
    }

    /// Returns when the client has closed its side. Bytes that arrive meanwhile are kept for the next request.
    async fn gone(&mut self) -> Gone {
        // cancel-safe: `read_buf` has either put bytes into the inbox or read nothing.
        while self.inbox.len() < READ_AHEAD_BYTES {
            if self.fill().await.is_err() {
                return Gone;
            }
        }
        std::future::pending().await
    }

    /// Sends a reply. The error tells how far it was when the client went away.
    pub(crate) async fn send(&mut self, reply: Reply, manner: Manner<'_>) -> Result<Sent, Phase> {
        self.bytes_per_second = reply.bytes_per_second;
        if let Some(Cut::BeforeHead(ending)) = reply.cut {
            return self.end(ending).await.map_err(|Gone| Phase::BeforeHead);
        }
        let mut out = reply.head(manner);
        if reply.early_head {
            self.write(&out).await.map_err(|Gone| Phase::BeforeHead)?;
            out.clear();
        }
        let phase = if reply.early_head { Phase::Response } else { Phase::BeforeHead };
        self.pause(reply.wait).await.map_err(|Gone| phase)?;
        if manner.head_only {
            self.write(&out).await.map_err(|Gone| Phase::Response)?;
            return Ok(Sent::Whole);
        }
        self.send_body(reply, out, manner).await.map_err(|Gone| Phase::Response)
    }

    /// Sends the body behind `out`, which may hold the head.
    async fn send_body(&mut self, reply: Reply, mut out: Vec<u8>, manner: Manner<'_>) -> Result<Sent, Gone> {
        let chunked = reply.chunked && !manner.version_10;
        let mut cut = match (reply.cut, &reply.body) {
            (Some(Cut::After(bytes, ending)), Body::Full(body)) if !chunked => {
                Some((bytes.min(body.len().saturating_sub(1)), ending))
            }
            (Some(Cut::After(bytes, ending)), Body::Full(_) | Body::Stream(_)) => Some((bytes, ending)),
            (Some(Cut::BeforeHead(_)) | None, _) => None,
        };
        let by_token = reply.apart || !reply.step.is_zero();
        let mut spoke = false;
        for frame in reply.body.into_frames() {
            if frame.is_token && by_token && std::mem::replace(&mut spoke, true) {
                self.write(&out).await?;
                out.clear();
                self.pause(reply.step).await?;
            }
            let room = cut.map_or(usize::MAX, |(left, _)| left);
            put(&mut out, frame.bytes.get(..room).unwrap_or(&frame.bytes), chunked);
            if frame.bytes.len() >= room {
                break;
            }
            cut = cut.map(|(left, ending)| (left - frame.bytes.len(), ending));
            if out.len() >= GATHER_BYTES {
                self.write(&out).await?;
                out.clear();
            }
        }
        if let Some((_, ending)) = cut {
            self.write(&out).await?;
            return self.end(ending).await;
        }
        if chunked {
            out.extend_from_slice(b"0\r\n\r\n");
        }
        self.write(&out).await?;
        Ok(Sent::Whole)
    }

    async fn end(&mut self, ending: Ending) -> Result<Sent, Gone> {
        match ending {
            Ending::Hang => return Err(self.gone().await),
            Ending::Reset => {
                // With no time to linger, the close that follows is a reset.
                let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
            }
            Ending::Garbage(bytes) => {
                self.write(bytes).await?;
                self.close().await;
            }
            Ending::Close => self.close().await,
        }
        Ok(Sent::Cut)
    }

    /// Ends the sending side.
    pub(crate) async fn close(&mut self) {
        // The client may be gone already; the socket is dropped either way.
        let _ = self.stream.shutdown().await;
    }
}
