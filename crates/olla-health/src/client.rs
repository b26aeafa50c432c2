//! What every request of this crate has in common: who asks, with whose headers, for how long.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, USER_AGENT},
};
use olla_core::{EndpointSpec, Failure, Target};
use tokio::time::timeout;

use crate::{Fetch, Fetched, Inquiry};

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
        let inquiry = inquiry(spec, (target, None), HeaderMap::from_iter(headers));
        self.send(inquiry, spec.check_timeout).await
    }

    /// Asks for models: which there are, or with a JSON document to POST, what one of them is.
    pub(crate) async fn ask(
        &self,
        spec: &EndpointSpec,
        (target, json): (Target, Option<Bytes>),
        time_limit: Duration,
    ) -> Result<Fetched, Failure> {
        let headers =
            [(USER_AGENT, self.lister.clone()), (ACCEPT, HeaderValue::from_static("application/json"))];
        let inquiry = inquiry(spec, (target, json), HeaderMap::from_iter(headers));
        self.send(inquiry, time_limit).await
    }

    async fn send(&self, inquiry: Inquiry, time_limit: Duration) -> Result<Fetched, Failure> {
        timeout(time_limit, self.fetch.fetch(inquiry)).await.unwrap_or(Err(Failure::HeadTimeout))
    }
}

fn user_agent(name: &'static str, version: &str) -> HeaderValue {
    HeaderValue::from_str(&format!("{name}/{version}")).unwrap_or(HeaderValue::from_static(name))
}

/// The endpoint's own headers win over ours, and its credentials, which come last, over both.
fn inquiry(spec: &EndpointSpec, (target, json): (Target, Option<Bytes>), mut headers: HeaderMap) -> Inquiry {
    for (name, value) in spec.headers.iter() {
        headers.insert(name.clone(), value.clone());
    }
    if json.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    Inquiry { target, trust: spec.trust.clone(), headers, json, body_limit: BODY_LIMIT }
}
