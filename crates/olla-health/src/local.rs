//! Start with nothing: looks for backends on the usual ports of this machine, and keeps looking.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::Arc,
    time::Duration,
};

use futures_util::future::join_all;
use olla_core::{BaseUrl, EndpointSpec, Fleet, KindId};
use tokio::time::{Instant, sleep};
use tracing::info;

use crate::{Fetch, Monitor, recognition};

const PAUSE: Duration = Duration::from_secs(10);
/// A server that is no backend is asked less often.
const PAUSE_FOR_STRANGERS: Duration = Duration::from_secs(30);
const HOSTS: [&str; 2] = ["127.0.0.1", "[::1]"];

/// Adds to the fleet what it recognises on the default ports of the known kinds.
pub struct LocalSearch<F> {
    monitor: Arc<Monitor<F>>,
    ports: BTreeSet<u16>,
    /// Ports where something answers that is not recognised, and when to look again.
    strangers: HashMap<u16, Instant>,
}

enum Seen {
    Nobody,
    Stranger,
    Backend(BaseUrl, KindId),
}

// === impl LocalSearch ===

impl<F: Fetch> LocalSearch<F> {
    /// Prepares a search of the default ports of all profiles, except `own_ports`, on which we listen.
    #[must_use]
    pub fn new(monitor: Arc<Monitor<F>>, own_ports: &[u16]) -> Self {
        let profiles = &monitor.shared().profiles;
        let mut ports: BTreeSet<_> = profiles.iter().flat_map(|p| p.default_ports.iter().copied()).collect();
        ports.retain(|port| !own_ports.contains(port));
        Self { monitor, ports, strangers: HashMap::new() }
    }

    /// Returns the ports that are looked at, sorted.
    pub fn ports(&self) -> impl Iterator<Item = u16> {
        self.ports.iter().copied()
    }

    /// Looks every 10 s. Never returns; drop it to end the search.
    pub async fn run(mut self) {
        loop {
            self.look().await;
            sleep(PAUSE).await;
        }
    }

    /// Looks once, adds what is new, and returns the names of the added endpoints.
    ///
    /// The monitor watches them at once.
    pub async fn look(&mut self) -> Vec<Arc<str>> {
        let now = Instant::now();
        let mut added = Vec::new();
        for (port, seen) in self.visit_all(now).await {
            match seen {
                Seen::Nobody => {}
                Seen::Stranger => {
                    self.strangers.insert(port, now + PAUSE_FOR_STRANGERS);
                }
                Seen::Backend(base, kind) => added.extend(self.add(base, kind)),
            }
        }
        if !added.is_empty() {
            self.monitor.watch_new();
        }
        added
    }

    async fn visit_all(&self, now: Instant) -> Vec<(u16, Seen)> {
        let fleet = self.monitor.shared().cell.load();
        let is_due = |port: &u16| self.strangers.get(port).is_none_or(|again| *again <= now);
        let ports = self.ports.iter().copied().filter(is_due).filter(|port| !is_known(&fleet, *port));
        join_all(ports.map(|port| async move { (port, self.visit(port).await) })).await
    }

    /// Asks at the IPv4 address, then at the IPv6 one.
    async fn visit(&self, port: u16) -> Seen {
        let shared = self.monitor.shared();
        let mut seen = Seen::Nobody;
        for host in HOSTS {
            let Ok(base) = BaseUrl::parse(&format!("http://{host}:{port}")) else { continue };
            let visited = EndpointSpec::new("", base.clone());
            let Ok(sighting) = recognition::look(&shared.client, &shared.profiles, &visited).await else {
                continue;
            };
            if let Some(kind) = sighting.kind {
                return Seen::Backend(base, kind);
            }
            seen = Seen::Stranger;
        }
        seen
    }

    /// Adds an endpoint whose kind stays open: another server may use the port tomorrow.
    fn add(&self, base: BaseUrl, kind: KindId) -> Option<Arc<str>> {
        let shared = self.monitor.shared();
        let profile = shared.profiles.get(kind)?;
        let name: Arc<str> = format!("{}-{}", profile.name, base.port()).into();
        let url = base.to_string();
        shared.cell.add(EndpointSpec::new(Arc::clone(&name), base))?;
        info!(endpoint = &*name, url, kind = &*profile.name, "found a local backend");
        Some(name)
    }
}

impl<F> fmt::Debug for LocalSearch<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSearch").field("ports", &self.ports).finish_non_exhaustive()
    }
}

/// Whether an endpoint of this machine has the port already.
fn is_known(fleet: &Fleet, port: u16) -> bool {
    fleet.endpoints().iter().any(|endpoint| {
        let base = &endpoint.spec.base;
        base.port() == port && (matches!(base.host(), "localhost" | "::1") || base.host().starts_with("127."))
    })
}
