//! Waits for models: for the first listings, where they have not ended, and for new ones when a request names a model
//! that nobody is known to have.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt, future};
use olla_core::Fleet;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    Error,
    candidates::{self, Asked},
    routing::Rediscovery,
    settings::Routing,
    shared::Shared,
};

/// Lists the models of every backend anew; the future ends when each has answered or failed, and tells
/// whether any has answered.
pub type Rediscover = Arc<dyn Fn() -> Listing + Send + Sync>;

type Listing = Pin<Box<dyn Future<Output = bool> + Send>>;

/// Runs one listing at a time, for all requests that wait for it.
pub(crate) struct Rediscoverer {
    ask: Rediscover,
    current: Mutex<Option<future::Shared<Listing>>>,
}

// === impl Rediscoverer ===

impl Rediscoverer {
    pub(crate) fn new(ask: Rediscover) -> Self {
        Self { ask, current: Mutex::new(None) }
    }

    /// Joins the listing under way, or starts one. Cancel-safe: those who wait for it too carry it on.
    async fn run(&self, limit: Duration) -> Rediscovery {
        match timeout(limit, self.join()).await {
            Ok(true) => Rediscovery::Listed,
            Ok(false) | Err(_) => Rediscovery::Failed,
        }
    }

    fn join(&self) -> future::Shared<Listing> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match &*current {
            Some(listing) if listing.peek().is_none() => listing.clone(),
            _ => current.insert((self.ask)().shared()).clone(),
        }
    }
}

impl fmt::Debug for Rediscoverer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rediscoverer")
    }
}

/// How long a request that comes before the first checks have ended waits for them.
const FIRST_CHECKS: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Returns the fleet in which to look for candidates, listed anew where the settings ask for it and the
/// request's model is missing.
pub(crate) async fn settle(shared: &Shared, asked: &Asked<'_>) -> (Arc<Fleet>, Rediscovery) {
    let mut fleet = shared.fleet.load();
    if candidates::may_appear(&fleet, asked) {
        // alloc: only at the start.
        fleet = Box::pin(first_checks(shared, asked)).await;
    }
    let Some((rediscoverer, limit)) = means(shared).filter(|_| is_missing(&fleet, asked)) else {
        return (fleet, Rediscovery::NotAsked);
    };
    // alloc: misses only, and they must not make the future of every request larger.
    let rediscovery = Box::pin(rediscoverer.run(limit)).await;
    (shared.fleet.load(), rediscovery)
}

/// Waits until a request can be served, or the first checks have ended that could make it so.
async fn first_checks(shared: &Shared, asked: &Asked<'_>) -> Arc<Fleet> {
    let began = Instant::now();
    loop {
        sleep(LOOK_AGAIN).await;
        let fleet = shared.fleet.load();
        if began.elapsed() >= FIRST_CHECKS || !candidates::may_appear(&fleet, asked) {
            return fleet;
        }
    }
}

/// Returns whether [`settle`] would ask the backends.
pub(crate) fn is_due(shared: &Shared, fleet: &Fleet, asked: &Asked<'_>) -> bool {
    means(shared).is_some() && is_missing(fleet, asked)
}

/// Returns what to ask with, and how long to wait, where the settings want it at all.
fn means(shared: &Shared) -> Option<(&Rediscoverer, Duration)> {
    let Routing::Discovery { refresh, .. } = shared.settings.routing else { return None };
    Some((shared.rediscoverer.as_ref()?, refresh?))
}

fn is_missing(fleet: &Fleet, asked: &Asked<'_>) -> bool {
    let found = candidates::resolve(fleet, asked, Routing::Strict, Rediscovery::NotAsked);
    matches!(found, Err(Error::ModelNotFound { .. } | Error::ModelUnavailable { .. }))
}
