//! A fleet, a network and a monitor, and the words in which the tests speak of them.

use std::{sync::Arc, time::Duration};

use olla_core::{Aliases, BaseUrl, Endpoint, EndpointSpec, FleetCell, Status};
use olla_health::{Monitor, MonitorSettings};
use olla_profiles::Profiles;
use tokio::time::sleep;

use crate::network::{Network, Reply};

/// Health and listing paths of the kind that most tests use.
pub(crate) const HEALTH: &str = "/";
pub(crate) const LISTING: &str = "/api/tags";

pub(crate) struct Stage {
    pub(crate) net: Arc<Network>,
    pub(crate) cell: Arc<FleetCell>,
    pub(crate) profiles: Arc<Profiles>,
    pub(crate) monitor: Arc<Monitor<Network>>,
}

impl Stage {
    pub(crate) fn new(specs: Vec<EndpointSpec>) -> Self {
        Self::with(specs, MonitorSettings::default())
    }

    pub(crate) fn with(specs: Vec<EndpointSpec>, settings: MonitorSettings) -> Self {
        let net = Network::new();
        let cell = Arc::new(FleetCell::new(specs, Aliases::default()));
        let profiles = Arc::new(Profiles::builtin());
        let monitor = Monitor::new(Arc::clone(&cell), Arc::clone(&profiles), Arc::clone(&net), settings);
        Self { net, cell, profiles, monitor: Arc::new(monitor) }
    }

    /// Puts a healthy backend with these models at the port.
    pub(crate) fn healthy(&self, port: u16, models: &[&str]) {
        self.net.serve(port, HEALTH, Reply::ok("Ollama is running"));
        self.net.serve(port, LISTING, listing(models));
    }

    /// Starts the monitor and waits until every endpoint has had its first check and listing.
    pub(crate) async fn start(&self) {
        self.monitor.watch_new();
        while !self.cell.load().is_settled() {
            sleep(Duration::from_millis(1)).await;
        }
    }

    pub(crate) fn endpoint(&self, position: usize) -> Arc<Endpoint> {
        Arc::clone(&self.cell.load().endpoints()[position])
    }

    pub(crate) fn status(&self, position: usize) -> Status {
        self.endpoint(position).live.status()
    }

    pub(crate) fn reason(&self, position: usize) -> String {
        self.endpoint(position).live.checkup().reason.as_deref().unwrap_or_default().to_owned()
    }

    pub(crate) fn listing_error(&self, position: usize) -> String {
        self.endpoint(position).live.checkup().listing_error.as_deref().unwrap_or_default().to_owned()
    }

    pub(crate) fn models(&self, position: usize) -> Vec<String> {
        self.endpoint(position).models.iter().map(|m| m.name.to_string()).collect()
    }

    /// Returns the name of an endpoint's kind.
    pub(crate) fn kind(&self, position: usize) -> Option<String> {
        let kind = self.endpoint(position).kind?;
        self.profiles.get(kind).map(|p| p.name.to_string())
    }
}

/// An endpoint of a configured kind; checked every 5 s, within 2 s.
pub(crate) fn spec(port: u16) -> EndpointSpec {
    let mut spec = auto(port);
    spec.kind = Profiles::builtin().resolve("ollama");
    spec
}

/// An endpoint whose kind is to be recognised.
pub(crate) fn auto(port: u16) -> EndpointSpec {
    let base = BaseUrl::parse(&format!("http://127.0.0.1:{port}")).unwrap();
    EndpointSpec::new(format!("e{port}"), base)
}

pub(crate) fn listing(models: &[&str]) -> Reply {
    let entries: Vec<_> = models.iter().map(|name| format!(r#"{{"name":"{name}"}}"#)).collect();
    Reply::ok(&format!(r#"{{"models":[{}]}}"#, entries.join(",")))
}

pub(crate) async fn seconds(n: u64) {
    sleep(Duration::from_secs(n)).await;
}

pub(crate) async fn millis(n: u64) {
    sleep(Duration::from_millis(n)).await;
}
