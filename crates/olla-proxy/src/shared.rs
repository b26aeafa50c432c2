//! What every request needs and no request changes: one object for all workers.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicUsize},
};

use olla_balancer::Strategy;
use olla_core::FleetCell;
use olla_profiles::Profiles;

use crate::{
    RateLimits, Settings, TrustedProxies, candidates::Reach, policy::Crowd, rediscovery::Rediscoverer,
    responses::Memory, retry::Budget, route::Route, sticky::Sessions, ticket::Recorders, tongues::Tongues,
};

/// What all workers share.
pub(crate) struct Shared {
    pub(crate) fleet: Arc<FleetCell>,
    pub(crate) profiles: Arc<Profiles>,
    pub(crate) tongues: Tongues,
    pub(crate) settings: Settings,
    pub(crate) strategy: Arc<dyn Strategy>,
    pub(crate) recorders: Recorders,
    pub(crate) rate_limits: Option<Arc<RateLimits>>,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) rediscoverer: Option<Rediscoverer>,
    pub(crate) budget: Budget,
    pub(crate) crowd: Option<Arc<Crowd>>,
    pub(crate) sessions: Option<Sessions>,
    pub(crate) responses: Option<Arc<Memory>>,
    /// Requests that wait for room.
    pub(crate) waiting: AtomicUsize,
}

// === impl Shared ===

impl Shared {
    /// Returns which endpoints a route may reach.
    pub(crate) fn reach<'a>(&'a self, route: &'a Route) -> Reach<'a> {
        Reach { route, profiles: &self.profiles, tongues: &self.tongues }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("settings", &self.settings).finish_non_exhaustive()
    }
}
