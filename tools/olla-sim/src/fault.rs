//! Scripted faults: what goes wrong, for which requests, how often, for how long. A fault never touches a socket;
//! it rewrites the reply (`Fault::apply`), and the wire then does what the reply says.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::reply::{Body, Cut, Ending, Reply};
use crate::route::Operation;

/// Something that goes wrong with a response. Byte counts are bytes of the body, after the head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Fault {
    /// The connection is reset (RST) instead of an answer.
    ResetBeforeHead,
    /// The connection is closed (FIN) instead of an answer.
    CloseBeforeHead,
    /// The connection is reset after so many bytes of the body.
    ResetAfter {
        /// Bytes of the body that are sent first.
        bytes: usize,
    },
    /// The connection is closed after so many bytes of the body, which is thereby cut short.
    CloseAfter {
        /// Bytes of the body that are sent first.
        bytes: usize,
        /// How the body was announced; the usual way of the answer if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        framed: Option<Framed>,
    },
    /// The request is never answered.
    HangBeforeHead,
    /// The response stops after so many bytes of the body, and the connection stays open.
    HangAfter {
        /// Bytes of the body that are sent first.
        bytes: usize,
    },
    /// This answer instead of the usual one.
    Status {
        /// Status code.
        status: u16,
        /// Extra header fields.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// The body; an error in the caller's dialect if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
    },
    /// The response leaves at this rate, head included.
    SlowDrip {
        /// Bytes per second.
        bytes_per_second: NonZeroU32,
    },
    /// A response head that is not HTTP, then a close.
    MalformedHead,
    /// The usual answer behind a head of at least this size, nearly all of it one field.
    OversizeHead {
        /// Bytes of the field's value.
        bytes: usize,
    },
    /// A chunked body whose next chunk size is not a number, then a close.
    MalformedChunk {
        /// Bytes of the body that are sent in good chunks first.
        bytes: usize,
    },
    /// The whole body in good chunks, and behind the last of them a trailer that is no field, then a close.
    MalformedTrailers,
    /// Inference is answered 500, whatever the scope; health checks and everything else work.
    LieOnHealth,
    /// 429 with `Retry-After`.
    RateLimited {
        /// Value of `Retry-After` in seconds.
        retry_after_secs: u32,
    },
    /// A 200 stream that breaks off with an error event of its dialect. Other responses are not changed.
    StreamError {
        /// Events that are sent first.
        after_events: usize,
    },
    /// After this response the connection is closed when it was idle for so long.
    IdleClose {
        /// Idle time in milliseconds.
        after_ms: u64,
    },
    /// `Connection: close` with the response, and a close after it.
    ConnectionClose,
}

/// How a body is announced to the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Framed {
    /// By `Content-Length`.
    ContentLength,
    /// By `Transfer-Encoding: chunked`.
    Chunked,
}

/// The requests that a fault meets. Those below `/sim/` never meet one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Every request.
    #[default]
    All,
    /// Chat, completion, embedding and message requests.
    Inference,
    /// Requests for the kind's health path.
    Health,
    /// Requests on a connection that served one before: what a stale pooled connection looks like.
    Reused,
    /// Requests whose path begins so.
    Path(String),
}

/// A fault with its scope and limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Armed {
    /// What goes wrong.
    pub fault: Fault,
    /// For which requests.
    #[serde(default)]
    pub scope: Scope,
    /// For how many requests; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// For how long, in milliseconds from now; for ever if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<u64>,
}

/// The error for text that is not an [`Armed`] fault.
#[derive(Debug, thiserror::Error)]
#[error("not a fault: {source}")]
pub struct FaultSyntax {
    #[from]
    source: serde_json::Error,
}

/// The faults of one engine. The first that matches a request meets it.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    any: AtomicBool,
    slots: Mutex<Vec<Slot>>,
}

#[derive(Debug)]
struct Slot {
    armed: Armed,
    until: Option<Instant>,
}

/// What decides whether a fault meets a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Occasion<'a> {
    pub(crate) operation: Operation,
    pub(crate) path: &'a str,
    pub(crate) reused: bool,
}

// === impl Fault ===

impl Fault {
    /// Limits this fault to some requests.
    #[must_use]
    pub fn on(self, scope: Scope) -> Armed {
        Armed { scope, ..Armed::from(self) }
    }

    /// Limits this fault to the next `count` requests.
    #[must_use]
    pub fn times(self, count: u32) -> Armed {
        Armed::from(self).times(count)
    }

