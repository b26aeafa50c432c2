//! The embeddable LLM proxy: a tower `Service` that routes by model, balances, fails over and streams.
//!
//! It takes a request on the OpenAI surface (`/v1/…`), for all backends (`/olla/proxy/…`) or for one kind
//! (`/olla/<prefix>/…`), finds the endpoints that can serve it in the fleet's current snapshot, and
//! forwards it to the best one; when that fails before the client has seen a byte, to the next.
//!
//! It must not know how endpoints are configured or checked: it reads the fleet, and tells it of failures.
//! It must not know any backend kind: those are profiles.
//!
//! ```
//! use std::sync::Arc;
//!
//! use olla_core::{BaseUrl, EndpointSpec, FleetCell, Model, Status};
//! use olla_profiles::Profiles;
//! use olla_proxy::Proxy;
//!
//! let profiles = Arc::new(Profiles::builtin());
//! let mut spec = EndpointSpec::new("gpu-1", BaseUrl::parse("http://127.0.0.1:8000")?);
//! spec.kind = profiles.resolve("openai-compatible");
//! let fleet = Arc::new(FleetCell::new(vec![spec], Default::default()));
//!
//! // Usually olla-health does this:
//! let id = fleet.load().endpoints()[0].id;
//! fleet.publish_models(id, None, vec![Model::named("Qwen/Qwen3-8B")]);
//! fleet.load().endpoints()[0].live.set_status(Status::Healthy);
//!
//! let proxy = Proxy::builder(fleet, profiles).build();
//! # fn is_service<S: tower_service::Service<http::Request<http_body_util::Empty<bytes::Bytes>>>>(_: S) {}
//! is_service(proxy);
//! # Ok::<(), olla_core::UrlError>(())
//! ```

mod added;
mod answered;
mod body;
mod candidates;
mod catalogue;
pub mod clock;
mod counting;
mod deadline;
mod error;
mod explain;
mod glance;
mod greeting;
mod headers;
pub mod http1;
mod inspect;
mod listing;
mod opening;
mod policy;
mod proxy;
mod rediscovery;
mod render;
mod replay;
mod request_id;
mod respond;
mod responses;
mod retry;
mod rewrite;
mod route;
mod routing;
mod scan;
mod serve;
mod settings;
mod shared;
mod stand_in;
mod sticky;
mod ticket;
mod tongues;
mod translate;
mod upstream;

pub use added::Added;
pub use answered::Answered;
pub use body::Body;
pub use error::{Absence, Error, Jam};
pub use explain::{Considered, Explanation, Question, Verdict};
pub use headers::OLLA_HEADERS;
pub use policy::{RateLimits, Rates, TrustedProxies};
pub use proxy::{Answering, ClientAddr, Proxy, ProxyBuilder, Responding};
pub use rediscovery::Rediscover;
pub use settings::{
    AnthropicClients, Fallback, Limits, OllamaClients, Product, Queue, Responses, Retry, Routing, Settings,
    Sticky, Timeouts,
};
pub use sticky::SessionsView;
pub use upstream::{ConnectTimeouts, Fetched, Upstream};
