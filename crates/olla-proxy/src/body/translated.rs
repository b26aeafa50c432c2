//! A backend's stream on its way to a client of another format: turned back event by event, and never ended
//! falsely.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body::{Body, Frame};
use olla_balancer::Lease;
use olla_core::Failure;
use olla_translate::{ErrorFacts, Outcome, StreamTranslator};
use tokio::time::Instant;

use super::{
    custody::Custody,
    watch::{Limits, Watch},
};
use crate::{clock, deadline::Timer, render, responses::Keeping, ticket::Ticket, upstream::AnswerBody};

/// The longest that a client hears nothing of a stream that has begun: prompts can take minutes to read, and
/// clients and proxies on the way give silent connections up.
const LONGEST_SILENCE: Duration = Duration::from_secs(12);
/// How long a backend may take to close a stream that is complete; then its connection is given up.
const CLOSING: Duration = Duration::from_secs(1);

/// Turns a backend's stream back, as it arrives; releases the endpoint and finishes the record at its end.
#[derive(Debug)]
pub(crate) struct Translated {
    body: AnswerBody,
    translator: StreamTranslator,
    /// When the request was complete.
    began: Instant,
    custody: Custody,
    watch: Watch,
    /// When the client last heard something.
    heard_at: Instant,
    silence: Timer,
    /// Keeps the response, once it is complete.
    keeping: Option<Box<Keeping>>,
    out: BytesMut,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Flowing,
    /// The last event has been handed out; the next poll lets the server flush it.
    Announced(Failure),
    /// The next poll ends the body with the failure.
    Aborting(Failure),
    Ended,
}

// === impl Translated ===

impl Translated {
    pub(crate) fn new(
        body: AnswerBody,
        (mut translator, began): (StreamTranslator, Instant),
        (ticket, lease): (Ticket, Lease),
        (limits, status): (Limits, StatusCode),
    ) -> Self {
        let mut out = BytesMut::new();
        translator.begin(&mut out);
        let mut custody = Custody::new(ticket, lease, status, limits.ejection);
        custody.settle_in();
        Self {
            body,
            translator,
            began,
            custody,
            watch: Watch::new(limits),
            heard_at: clock::instant(),
            silence: Timer::default(),
            keeping: None,
            out,
            state: State::Flowing,
        }
    }

    /// Keeps the response once it is complete, before the client hears of that.
    pub(crate) fn keeping(self, keeping: Box<Keeping>) -> Self {
        Self { keeping: Some(keeping), ..self }
    }

    fn keep_if_complete(&mut self) {
        if self.translator.outcome() == Outcome::Complete
            && let Some(keeping) = self.keeping.take()
        {
            keeping.keep(&self.out);
        }
    }

    /// Hands out what there is to send.
    fn give(&mut self) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let data = self.out.split().freeze();
        let now = clock::instant();
        self.custody.sent(data.len(), now);
        self.heard_at = now;
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn end(&mut self) {
        self.custody.end(clock::instant());
        self.state = State::Ended;
    }

    /// The backend's stream broke off: says so, then aborts, so that nobody takes it for complete.
    fn fail(&mut self, failure: Failure) {
        let message = render::broke_off(failure);
        let facts = ErrorFacts::new(502, failure.as_str(), &message);
        self.translator.abort(&facts, &mut self.out);
        self.custody.breaks(failure);
        self.state = State::Announced(failure);
    }

    fn feed(&mut self, data: &[u8]) {
        self.translator.tick(clock::since(self.began));
        self.translator.feed(data, &mut self.out);
        self.keep_if_complete();
        if self.translator.outcome() == Outcome::Failed && !self.custody.has_told_error() {
            self.custody.tells_error();
        }
    }

    /// The backend's stream has ended: well, if the answer was complete.
    fn finish(&mut self) {
        if self.translator.outcome() == Outcome::Open {
            self.translator.tick(clock::since(self.began));
            self.translator.finish(&mut self.out);
            self.keep_if_complete();
            if self.translator.outcome() != Outcome::Complete {
                self.custody.breaks(Failure::Truncated);
                self.state = State::Announced(Failure::Truncated);
                return;
            }
        }
        self.end();
    }

    /// Nothing has come: it may be too late, or time to say that there is still hope.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.translator.outcome() != Outcome::Open {
            // All has been said. The rest is for the connection, which can be used again once it has ended.
            return self.silence.poll_until(self.heard_at + CLOSING, cx).map(|()| {
                // The clock itself, here and below: where time stands still, this might have no end.
                if self.heard_at + CLOSING <= Instant::now() {
                    self.end();
                }
            });
        }
        if let Poll::Ready(failure) = self.watch.poll_expired(clock::instant(), cx) {
            self.fail(failure);
            return Poll::Ready(());
        }
        let at = self.heard_at + LONGEST_SILENCE;
        self.silence.poll_until(at, cx).map(|()| {
            if at <= Instant::now() {
                self.translator.ping(&mut self.out);
                self.heard_at = Instant::now();
            }
        })
    }
}

impl Body for Translated {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        loop {
            if !self.out.is_empty() {
                return self.give();
            }
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
            if self.watch.is_past_deadline(clock::instant()) {
                self.fail(Failure::Deadline);
                continue;
            }
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.watch.saw_frame();
                    if let Some(data) = frame.data_ref() {
                        self.feed(data);
                    }
                }
                Poll::Ready(None) => self.finish(),
                Poll::Ready(Some(Err(_))) if self.translator.outcome() != Outcome::Open => self.end(),
                Poll::Ready(Some(Err(failure))) => self.fail(failure),
                Poll::Pending => {
                    if self.wait(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.state == State::Ended && self.out.is_empty()
    }
}
