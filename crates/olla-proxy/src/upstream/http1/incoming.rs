//! The body of a response, received when it is asked for.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::Connection;
use crate::http1::{Decoded, Decoder, Length};

/// A response body, and the connection it comes by.
#[derive(Debug)]
pub(crate) struct Incoming {
    connection: Box<Connection>,
    decoder: Decoder,
    keeps_alive: bool,
}

/// How a body breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The connection was reset.
    Reset,
    /// It ended, or went on with something else than the rest of the body.
    CutShort,
}

// === impl Incoming ===

impl Incoming {
    pub(super) fn new(connection: Box<Connection>, length: Length, keeps_alive: bool) -> Self {
        Self { connection, decoder: Decoder::new(length), keeps_alive }
    }

    /// Returns the connection, if another request may be sent by it: this exchange is over, and nothing is left of
    /// it.
    pub(crate) fn into_connection(self) -> Option<Box<Connection>> {
        let Self { connection, decoder, keeps_alive } = self;
        let is_sent = connection.sending.is_done() && connection.socket.is_settled();
        let is_over = decoder.is_done() && is_sent && connection.inbox.bytes.is_empty();
        (keeps_alive && is_over).then_some(connection)
    }

    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        if !self.connection.sending.is_done() {
            // Whether the backend wants the rest of the request is its business; it has answered.
            let _ = self.connection.poll_sending(cx);
        }
        Poll::Ready(match ready!(self.connection.poll_receive(cx)) {
            Ok(1..) => Ok(()),
            Ok(0) if self.decoder.ends_with_connection() => {
                self.keeps_alive = false;
                self.decoder = Decoder::new(Length::Exact(0));
                Ok(())
            }
            // Whatever it is called, the body has not been received in full (RFC 9112 §8).
            Ok(0) => Err(Broken::CutShort),
            Err(error) if was_reset(&error) => Err(Broken::Reset),
            Err(_) => Err(Broken::CutShort),
        })
    }
}

fn was_reset(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted)
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = self.get_mut();
        loop {
            match this.decoder.decode(&mut this.connection.inbox.bytes) {
                Ok(Decoded::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(Decoded::Trailers(trailers)) => return Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                Ok(Decoded::End) => return Poll::Ready(None),
                Ok(Decoded::Nothing) => {}
                Err(_) => return Poll::Ready(Some(Err(Broken::CutShort))),
            }
            if let Err(broken) = ready!(this.poll_more(cx)) {
                return Poll::Ready(Some(Err(broken)));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.decoder.is_done()
    }

    fn size_hint(&self) -> SizeHint {
        self.decoder.size_hint()
    }
}
