//! What every watch needs and none changes.

use std::sync::Arc;

use olla_core::{Endpoint, EndpointId, FleetCell};
use olla_profiles::Profiles;
use tokio::sync::Semaphore;

use crate::{MonitorSettings, client::Client};

/// What all watches need.
pub(crate) struct Shared<F> {
    pub(crate) cell: Arc<FleetCell>,
    pub(crate) profiles: Arc<Profiles>,
    pub(crate) client: Client<F>,
    pub(crate) settings: MonitorSettings,
    /// One permit for each listing that may be under way.
    pub(crate) listings: Semaphore,
}

// === impl Shared ===

impl<F> Shared<F> {
    /// Returns the endpoint as the fleet holds it now.
    pub(crate) fn endpoint(&self, id: EndpointId) -> Option<Arc<Endpoint>> {
        self.cell.load().get(id).cloned()
    }
}
