//! Watches every endpoint of the fleet: one task each, so that a slow backend delays nobody else.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use olla_core::{EndpointId, EndpointSpec, FleetCell, KindId, Model, Status};
use olla_profiles::{Profile, Profiles};
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    Fetch, ListingFailure, MonitorSettings,
    check::{self, Known},
    client::Client,
    lister::{Lister, Reply},
    listing,
    prober::Prober,
    schedule::LONGEST_INTERVAL,
    shared::Shared,
};

/// Checks the health of every endpoint and lists its models, until it is dropped.
pub struct Monitor<F> {
    shared: Arc<Shared<F>>,
    watches: Mutex<HashMap<EndpointId, Watch>>,
}

/// The outcome of an ordered listing of one endpoint.
#[derive(Debug)]
#[non_exhaustive]
pub struct Refreshed {
    /// The endpoint's name.
    pub endpoint: Arc<str>,
    /// How many models it has now, or why they could not be listed.
    pub outcome: Result<usize, ListingFailure>,
}

/// What a single visit to an endpoint found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Examination {
    /// The health, as a check would set it.
    pub status: Status,
    /// Why it is not healthy, and what to do.
    pub reason: Option<Box<str>>,
    /// How long the health check took.
    pub latency: Duration,
    /// The kind, configured or recognised.
    pub kind: Option<KindId>,
    /// The models that the backend lists and the endpoint's filter admits; `None` unless it is routable.
    pub models: Option<Result<Vec<Model>, ListingFailure>>,
}

/// The task that watches one endpoint; dropping this ends it.
struct Watch {
    orders: mpsc::Sender<Reply>,
    task: JoinHandle<()>,
}

// === impl Monitor ===

impl<F: Fetch> Monitor<F> {
    /// Creates a monitor that does nothing until [`watch_new`](Self::watch_new) is called.
    #[must_use]
    pub fn new(
        cell: Arc<FleetCell>,
        profiles: Arc<Profiles>,
        fetch: Arc<F>,
        mut settings: MonitorSettings,
    ) -> Self {
        settings.interval = settings.interval.min(LONGEST_INTERVAL);
        let client = Client::new(fetch, &settings.version);
        let listings = Semaphore::new(settings.concurrent_workers.clamp(1, Semaphore::MAX_PERMITS));
        let shared = Arc::new(Shared { cell, profiles, client, settings, listings });
        Self { shared, watches: Mutex::default() }
    }

    /// Starts a task for each endpoint that has none yet, and ends those of endpoints that are gone.
    ///
    /// Call it once to begin and again whenever endpoints were added. Each endpoint is checked at once.
    ///
    /// # Panics
    /// Panics outside a tokio runtime.
    pub fn watch_new(&self) {
        let fleet = self.shared.cell.load();
        let mut watches = self.watches();
        watches.retain(|id, _| fleet.get(*id).is_some());
        for endpoint in fleet.endpoints() {
            watches.entry(endpoint.id).or_insert_with(|| self.watch(endpoint.id));
        }
    }

    /// Lists the models of every endpoint now and returns what came of it, in the order of the fleet.
    ///
    /// An endpoint that is down is not asked for its models but checked again, which lists them if it is
    /// back. No failure is retried before this returns.
    pub async fn refresh(&self) -> Vec<Refreshed> {
        self.refresh_within(LONGEST_INTERVAL).await
    }

    /// Does what [`refresh`](Self::refresh) does, but waits for no endpoint longer than `limit`: a listing that
    /// takes longer goes on and is published when it ends.
    pub async fn refresh_within(&self, limit: Duration) -> Vec<Refreshed> {
        let fleet = self.shared.cell.load();
        join_all(fleet.endpoints().iter().map(|endpoint| async {
            let outcome = match timeout(limit, self.order(endpoint.id)).await {
                Ok(Some(outcome)) => outcome,
                Ok(None) => Err(ListingFailure::Unwatched),
                Err(_) => Err(ListingFailure::Unfinished),
            };
            Refreshed { endpoint: Arc::clone(&endpoint.spec.name), outcome }
        }))
        .await
    }

    /// Visits an endpoint once, whether it is in the fleet or not, and changes nothing there.
    pub async fn check_once(&self, spec: &EndpointSpec) -> Examination {
        let Shared { client, profiles, .. } = &*self.shared;
        let finding = check::run(client, profiles, spec, Known { kind: None, routable: false }).await;
        let models = if finding.verdict.status.is_routable() {
            Some(match finding.kind.and_then(|kind| profiles.get(kind)) {
                Some(profile) => self.list_once(profile, spec).await,
                None => Err(ListingFailure::Unrecognised),
            })
        } else {
            None
        };
        Examination {
            status: finding.verdict.status,
            reason: finding.verdict.reason,
            latency: finding.latency,
            kind: finding.kind,
            models,
        }
    }

    async fn list_once(&self, profile: &Profile, spec: &EndpointSpec) -> Result<Vec<Model>, ListingFailure> {
        let Shared { client, settings, .. } = &*self.shared;
        let mut models = listing::fetch(client, profile, spec, settings.timeout).await?.models;
        models.retain(|model| spec.filter.keeps(model));
        models.iter_mut().for_each(|model| profile.complete(model));
        Ok(models)
    }

    pub(crate) fn shared(&self) -> &Shared<F> {
        &self.shared
    }

    fn watch(&self, id: EndpointId) -> Watch {
        let (announce, announced) = watch::channel(None);
        // One order waits while one is served; who orders more waits in line.
        let (orders, ordered) = mpsc::channel(1);
        let prober = Prober::new(Arc::clone(&self.shared), id, announce);
        let lister = Lister::new(Arc::clone(&self.shared), id);
        let task = tokio::spawn(async move {
            tokio::select! {
                () = prober.run() => {}
                () = lister.run(announced, ordered) => {}
            }
        });
        Watch { orders, task }
    }

    async fn order(&self, id: EndpointId) -> Option<Result<usize, ListingFailure>> {
        let orders = self.watches().get(&id)?.orders.clone();
        let (reply, outcome) = oneshot::channel();
        orders.send(reply).await.ok()?;
        outcome.await.ok()
    }

    fn watches(&self) -> MutexGuard<'_, HashMap<EndpointId, Watch>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F> fmt::Debug for Monitor<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

// === impl Watch ===

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}
