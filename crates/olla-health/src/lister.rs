//! The model listings of one endpoint, one after another: when, and what a result changes.

use std::{
    future::pending,
    sync::Arc,
    time::{Duration, SystemTime},
};

use olla_core::{Endpoint, EndpointId, EndpointSpec, KindId, Model};
use olla_profiles::Profile;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};
use tracing::{info, warn};

use crate::{
    Fetch, ListingFailure,
    details::{Answers, Asking},
    listing::{self, Listed},
    residency,
    shared::Shared,
    version,
};

/// The shortest time between two listings that nobody asked for: an endpoint that flaps is not flooded.
const SHORTEST_GAP: Duration = Duration::from_secs(1);
/// The longest wait after all tries have failed.
const LONGEST_AFTER_FAILURE: Duration = Duration::from_secs(30);

/// Where the outcome of an ordered listing goes: the number of models the endpoint has now.
pub(crate) type Reply = oneshot::Sender<Result<usize, ListingFailure>>;

/// Lists the models of one endpoint for as long as it exists.
pub(crate) struct Lister<F> {
    shared: Arc<Shared<F>>,
    id: EndpointId,
    /// The kind as the prober announced it.
    kind: Option<KindId>,
    /// When the next listing is due; `None` until the prober announces the endpoint again.
    due: Option<Instant>,
    /// The earliest time for a listing that nobody asked for.
    earliest: Instant,
    /// Failed tries in a row.
    failures: u32,
    /// What is known of the models besides the list.
    answers: Answers,
}

// === impl Lister ===

impl<F: Fetch> Lister<F> {
    pub(crate) fn new(shared: Arc<Shared<F>>, id: EndpointId) -> Self {
        Self {
            shared,
            id,
            kind: None,
            due: None,
            earliest: Instant::now(),
            failures: 0,
            answers: Answers::default(),
        }
    }

    /// Lists whenever it is time, when the endpoint has recovered, and when ordered.
    pub(crate) async fn run(
        mut self,
        mut announced: watch::Receiver<Option<KindId>>,
        mut orders: mpsc::Receiver<Reply>,
    ) {
        loop {
            let mut order = None;
            tokio::select! {
                // An announcement comes first: it says how to read the list that is ordered.
                biased;
                Ok(()) = announced.changed() => {
                    self.kind = *announced.borrow_and_update();
                    self.failures = 0;
                    self.due = Some(self.earliest);
                    continue;
                }
                Some(reply) = orders.recv() => order = Some(reply),
                () = until(self.due) => {}
            }
            let Some(endpoint) = self.shared.endpoint(self.id) else { return };
            let status = endpoint.live.status();
            let outcome = if status.is_routable() {
                self.earliest = Instant::now() + SHORTEST_GAP;
                let outcome = self.list(&endpoint).await;
                self.due = self.next_listing(&outcome);
                outcome
            } else {
                // The prober announces the endpoint when it is back.
                self.due = None;
                Err(ListingFailure::NotRoutable(status))
            };
            if let Some(reply) = order {
                if matches!(outcome, Err(ListingFailure::NotRoutable(_))) {
                    endpoint.live.request_probe();
                }
                // Whoever ordered it may have left.
                let _ = reply.send(outcome);
            }
        }
    }

    async fn list(&mut self, endpoint: &Endpoint) -> Result<usize, ListingFailure> {
        let shared = Arc::clone(&self.shared);
        let profile = self.kind.and_then(|kind| shared.profiles.get(kind));
        match fetch(&shared, profile, &endpoint.spec).await {
            Ok((profile, listed)) => Ok(self.adopt(endpoint, profile, listed).await),
            Err(failure) => {
                self.keep(endpoint, &failure);
                Err(failure)
            }
        }
    }

    /// Replaces the endpoint's models, learns more about them, and returns how many it has now.
    async fn adopt(&mut self, endpoint: &Endpoint, profile: &Profile, listed: Listed) -> usize {
        let Listed { models, in_memory } = listed;
        self.answers.retain(profile.id, &models);
        // Requests for a new model need not wait until all questions about it are answered.
        let mut changed = self.publish(profile, models.clone());
        let asking = Asking {
            client: &self.shared.client,
            profile,
            spec: &endpoint.spec,
            time_limit: self.shared.settings.timeout,
        };
        if self.answers.complete(&asking, &models).await {
            changed |= self.publish(profile, models);
        }
        version::refresh(&self.shared.client, endpoint, profile).await;
        let models = self.shared.endpoint(self.id).map_or(0, |endpoint| endpoint.models.len());
        if changed {
            info!(endpoint = &*endpoint.spec.name, models, "models listed");
        }
        match in_memory {
            Some(told) => residency::note(&self.shared, self.id, &told),
            None => residency::refresh(&self.shared, self.id, self.kind).await,
        }
        let mut note = endpoint.live.checkup();
        note.listed_at = Some(SystemTime::now());
        note.listing_error = None;
        note.settled = true;
        models
    }

    fn publish(&self, profile: &Profile, mut models: Vec<Model>) -> bool {
        self.answers.add_to(profile, &mut models);
        models.iter_mut().for_each(|model| profile.complete(model));
        self.shared.cell.publish_models(self.id, self.kind, models)
    }

    /// Keeps the endpoint's models and notes why.
    fn keep(&self, endpoint: &Endpoint, failure: &ListingFailure) {
        // The kind may be news even where the list is not.
        let present = endpoint.models.iter().map(|model| Model::clone(model)).collect();
        self.shared.cell.publish_models(self.id, self.kind, present);
        let error = match failure {
            ListingFailure::Disabled => None,
            failure => Some(failure.to_string().into_boxed_str()),
        };
        let mut note = endpoint.live.checkup();
        note.settled = true;
        if note.listing_error != error {
            if let Some(error) = &error {
                warn!(endpoint = &*endpoint.spec.name, error, "models cannot be listed");
            }
            note.listing_error = error;
        }
    }

    fn next_listing(&mut self, outcome: &Result<usize, ListingFailure>) -> Option<Instant> {
        let settings = &self.shared.settings;
        let pause = match outcome {
            Ok(_) => {
                self.failures = 0;
                settings.interval
            }
            // Nothing changes until the prober announces a kind.
            Err(ListingFailure::Disabled | ListingFailure::Unrecognised) => return None,
            Err(_) if self.failures < settings.retry_attempts => {
                self.failures += 1;
                let factor = 1_u32.checked_shl(self.failures - 1).unwrap_or(u32::MAX);
                return Some(
                    Instant::now() + settings.retry_backoff.saturating_mul(factor).min(settings.interval),
                );
            }
            Err(_) => {
                self.failures = 0;
                settings.interval.min(LONGEST_AFTER_FAILURE)
            }
        };
        Some((Instant::now() + pause).max(self.earliest))
    }
}

async fn fetch<'p, F: Fetch>(
    shared: &Shared<F>,
    profile: Option<&'p Profile>,
    spec: &EndpointSpec,
) -> Result<(&'p Profile, Listed), ListingFailure> {
    let Shared { client, settings, listings, .. } = shared;
    if !settings.discovery_enabled {
        return Err(ListingFailure::Disabled);
    }
    // Held for one try only: a wait between tries must not keep other endpoints from being listed.
    let Ok(_turn) = listings.acquire().await else { return Err(ListingFailure::Unwatched) };
    let profile = profile.ok_or(ListingFailure::Unrecognised)?;
    Ok((profile, listing::fetch(client, profile, spec, settings.timeout).await?))
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}
