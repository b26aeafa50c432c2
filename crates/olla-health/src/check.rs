//! One health check: asks, tries once more where that is worth it, and judges the answer.

use std::time::Duration;

use olla_core::{EndpointSpec, Failure, KindId, Target};
use olla_profiles::Profiles;
use tokio::time::{Instant, sleep};

use crate::{Fetch, client::Client, recognition, verdict::Verdict};

const PAUSE_BEFORE_SECOND_TRY: Duration = Duration::from_millis(100);

/// What is known of the endpoint before the check.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    /// The kind that an earlier check recognised.
    pub(crate) kind: Option<KindId>,
    /// Whether the endpoint is in use, so that a second try may spare its requests a failover.
    pub(crate) routable: bool,
}

/// What a health check found.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) verdict: Verdict,
    /// The kind, configured or recognised; `None` while unrecognised.
    pub(crate) kind: Option<KindId>,
    /// Of the last request.
    pub(crate) latency: Duration,
}

/// Checks an endpoint.
///
/// An endpoint without a configured kind is recognised first, unless a kind is known and the endpoint is in
/// use: another server may have taken its place while it was down.
pub(crate) async fn run<F: Fetch>(
    client: &Client<F>,
    profiles: &Profiles,
    spec: &EndpointSpec,
    known: Known,
) -> Finding {
    let mut kind = spec.kind.or(known.kind);
    if spec.kind.is_none() && (kind.is_none() || !known.routable) {
        let started = Instant::now();
        let sighting = match recognition::look(client, profiles, spec).await {
            Ok(sighting) => sighting,
            Err(failure) => {
                let verdict = Verdict::of_failure(spec, failure);
                return Finding { verdict, kind, latency: started.elapsed() };
            }
        };
        kind = sighting.kind.or(kind);
        if kind.is_none() && spec.health.is_none() {
            return Finding { verdict: sighting.verdict, kind, latency: sighting.latency };
        }
    }
    let target = health_target(profiles, spec, kind);
    let (verdict, latency) = ask(client, spec, &target, known.routable).await;
    Finding { verdict, kind, latency }
}

fn health_target(profiles: &Profiles, spec: &EndpointSpec, kind: Option<KindId>) -> Target {
    let of_profile = || {
        let profile = kind.and_then(|kind| profiles.get(kind))?;
        spec.base.target(&profile.health_path).ok()
    };
    spec.health.clone().or_else(of_profile).unwrap_or_else(|| recognition::root(spec))
}

async fn ask<F: Fetch>(
    client: &Client<F>,
    spec: &EndpointSpec,
    target: &Target,
    in_use: bool,
) -> (Verdict, Duration) {
    let mut started = Instant::now();
    let mut answer = client.probe(spec, target.clone()).await;
    if in_use && answer.as_ref().is_err_and(|failure| may_be_a_hiccup(*failure)) {
        sleep(PAUSE_BEFORE_SECOND_TRY).await;
        started = Instant::now();
        answer = client.probe(spec, target.clone()).await;
    }
    let latency = started.elapsed();
    let verdict = match answer {
        Ok(answer) => Verdict::of_answer(spec, target.path.path(), (answer.status, &answer.headers), latency),
        Err(failure) => Verdict::of_failure(spec, failure),
    };
    (verdict, latency)
}

/// A broken connection may be bad luck. A refused one is a fact, and a time-out has cost enough already.
fn may_be_a_hiccup(failure: Failure) -> bool {
    match failure {
        Failure::Stale
        | Failure::ResetBeforeHead
        | Failure::ResetInBody
        | Failure::Truncated
        | Failure::Unreachable
        | Failure::Dns => true,
        Failure::Refused
        | Failure::Exhausted
        | Failure::Tls
        | Failure::ConnectTimeout
        | Failure::HeadTimeout
        | Failure::SlowStart
        | Failure::MalformedHead
        | Failure::Unreadable
        | Failure::Status(_)
        | Failure::ErrorEvent
        | Failure::Stall
        | Failure::Deadline
        | Failure::ClientGone => false,
    }
}
