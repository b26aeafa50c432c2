//! Health probes, their schedules, and model discovery.
//!
//! A [`Monitor`] watches every endpoint of a fleet: it checks health, notices what kind of backend answers,
//! lists models, learns what they can do and which are in memory, and writes what it finds into the fleet, where the proxy reads it. A [`LocalSearch`] adds
//! endpoints that it finds on this machine.
//!
//! This crate knows no HTTP client: it is handed one as [`Fetch`]. It never sees a client's request either;
//! the proxy tells an endpoint's `Live` that a request failed, and that wakes the endpoint's next check.
//!
//! ```
//! use std::sync::Arc;
//!
//! use olla_core::{BaseUrl, EndpointSpec, Failure, FleetCell};
//! use olla_health::{Fetch, Fetched, Inquiry, Monitor, MonitorSettings};
//! use olla_profiles::Profiles;
//!
//! struct NoNetwork;
//!
//! impl Fetch for NoNetwork {
//!     async fn fetch(&self, _: Inquiry) -> Result<Fetched, Failure> {
//!         Err(Failure::Unreachable)
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), olla_core::UrlError> {
//! let spec = EndpointSpec::new("gpu-1", BaseUrl::parse("http://10.0.0.5:11434")?);
//! let cell = Arc::new(FleetCell::new(vec![spec], Default::default()));
//! let profiles = Arc::new(Profiles::builtin());
//!
//! let monitor = Monitor::new(Arc::clone(&cell), profiles, Arc::new(NoNetwork), MonitorSettings::default());
//! monitor.watch_new();
//! while !cell.load().is_settled() {
//!     tokio::task::yield_now().await;
//! }
//!
//! assert!(!cell.load().endpoints()[0].live.status().is_routable());
//! # Ok(())
//! # }
//! ```

mod check;
mod client;
mod details;
mod fetch;
mod lister;
mod listing;
mod local;
mod monitor;
mod prober;
mod recognition;
mod residency;
mod schedule;
mod settings;
mod shared;
mod verdict;
mod version;

pub use fetch::{Fetch, Fetched, Inquiry};
pub use listing::ListingFailure;
pub use local::LocalSearch;
pub use monitor::{Examination, Monitor, Refreshed};
pub use settings::MonitorSettings;
