//! Everything that can go wrong with a request, seen from the client.

use std::{sync::Arc, time::Duration};

use http::{Method, StatusCode};
use olla_core::{Failure, Lack};
use olla_translate::Untranslatable;
use thiserror::Error;

/// Why a request was refused or failed. `render` turns each into a response in the caller's dialect.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Error {
    /// The path belongs to no route.
    #[error("no such path; use /v1/…, /olla/proxy/… or /olla/<kind>/…")]
    UnknownPath,
    /// The path is one of Ollama's API, which is not at the root.
    #[error(
        "no such path; Ollama's API is below /olla/ollama, and at the root with translators.ollama.at_root: true"
    )]
    NotAtRoot,
    /// `/olla/<prefix>/` with a prefix that no backend kind has.
    #[error("no backend kind has the prefix {0:?}; GET /internal/status/endpoints lists what is there")]
    UnknownPrefix(Box<str>),
    /// The path has dot segments or cannot be forwarded.
    #[error("the path has . or .. segments, or cannot be forwarded")]
    BadPath,
    /// Backends of the right kind exist, but their profile does not forward this path.
    #[error(
        "{path} is not forwarded to the {kind} backends; name it in the endpoint's allow_paths to permit it"
    )]
    PathNotAllowed {
        /// The path, prefix removed.
        path: Box<str>,
        /// The kind, or `configured`.
        kind: Arc<str>,
    },
    /// The method is none that is forwarded to this path.
    #[error(
        "{method} is not forwarded to this path; name the path in the endpoint's allow_paths to permit it"
    )]
    MethodNotAllowed {
        /// The method.
        method: Method,
    },
    /// The path is that of conversations, which are posted.
    #[error("{method} is not possible here; POST sends a conversation")]
    OnlyPosted {
        /// The method.
        method: Method,
    },
    /// The body is compressed, so that nothing can be read of it.
    #[error(
        "the request body has Content-Encoding: {encoding}, and Olla reads the model in it; send it uncompressed"
    )]
    Compressed {
        /// The encoding.
        encoding: Box<str>,
    },
    /// The response that is to be read or forgotten is nobody's.
    #[error("Response with id '{id}' not found.")]
    UnknownResponse {
        /// The id.
        id: Box<str>,
    },
    /// The path is for reading only.
    #[error("{method} is not possible here; GET reads what is there")]
    OnlyRead {
        /// The method.
        method: Method,
    },
    /// A parameter of the query makes no sense.
    #[error("invalid query parameter {name}={value:?}: it must be {allowed}")]
    BadParameter {
        /// The parameter.
        name: &'static str,
        /// What it was set to.
        value: Box<str>,
        /// What it may be set to.
        allowed: Box<str>,
    },
    /// The kind has the operation, and Olla does not offer it.
    #[error("{path} is not offered: {reason}")]
    NotOffered {
        /// The path, prefix removed.
        path: Box<str>,
        /// Why, as the kind's profile says.
        reason: Box<str>,
    },
    /// The request body is over the limit.
    #[error("the request body is larger than {limit_bytes} bytes ({key})")]
    BodyTooLarge {
        /// The limit.
        limit_bytes: u64,
        /// The key of the configuration that sets it.
        key: &'static str,
    },
    /// The request head is over the limit.
    #[error(
        "the request headers are larger than {limit_bytes} bytes (server.request_limits.max_header_size)"
    )]
    HeadersTooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// The request body did not arrive in time.
    #[error("the request body did not arrive within {limit:?} (server.read_timeout)")]
    BodyTimeout {
        /// The limit.
        limit: Duration,
    },
    /// The request body broke off.
    #[error("the request body could not be read to its end")]
    BodyBroken,
    /// The client sends more than it may.
    #[error("too many requests; try again in {} s", retry_after.as_secs().max(1))]
    RateLimited {
        /// When the next request will be admitted.
        retry_after: Duration,
    },
    /// As many requests are being served as may be.
    #[error("{limit} requests are being served, as many as may be (server.limits.max_in_flight); try again")]
    TooManyRequests {
        /// The limit.
        limit: usize,
    },
    /// No endpoint has the model.
    #[error("model {model:?} is {}", absence.of(kind))]
    ModelNotFound {
        /// The name asked for.
        model: Arc<str>,
        /// The kind of endpoint that was asked for, or `configured`.
        kind: Arc<str>,
        /// What makes it absent.
        absence: Absence,
        /// The routing reason, also sent as `X-Olla-Routing-Reason`.
        reason: &'static str,
    },
    /// Endpoints have the model, but none can be used now.
    #[error("model {model:?} is on {}", match endpoints {
        0 => "no endpoint that is known so far".to_owned(),
        n => format!("{n} endpoint(s), none of which is available now"),
    })]
    ModelUnavailable {
        /// The name asked for.
        model: Arc<str>,
        /// How many endpoints have it.
        endpoints: usize,
        /// The routing reason, also sent as `X-Olla-Routing-Reason`.
        reason: &'static str,
    },
    /// The model is there, and cannot do what the request needs.
    #[error("model {model:?} cannot serve this request: {lack}")]
    ModelLacks {
        /// The name asked for.
        model: Arc<str>,
        /// What is missing.
        lack: Lack,
    },
    /// Every endpoint that could serve the request has as many in flight as it may have.
    #[error(
        "all {endpoints} endpoint(s) that could serve this request are busy (max_concurrent), {jam}; try again"
    )]
    Busy {
        /// How many there are.
        endpoints: usize,
        /// Why the request did not wait, or not longer.
        jam: Jam,
    },
    /// No backend of the kind in the path can be used.
    #[error("No {kind} endpoints available: {detail}")]
    KindUnavailable {
        /// The kind.
        kind: Arc<str>,
        /// What is wrong, in words.
        detail: &'static str,
    },
    /// No backend at all can be used.
    #[error("no healthy endpoints available: {detail}")]
    NoEndpoint {
        /// What is wrong, in words.
        detail: &'static str,
    },
    /// No backend that is there takes what the request says, in its own format or another.
    #[error(transparent)]
    Untranslatable(#[from] Untranslatable),
    /// The request goes on from a response that nobody has.
    #[error("Previous response with id '{id}' not found. {}", kept(*kept_for))]
    ResponseNotFound {
        /// The id.
        id: Box<str>,
        /// How long responses are kept that nobody goes on from, zero for ever; `None` if none are kept.
        kept_for: Option<Duration>,
    },
    /// Every attempt failed before a response.
    #[error("{attempts} attempt(s) failed; the last, at endpoint {endpoint:?}: {failure}")]
    Upstream {
        /// The endpoint of the last attempt.
        endpoint: Arc<str>,
        /// How it failed.
        #[source]
        failure: Failure,
        /// How many attempts were made.
        attempts: usize,
    },
}

