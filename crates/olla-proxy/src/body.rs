//! Response bodies: our own in one piece, or a backend's, forwarded piece by piece as it arrives.

mod custody;
mod ending;
mod tracked;
mod translated;
mod watch;

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use olla_core::Failure;

pub(crate) use ending::Ending;
pub(crate) use tracked::{Nature, Tracked};
pub(crate) use translated::Translated;
pub(crate) use watch::Limits;

/// The body of a response. An error means that a backend's body broke off: the server must then abort the
/// response, so that what has been sent does not look complete.
#[derive(Debug)]
pub struct Body(Inner);

#[derive(Debug)]
enum Inner {
    Whole(Bytes),
    // alloc: one box per response, so that the enum stays small in the server's connection state.
    Tracked(Box<Tracked>),
    Translated(Box<Translated>),
}

// === impl Body ===

impl Body {
    /// Returns a body of one piece.
    #[must_use]
    pub fn whole(bytes: Bytes) -> Self {
        Self(Inner::Whole(bytes))
    }

    pub(crate) fn tracked(tracked: Box<Tracked>) -> Self {
        Self(Inner::Tracked(tracked))
    }

    pub(crate) fn translated(translated: Translated) -> Self {
        Self(Inner::Translated(Box::new(translated)))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        match &mut self.0 {
            Inner::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Inner::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Inner::Tracked(tracked) => Pin::new(&mut **tracked).poll_frame(cx),
            Inner::Translated(translated) => Pin::new(&mut **translated).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Whole(bytes) => bytes.is_empty(),
            Inner::Tracked(tracked) => tracked.is_end_stream(),
            Inner::Translated(translated) => translated.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Inner::Tracked(tracked) => tracked.size_hint(),
            Inner::Translated(translated) => translated.size_hint(),
        }
    }
}
