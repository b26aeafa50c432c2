//! Backend kinds as data: YAML profiles compiled into routing, discovery and detection rules.
//!
//! A *kind* is a sort of inference server. Its profile says under which URL prefixes it is reached, which
//! paths may be forwarded to it, where it lists its models and in what shape, how its health is asked for,
//! and by which signs it is recognised. Every kind is a YAML file; no kind is named in Rust.
//!
//! What a model's name tells (family, size, quantisation, publisher, …) is read by [`Names`], by rules that are
//! a YAML file too.
//!
//! This crate reads no files and opens no connections: callers hand over texts and responses.
//!
//! ```
//! use olla_profiles::Profiles;
//!
//! let profiles = Profiles::builtin();
//! let kind = profiles.resolve("LM_Studio").and_then(|id| profiles.get(id)).ok_or("no such kind")?;
//!
//! assert!(kind.allows("/v1/chat/completions"));
//! let models = kind.parse_listing(br#"{"data": [{"id": "qwen3-8b", "type": "llm"}]}"#)?;
//! assert_eq!(&*models[0].name, "qwen3-8b");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod abilities;
mod answers;
mod assembly;
mod details;
mod detection;
mod facts;
mod formats;
#[cfg(test)]
mod fuzz;
mod json_path;
mod listing;
mod locate;
mod name_hints;
mod names;
mod problem;
mod profile;
mod profiles;
mod reader;
mod residency;
mod schema;
mod shipped;

pub use answers::{Extra, ListShape, Listing, OpenAiShape};
pub use details::{About, Details};
pub use detection::{Detection, Observed};
pub use facts::Facts;
pub use formats::{ModelTakes, Spoken, Takes, Thoughts, VersionReport, WireFormat};
pub use listing::ListingError;
pub use names::Names;
pub use problem::{Notice, ObsoleteKey, ProfileProblem};
pub use profile::Profile;
pub use profiles::{Loaded, ProfileFilter, ProfileSource, Profiles};
pub use residency::{InMemory, Presence, ResidencyRules};