/// Why a request did not wait until a busy endpoint had room for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Jam {
    /// Requests do not wait.
    #[error("and requests do not wait (proxy.queue)")]
    NoQueue,
    /// As many wait as may.
    #[error("and {max_waiting} requests wait already (proxy.queue.max_waiting)")]
    QueueFull {
        /// How many that is.
        max_waiting: usize,
    },
    /// It has waited for too long.
    #[error("and none had room within {limit:?} (proxy.queue.timeout)")]
    TooLong {
        /// How long that is.
        limit: Duration,
    },
}

/// Says how long responses are kept.
fn kept(idle_ttl: Option<Duration>) -> String {
    let how = match idle_ttl {
        None => "Olla keeps no responses (translators.responses.store)".to_owned(),
        Some(Duration::ZERO) => {
            "Olla keeps responses in memory only (translators.responses.store_size)".to_owned()
        }
        Some(idle_ttl) => format!(
            "Olla keeps responses in memory only, and for {} after their last use \
             (translators.responses.store_ttl)",
            in_words(idle_ttl)
        ),
    };
    format!("{how}; send the items of the conversation in input")
}

/// Writes a time as the configuration does.
fn in_words(time: Duration) -> String {
    match (time.subsec_nanos(), time.as_secs()) {
        (0, seconds) if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        (0, seconds) if seconds % 60 == 0 => format!("{}m", seconds / 60),
        _ => format!("{time:?}"),
    }
}

/// Why nobody has a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absence {
    /// No endpoint lists it.
    Unlisted,
    /// No endpoint lists it, and so many have not listed their models since the start.
    Unheard(usize),
    /// Endpoints have it, and their `models.never` keeps it away.
    Forbidden,
}

