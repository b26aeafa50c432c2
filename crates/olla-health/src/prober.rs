//! The checks of one endpoint, one after another: when, and what a result changes.

use std::{future::poll_fn, sync::Arc, task::Poll, time::SystemTime};

use futures_util::future::join;
use olla_core::{Endpoint, EndpointId, KindId, Live, Status};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tracing::{info, warn};

use crate::{
    Fetch,
    check::{self, Finding, Known},
    residency, schedule,
    shared::Shared,
    verdict::Verdict,
};

/// Checks one endpoint for as long as it exists.
pub(crate) struct Prober<F> {
    shared: Arc<Shared<F>>,
    id: EndpointId,
    /// The kind as the last check found it.
    kind: Option<KindId>,
    /// The kind as last announced.
    announced: Option<KindId>,
    /// Tells the lister that the endpoint can be asked for its models, and how.
    announce: watch::Sender<Option<KindId>>,
}

/// When a check began and ended.
type Timing = (Instant, Instant);

// === impl Prober ===

impl<F: Fetch> Prober<F> {
    pub(crate) fn new(
        shared: Arc<Shared<F>>,
        id: EndpointId,
        announce: watch::Sender<Option<KindId>>,
    ) -> Self {
        Self { shared, id, kind: None, announced: None, announce }
    }

    /// Checks, waits and checks again until the endpoint is gone.
    pub(crate) async fn run(mut self) {
        let mut by_traffic = false;
        loop {
            let Some(endpoint) = self.shared.endpoint(self.id) else { return };
            let live = &endpoint.live;
            forget_requests(live).await;
            let started = Instant::now();
            let was_suspect = live.is_suspect();
            let known = Known { kind: self.kind, routable: live.status().is_routable() };

            let finding = check::run(&self.shared.client, &self.shared.profiles, &endpoint.spec, known).await;

            let ended = Instant::now();
            if finding.verdict.status == Status::Unknown {
                warn!(endpoint = %endpoint.spec.name, reason = finding.verdict.reason, "health check not possible");
                sleep_until(ended + endpoint.spec.check_interval).await;
                continue;
            }
            if !was_suspect && live.is_suspect() && finding.verdict.status.is_routable() {
                // A request failed while this check was under way: an older good answer proves nothing.
                sleep_until(ended + schedule::SHORTEST_GAP).await;
                continue;
            }
            let next = self.record(&endpoint, finding, (started, ended), by_traffic);
            by_traffic = match live.status() {
                Status::RateLimited => {
                    sleep_until(next).await;
                    false
                }
                // A check that traffic asks for does not wait for the answer about the memory.
                status => tokio::select! {
                    _ = join(sleep_until(next), self.look_into_memory(status)) => false,
                    () = requested(live) => {
                        sleep_until(ended + schedule::SHORTEST_GAP).await;
                        true
                    }
                },
            };
        }
    }

    /// Notes which models are in memory, if the endpoint is in use and tells.
    async fn look_into_memory(&self, status: Status) {
        if status.is_routable() {
            residency::refresh(&self.shared, self.id, self.kind).await;
        }
    }

    /// Makes the result known: to routing, to whoever reads the check-up note, to the log, to the lister.
    ///
    /// Returns when the next check is due. A check that traffic asked for does not lengthen the back-off:
    /// many requests that fail together are one outage.
    fn record(
        &mut self,
        endpoint: &Endpoint,
        finding: Finding,
        (started, ended): Timing,
        by_traffic: bool,
    ) -> Instant {
        let Finding { verdict: Verdict { status, reason, quiet }, kind, latency } = finding;
        let (previous, next) = {
            let mut note = endpoint.live.checkup();
            note.failed_checks = match note.failed_checks {
                _ if status.is_routable() => 0,
                failed if by_traffic => failed.max(1),
                failed => failed.saturating_add(1),
            };
            let delay = schedule::delay(endpoint.spec.check_interval, note.failed_checks, fastrand::f64());
            let next = match quiet {
                Some(quiet) => ended + quiet,
                None => (started + delay).max(ended + schedule::SHORTEST_GAP),
            };
            let now = SystemTime::now();
            note.checked_at = Some(now);
            note.next_check = Some(now + (next - ended));
            note.check_latency = Some(latency);
            note.reason.clone_from(&reason);
            // A good check is followed by a listing, and that settles the endpoint.
            note.settled |= !status.is_routable();
            (endpoint.live.set_status(status), next)
        };
        if status != previous {
            log_change(&endpoint.spec.name, (previous, status), reason.as_deref());
        }
        self.kind = kind;
        if !status.is_routable() {
            residency::forget(&self.shared, self.id);
        }
        if status.is_routable() && (!previous.is_routable() || self.announced != kind) {
            self.announced = kind;
            self.announce.send_replace(kind);
        }
        next
    }
}

fn log_change(endpoint: &str, (from, to): (Status, Status), reason: Option<&str>) {
    if to == Status::Healthy {
        info!(endpoint, %from, %to, reason, "health changed");
    } else {
        warn!(endpoint, %from, %to, reason, "health changed");
    }
}

async fn requested(live: &Live) {
    poll_fn(|cx| live.poll_probe_requested(cx)).await;
}

/// The check that is about to begin answers every request for one made so far.
async fn forget_requests(live: &Live) {
    poll_fn(|cx| {
        let _ = live.poll_probe_requested(cx);
        Poll::Ready(())
    })
    .await;
}
