//! A backend's response: its head, and a body that returns the connection when it has been read.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{StatusCode, response};
use http_body::{Body, Frame, SizeHint};
use olla_core::Failure;

use super::{
    http1::{Broken, Incoming},
    pool::Return,
};
use crate::opening::Held;

/// A response whose head has arrived.
// alloc: it is handed on through many stages, and would be copied for each.
#[derive(Debug)]
pub(crate) struct Answer(Box<Whole>);

#[derive(Debug)]
struct Whole {
    head: Box<response::Parts>,
    body: AnswerBody,
    /// Whether the body is one of ours.
    replaced: bool,
}

/// The body of a backend's response. Dropping it early closes the connection and so cancels the request.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    /// Read already, in reverse order; comes before the rest.
    held: Held,
    /// `None` where nothing more is to be read.
    incoming: Option<Incoming>,
    give_back: Option<Return>,
}

// === impl Answer ===

impl Answer {
    pub(super) fn new(head: Box<response::Parts>, incoming: Incoming, give_back: Option<Return>) -> Self {
        let mut body = AnswerBody { held: Held::new(), incoming: Some(incoming), give_back };
        body.settle();
        Self(Box::new(Whole { head, body, replaced: false }))
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.0.head.status
    }

    /// Returns whether the status may mean that there is no such path.
    pub(crate) fn is_unknown_path(&self) -> bool {
        const UNKNOWN: [StatusCode; 3] =
            [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED, StatusCode::NOT_IMPLEMENTED];
        UNKNOWN.contains(&self.0.head.status)
    }

    /// Returns whether the body begins like this, as far as it has been read.
    pub(crate) fn begins_with(&self, text: &[u8]) -> bool {
        self.0.body.held.last().is_some_and(|first| first.starts_with(text))
    }

    /// Puts another status in the place of the backend's.
    pub(crate) fn correct_status(&mut self, status: StatusCode) {
        self.0.head.status = status;
    }

    pub(crate) fn headers(&self) -> &http::HeaderMap {
        &self.0.head.headers
    }

    pub(crate) fn body_mut(&mut self) -> &mut AnswerBody {
        &mut self.0.body
    }

    /// Puts a body of ours in place of what the backend has sent, and returns the head, to be made to fit. What
    /// has not been read is given up.
    pub(crate) fn replace_body(&mut self, body: Bytes) -> &mut response::Parts {
        self.0.body = AnswerBody { held: Held::from_iter([body]), incoming: None, give_back: None };
        self.0.body.held.retain(|chunk| !chunk.is_empty());
        self.0.replaced = true;
        &mut self.0.head
    }

    /// Returns whether the body is one of ours.
    pub(crate) fn is_replaced(&self) -> bool {
        self.0.replaced
    }

    /// Returns the body where it is one of ours.
    pub(crate) fn replaced_body(&self) -> Option<&Bytes> {
        self.0.body.held.last().filter(|_| self.0.replaced)
    }

    pub(crate) fn into_parts(self) -> (Box<response::Parts>, AnswerBody) {
        (self.0.head, self.0.body)
    }
}

// === impl AnswerBody ===

impl AnswerBody {
    /// Returns the connection to its pool once nothing more is to be read from it.
    fn settle(&mut self) {
        let Some(ended) = self.incoming.take_if(|incoming| incoming.is_end_stream()) else { return };
        if let (Some(connection), Some(give_back)) = (ended.into_connection(), self.give_back.take()) {
            give_back.put_back(connection);
        }
    }

    /// Puts chunks back that were read in this order.
    pub(crate) fn put_back(&mut self, mut read: Held) {
        read.reverse();
        self.held.extend(read);
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        if let Some(chunk) = self.held.pop() {
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(incoming).poll_frame(cx));
        self.settle();
        Poll::Ready(frame.map(|frame| {
            frame.map_err(|broken| match broken {
                Broken::Reset => Failure::ResetInBody,
                Broken::CutShort => Failure::Truncated,
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_empty() && self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        if self.held.is_empty() {
            return rest;
        }
        // Of an announced length, what was read is missing now.
        let held: usize = self.held.iter().map(Bytes::len).sum();
        match rest.exact() {
            Some(rest) => SizeHint::with_exact(rest + held as u64),
            None => SizeHint::default(),
        }
    }
}
