//! Finds out what kind of backend answers at an address, by the signatures that the profiles declare.

use std::time::Duration;

use http::uri::PathAndQuery;
use olla_core::{EndpointSpec, Failure, KindId, Target};
use olla_profiles::{Observed, Profiles};
use tokio::time::Instant;

use crate::{Fetch, Fetched, client::Client, verdict::Verdict};

const ROOT: &str = "/";

/// What can be said of a backend that answers.
#[derive(Debug)]
pub(crate) struct Sighting {
    /// The kind, where one was recognised.
    pub(crate) kind: Option<KindId>,
    /// The health of a backend whose health path is not known.
    pub(crate) verdict: Verdict,
    /// How long the first answer took.
    pub(crate) latency: Duration,
}

struct Answer<'a> {
    path: &'a str,
    fetched: Fetched,
    latency: Duration,
}

/// Asks a backend for each path of the detection plan, one after another, and recognises its kind.
///
/// # Errors
/// Fails when the first question gets no answer: nobody is there, and the rest is not asked. A later path
/// that fails only leaves its signature unseen.
pub(crate) async fn look<F: Fetch>(
    client: &Client<F>,
    profiles: &Profiles,
    spec: &EndpointSpec,
) -> Result<Sighting, Failure> {
    // Even "not found" tells that somebody is there.
    let first = ask(client, spec, ROOT).await?;
    let latency = first.latency;
    let refusal = Verdict::of_answer(spec, ROOT, (first.fetched.status, &first.fetched.headers), latency);

    let mut answers = vec![first];
    for path in profiles.detection_plan().into_iter().filter(|path| *path != ROOT) {
        answers.extend(ask(client, spec, path).await);
    }
    let observed: Vec<_> = answers.iter().map(Answer::observed).collect();
    let welcome = answers.iter().find(|answer| answer.is_welcome());
    Ok(Sighting {
        kind: profiles.recognise(&observed),
        verdict: welcome.map_or(refusal, |answer| Verdict::alive(answer.latency)),
        latency,
    })
}

/// Returns the path that every backend answers somehow.
pub(crate) fn root(spec: &EndpointSpec) -> Target {
    let bare = || Target { base: spec.base.clone(), path: PathAndQuery::from_static(ROOT) };
    spec.base.target(ROOT).unwrap_or_else(|_| bare())
}

async fn ask<'a, F: Fetch>(
    client: &Client<F>,
    spec: &EndpointSpec,
    path: &'a str,
) -> Result<Answer<'a>, Failure> {
    let started = Instant::now();
    let target = spec.base.target(path).unwrap_or_else(|_| root(spec));
    let fetched = client.probe(spec, target).await?;
    Ok(Answer { path, fetched, latency: started.elapsed() })
}

// === impl Answer ===

impl Answer<'_> {
    /// A backend of unknown kind is alive if it answers anything but a refusal.
    fn is_welcome(&self) -> bool {
        let status = self.fetched.status;
        !status.is_server_error() && !matches!(status.as_u16(), 401 | 403 | 429)
    }

    fn observed(&self) -> Observed<'_> {
        let Fetched { status, headers, body, .. } = &self.fetched;
        Observed { path: self.path, status: *status, headers, body }
    }
}
