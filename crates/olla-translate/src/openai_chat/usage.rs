//! The figures of usage.

use serde::Deserialize;

use crate::{
    canonical::{ServiceTier, Usage},
    json::{Count, Object},
};

/// `usage`, with what several servers add to it.
#[derive(Debug, Deserialize)]
pub(super) struct WireUsage {
    #[serde(default)]
    prompt_tokens: Option<Count>,
    #[serde(default)]
    completion_tokens: Option<Count>,
    #[serde(default)]
    prompt_tokens_details: Option<PromptDetails>,
    #[serde(default)]
    completion_tokens_details: Option<CompletionDetails>,
    #[serde(default)]
    prompt_cache_hit_tokens: Option<Count>,
    #[serde(default)]
    cache_creation_input_tokens: Option<Count>,
}

#[derive(Debug, Deserialize)]
struct PromptDetails {
    #[serde(default)]
    cached_tokens: Option<Count>,
}

#[derive(Debug, Deserialize)]
struct CompletionDetails {
    #[serde(default)]
    reasoning_tokens: Option<Count>,
}

// === impl WireUsage ===

impl WireUsage {
    /// Returns the figures. `prompt_tokens` holds all tokens of the prompt, cached or not.
    pub(super) fn read(&self) -> Usage {
        let value = |count: Option<Count>| count.map_or(0, |Count(tokens)| tokens);
        let cached = self.prompt_tokens_details.as_ref().and_then(|details| details.cached_tokens);
        let cache_read = value(cached.or(self.prompt_cache_hit_tokens));
        let cache_write = value(self.cache_creation_input_tokens);
        let details = self.completion_tokens_details.as_ref();
        Usage {
            input: value(self.prompt_tokens).saturating_sub(cache_read).saturating_sub(cache_write),
            cache_read,
            cache_write,
            output: value(self.completion_tokens),
            reasoning: details.and_then(|details| details.reasoning_tokens).map(|Count(tokens)| tokens),
            tier: None,
        }
    }
}

/// Reads `service_tier`; `None` is one that others do not have.
pub(super) fn tier(name: &str) -> Option<ServiceTier> {
    match name {
        "default" | "on_demand" => Some(ServiceTier::Standard),
        "priority" => Some(ServiceTier::Priority),
        _ => None,
    }
}

/// Writes `usage`.
pub(super) fn write(usage: &Usage, body: &mut Object<'_>) {
    let mut wire = body.object("usage");
    wire.number("prompt_tokens", usage.prompt());
    wire.number("completion_tokens", usage.output);
    wire.number("total_tokens", usage.prompt().saturating_add(usage.output));
    wire.object("prompt_tokens_details").number("cached_tokens", usage.cache_read);
    if usage.cache_write > 0 {
        wire.number("cache_creation_input_tokens", usage.cache_write);
    }
    if let Some(reasoning) = usage.reasoning {
        wire.object("completion_tokens_details").number("reasoning_tokens", reasoning);
    }
}