    /// Rewrites the usual reply into the faulty one.
    pub(crate) fn apply(&self, mut reply: Reply) -> Reply {
        match self {
            Fault::ResetBeforeHead => reply.cut = Some(Cut::BeforeHead(Ending::Reset)),
            Fault::CloseBeforeHead => reply.cut = Some(Cut::BeforeHead(Ending::Close)),
            Fault::HangBeforeHead => reply.cut = Some(Cut::BeforeHead(Ending::Hang)),
            Fault::MalformedHead => {
                reply.cut = Some(Cut::BeforeHead(Ending::Garbage(b"HTTP/9 what\nis: this\n\n")));
            }
            Fault::ResetAfter { bytes } => reply.cut = Some(Cut::After(*bytes, Ending::Reset)),
            Fault::HangAfter { bytes } => reply.cut = Some(Cut::After(*bytes, Ending::Hang)),
            Fault::CloseAfter { bytes, framed } => {
                reply.cut = Some(Cut::After(*bytes, Ending::Close));
                reply.frame_as(*framed);
            }
            Fault::MalformedChunk { bytes } => {
                reply.cut = Some(Cut::After(*bytes, Ending::Garbage(b"not-a-size\r\noops\r\n")));
                reply.frame_as(Some(Framed::Chunked));
            }
            Fault::MalformedTrailers => {
                reply.cut = Some(Cut::After(usize::MAX, Ending::Garbage(b"0\r\nno trailer\r\n\r\n")));
                reply.frame_as(Some(Framed::Chunked));
            }
            Fault::OversizeHead { bytes } => return reply.header("x-padding", &"x".repeat(*bytes)),
            Fault::Status { status, headers, body } => {
                return status_reply(&reply, *status, headers, body.as_deref());
            }
            Fault::LieOnHealth => {
                return reply.dialect.error(500, "the model failed while it looked healthy");
            }
            Fault::RateLimited { retry_after_secs } => {
                let limited = reply.dialect.error(429, "too many requests, slow down");
                return limited.header("retry-after", &retry_after_secs.to_string());
            }
            Fault::SlowDrip { bytes_per_second } => reply.bytes_per_second = Some(*bytes_per_second),
            Fault::StreamError { after_events } => break_stream(&mut reply, *after_events),
            Fault::IdleClose { after_ms } => reply.idle_limit = Some(Duration::from_millis(*after_ms)),
            Fault::ConnectionClose => reply.close = true,
        }
        reply
    }
}

fn status_reply(usual: &Reply, status: u16, headers: &BTreeMap<String, String>, body: Option<&str>) -> Reply {
    let reply = match body {
        Some(text) => Reply { status, ..Reply::text(Bytes::copy_from_slice(text.as_bytes())) },
        None => usual.dialect.error(status, "this engine was told to fail"),
    };
    headers.iter().fold(reply, |reply, (name, value)| reply.header(name, value))
}

fn break_stream(reply: &mut Reply, after_events: usize) {
    let dialect = reply.dialect;
    reply.body = match std::mem::replace(&mut reply.body, Body::Full(Bytes::new())) {
        Body::Stream(frames) => {
            Body::Stream(Box::new(frames.take(after_events).chain(std::iter::once(dialect.error_event()))))
        }
        full @ Body::Full(_) => full,
    };
}

// === impl Armed ===

impl Armed {
    /// Limits the fault to the next `count` requests.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.count = Some(count);
        self
    }

    /// Limits the fault to some time from now.
    #[must_use]
    pub fn lasting(mut self, time: Duration) -> Self {
        self.for_ms = Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self
    }
}

impl From<Fault> for Armed {
    fn from(fault: Fault) -> Self {
        Armed { fault, scope: Scope::All, count: None, for_ms: None }
    }
}

impl FromStr for Armed {
    type Err = FaultSyntax;

    /// Parses JSON as in `PUT /sim/fault`, or the bare name of a fault that has no fields.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim_start().starts_with('{') {
            return Ok(serde_json::from_str(text)?);
        }
        let fault: Fault = serde_json::from_value(serde_json::Value::from(text))?;
        Ok(fault.into())
    }
}

// === impl Faults ===

impl Faults {
    pub(crate) fn set(&self, faults: Vec<Armed>) {
        let now = Instant::now();
        let until = |armed: &Armed| armed.for_ms.and_then(|ms| now.checked_add(Duration::from_millis(ms)));
        let slots: Vec<_> = faults.into_iter().map(|armed| Slot { until: until(&armed), armed }).collect();
        let mut guard = self.lock();
        self.any.store(!slots.is_empty(), Relaxed);
        *guard = slots;
    }

    pub(crate) fn list(&self) -> Vec<Armed> {
        self.lock().iter().map(|slot| slot.armed.clone()).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.any.load(Relaxed)
    }

    /// Returns the fault that meets this request, and counts it.
    pub(crate) fn meet(&self, occasion: Occasion<'_>) -> Option<Fault> {
        if self.is_empty() {
            return None;
        }
        let now = Instant::now();
        let mut slots = self.lock();
        slots.retain(|slot| slot.until.is_none_or(|until| now < until));
        let index = slots.iter().position(|slot| slot.armed.meets(occasion));
        let slot = index.and_then(|index| slots.get_mut(index));
        let fault = slot.map(|slot| {
            slot.armed.count = slot.armed.count.map(|count| count.saturating_sub(1));
            slot.armed.fault.clone()
        });
        slots.retain(|slot| slot.armed.count != Some(0));
        self.any.store(!slots.is_empty(), Relaxed);
        fault
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Armed {
    fn meets(&self, occasion: Occasion<'_>) -> bool {
        if self.count == Some(0) {
            return false;
        }
        if self.fault == Fault::LieOnHealth {
            return occasion.operation.is_inference();
        }
        match &self.scope {
            Scope::All => true,
            Scope::Inference => occasion.operation.is_inference(),
            Scope::Health => occasion.operation == Operation::Health,
            Scope::Reused => occasion.reused,
            Scope::Path(prefix) => occasion.path.starts_with(prefix.as_str()),
        }
    }
}

#[cfg(test)]
mod tests;
