//! What every request needs and no request changes: one object for all workers, and one for each.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use olla_balancer::{Aperture, Strategy};
use olla_core::FleetCell;
use olla_profiles::Profiles;

use crate::{
    RateLimits, Settings, TrustedProxies,
    candidates::{Drawing, Reach},
    rediscovery::Rediscoverer,
    responses::Memory,
    retry::Budget,
    route::Route,
    sticky::Sessions,
    ticket::Books,
    tongues::Tongues,
    upstream::Upstream,
};

/// What one worker has for itself. Requests hold on to it and not to what is shared: a count of holders that all
/// workers write to costs each of them as much as a look into memory.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) upstream: Upstream,
    /// Held by each request that is being served, and by nobody else.
    pub(crate) books: Arc<Books>,
    aperture: Aperture,
}

/// What all workers share.
pub(crate) struct Shared {
    pub(crate) fleet: Arc<FleetCell>,
    pub(crate) profiles: Arc<Profiles>,
    pub(crate) tongues: Tongues,
    pub(crate) settings: Settings,
    pub(crate) strategy: Arc<dyn Strategy>,
    pub(crate) rate_limits: Option<Arc<RateLimits>>,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) rediscoverer: Option<Rediscoverer>,
    pub(crate) budget: Budget,
    pub(crate) sessions: Option<Sessions>,
    pub(crate) responses: Option<Arc<Memory>>,
    /// Requests that wait for room.
    pub(crate) waiting: AtomicUsize,
    /// The number of the next worker.
    pub(crate) workers: AtomicUsize,
}

// === impl Worker ===

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, books: Books) -> Self {
        let upstream = Upstream::new(shared.settings.connect);
        let aperture = Aperture::new(shared.workers.fetch_add(1, Relaxed));
        Self { shared, upstream, books: Arc::new(books), aperture }
    }

    /// Returns another, with no connections so far.
    pub(crate) fn another(&self) -> Self {
        Self::new(Arc::clone(&self.shared), Books::clone(&self.books))
    }

    /// Returns how it draws a few of many candidates now.
    pub(crate) fn drawing(&self) -> Drawing<'_> {
        let in_flight = Arc::strong_count(&self.books) - 1;
        Drawing { strategy: &*self.shared.strategy, aperture: &self.aperture, in_flight }
    }
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
