//! A backend's body on its way to the client: counted, limited in time, and never ended falsely.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use olla_balancer::Lease;
use olla_core::Failure;
use olla_translate::{Dialect, ErrorWatch};
use tokio::time::Instant;

use super::{
    custody::Custody,
    ending::Ending,
    watch::{Limits, Watch},
};
use crate::{clock, render, respond::private, responses::Sighting, ticket::Ticket, upstream::AnswerBody};

/// Forwards a backend's body frame by frame; releases the endpoint and finishes the record at its end.
#[derive(Debug)]
pub(crate) struct Tracked {
    body: AnswerBody,
    custody: Custody,
    watch: Watch,
    nature: Nature,
    tail: Tail,
    /// Looks for an error within the stream, until there is one.
    errors: Option<ErrorWatch>,
    /// Looks for the id of a response, until there is one.
    sighting: Option<Box<Sighting>>,
    state: State,
}

/// What the head of a response says of its body.
#[derive(Debug)]
pub(crate) struct Nature {
    pub(crate) status: StatusCode,
    /// The dialect in which an open stream of text says that it breaks off.
    pub(crate) announce_in: Option<Dialect>,
    /// The end that such a stream must come to, until it has, where that is sure.
    pub(crate) ending: Option<Ending>,
    /// Whether the head says how long it is: nothing can be added then.
    pub(crate) has_length: bool,
}

/// The last bytes of what has been sent: an event may follow where one has ended.
#[derive(Debug)]
struct Tail([u8; 4]);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Flowing,
    /// The error event has been handed out; the next poll lets the server flush it.
    Announced(Failure),
    /// The next poll ends the body with the failure.
    Aborting(Failure),
    Ended,
}

// === impl Tracked ===

impl Tracked {
    pub(crate) fn new(
        body: AnswerBody,
        ticket: Ticket,
        lease: Lease,
        limits: Limits,
        nature: Nature,
    ) -> Self {
        let mut tracked = Self {
            body,
            custody: Custody::new(ticket, lease, nature.status, limits.ejection),
            watch: Watch::new(limits),
            tail: Tail::new(),
            errors: nature.announce_in.map(ErrorWatch::new),
            nature,
            sighting: None,
            state: State::Flowing,
        };
        if tracked.nature.announce_in.is_some() {
            tracked.custody.settle_in();
        }
        tracked.notice_end(clock::instant());
        tracked
    }

    /// Looks for the id of a response too.
    pub(crate) fn look_for_id(&mut self, sighting: Box<Sighting>) {
        self.sighting = Some(sighting);
    }

    /// Returns whether it must not end here: neither the end of its format nor an error has been seen.
    fn lacks_end(&self) -> bool {
        self.nature.ending.is_some() && !self.custody.has_told_error()
    }

    /// Ends with the last frame, where there is no need to ask for more: whoever knows the length does not.
    fn notice_end(&mut self, now: Instant) {
        if !self.body.is_end_stream() {
            return;
        }
        if !self.lacks_end() {
            self.end(now);
        } else if self.nature.has_length {
            self.custody.breaks(Failure::Truncated);
            self.state = State::Aborting(Failure::Truncated);
        }
    }

    fn end(&mut self, now: Instant) {
        self.state = State::Ended;
        self.custody.end(now);
    }

    /// Looks for an error that the backend tells of within a stream: the client gets it, and it counts.
    fn look_for_error(&mut self, data: &Bytes) {
        if self.errors.as_mut().is_some_and(|errors| errors.feed(data)) {
            self.errors = None;
            self.custody.tells_error();
        }
    }

    /// The body broke off: says so in the stream's own words where it has any, then aborts.
    fn fail(
        &mut self,
        failure: Failure,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        self.custody.breaks(failure);
        match self.nature.announce_in {
            Some(dialect) if self.tail.ends_event(dialect) && !self.nature.has_length => {
                self.state = State::Announced(failure);
                cx.waker().wake_by_ref();
                let own = self.nature.ending.as_ref().and_then(|ending| ending.last_words(failure));
                let words = own.unwrap_or_else(|| render::stream_error(dialect, failure));
                Poll::Ready(Some(Ok(Frame::data(words))))
            }
            _ => {
                // As after an announcement: what has been handed out goes to the client first.
                self.state = State::Aborting(failure);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

impl Body for Tracked {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        match self.state {
            State::Flowing => {}
            State::Announced(failure) => {
                // The server flushes when a body has nothing to give; the abort would discard the event.
                self.state = State::Aborting(failure);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            State::Aborting(failure) => {
                self.state = State::Ended;
                return Poll::Ready(Some(Err(failure)));
            }
            State::Ended => return Poll::Ready(None),
        }
        let now = clock::instant();
        if self.watch.is_past_deadline(now) {
            return self.fail(Failure::Deadline, cx);
        }
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(mut frame))) => {
                if let (Some(trailers), Some(lease)) = (frame.trailers_mut(), self.custody.lease()) {
                    private::remove_from_trailers(trailers, lease.endpoint());
                }
                if let Some(data) = frame.data_ref() {
                    self.custody.sent(data.len(), now);
                    self.tail.push(data);
                    if self.sighting.as_mut().is_some_and(|sighting| sighting.feed(data)) {
                        self.sighting = None;
                    }
                    if self.nature.ending.as_mut().is_some_and(|ending| ending.feed(data)) {
                        self.nature.ending = None;
                    }
                    if self.errors.is_some() {
                        let data = data.clone();
                        self.look_for_error(&data);
                    }
                }
                self.watch.saw_frame();
                self.notice_end(now);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(failure))) => self.fail(failure, cx),
            Poll::Ready(None) if self.lacks_end() => self.fail(Failure::Truncated, cx),
            Poll::Ready(None) => {
                self.end(now);
                Poll::Ready(None)
            }
            Poll::Pending => match self.watch.poll_expired(now, cx) {
                Poll::Ready(failure) => self.fail(failure, cx),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.state == State::Ended
            || (self.state == State::Flowing && self.body.is_end_stream() && !self.lacks_end())
    }

    fn size_hint(&self) -> SizeHint {
        // What has ended without its end gets a last word.
        if self.lacks_end() && !self.nature.has_length { SizeHint::default() } else { self.body.size_hint() }
    }
}

// === impl Tail ===

impl Tail {
    /// The beginning of a stream is as good as the end of an event.
    fn new() -> Self {
        Self(*b"\n\n\n\n")
    }

    fn push(&mut self, data: &[u8]) {
        let Self(tail) = self;
        for byte in &data[data.len().saturating_sub(tail.len())..] {
            tail.rotate_left(1);
            tail[3] = *byte;
        }
    }

    /// An empty line ends a server-sent event; a line is an event of NDJSON.
    fn ends_event(&self, dialect: Dialect) -> bool {
        let Self(tail) = self;
        match dialect {
            Dialect::OpenAi | Dialect::Anthropic => tail.ends_with(b"\n\n") || tail.ends_with(b"\r\n\r\n"),
            Dialect::Ollama => tail.ends_with(b"\n"),
        }
    }
}
