//! Lets health checks and model discovery use the proxy's client: same TLS, same name resolution.

use olla_core::Failure;
use olla_health::{Fetch, Fetched, Inquiry};
use olla_proxy::Upstream;

/// The proxy's client, as health checks want it.
#[derive(Debug)]
pub(crate) struct ProbeClient(pub(crate) Upstream);

// === impl ProbeClient ===

impl Fetch for ProbeClient {
    async fn fetch(&self, inquiry: Inquiry) -> Result<Fetched, Failure> {
        let Inquiry { target, trust, headers, json, body_limit } = inquiry;
        let fetched = self.0.fetch(&target, &trust, (headers, json), body_limit).await?;
        Ok(Fetched {
            status: fetched.status,
            headers: fetched.headers,
            body: fetched.body,
            cut_off: fetched.cut_off,
        })
    }
}
