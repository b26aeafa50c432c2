//! Asks the backends for their models once more when a request names one that nobody is known to have.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt, future};
use olla_core::Fleet;
use tokio::time::timeout;

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

/// Returns the fleet in which to look for candidates, listed anew where the settings ask for it and the
/// request's model is missing.
pub(crate) async fn settle(shared: &Shared, asked: &Asked<'_>) -> (Arc<Fleet>, Rediscovery) {
    let fleet = shared.fleet.load();
    let Some((rediscoverer, limit)) = means(shared).filter(|_| is_missing(&fleet, asked)) else {
        return (fleet, Rediscovery::NotAsked);
    };
    // alloc: misses only, and they must not make the future of every request larger.
    let rediscovery = Box::pin(rediscoverer.run(limit)).await;
    (shared.fleet.load(), rediscovery)
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
