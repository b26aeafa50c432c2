//! One connection: read a request, note it, let a fault rewrite the answer, send it, and again. Identical requests
//! in a row are answered from a rendered copy, which is what makes an engine without pauses cheap.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::net::TcpStream;

use crate::control;
use crate::fault::Occasion;
use crate::http1::{self, Dechunk, Framing, Malformed, RequestHead};
use crate::ledger::{Phase, Ticket};
use crate::reply::{Dialect, Manner, Reply};
use crate::route::{self, Operation};
use crate::state::{Gate, State};
use crate::wire::{self, Gone, Sent, Wire};

/// Largest request body that is accepted.
const BODY_LIMIT_BYTES: usize = 256 * 1024 * 1024;
/// Largest rendered response that is kept for the next request.
const MEMO_LIMIT_BYTES: usize = 256 * 1024;

/// The first byte of a TLS client's first record (RFC 8446 §5.1); no method begins so.
const TLS_HANDSHAKE: u8 = 22;
/// A fatal alert, `handshake_failure`: what a server says that has nothing in common with the client.
const NO_TLS: &[u8] = &[21, 3, 3, 0, 2, 2, 40];

/// A whole request.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) head: RequestHead,
    pub(crate) body: Bytes,
    /// When the head had arrived.
    since: Instant,
}

enum Arrival {
    Whole(Request),
    /// The client went away in the middle of the body.
    Partial(Request),
    Refused(u16, &'static str),
    /// The client wants to speak TLS.
    Tls,
    Closed,
}

struct Connection {
    wire: Wire,
    state: Arc<State>,
    /// Whether the client has said anything that came to its end.
    heard: bool,
    served: u64,
    idle_limit: Option<Duration>,
    memo: Option<Memo>,
}

/// A request and the bytes that answer it.
struct Memo {
    epoch: u64,
    request: Request,
    answer: Bytes,
}

/// Serves a connection to its end.
pub(crate) async fn serve(stream: TcpStream, state: Arc<State>) {
    let shared = Arc::clone(&state);
    let _open = shared.ledger.connect();
    let wire = Wire::new(stream);
    let mut connection = Connection { wire, state, heard: false, served: 0, idle_limit: None, memo: None };
    while connection.turn().await.is_continue() {}
    if !connection.heard {
        connection.state.ledger.unused.fetch_add(1, Relaxed);
    }
}

// === impl Connection ===

impl Connection {
    /// Serves one request.
    async fn turn(&mut self) -> ControlFlow<()> {
        let arrival = self.next().await;
        self.heard |= !matches!(arrival, Arrival::Closed);
        let request = match arrival {
            Arrival::Whole(request) => request,
            Arrival::Partial(request) => {
                let ticket = self.state.ledger.receive(&request.head, &request.body, request.since);
                self.state.ledger.abandon(ticket, &request.head, Phase::Request);
                return ControlFlow::Break(());
            }
            Arrival::Refused(status, message) => return self.refuse(status, message).await,
            Arrival::Tls => {
                // The client may be gone already.
                let _ = self.wire.write(NO_TLS).await;
                self.wire.close().await;
                return ControlFlow::Break(());
            }
            Arrival::Closed => return ControlFlow::Break(()),
        };
        if *self.state.gate.borrow() != Gate::Open {
            return ControlFlow::Break(()); // An engine that is down does not answer on old connections either.
        }
        let operation = route::classify(self.state.kind, request.head.method(), request.head.path());
        if operation == Operation::Control {
            return self.control(&request).await;
        }
        let ticket = self.state.ledger.receive(&request.head, &request.body, request.since);
        self.served += 1;
        if let Some(answer) = self.recall(&request) {
            let outcome =
                self.wire.write(&answer).await.map(|()| Sent::Whole).map_err(|Gone| Phase::Response);
            return self.settle(ticket, &request, outcome, request.head.keep_alive);
        }
        let reply = self.reply(&request, operation);
        self.send(ticket, request, reply).await
    }

    /// The usual reply, or what a fault makes of it.
    fn reply(&mut self, request: &Request, operation: Operation) -> Reply {
        let reply = route::answer(&self.state, operation, request);
        let occasion = Occasion { operation, path: request.head.path(), reused: self.served > 1 };
        match self.state.faults.meet(occasion) {
            Some(fault) => {
                self.state.ledger.faulted.fetch_add(1, Relaxed);
                fault.apply(reply)
            }
            None => reply,
        }
    }

    async fn send(&mut self, ticket: Ticket, request: Request, reply: Reply) -> ControlFlow<()> {
        let state = Arc::clone(&self.state);
        let manner = manner(&state, &request);
        let keep = request.head.keep_alive && !reply.close && !reply.ends_with_connection(manner);
        self.idle_limit = reply.idle_limit.or(self.idle_limit);
        if !reply.is_instant() {
            let outcome = self.wire.send(reply, manner).await;
            return self.settle(ticket, &request, outcome, keep);
        }
        let rememberable = keep && state.faults.is_empty();
        let answer = wire::render(reply, manner);
        let outcome = self.wire.write(&answer).await.map(|()| Sent::Whole).map_err(|Gone| Phase::Response);
        let next = self.settle(ticket, &request, outcome, keep);
        if rememberable && answer.len() <= MEMO_LIMIT_BYTES {
            self.memo = Some(Memo { epoch: state.epoch(), request, answer });
        }
        next
    }

