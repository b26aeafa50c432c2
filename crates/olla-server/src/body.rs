//! The bodies of the server: of requests, by the protocol they come by; of responses, the proxy's or the admin API's.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use hyper::body::Incoming;
use olla_proxy::http1::Direct;

use crate::listen::{Busy, Receiving};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request body.
#[derive(Debug)]
pub(crate) enum RequestBody {
    Http1(Receiving<Direct>),
    Http2(Incoming),
}

/// A response body. While it lives, its connection counts as busy.
#[derive(Debug, Default)]
pub(crate) struct ResponseBody {
    content: Content,
    busy: Option<Busy>,
}

#[derive(Debug, Default)]
enum Content {
    #[default]
    Empty,
    Proxied(olla_proxy::Body),
    Admin(axum::body::Body),
}

// === impl RequestBody ===

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(match self.get_mut() {
            Self::Http1(body) => ready!(Pin::new(body).poll_frame(cx)).map(|f| f.map_err(Into::into)),
            Self::Http2(body) => ready!(Pin::new(body).poll_frame(cx)).map(|f| f.map_err(Into::into)),
        })
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(body) => body.size_hint(),
            Self::Http2(body) => body.size_hint(),
        }
    }
}

// === impl ResponseBody ===

impl ResponseBody {
    /// Keeps the connection busy until this body is gone.
    pub(crate) fn hold(mut self, busy: Busy) -> Self {
        self.busy = Some(busy);
        self
    }
}

impl From<olla_proxy::Body> for ResponseBody {
    fn from(body: olla_proxy::Body) -> Self {
        Self { content: Content::Proxied(body), busy: None }
    }
}

impl From<axum::body::Body> for ResponseBody {
    fn from(body: axum::body::Body) -> Self {
        Self { content: Content::Admin(body), busy: None }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(match &mut self.content {
            Content::Empty => None,
            Content::Proxied(body) => ready!(Pin::new(body).poll_frame(cx)).map(|f| f.map_err(Into::into)),
            Content::Admin(body) => ready!(Pin::new(body).poll_frame(cx)).map(|f| f.map_err(Into::into)),
        })
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Empty => true,
            Content::Proxied(body) => body.is_end_stream(),
            Content::Admin(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Empty => SizeHint::with_exact(0),
            Content::Proxied(body) => body.size_hint(),
            Content::Admin(body) => body.size_hint(),
        }
    }
}
