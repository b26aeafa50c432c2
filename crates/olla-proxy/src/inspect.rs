//! Reads enough of a request to route it by model: the whole body, bounded in size and time.

use std::{pin::pin, sync::Arc};

use bytes::{Buf, Bytes};
use http::{Method, Request, request};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::{
    Error,
    replay::Replay,
    route::Route,
    scan::{FoundModel, Scanner},
    settings::Limits,
};

/// A request that is complete, can be sent more than once, and whose model is known if it names one.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(crate) head: request::Parts,
    pub(crate) route: Route,
    pub(crate) body: Replay,
    pub(crate) model: Option<NamedModel>,
}

/// The model a request names, and where its JSON string stands in the body.
#[derive(Debug, Clone)]
pub(crate) struct NamedModel {
    pub(crate) name: Arc<str>,
    pub(crate) span: std::ops::Range<u64>,
}

/// Reads the body. Cancel-safe: dropping the future drops the request.
pub(crate) async fn read<B>(request: Request<B>, route: Route, limits: &Limits) -> Result<Inbound, Error>
where
    B: Body<Data = Bytes>,
{
    let (head, body) = request.into_parts();
    if body.is_end_stream() || matches!(head.method, Method::HEAD | Method::TRACE) {
        return Ok(Inbound { head, route, body: Replay::default(), model: None });
    }
    let read = collect(body, limits.max_body_bytes);
    let (body, model) = if limits.body_timeout.is_zero() {
        read.await?
    } else {
        let limit = limits.body_timeout;
        timeout(limit, read).await.map_err(|_| Error::BodyTimeout { limit })??
    };
    Ok(Inbound { head, route, body, model })
}

async fn collect<B>(body: B, limit: u64) -> Result<(Replay, Option<NamedModel>), Error>
where
    B: Body<Data = Bytes>,
{
    let mut body = pin!(body);
    let mut replay = Replay::default();
    let mut scanner = Scanner::default();
    while let Some(frame) = body.frame().await {
        let Ok(chunk) = frame.map_err(|_| Error::BodyBroken)?.into_data() else { continue };
        if !chunk.has_remaining() {
            continue;
        }
        if limit > 0 && replay.len() + chunk.len() as u64 > limit {
            return Err(Error::BodyTooLarge { limit_bytes: limit });
        }
        scanner.feed(&chunk);
        replay.push(chunk);
    }
    let model = scanner.finish().and_then(NamedModel::new);
    Ok((replay, model))
}

// === impl NamedModel ===

impl NamedModel {
    fn new(found: FoundModel) -> Option<Self> {
        let name = found.name.trim();
        (!name.is_empty()).then(|| Self { name: name.into(), span: found.span })
    }
}
