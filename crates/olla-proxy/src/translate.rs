//! A request in the words of another format, and the answer turned back.
//!
//! Planned when a candidate is chosen that does not take the client's format.
//! A whole answer is turned back here, and so still before the client has seen anything; a stream is turned back
//! by [`Translated`](crate::body) as it flows.

mod client;
mod plans;
mod stamp;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use olla_core::{Endpoint, Failure};
use olla_translate::{
    Dialect, Dropped, EmbeddingApi, EmbeddingRequest, ErrorFacts, Format, ResponseTranslator,
    StreamTranslator, Translation, Unreadable, Untranslatable,
};
use smallvec::SmallVec;
use tokio::time::{Instant, timeout};

use crate::{
    clock,
    headers::{ANTHROPIC_VERSION, RETRY_AFTER_MS, X_API_KEY, X_SHOULD_RETRY, is_foreign},
    inspect::NamedModel,
    replay::Replay,
    responses::Turn,
    tongues::{self, Tongue},
    upstream::Answer,
};

pub(crate) use client::{Client, EMBEDDINGS};
pub(crate) use plans::{Plans, There};

/// A request in the words of another format.
#[derive(Debug)]
pub(crate) struct Plan {
    client: Dialect,
    backend: Dialect,
    /// The short name of the format in which the backend is asked.
    pub(crate) asked_in: &'static str,
    body: Replay,
    /// When it was made: about when the request was complete.
    began: Instant,
    /// Whether the client waits for a stream.
    pub(crate) streams: bool,
    /// What was left out, ready to be a header.
    pub(crate) dropped: Option<HeaderValue>,
    back: Back,
}

/// What turns the answer back.
#[derive(Debug)]
enum Back {
    Conversation(ResponseTranslator),
    Embeddings(EmbeddingRequest),
}

/// The longest answer that is translated as a whole, bytes.
const MAX_WHOLE: usize = 64 << 20;
/// How much is read of an error, bytes.
const MAX_ERROR: usize = 1 << 20;
/// The longest that a backend may take to say more of its error.
const LONGEST_ERROR: Duration = Duration::from_secs(10);

/// What of a backend's response head is for a client that is answered in another format.
const KEPT: [header::HeaderName; 3] = [header::RETRY_AFTER, RETRY_AFTER_MS, X_SHOULD_RETRY];

// === impl Plan ===

