//! The HTTP client as this crate sees it: one small question. Whoever composes the program hands one in.

use std::future::Future;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use olla_core::{Failure, Target, TlsTrust};

/// Sends one request to a backend.
///
/// An implementation must not follow redirects (the headers hold credentials), must not use a proxy of
/// the environment, and need not limit the time: that is done here, by dropping the future.
pub trait Fetch: Send + Sync + 'static {
    /// Sends the request and reads the answer, whatever its status.
    fn fetch(&self, inquiry: Inquiry) -> impl Future<Output = Result<Fetched, Failure>> + Send;
}

/// A request, complete: every header that is to be sent, except `Host` and those that say how long the body is.
#[derive(Clone)]
pub struct Inquiry {
    /// Where to, and what for.
    pub target: Target,
    /// Whom to trust if the connection uses TLS.
    pub trust: TlsTrust,
    /// Headers to send.
    pub headers: HeaderMap,
    /// A JSON document: with one the request is a POST, without it a GET.
    pub json: Option<Bytes>,
    /// Bytes of the answer's body to read at most; the rest is discarded.
    pub body_limit: usize,
}

/// The answer to a [`Inquiry`].
#[derive(Clone)]
pub struct Fetched {
    /// Status, as sent.
    pub status: StatusCode,
    /// Headers, as sent.
    pub headers: HeaderMap,
    /// The body, or its first [`Inquiry::body_limit`] bytes.
    pub body: Bytes,
    /// Whether the body was longer than the limit.
    pub cut_off: bool,
}

// === impl Inquiry ===

impl std::fmt::Debug for Inquiry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Header values may be credentials.
        f.debug_struct("Inquiry").field("target", &self.target).finish_non_exhaustive()
    }
}

// === impl Fetched ===

impl std::fmt::Debug for Fetched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetched")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
