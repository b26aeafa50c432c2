//! What every request of this crate has in common: who asks, with whose headers, for how long.

use std::{sync::Arc, time::Duration};

use http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT, CACHE_CONTROL, USER_AGENT},
};
use olla_core::{EndpointSpec, Failure, Target};
use tokio::time::timeout;

use crate::{Fetch, Fetched, Get};

/// Room for a list of models; a probe may meet one too, when a signature is looked for in it.
const BODY_LIMIT: usize = 10 * 1024 * 1024;

/// Sends health probes and model listings.
#[derive(Debug)]
pub(crate) struct Client<F> {
    fetch: Arc<F>,
    prober: HeaderValue,
    lister: HeaderValue,
}

// === impl Client ===

impl<F: Fetch> Client<F> {
    pub(crate) fn new(fetch: Arc<F>, version: &str) -> Self {
        Self {
            fetch,
            prober: user_agent("olla-HealthChecker", version),
            lister: user_agent("olla-Discovery", version),
        }
    }

    /// Asks for a resource with the headers of a health check, within the endpoint's check timeout.
    pub(crate) async fn probe(&self, spec: &EndpointSpec, target: Target) -> Result<Fetched, Failure> {
        let headers = [
            (USER_AGENT, self.prober.clone()),
            (ACCEPT, HeaderValue::from_static("application/json, text/plain, */*")),
            (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        ];
        let get = request(spec, target, HeaderMap::from_iter(headers));
        self.send(get, spec.check_timeout).await
    }

    /// Asks for a list of models.
    pub(crate) async fn list(
        &self,
        spec: &EndpointSpec,
        target: Target,
        time_limit: Duration,
    ) -> Result<Fetched, Failure> {
        let headers =
            [(USER_AGENT, self.lister.clone()), (ACCEPT, HeaderValue::from_static("application/json"))];
        let get = request(spec, target, HeaderMap::from_iter(headers));
        self.send(get, time_limit).await
    }

    async fn send(&self, get: Get, time_limit: Duration) -> Result<Fetched, Failure> {
        timeout(time_limit, self.fetch.get(get)).await.unwrap_or(Err(Failure::HeadTimeout))
    }
}

fn user_agent(name: &'static str, version: &str) -> HeaderValue {
    HeaderValue::from_str(&format!("{name}/{version}")).unwrap_or(HeaderValue::from_static(name))
}

/// The endpoint's own headers win over ours, and its credentials, which come last, over both.
fn request(spec: &EndpointSpec, target: Target, mut headers: HeaderMap) -> Get {
    for (name, value) in spec.headers.iter() {
        headers.insert(name.clone(), value.clone());
    }
    Get { target, trust: spec.trust.clone(), headers, body_limit: BODY_LIMIT }
}