impl Plan {
    fn new(
        client: Client,
        body: &Replay,
        (tongue, there): (Option<&Tongue>, There<'_>),
    ) -> Result<Self, Untranslatable> {
        match (client, tongue) {
            (Client::Conversation(client), Some(tongue)) => {
                Self::of_conversation(client, body, (tongue, there))
            }
            (Client::Embeddings(api), None) => Self::of_embeddings(api, body),
            _ => Err(Untranslatable::Malformed("nothing is translated so".into())),
        }
    }

    // alloc: translation reads the whole body and writes another.
    fn of_conversation(
        client: Format,
        body: &Replay,
        (tongue, there): (&Tongue, There<'_>),
    ) -> Result<Self, Untranslatable> {
        let backend = tongue.format;
        let Some(translation) = Translation::between(client, backend) else {
            // Tongues offer no such target.
            return Err(Untranslatable::Malformed(format!("nothing is translated into {backend}")));
        };
        let named = NamedModel::find(body);
        let model = there.rename.or(named.as_ref().map(|model| &*model.name)).unwrap_or_default();
        let mut abilities = tongue.abilities_of(model);
        if !there.thinks {
            abilities.to_mut().thinks = false;
        }
        let request = translation.plan(&body.whole(), &abilities.suiting(model), stamp::new())?;
        Ok(Self {
            client: client.dialect(),
            backend: backend.dialect(),
            asked_in: tongues::name(backend),
            body: whole(request.body),
            began: clock::instant(),
            streams: request.stream,
            dropped: told(&request.dropped),
            back: Back::Conversation(request.response),
        })
    }

    // alloc: as above.
    fn of_embeddings(api: EmbeddingApi, body: &Replay) -> Result<Self, Untranslatable> {
        let request = EmbeddingRequest::read(api, &body.whole())?;
        Ok(Self {
            client: Dialect::Ollama,
            backend: Dialect::OpenAi,
            asked_in: EMBEDDINGS,
            body: whole(request.body.clone()),
            began: clock::instant(),
            streams: false,
            dropped: told(&request.dropped),
            back: Back::Embeddings(request),
        })
    }

    /// Tells the answer from what it goes on, and whether it is kept.
    fn announce(&mut self, turn: &Turn) {
        if let Back::Conversation(response) = &mut self.back {
            turn.announce(response);
        }
    }

    /// Returns the body, with another name in place of the model's.
    pub(crate) fn body(&self, rename: Option<&str>) -> Replay {
        let Some(name) = rename else { return self.body.clone() };
        NamedModel::find(&self.body).map_or_else(|| self.body.clone(), |model| model.rename(&self.body, name))
    }

    /// Makes the client's headers those of the new body: it has another type and length, and the answer has to be
    /// read. What concerns the client's own format is of no use to the backend.
    pub(crate) fn dress(&self, headers: &mut HeaderMap) {
        let backend = self.backend;
        let foreign: SmallVec<[_; 4]> =
            headers.keys().filter(|name| is_foreign(name, backend)).cloned().collect();
        for name in foreign {
            headers.remove(name);
        }
        headers.remove(header::CONTENT_ENCODING);
        let accept = if self.streams { backend.stream_content_type() } else { JSON };
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
        if backend == Dialect::Anthropic {
            headers.insert(ANTHROPIC_VERSION, HeaderValue::from_static(WRITTEN_VERSION));
        }
    }

    /// Puts the client's key, where a backend gets it, to where that looks for it.
    pub(crate) fn move_key(&self, headers: &mut HeaderMap) {
        let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer = bearer.and_then(|value| value.strip_prefix("Bearer "));
        match (self.backend, headers.get(X_API_KEY), bearer) {
            (Dialect::Anthropic, None, Some(key)) => {
                if let Some(key) = secret(key) {
                    headers.remove(header::AUTHORIZATION);
                    headers.insert(X_API_KEY, key);
                }
            }
            (Dialect::OpenAi | Dialect::Ollama, Some(key), None) => {
                if let Some(key) = key.to_str().ok().and_then(|key| secret(&format!("Bearer {key}"))) {
                    headers.remove(X_API_KEY);
                    headers.insert(header::AUTHORIZATION, key);
                }
            }
            _ => {}
        }
    }

    /// Turns a whole answer back. Cancel-safe: dropping the future drops the answer.
    pub(crate) async fn turn_back(&self, answer: &mut Answer, stall: Duration) -> Result<(), Failure> {
        let status = answer.status();
        let (body, cut_off) = collect(answer, MAX_WHOLE, stall).await?;
        if cut_off {
            return Err(Failure::Unreadable);
        }
        let content_type = if self.streams { self.client.stream_content_type() } else { JSON };
        let turned = match &self.back {
            Back::Embeddings(request) => request.answer(&body, clock::since(self.began)),
            Back::Conversation(response) => {
                let mut response = response.clone();
                response.tick(clock::since(self.began));
                if self.streams { response.whole_as_stream(&body) } else { response.whole(&body) }
            }
        };
        clock::catch_up();
        match turned {
            Ok(turned) => self.replace(answer, status, (content_type, turned)),
            Err(Unreadable::Error { status, .. }) => {
                let (status, turned) = self.error(status, &body);
                self.replace(answer, code(status), (JSON, turned));
            }
            Err(_) => return Err(Failure::Unreadable),
        }
        Ok(())
    }

    /// Turns an answer that is no success back.
    ///
    /// A backend that refuses our own credentials is no fault of the client, whose key it has never seen.
    pub(crate) async fn turn_error_back(&self, answer: &mut Answer, endpoint: &Endpoint) {
        let status = answer.status();
        let ours = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
            && !endpoint.spec.forward_credentials;
        let read = async { collect(answer, MAX_ERROR, Duration::ZERO).await };
        // What cannot be read of it is left out: the status is the answer.
        let body = match timeout(LONGEST_ERROR, read).await {
            Ok(Ok((body, _))) => body,
            Ok(Err(_)) | Err(_) => Bytes::new(),
        };
        let (status, turned) = if ours {
            let message = format!(
                "endpoint {:?} refused the credentials that Olla sends with status {}; check its `auth`",
                endpoint.spec.name,
                status.as_u16()
            );
            let facts = ErrorFacts::new(502, "backend_credentials", &message);
            (502, self.client.error_body(&facts))
        } else {
            let status = if status.as_u16() < 400 { 502 } else { status.as_u16() };
            self.error(status, &body)
        };
        self.replace(answer, code(status), (JSON, turned));
    }

    /// Makes a stream's head that of the client's format.
    pub(crate) fn turn_head_back(&self, headers: &mut HeaderMap) {
        keep(headers);
        let content_type = self.client.stream_content_type();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }

    fn replace(&self, answer: &mut Answer, status: StatusCode, (content_type, body): (&'static str, Bytes)) {
        let length = HeaderValue::from(body.len());
        let head = answer.replace_body(body);
        head.status = status;
        keep(&mut head.headers);
        head.headers.insert(header::CONTENT_LENGTH, length);
        head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }

    fn error(&self, status: u16, body: &[u8]) -> (u16, Bytes) {
        match &self.back {
            Back::Conversation(response) => response.error(status, body),
            Back::Embeddings(request) => request.error(status, body),
        }
    }

    /// Returns what turns a stream back, and when the request was complete. Only conversations have streams.
    pub(crate) fn stream(&self) -> Option<(StreamTranslator, Instant)> {
        match &self.back {
            Back::Conversation(response) => Some((response.clone().stream(), self.began)),
            Back::Embeddings(_) => None,
        }
    }

    /// Returns the id under which the answer is kept, if it is.
    pub(crate) fn kept_as(&self) -> Option<String> {
        match &self.back {
            Back::Conversation(response) if response.is_kept() => Some(response.response_id()),
            Back::Conversation(_) | Back::Embeddings(_) => None,
        }
    }

    pub(crate) fn client_dialect(&self) -> Dialect {
        self.client
    }

    pub(crate) fn backend_dialect(&self) -> Dialect {
        self.backend
    }
}

const JSON: &str = "application/json";
/// The version of Anthropic's format that is written.
const WRITTEN_VERSION: &str = "2023-06-01";

fn whole(bytes: Bytes) -> Replay {
    let mut body = Replay::default();
    body.push(bytes);
    body
}

/// Makes a header of what was left out, if anything was.
fn told(dropped: &Dropped) -> Option<HeaderValue> {
    Some(dropped).filter(|dropped| !dropped.is_empty())?.header_value().try_into().ok()
}

fn keep(headers: &mut HeaderMap) {
    let mut kept = HeaderMap::with_capacity(12);
    for name in KEPT {
        if let Some(value) = headers.remove(&name) {
            kept.insert(name, value);
        }
    }
    *headers = kept;
}

fn secret(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY)
}

/// Reads a body up to a limit, and tells whether there was more. `stall` is the longest silence; zero is any.
async fn collect(answer: &mut Answer, limit: usize, stall: Duration) -> Result<(Bytes, bool), Failure> {
    let mut read = BytesMut::new();
    loop {
        let frame = answer.body_mut().frame();
        let frame = match stall.is_zero() {
            true => frame.await,
            false => timeout(stall, frame).await.map_err(|_| Failure::Stall)?,
        };
        let Some(frame) = frame else { return Ok((read.freeze(), false)) };
        let Ok(chunk) = frame?.into_data() else { continue };
        if chunk.len() > limit.saturating_sub(read.len()) {
            return Ok((read.freeze(), true));
        }
        read.extend_from_slice(&chunk);
    }
}
