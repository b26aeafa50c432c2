//! HTTP/1.1 with a client (RFC 9112), all of it in the task of the connection: no channel between who reads, who
//! answers and who writes, and no more buffers than bytes are under way.

mod date;
mod head;
mod link;
mod outbox;
mod receiving;
mod refused;
mod reply;

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Version, request};
use http_body::Body;
use olla_proxy::{
    Answered,
    http1::{Decoder, Length, TakesBuffers},
};
use tokio::{
    io::AsyncRead,
    time::{Instant, Sleep, sleep},
};

use super::Patience;

use head::Head;
pub(super) use link::Link;
use outbox::Outbox;
use receiving::Loan;
pub(crate) use receiving::Receiving;
pub(super) use refused::Refused;
use reply::{Gathered, Manner, Reply};

/// A connection by which requests come, one after another; each is answered by `answer`, refused ones too.
#[derive(Debug)]
pub(super) struct Connection<S, A, F, B> {
    /// The socket; not here while it is lent to the body of a request.
    link: Option<Link<S>>,
    answer: A,
    /// Whether a client has said something that has not been heard of yet.
    is_asking: fn(&S) -> bool,
    state: State<S, F, B>,
    outbox: Outbox,
    most_head_bytes: usize,
    /// Whether no request may follow the one that is under way.
    is_last: bool,
}

#[derive(Debug)]
enum State<S, F, B> {
    /// For a request, of whose head so many bytes have been looked at.
    Waiting {
        looked_at: usize,
    },
    /// Somebody works out the answer to a request.
    Answering {
        answer: F,
        manner: Manner,
        loan: Option<Loan<S>>,
        is_read: bool,
    },
    /// The answer is being sent. Where its request has not been read to the end, the client may be sending the rest.
    Replying {
        reply: Reply<B>,
        is_read: bool,
    },
    /// What the client still sends is passed over for a while: a close would take the answer from it that it has not
    /// read yet (RFC 9112 §9.6).
    Lingering(Pin<Box<Sleep>>),
    Ended,
}

/// How a connection ends that breaks off.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error(transparent)]
    Socket(#[from] io::Error),
    #[error("the response broke off")]
    Response,
    #[error("the client left before it had its response")]
    Left,
}

const LONGEST_LINGER: Duration = Duration::from_secs(5);

// === impl Connection ===

impl<S, A, F, B> Connection<S, A, F, B> {
    /// Returns when the client will have been waited for too long.
    pub(super) fn expiry(&self, patience: Patience) -> Option<Instant> {
        self.link.as_ref().and_then(|link| link.expiry(patience))
    }

    /// Returns the socket, unless it is lent.
    pub(super) fn socket(&self) -> Option<&S> {
        self.link.as_ref().map(|link| &link.socket)
    }

    /// Returns whether a response is under way that would look complete if the connection were closed now.
    pub(super) fn would_look_complete(&self) -> bool {
        matches!(&self.state, State::Replying { reply, .. } if reply.ends_with_connection())
    }
}

