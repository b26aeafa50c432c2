//! A backend's body on its way to the client: counted, limited in time, and never ended falsely.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use olla_balancer::Lease;
use olla_core::{EjectionRules, Failure, Outcome};
use olla_translate::{Dialect, ErrorWatch};
use tokio::time::{Instant, Sleep, sleep_until};
use tracing::warn;

use crate::{render, respond::private, retry::lessons, ticket::Ticket, upstream::AnswerBody};

/// Forwards a backend's body frame by frame; releases the endpoint and finishes the record at its end.
#[derive(Debug)]
pub(crate) struct Tracked {
    body: AnswerBody,
    ticket: Ticket,
    /// Released at the end of the body, not when the server lets go of it.
    lease: Option<Lease>,
    status: StatusCode,
    watch: Watch,
    /// The dialect in which an open stream of text says that it breaks off.
    announce_in: Option<Dialect>,
    tail: Tail,
    /// Looks for an error within the stream, until there is one.
    errors: Option<ErrorWatch>,
    /// Whether the backend has told of an error within its stream.
    told_error: bool,
    state: State,
}

/// When a body has taken too long. Zero durations mean no limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) stall: Duration,
    /// From the start of the request.
    pub(crate) deadline: Option<Instant>,
    /// When the endpoint is left out for breaking off.
    pub(crate) ejection: EjectionRules,
}

/// Watches for a stall with one lazy timer: it is only armed when there is nothing to forward, and
/// looks at when the waiting began when it fires.
#[derive(Debug)]
struct Watch {
    limits: Limits,
    /// Since when the backend has owed us a frame; a client that does not ask for one is not its fault.
    waiting_since: Option<Instant>,
    // alloc: once per response that makes us wait.
    timer: Option<Pin<Box<Sleep>>>,
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
        (status, announce_in): (StatusCode, Option<Dialect>),
    ) -> Self {
        let watch = Watch { limits, waiting_since: None, timer: None };
        let mut tracked = Self {
            body,
            ticket,
            lease: Some(lease),
            status,
            watch,
            announce_in,
            tail: Tail::new(),
            errors: announce_in.map(ErrorWatch::new),
            told_error: false,
            state: State::Flowing,
        };
        if tracked.body.is_end_stream() {
            tracked.end();
        }
        tracked
    }

    fn end(&mut self) {
        self.state = State::Ended;
        if let Some(lease) = self.lease.take().filter(|_| !self.told_error) {
            lessons::of_end(lease.endpoint(), self.status);
        }
        let outcome = if self.told_error { Outcome::Failure } else { Outcome::of_status(self.status) };
        self.ticket.finish(outcome);
    }

    /// Looks for an error that the backend tells of within a stream: the client gets it, and it counts.
    fn look_for_error(&mut self, data: &Bytes) {
        if self.errors.as_mut().is_some_and(|errors| errors.feed(data)) {
            (self.told_error, self.errors) = (true, None);
            self.ticket.broke(Failure::ErrorEvent);
            if let Some(lease) = &self.lease {
                lessons::of_failure(lease.endpoint(), Failure::ErrorEvent, &self.watch.limits.ejection);
            }
        }
    }

    /// The body broke off: says so in the stream's own words where it has any, then aborts.
    fn fail(
        &mut self,
        failure: Failure,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        self.ticket.broke(failure);
        if let Some(lease) = self.lease.take() {
            warn!(endpoint = %lease.endpoint().spec.name, request_id = self.ticket.id().to_str().unwrap_or_default(), %failure, "response broke off");
            lessons::of_failure(lease.endpoint(), failure, &self.watch.limits.ejection);
            lease.endpoint().live.request_probe();
        }
        self.ticket.finish(Outcome::Failure);
        match self.announce_in {
            Some(dialect) if self.tail.ends_event(dialect) && self.body.size_hint().exact().is_none() => {
                self.state = State::Announced(failure);
                cx.waker().wake_by_ref();
                Poll::Ready(Some(Ok(Frame::data(render::stream_error(dialect, failure)))))
            }
            _ => {
                self.state = State::Ended;
                Poll::Ready(Some(Err(failure)))
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
        if self.watch.is_past_deadline() {
            return self.fail(Failure::Deadline, cx);
        }
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(mut frame))) => {
                if let (Some(trailers), Some(lease)) = (frame.trailers_mut(), &self.lease) {
                    private::remove_from_trailers(trailers, lease.endpoint());
                }
                if let Some(data) = frame.data_ref() {
                    self.ticket.sent(data.len());
                    self.tail.push(data);
                    if self.errors.is_some() {
                        let data = data.clone();
                        self.look_for_error(&data);
                    }
                }
                self.watch.saw_frame();
                if self.body.is_end_stream() {
                    self.end();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(failure))) => self.fail(failure, cx),
            Poll::Ready(None) => {
                self.end();
                Poll::Ready(None)
            }
            Poll::Pending => match self.watch.poll_expired(cx) {
                Poll::Ready(failure) => self.fail(failure, cx),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.state == State::Ended || (self.state == State::Flowing && self.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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

// === impl Watch ===

impl Watch {
    fn saw_frame(&mut self) {
        self.waiting_since = None;
    }

    /// A backend that never makes us wait is held to the deadline too; without one, no clock is read.
    fn is_past_deadline(&self) -> bool {
        self.limits.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        loop {
            let Some((at, failure)) = self.expiry() else { return Poll::Pending };
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if at <= Instant::now() {
                return Poll::Ready(failure);
            }
            timer.as_mut().reset(at);
        }
    }

    fn expiry(&mut self) -> Option<(Instant, Failure)> {
        let waiting_since = *self.waiting_since.get_or_insert_with(Instant::now);
        let stall =
            if self.limits.stall.is_zero() { None } else { waiting_since.checked_add(self.limits.stall) };
        match (stall, self.limits.deadline) {
            (Some(stall), Some(deadline)) if deadline < stall => Some((deadline, Failure::Deadline)),
            (Some(stall), _) => Some((stall, Failure::Stall)),
            (None, deadline) => deadline.map(|at| (at, Failure::Deadline)),
        }
    }
}