    /// The rendered answer to the same request, if nothing has changed since.
    fn recall(&self, request: &Request) -> Option<Bytes> {
        let memo = self.memo.as_ref()?;
        let same = memo.request.body == request.body
            && memo.request.head.keep_alive == request.head.keep_alive
            && memo.request.head.version_10 == request.head.version_10
            && memo.request.head.method() == request.head.method()
            && memo.request.head.target() == request.head.target()
            && memo.request.head.header(route::SIM_HEADER) == request.head.header(route::SIM_HEADER);
        (same && memo.epoch == self.state.epoch() && self.state.faults.is_empty())
            .then(|| memo.answer.clone())
    }

    fn settle(
        &self,
        ticket: Ticket,
        request: &Request,
        outcome: Result<Sent, Phase>,
        keep: bool,
    ) -> ControlFlow<()> {
        match outcome {
            Ok(Sent::Whole) => {
                self.state.ledger.complete();
                if keep { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            }
            Ok(Sent::Cut) => {
                self.state.ledger.cut();
                ControlFlow::Break(())
            }
            Err(phase) => {
                self.state.ledger.abandon(ticket, &request.head, phase);
                ControlFlow::Break(())
            }
        }
    }

    async fn control(&mut self, request: &Request) -> ControlFlow<()> {
        let state = Arc::clone(&self.state);
        let reply = control::answer(&state, request).await;
        let keep = request.head.keep_alive && !reply.close;
        match self.wire.send(reply, manner(&state, request)).await {
            Ok(Sent::Whole) if keep => ControlFlow::Continue(()),
            Ok(_) | Err(_) => ControlFlow::Break(()),
        }
    }

    async fn refuse(&mut self, status: u16, message: &str) -> ControlFlow<()> {
        let mut reply = Dialect::OpenAi.error(status, message);
        reply.close = true;
        let manner = Manner {
            engine: &self.state.name,
            kind: self.state.kind,
            close: true,
            version_10: false,
            head_only: false,
        };
        let answer = wire::render(reply, manner);
        if self.wire.write(&answer).await.is_ok() {
            self.wire.close().await;
        }
        ControlFlow::Break(())
    }

    // === reading ===

    async fn next(&mut self) -> Arrival {
        if let (true, Some(limit)) = (self.wire.inbox.is_empty(), self.idle_limit) {
            match tokio::time::timeout(limit, self.wire.fill()).await {
                Ok(Ok(())) => {}
                Ok(Err(Gone)) | Err(_) => return Arrival::Closed,
            }
        }
        loop {
            if self.wire.inbox.first() == Some(&TLS_HANDSHAKE) {
                return Arrival::Tls;
            }
            match http1::take_head(&mut self.wire.inbox)
                .and_then(|raw| raw.as_ref().map(RequestHead::parse).transpose())
            {
                Ok(Some(head)) => return self.body(head).await,
                Ok(None) if self.wire.fill().await.is_err() => return Arrival::Closed,
                Ok(None) => {}
                Err(Malformed) => return Arrival::Refused(400, "the request is not HTTP/1"),
            }
        }
    }

    async fn body(&mut self, head: RequestHead) -> Arrival {
        let since = Instant::now();
        if head.expects_continue && self.wire.write(b"HTTP/1.1 100 Continue\r\n\r\n").await.is_err() {
            return Arrival::Partial(Request { head, body: Bytes::new(), since });
        }
        match head.framing {
            Framing::None => Arrival::Whole(Request { head, body: Bytes::new(), since }),
            Framing::ContentLength(length) => self.body_of(head, length, since).await,
            Framing::Chunked => self.body_in_chunks(head, since).await,
        }
    }

    async fn body_of(&mut self, head: RequestHead, length: u64, since: Instant) -> Arrival {
        let Some(length) = usize::try_from(length).ok().filter(|length| *length <= BODY_LIMIT_BYTES) else {
            return Arrival::Refused(413, "the request body is too large");
        };
        while self.wire.inbox.len() < length {
            if self.wire.fill().await.is_err() {
                return Arrival::Partial(Request { head, body: self.wire.inbox.split().freeze(), since });
            }
        }
        Arrival::Whole(Request { head, body: self.wire.inbox.split_to(length).freeze(), since })
    }

    async fn body_in_chunks(&mut self, head: RequestHead, since: Instant) -> Arrival {
        let (mut decoder, mut body) = (Dechunk::default(), BytesMut::new());
        loop {
            match decoder.push(&mut self.wire.inbox, |data| body.extend_from_slice(data)) {
                Ok(true) => return Arrival::Whole(Request { head, body: body.freeze(), since }),
                Ok(false) if body.len() > BODY_LIMIT_BYTES => {
                    return Arrival::Refused(413, "the request body is too large");
                }
                Ok(false) => {}
                Err(Malformed) => return Arrival::Refused(400, "the chunked request body is malformed"),
            }
            if self.wire.fill().await.is_err() {
                return Arrival::Partial(Request { head, body: body.freeze(), since });
            }
        }
    }
}

fn manner<'a>(state: &'a State, request: &Request) -> Manner<'a> {
    Manner {
        engine: &state.name,
        kind: state.kind,
        close: !request.head.keep_alive,
        version_10: request.head.version_10,
        head_only: request.head.method() == "HEAD",
    }
}
