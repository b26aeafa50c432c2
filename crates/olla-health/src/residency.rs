//! Which of an endpoint's models are in memory: asks, and notes it where balancing reads it.

use bytes::Bytes;
use olla_core::{EndpointId, EndpointSpec, KindId, Target, UrlError};
use olla_profiles::{InMemory, Presence};
use tracing::debug;

use crate::{Fetch, ListingFailure, client::Client, listing, shared::Shared};

/// Asks which models are in memory and notes it, if the kind tells at all.
pub(crate) async fn refresh<F: Fetch>(shared: &Shared<F>, id: EndpointId, kind: Option<KindId>) {
    let Some(endpoint) = shared.endpoint(id) else { return };
    let Some(profile) = kind.and_then(|kind| shared.profiles.get(kind)) else { return };
    let Some(rules) = profile.residency() else { return };
    let target = match rules.path() {
        Some(path) => endpoint.spec.base.target(path),
        None => listing::target(profile, &endpoint.spec),
    };
    let told = ask(&shared.client, &endpoint.spec, target).await.and_then(|body| Ok(rules.read(&body)?));
    match told {
        Ok(told) => note(shared, id, &told),
        Err(failure) => {
            debug!(endpoint = &*endpoint.spec.name, %failure, "what is in memory is not told");
            forget(shared, id);
        }
    }
}

/// Notes what an endpoint told of the models that it has now.
pub(crate) fn note<F>(shared: &Shared<F>, id: EndpointId, told: &InMemory) {
    let Some(endpoint) = shared.endpoint(id) else { return };
    for (model, live) in endpoint.models.iter().zip(&*endpoint.model_live) {
        match told.presence(model) {
            Presence::Loaded(residency) => live.set_loaded(residency.clone()),
            Presence::Cold => live.set_cold(),
            Presence::Unknown => live.forget_residency(),
        }
    }
}

/// Notes that nobody knows what is in memory.
pub(crate) fn forget<F>(shared: &Shared<F>, id: EndpointId) {
    let Some(endpoint) = shared.endpoint(id) else { return };
    for live in &*endpoint.model_live {
        live.forget_residency();
    }
}

async fn ask<F: Fetch>(
    client: &Client<F>,
    spec: &EndpointSpec,
    target: Result<Target, UrlError>,
) -> Result<Bytes, ListingFailure> {
    let answer = client.probe(spec, target.map_err(ListingFailure::Path)?).await;
    listing::whole(answer)
}
