//! Which version a server reports: asked with its models, and noted where routing reads it.

use olla_core::Endpoint;
use olla_profiles::Profile;

use crate::{Fetch, client::Client, listing};

/// Asks for the version and notes it, if the kind tells one. Without an answer it is unknown.
pub(crate) async fn refresh<F: Fetch>(client: &Client<F>, endpoint: &Endpoint, profile: &Profile) {
    let Some(report) = profile.version_report() else { return };
    let Ok(target) = endpoint.spec.base.target(report.path()) else { return };
    let body = listing::whole(client.probe(&endpoint.spec, target).await);
    endpoint.live.set_version(body.ok().and_then(|body| report.read(&body)));
}
