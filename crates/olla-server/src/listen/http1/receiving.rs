//! The body of a request: what came with its head, or received when it is asked for.

use std::{
    io::IoSlice,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use olla_proxy::http1::{Decoded, Decoder};
use tokio::io::{AsyncRead, AsyncWrite};

use super::link::Link;

/// A request body.
#[derive(Debug)]
pub(crate) struct Receiving<S>(Source<S>);

#[derive(Debug)]
enum Source<S> {
    /// It has all come with its head.
    Whole(Bytes),
    /// It has to be received, by a connection that is lent for it.
    Lent(Loan<S>),
}

/// A connection that a request body is received by, until it is called back.
#[derive(Debug)]
pub(super) struct Loan<S>(Arc<Mutex<Progress<S>>>);

#[derive(Debug)]
enum Progress<S> {
    /// The body is being received.
    Lent(Lent<S>),
    /// All of it has been, and the connection is back.
    Over,
    /// The connection was needed before.
    Answered,
}

#[derive(Debug)]
struct Lent<S> {
    link: Link<S>,
    decoder: Decoder,
    /// What the client waits for until it sends the body; empty when it has been told.
    prompt: &'static [u8],
}

/// Why a request body breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("the client closed the connection within the body")]
    CutShort,
    #[error("the body is not as its Transfer-Encoding says")]
    Malformed,
    #[error("the request has been answered already")]
    Answered,
}

/// RFC 9110 §15.2.1.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

// === impl Receiving ===

impl<S> Receiving<S> {
    pub(super) fn whole(body: Bytes) -> Self {
        Self(Source::Whole(body))
    }

    /// Returns a body that is received by this connection, and the way to get that back.
    pub(super) fn lent(link: Link<S>, decoder: Decoder, is_awaited: bool) -> (Self, Loan<S>) {
        let prompt = if is_awaited { CONTINUE } else { &[] };
        let lent = Arc::new(Mutex::new(Progress::Lent(Lent { link, decoder, prompt })));
        (Self(Source::Lent(Loan(Arc::clone(&lent)))), Loan(lent))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Body for Receiving<S> {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut self.0 {
            Source::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Source::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Source::Lent(loan) => match &mut *loan.lock() {
                Progress::Lent(lent) => lent.poll_frame(cx),
                Progress::Over => Poll::Ready(None),
                Progress::Answered => Poll::Ready(Some(Err(Broken::Answered))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Whole(bytes) => bytes.is_empty(),
            Source::Lent(loan) => loan.is_over(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Lent(loan) => match &*loan.lock() {
                Progress::Lent(lent) => lent.decoder.size_hint(),
                Progress::Over => SizeHint::with_exact(0),
                Progress::Answered => SizeHint::default(),
            },
        }
    }
}

// === impl Loan ===

impl<S> Loan<S> {
    /// Returns whether the body has been received in full.
    pub(super) fn is_over(&self) -> bool {
        match &*self.lock() {
            Progress::Lent(lent) => lent.decoder.is_done(),
            Progress::Over => true,
            Progress::Answered => false,
        }
    }

    /// Returns whether nobody is left who could receive the body.
    pub(super) fn is_forsaken(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// Takes the connection back.
    pub(super) fn call_back(self) -> Option<Link<S>> {
        let mut progress = self.lock();
        let is_over = matches!(&*progress, Progress::Lent(lent) if lent.decoder.is_done());
        let after = if is_over { Progress::Over } else { Progress::Answered };
        match std::mem::replace(&mut *progress, after) {
            Progress::Lent(lent) => Some(lent.link),
            Progress::Over | Progress::Answered => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Progress<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Lent ===

impl<S: AsyncRead + AsyncWrite + Unpin> Lent<S> {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        loop {
            match self.decoder.decode(&mut self.link.inbox.bytes) {
                Ok(Decoded::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(Decoded::Trailers(trailers)) => return Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                Ok(Decoded::End) => return Poll::Ready(None),
                Ok(Decoded::Nothing) => {}
                Err(_) => return Poll::Ready(Some(Err(Broken::Malformed))),
            }
            while !self.prompt.is_empty() {
                let Ok(written) = ready!(self.link.poll_write(cx, &[IoSlice::new(self.prompt)])) else {
                    return Poll::Ready(Some(Err(Broken::CutShort)));
                };
                self.prompt = self.prompt.get(written..).unwrap_or_default();
            }
            match ready!(self.link.poll_fill(cx)) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return Poll::Ready(Some(Err(Broken::CutShort))),
            }
        }
    }
}
