//! Where each conversation is at home: a cache of bounded size whose entries leave when they are idle.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use moka::{policy::EvictionPolicy, sync::Cache};
use olla_balancer::Candidate;
use olla_core::EndpointId;

use crate::settings::Sticky;

/// The home of a conversation: an endpoint, and the model there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pin {
    endpoint: EndpointId,
    /// The name by which the endpoint knows it; `None` where the request named none.
    model: Option<Arc<str>>,
}

/// The pins of all conversations, by the hashes of their keys.
pub(crate) struct Pins {
    cache: Cache<u64, Pin>,
    /// What the cache has let go of by itself.
    evicted: Arc<AtomicU64>,
}

/// The cache refuses durations that no clock can add to a moment.
const LONGEST: Duration = Duration::from_secs(u32::MAX as u64);

// === impl Pin ===

impl Pin {
    pub(crate) fn to(candidate: &Candidate<'_>) -> Self {
        let model = candidate.placement.map(|placement| Arc::clone(&placement.model.name));
        Self { endpoint: candidate.endpoint.id, model }
    }

    pub(crate) fn endpoint(&self) -> EndpointId {
        self.endpoint
    }

    /// Returns where the home is among the candidates. The same endpoint with another model is better than none.
    pub(crate) fn position(&self, list: &[Candidate<'_>]) -> Option<usize> {
        let is_endpoint = |candidate: &Candidate<'_>| candidate.endpoint.id == self.endpoint;
        let is_home = |candidate: &Candidate<'_>| {
            let model = candidate.placement.map(|placement| &placement.model.name);
            is_endpoint(candidate) && model == self.model.as_ref()
        };
        list.iter().position(is_home).or_else(|| list.iter().position(is_endpoint))
    }
}

// === impl Pins ===

impl Pins {
    pub(crate) fn new(settings: &Sticky) -> Self {
        let evicted = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&evicted);
        // Least recently used, and not least frequently: that would refuse new conversations in favour of old ones.
        let mut cache =
            Cache::builder().eviction_policy(EvictionPolicy::lru()).eviction_listener(move |_, _, cause| {
                if cause.was_evicted() {
                    count.fetch_add(1, Relaxed);
                }
            });
        if settings.max_sessions > 0 {
            cache = cache.max_capacity(settings.max_sessions);
        }
        if !settings.idle_ttl.is_zero() {
            cache = cache.time_to_idle(settings.idle_ttl.min(LONGEST));
        }
        Self { cache: cache.build(), evicted }
    }

    /// Looks a conversation up, which keeps it from leaving.
    pub(crate) fn find(&self, key: u64) -> Option<Pin> {
        self.cache.get(&key)
    }

    pub(crate) fn put(&self, key: u64, pin: Pin) {
        self.cache.insert(key, pin);
    }

    /// Returns how many there are, and how many have left.
    pub(crate) fn count(&self) -> (u64, u64) {
        // The cache tidies up as it is used; a figure is wanted as of now.
        self.cache.run_pending_tasks();
        (self.cache.entry_count(), self.evicted.load(Relaxed))
    }
}
