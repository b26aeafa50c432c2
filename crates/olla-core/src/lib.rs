//! The nouns of Olla: endpoints, models, the fleet snapshot and its live counters.
//!
//! This crate is the meeting point of the others. Configuration builds [`EndpointSpec`]s, health
//! checks publish [`Model`]s and [`Status`], the proxy reads one [`Fleet`] snapshot per request and
//! leaves one [`RequestRecord`].
//!
//! It must not know how any of that is done: no async runtime, no HTTP client, no YAML, no clock of
//! its own, and no name of any backend kind.
//!
//! ```
//! use olla_core::{BaseUrl, EndpointSpec, FleetCell, Model, Status};
//!
//! let spec = EndpointSpec::new("gpu-1", BaseUrl::parse("http://10.0.0.5:11434")?);
//! let cell = FleetCell::new(vec![spec], Default::default());
//!
//! let id = cell.load().endpoints()[0].id;
//! cell.publish_models(id, None, vec![Model::named("llama3.2:3b")]);
//! cell.load().endpoints()[0].live.set_status(Status::Healthy);
//!
//! let fleet = cell.load();
//! assert_eq!(fleet.lookup("Llama3.2:3B").len(), 1, "names match in any case when none matches exactly");
//! # Ok::<(), olla_core::UrlError>(())
//! ```

mod affinity;
mod aliases;
mod base_url;
mod catalogue;
mod endpoint;
mod failure;
mod fleet;
mod gaps;
mod glob;
mod histogram;
mod kind;
mod lasting;
mod live;
mod model;
mod model_live;
mod moment;
mod needs;
mod notation;
mod outlier;
mod path_rules;
mod placement_rules;
mod record;
mod slots;
mod status;
mod totals;
mod version;
mod window;

pub use affinity::{Affinity, AffinityOutcome, KeySource, UnknownKeySource};
pub use aliases::{Alias, AliasOrder, Aliases};
pub use base_url::{BaseUrl, Target, UrlError};
pub use catalogue::{CatalogueModel, Lookup, Placement};
pub use endpoint::{DEFAULT_PRIORITY, EndpointSpec, ModelFilter, TlsTrust};
pub use failure::{Failure, Fault};
pub use fleet::{Endpoint, EndpointId, Fleet, FleetCell};
pub use gaps::Gaps;
pub use glob::{Glob, GlobError};
pub use histogram::Histogram;
pub use kind::KindId;
pub use lasting::lasting;
pub use live::{Checkup, InFlight, Live};
pub use model::{Model, ModelUse, Reported};
pub use model_live::{ModelLive, Residency};
pub use moment::Moment;
pub use needs::{Abilities, Lack, Needs};
pub use notation::{address, ago, byte_size, date, largest_unit, push_address, rfc3339, unix_seconds};
pub use outlier::{EjectionRules, Outlier, Standing, Trial};
pub use path_rules::{PathRuleError, PathRules, has_dot_segment};
pub use placement_rules::{PlacementRules, Preference};
pub use record::{Attempt, Formats, Outcome, Recorder, RequestRecord};
pub use slots::Place;
pub use status::Status;
pub use totals::{Totals, TotalsView};
pub use version::Version;
pub use window::Window;
