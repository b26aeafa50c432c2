//! What a response holds until its body has ended: the record of the request, and the endpoint.

use http::StatusCode;
use olla_balancer::Lease;
use olla_core::{EjectionRules, Failure, Outcome};
use tokio::time::Instant;
use tracing::warn;

use crate::{clock, retry::lessons, ticket::Ticket};

/// The record of a request and the hold on its endpoint.
#[derive(Debug)]
pub(super) struct Custody {
    ticket: Ticket,
    /// Released at the end of the body, not when the server lets go of it.
    lease: Option<Lease>,
    status: StatusCode,
    ejection: EjectionRules,
    /// Whether the backend has told of an error within its stream.
    told_error: bool,
}

// === impl Custody ===

impl Custody {
    pub(super) fn new(ticket: Ticket, lease: Lease, status: StatusCode, ejection: EjectionRules) -> Self {
        Self { ticket, lease: Some(lease), status, ejection, told_error: false }
    }

    /// Prepares for a response that takes its time.
    pub(super) fn settle_in(&mut self) {
        self.ticket.let_go_of_head();
    }

    pub(super) fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    pub(super) fn sent(&mut self, bytes: usize, now: Instant) {
        self.ticket.sent(bytes, now);
    }

    pub(super) fn has_told_error(&self) -> bool {
        self.told_error
    }

    /// Notes that the backend tells of an error within its stream: the client gets it, and it counts.
    pub(super) fn tells_error(&mut self) {
        self.told_error = true;
        self.ticket.broke(Failure::ErrorEvent);
        if let Some(lease) = &self.lease {
            lessons::of_failure(lease.endpoint(), Failure::ErrorEvent, &self.ejection);
        }
    }

    /// The body has ended as it should.
    pub(super) fn end(&mut self, now: Instant) {
        if let Some(lease) = self.lease.take().filter(|_| !self.told_error) {
            lessons::of_end(lease.endpoint(), self.status, now);
        }
        let outcome = if self.told_error { Outcome::Failure } else { Outcome::of_status(self.status) };
        self.ticket.finish(outcome, now);
    }

    /// The body has broken off.
    pub(super) fn breaks(&mut self, failure: Failure) {
        self.ticket.broke(failure);
        if let Some(lease) = self.lease.take() {
            warn!(endpoint = %lease.endpoint().spec.name, request_id = self.ticket.id(), %failure, "response broke off");
            lessons::of_failure(lease.endpoint(), failure, &self.ejection);
            lease.endpoint().live.request_probe();
        }
        self.ticket.finish(Outcome::Failure, clock::instant());
    }
}