// === impl Absence ===

impl Absence {
    /// Says where a model is, of endpoints of some kind.
    fn of(self, kind: &str) -> String {
        match self {
            Self::Unlisted => {
                format!("not on any {kind} endpoint; the model list of the same prefix shows what is")
            }
            Self::Unheard(endpoints) => format!(
                "not on any {kind} endpoint that has listed its models; {endpoints} endpoint(s) have not listed \
                 theirs yet, and GET /internal/status/endpoints says why"
            ),
            Self::Forbidden => format!("kept away by `models.never` from every {kind} endpoint that has it"),
        }
    }
}

// === impl Error ===

impl Error {
    /// Says to which of these values a parameter may be set.
    pub(crate) fn bad_parameter<'a>(
        name: &'static str,
        value: &str,
        allowed: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let allowed = allowed.into_iter().collect::<Vec<_>>().join(", ");
        Self::BadParameter { name, value: value.into(), allowed: format!("one of {allowed}").into() }
    }

    /// Returns the status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::UnknownPath
            | Self::NotAtRoot
            | Self::UnknownPrefix(_)
            | Self::PathNotAllowed { .. }
            | Self::ModelNotFound { .. }
            | Self::UnknownResponse { .. }
            | Self::KindUnavailable { .. } => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } | Self::OnlyRead { .. } | Self::OnlyPosted { .. } => {
                StatusCode::METHOD_NOT_ALLOWED
            }
            Self::Compressed { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotOffered { .. } => StatusCode::NOT_IMPLEMENTED,
            Self::BadPath
            | Self::BodyBroken
            | Self::BadParameter { .. }
            | Self::ModelLacks { .. }
            | Self::ResponseNotFound { .. }
            | Self::Untranslatable(_) => StatusCode::BAD_REQUEST,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeadersTooLarge { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::BodyTimeout { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::TooManyRequests { .. }
            | Self::ModelUnavailable { .. }
            | Self::NoEndpoint { .. }
            | Self::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Upstream { failure: Failure::Exhausted, .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Upstream { failure, .. } if failure.is_timeout() => StatusCode::GATEWAY_TIMEOUT,
            Self::Upstream { .. } => StatusCode::BAD_GATEWAY,
        }
    }

    /// Returns the stable code that clients may match on.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownPath | Self::NotAtRoot => "unknown_path",
            Self::UnknownPrefix(_) => "unknown_prefix",
            Self::BadPath => "bad_path",
            Self::PathNotAllowed { .. } => "path_not_allowed",
            Self::MethodNotAllowed { .. } | Self::OnlyRead { .. } | Self::OnlyPosted { .. } => {
                "method_not_allowed"
            }
            Self::Compressed { .. } => "compressed_body",
            Self::UnknownResponse { .. } => "response_not_found",
            Self::BadParameter { .. } => "bad_parameter",
            Self::NotOffered { .. } => "not_offered",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::HeadersTooLarge { .. } => "headers_too_large",
            Self::BodyTimeout { .. } => "body_timeout",
            Self::BodyBroken => "body_broken",
            Self::RateLimited { .. } => "rate_limited",
            Self::TooManyRequests { .. } => "too_many_in_flight",
            Self::ModelNotFound { .. } => "model_not_found",
            Self::ModelUnavailable { .. } => "model_unavailable",
            // The code that OpenAI's own API has for it.
            Self::ModelLacks { lack: Lack::Context { .. }, .. } => "context_length_exceeded",
            Self::ModelLacks { .. } => "model_lacks_capability",
            Self::Busy { .. } => "endpoints_busy",
            Self::KindUnavailable { .. } => "kind_unavailable",
            Self::NoEndpoint { .. } => "no_endpoint",
            // The code that OpenAI's own API has for it.
            Self::ResponseNotFound { .. } => "previous_response_not_found",
            Self::Untranslatable(error) => error.code(),
            Self::Upstream { failure, .. } => failure.as_str(),
        }
    }

    /// Returns when it is worth trying again, where that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } => Some((*retry_after).max(Duration::from_secs(1))),
            Self::TooManyRequests { .. }
            | Self::ModelUnavailable { .. }
            | Self::NoEndpoint { .. }
            | Self::Busy { .. }
            | Self::Upstream { failure: Failure::Exhausted, .. } => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}
