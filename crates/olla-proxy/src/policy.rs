//! What a request must satisfy before it is routed.

mod client;
mod crowd;
pub(crate) mod forwarded;
mod rate_limit;
pub(crate) mod size;

pub(crate) use client::Asker;
pub use client::TrustedProxies;
pub(crate) use crowd::Crowd;
pub(crate) use rate_limit::Quota;
pub use rate_limit::{RateLimits, Rates};
