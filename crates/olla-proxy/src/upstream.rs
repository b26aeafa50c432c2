//! The client side: pooled HTTP/1.1 connections to backends.
//!
//! One [`Upstream`] belongs to one worker: connections are driven by the requests that use them, on the runtime
//! that opened them, and are never shared between threads that compete.

mod answer;
mod connect;
mod http1;
mod pool;
mod tls;

use std::{borrow::Cow, pin::pin, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, uri::PathAndQuery};
use http_body_util::BodyExt;
use olla_core::{Endpoint, EndpointSpec, Failure, Target, TlsTrust};
use tokio::time::{Instant, timeout};

pub(crate) use answer::{Answer, AnswerBody};
pub use connect::ConnectTimeouts;

use crate::{added::Added, clock, replay::Replay};
use connect::Connector;
use http1::Connection;
use pool::{Failed, Pool, Pooled};

/// Sends requests to backends over pooled connections. Cloning shares the pool.
#[derive(Debug, Clone)]
pub struct Upstream {
    connector: Connector,
    pool: Pool,
}

/// A request of ours: the client's with what is the backend's business. Nothing of it is used up by sending it.
#[derive(Debug)]
pub(crate) struct OwnRequest<'r> {
    pub(crate) method: &'r Method,
    /// Path and query.
    pub(crate) target: Cow<'r, PathAndQuery>,
    /// What goes into `Host`, whatever `headers` say.
    pub(crate) host: &'r HeaderValue,
    /// All other headers; `Content-Length` says how long `body` is, whatever they say.
    pub(crate) headers: Cow<'r, HeaderMap>,
    /// Fields that are not among them.
    pub(crate) added: &'r Added,
    pub(crate) body: Cow<'r, Replay>,
}

/// A small, complete answer, as health checks and model listings want it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Fetched {
    /// Response status.
    pub status: StatusCode,
    /// Response headers.
    pub headers: HeaderMap,
    /// The body, or as much of it as the limit allows.
    pub body: Bytes,
    /// Whether the body was longer than the limit.
    pub cut_off: bool,
}

/// When a request gives up waiting for its response head, and whether it may be sent twice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SendPolicy {
    /// Now, nearly enough.
    pub(crate) begun: Instant,
    /// Limit from the start of the sending to the response head, connecting excluded.
    pub(crate) head_timeout: Duration,
    /// Whether the backend may see the request a second time: it is idempotent, or an inference call.
    pub(crate) replayable: bool,
}

// === impl Upstream ===

impl Upstream {
    /// Creates a client with an empty pool.
    #[must_use]
    pub fn new(timeouts: ConnectTimeouts) -> Self {
        Self { connector: Connector::new(timeouts), pool: Pool::default() }
    }

    /// Sends a request to an endpoint and returns its response head.
    ///
    /// A pooled connection that the backend has closed in the meantime is replaced by a fresh one, once,
    /// when the request may be sent twice or has not been sent at all. A connection that `is_hopeless` is waited
    /// for no longer.
    pub(crate) async fn send(
        &self,
        endpoint: &Arc<Endpoint>,
        request: &OwnRequest<'_>,
        is_hopeless: impl Fn() -> bool,
        policy: SendPolicy,
    ) -> Result<Answer, Failure> {
        if let Some(pooled) = self.pool.take(endpoint.id, policy.begun) {
            match pooled.send(request, policy.begun, policy.head_timeout).await {
                Ok(answer) => return Ok(answer),
                Err(Failed { failure: Failure::Stale, sent }) if policy.replayable || !sent => {}
                Err(Failed { failure, .. }) => return Err(failure),
            }
        }
        // alloc: only when there is no idle connection; unboxed, it would double every request's future.
        let connection = Box::pin(self.connect(&endpoint.spec, is_hopeless)).await?;
        let fresh = Pooled::fresh(connection, self.pool.home(endpoint.id));
        fresh.send(request, clock::instant(), policy.head_timeout).await.map_err(|failed| failed.failure)
    }

    async fn connect(
        &self,
        spec: &EndpointSpec,
        is_hopeless: impl Fn() -> bool,
    ) -> Result<Box<Connection>, Failure> {
        let mut connecting = pin!(self.connector.connect(&spec.base, &spec.trust));
        loop {
            match timeout(LOOK, connecting.as_mut()).await {
                Ok(ended) => return ended,
                Err(_) if is_hopeless() => return Err(Failure::Unreachable),
                Err(_) => {}
            }
        }
    }

    /// Asks for one small document over a connection of its own, and reads at most `limit_bytes` of body.
    ///
    /// With a body, which `headers` describe, the request is a POST, else a GET.
    /// Redirects are not followed. The caller sets the time limit by dropping the future.
    ///
    /// # Errors
    /// Returns how the exchange failed.
    pub async fn fetch(
        &self,
        target: &Target,
        trust: &TlsTrust,
        (headers, body): (HeaderMap, Option<Bytes>),
        limit_bytes: usize,
    ) -> Result<Fetched, Failure> {
        let connection = self.connector.connect(&target.base, trust).await?;
        let mut request = OwnRequest {
            method: &Method::GET,
            target: Cow::Borrowed(&target.path),
            host: target.base.authority(),
            headers: Cow::Owned(headers),
            added: Added::NONE,
            body: Cow::Owned(Replay::default()),
        };
        if let Some(body) = body {
            request.method = &Method::POST;
            request.body.to_mut().push(body);
        }
        request.headers.to_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        let sent = Pooled::unpooled(connection).send(&request, clock::instant(), FETCH_LIMIT).await;
        let answer = sent.map_err(|failed| failed.failure)?;
        let (head, body) = answer.into_parts();
        let (body, cut_off) = read_up_to(body, limit_bytes).await?;
        Ok(Fetched { status: head.status, headers: head.headers, body, cut_off })
    }
}

async fn read_up_to(mut body: AnswerBody, limit_bytes: usize) -> Result<(Bytes, bool), Failure> {
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(chunk) = frame?.into_data() else { continue };
        let room = limit_bytes - read.len();
        if chunk.len() > room {
            read.extend_from_slice(&chunk[..room]);
            return Ok((read.freeze(), true));
        }
        read.extend_from_slice(&chunk);
    }
    Ok((read.freeze(), false))
}

/// Time between two looks at whether a connection is worth waiting for.
const LOOK: Duration = Duration::from_secs(1);
/// An upper bound for a caller that sets no time limit of its own.
const FETCH_LIMIT: Duration = Duration::from_secs(120);
