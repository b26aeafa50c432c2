//! Load-balancing strategies: choose one candidate and say why.
//!
//! A [`Strategy`] is given the [`Candidate`]s of one request, those already [`Tried`] and a [`Hint`]; it
//! answers with a [`Pick`]. [`Balancer`] holds the strategies that a configuration can name; embedders may
//! bring their own. [`Lease`] then counts the request as in flight until it is dropped. Of many candidates that
//! are alike a strategy is shown a [`sample`], if that is enough for it; where anyone who is free is as good, some of
//! an [`Aperture`] are looked at before, and the first that is free is taken without asking it.
//!
//! A strategy must not wait, take a lock, look at a clock or remember anything outside
//! [`Live`](olla_core::Live): all workers share the rotation through it.
//!
//! ```
//! use olla_balancer::{Balancer, Candidate, Hint, Lease, Reason, Strategy, Tried};
//! use olla_core::{BaseUrl, EndpointSpec, FleetCell, Status};
//!
//! let url = BaseUrl::parse("http://127.0.0.1:11434")?;
//! let specs = ["a", "b"].map(|name| EndpointSpec::new(name, url.clone()));
//! let fleet = FleetCell::new(specs.into(), Default::default()).load();
//! for endpoint in fleet.endpoints() {
//!     endpoint.live.set_status(Status::Healthy);
//! }
//!
//! let candidates: Vec<_> =
//!     fleet.endpoints().iter().map(|endpoint| Candidate { endpoint, placement: None, rank: 0 }).collect();
//! let balancer: Balancer = "least-connections".parse()?;
//! let pick = balancer.pick(&candidates, &Tried::default(), &Hint::default()).ok_or("none")?;
//! assert_eq!(pick.reason, Reason::LeastLoaded);
//!
//! let lease = Lease::acquire(&candidates, pick, Hint::default().now).ok_or("no such candidate")?;
//! assert_eq!(lease.endpoint().live.in_flight(), 1);
//! drop(lease);
//! assert_eq!(fleet.endpoints()[0].live.in_flight(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod aperture;
mod balancer;
mod field;
mod lease;
mod sample;
mod strategy;
mod tried;
mod turns;

pub use aperture::Aperture;
pub use balancer::{Balancer, UnknownBalancer};
pub use lease::Lease;
pub use sample::sample;
pub use strategy::{Candidate, Hint, Pick, Pinned, Reason, Strategy};
pub use tried::Tried;