impl<S, A, F, B> Connection<S, A, F, B>
where
    S: AsyncRead + TakesBuffers + Unpin,
    A: Fn(Result<(Box<request::Parts>, Receiving<S>), Refused>) -> F,
    F: Future<Output = Result<Answered<B>, Infallible>> + Unpin,
    B: Body<Data = Bytes> + Unpin,
{
    pub(super) fn new(link: Link<S>, answer: A, is_asking: fn(&S) -> bool, most_head_bytes: usize) -> Self {
        let (link, outbox, state) = (Some(link), Outbox::default(), State::Waiting { looked_at: 0 });
        Self { link, answer, is_asking, state, outbox, most_head_bytes, is_last: false }
    }

    /// Ends the connection as soon as all requests are answered that have come.
    pub(super) fn stop(&mut self) {
        self.is_last = true;
        if let (State::Waiting { .. }, Some(link)) = (&self.state, &self.link)
            && link.inbox.bytes.is_empty()
            && !(self.is_asking)(&link.socket)
        {
            self.state = State::Ended;
        }
    }

    /// Serves requests until the connection ends.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        loop {
            self.state = match &mut self.state {
                State::Waiting { .. } => ready!(self.poll_request(cx))?,
                State::Answering { .. } => ready!(self.poll_answer(cx)),
                State::Replying { .. } => ready!(self.poll_reply(cx))?,
                State::Lingering(_) => ready!(self.poll_linger(cx)),
                State::Ended => return self.poll_end(cx).map(Ok),
            };
        }
    }

    fn poll_request(&mut self, cx: &mut Context<'_>) -> Poll<Result<State<S, F, B>, Broken>> {
        let (State::Waiting { looked_at }, Some(link)) = (&mut self.state, &mut self.link) else {
            return Poll::Ready(Ok(State::Ended));
        };
        loop {
            let news = link.inbox.bytes.len() - *looked_at;
            if news > 0 {
                match head::take(&mut link.inbox.bytes, news, self.most_head_bytes) {
                    Ok(Some(head)) => return Poll::Ready(Ok(self.begin(head))),
                    Ok(None) => *looked_at = link.inbox.bytes.len(),
                    Err(refused) => return Poll::Ready(Ok(self.refuse(refused))),
                }
            }
            link.note_whether_behind();
            if ready!(link.poll_fill(cx))? == 0 {
                return Poll::Ready(Ok(State::Ended));
            }
        }
    }

    fn begin(&mut self, head: Head) -> State<S, F, B> {
        let manner = Manner {
            is_head: head.parts.method == Method::HEAD,
            is_http10: head.parts.version == Version::HTTP_10,
            takes_trailers: head.takes_trailers,
            keeps_alive: head.keeps_alive,
        };
        if let Some(link) = &mut self.link {
            link.asked();
        }
        let (body, loan) = self.body(head.length, head.expects_continue);
        let answer = (self.answer)(Ok((head.parts, body)));
        State::Answering { answer, manner, is_read: loan.is_none(), loan }
    }

    fn body(&mut self, length: Length, expects_continue: bool) -> (Receiving<S>, Option<Loan<S>>) {
        let Some(mut link) = self.link.take() else { return (Receiving::whole(Bytes::new()), None) };
        let received = &mut link.inbox.bytes;
        let whole = match length {
            Length::Exact(0) => Some(Bytes::new()),
            Length::Exact(bytes) if bytes <= received.len() as u64 => {
                Some(received.split_to(bytes as usize).freeze())
            }
            Length::Exact(bytes) => {
                let missing = bytes - received.len() as u64;
                link.inbox.expect(missing);
                None
            }
            Length::Chunked | Length::UntilClose => None,
        };
        match whole {
            Some(bytes) => {
                self.link = Some(link);
                (Receiving::whole(bytes), None)
            }
            None => {
                let (body, loan) = Receiving::lent(link, Decoder::new(length), expects_continue);
                (body, Some(loan))
            }
        }
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<State<S, F, B>> {
        let State::Answering { answer, manner, loan, is_read } = &mut self.state else {
            return Poll::Ready(State::Ended);
        };
        let answered = Pin::new(answer).poll(cx);
        let is_over = loan.as_ref().is_some_and(Loan::is_over);
        // Where nobody receives the body any more, nobody would see that the client leaves.
        if (answered.is_ready() || is_over || loan.as_ref().is_some_and(Loan::is_forsaken))
            && let Some(link) = loan.take().and_then(Loan::call_back)
        {
            self.link = Some(link);
            *is_read = is_over;
        }
        let Poll::Ready(Ok(answered)) = answered else {
            // Whoever receives the body sees for itself that there will be no more.
            return match &mut self.link {
                Some(link) => {
                    link.note_whether_behind();
                    link.poll_left(cx).map(|()| State::Ended)
                }
                None => Poll::Pending,
            };
        };
        // A stream may take its time.
        if let Some(link) = &mut self.link {
            link.inbox.let_go();
        }
        let manner = Manner { keeps_alive: manner.keeps_alive && *is_read && !self.is_last, ..*manner };
        let reply = Reply::begin(answered, manner, &mut self.outbox);
        Poll::Ready(State::Replying { reply, is_read: *is_read })
    }

    fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<Result<State<S, F, B>, Broken>> {
        let (State::Replying { reply, is_read }, Some(link)) = (&mut self.state, &mut self.link) else {
            return Poll::Ready(Ok(State::Ended));
        };
        loop {
            let gathered = reply.gather(&mut self.outbox, cx);
            if self.outbox.poll_send(link, cx)?.is_pending() {
                return link.poll_left(cx).map(|()| Err(Broken::Left));
            }
            match gathered {
                Gathered::Enough => {}
                Gathered::Some => {
                    link.note_whether_behind();
                    return link.poll_left(cx).map(|()| Err(Broken::Left));
                }
                Gathered::Broken => return Poll::Ready(Err(Broken::Response)),
                Gathered::All => break,
            }
        }
        let is_asked = !link.inbox.bytes.is_empty();
        // Whoever has been told that it may ask again may have done so.
        if reply.keeps_alive() && (is_asked || !self.is_last || (self.is_asking)(&link.socket)) {
            link.answered();
            return Poll::Ready(Ok(State::Waiting { looked_at: 0 }));
        }
        if *is_read && !is_asked {
            return Poll::Ready(Ok(State::Ended));
        }
        ready!(link.poll_shutdown(cx))?;
        Poll::Ready(Ok(State::Lingering(Box::pin(sleep(LONGEST_LINGER)))))
    }

    /// Answers what nobody has seen as a request.
    fn refuse(&mut self, refused: Refused) -> State<S, F, B> {
        if let Some(link) = &mut self.link {
            link.asked();
        }
        let manner = Manner { is_head: false, is_http10: false, takes_trailers: false, keeps_alive: false };
        State::Answering { answer: (self.answer)(Err(refused)), manner, loan: None, is_read: false }
    }

    /// Waits until all that has been written has been sent.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.link {
            // Whatever fails here, the connection has ended.
            Some(link) => link.poll_shutdown(cx).map(|_| ()),
            None => Poll::Ready(()),
        }
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<State<S, F, B>> {
        let (State::Lingering(end), Some(link)) = (&mut self.state, &mut self.link) else {
            return Poll::Ready(State::Ended);
        };
        while end.as_mut().poll(cx).is_pending() {
            link.inbox.bytes.clear();
            match ready!(link.poll_fill(cx)) {
                Ok(1..) => {}
                Ok(0) | Err(_) => break,
            }
        }
        Poll::Ready(State::Ended)
    }
}

#[cfg(test)]
mod tests;
