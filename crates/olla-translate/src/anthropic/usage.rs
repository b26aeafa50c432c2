//! The figures of usage.

use serde::Deserialize;

use crate::{
    canonical::{ServiceTier, Usage},
    json::{Count, Object},
};

/// `usage`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WireUsage {
    input_tokens: Option<Count>,
    output_tokens: Option<Count>,
    cache_read_input_tokens: Option<Count>,
    cache_creation_input_tokens: Option<Count>,
}

// === impl WireUsage ===

impl WireUsage {
    /// Returns the figures.
    pub(super) fn read(&self) -> Usage {
        let value = |count: Option<Count>| count.map_or(0, |Count(tokens)| tokens);
        Usage {
            input: value(self.input_tokens),
            cache_read: value(self.cache_read_input_tokens),
            cache_write: value(self.cache_creation_input_tokens),
            output: value(self.output_tokens),
            reasoning: None,
            tier: None,
        }
    }
}

/// Writes `usage`.
pub(super) fn write(usage: &Usage, body: &mut Object<'_>) {
    let mut wire = body.object("usage");
    wire.number("input_tokens", usage.input).number("output_tokens", usage.output);
    wire.number("cache_creation_input_tokens", usage.cache_write);
    wire.number("cache_read_input_tokens", usage.cache_read);
    if let Some(tier) = usage.tier {
        let name = match tier {
            ServiceTier::Standard => "standard",
            ServiceTier::Priority => "priority",
        };
        wire.text("service_tier", name);
    }
}
