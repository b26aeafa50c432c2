//! The record of a request in the making: handed over exactly once, also when the client leaves.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{Method, StatusCode, Uri};
use olla_core::{Affinity, Attempt, Endpoint, Failure, Formats, ModelLive, Outcome, Recorder, RequestRecord};
use tokio::time::Instant;

use crate::{Error, clock, inspect::Inbound, policy::Crowd, translate::Client};

/// Who is told of requests.
#[derive(Clone)]
pub(crate) struct Books {
    /// When they are finished.
    pub(crate) recorders: Vec<Arc<dyn Recorder>>,
    /// From their beginning to their end.
    pub(crate) crowd: Arc<Crowd>,
}

/// Follows a request until its response body has ended. Dropping it early means that the client left.
pub(crate) struct Ticket {
    record: Box<RequestRecord>,
    started: Instant,
    attempt_started: Instant,
    /// When the last attempt failed, or brought a response head, or what else the client gets had come.
    heard_at: Instant,
    books: Arc<Books>,
    /// Whether it counts as one of those that are being served.
    is_present: bool,
    finished: bool,
}

// === impl Ticket ===

impl Ticket {
    pub(crate) fn start(
        id: Box<str>,
        (method, uri): (Method, Uri),
        client: Option<IpAddr>,
        books: &Arc<Books>,
    ) -> Self {
        // alloc: one per request, and it is made in its box.
        let record =
            Box::write(Box::new_uninit(), RequestRecord::start(id, method, uri, client, clock::wall()));
        let started = clock::instant();
        let books = Arc::clone(books);
        Self {
            record,
            started,
            attempt_started: started,
            heard_at: started,
            books,
            is_present: false,
            finished: false,
        }
    }

    /// Counts the request as one of those that are being served, unless there are too many.
    pub(crate) fn enter(&mut self) -> Result<(), Error> {
        self.books.crowd.enter()?;
        self.is_present = true;
        Ok(())
    }

    pub(crate) fn id(&self) -> &str {
        &self.record.id
    }

    /// Returns the request target as the client sent it.
    pub(crate) fn target(&self) -> &Uri {
        &self.record.uri
    }

    /// Returns when the request head arrived.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Returns when the current attempt began.
    pub(crate) fn attempt_started(&self) -> Instant {
        self.attempt_started
    }

    pub(crate) fn elapsed(&self) -> Duration {
        clock::since(self.started)
    }

    /// Returns how long it took until there was something to answer the client.
    pub(crate) fn heard_after(&self) -> Duration {
        self.heard_at.saturating_duration_since(self.started)
    }

    /// Returns when the request head arrived, by the clock on the wall.
    pub(crate) fn arrived(&self) -> SystemTime {
        self.record.started
    }

    pub(crate) fn is_head(&self) -> bool {
        self.record.method == Method::HEAD
    }

    /// Returns the model that is asked for, once the body has been read.
    pub(crate) fn model(&self) -> Option<&Arc<str>> {
        self.record.model.as_ref()
    }

    pub(crate) fn attempts(&self) -> &[Attempt] {
        &self.record.attempts
    }

    /// Returns whether the last attempt has not failed so far.
    pub(crate) fn is_going_well(&self) -> bool {
        self.record.attempts.last().is_some_and(|attempt| attempt.failure.is_none())
    }

    /// Notes what sticky sessions have made of the request.
    pub(crate) fn settled(&mut self, affinity: Affinity) {
        self.record.affinity = Some(affinity);
    }

    pub(crate) fn read_body(&mut self, inbound: &Inbound) {
        self.record.bytes_in = inbound.body.len();
        self.record.model = inbound.model.as_ref().map(|m| Arc::clone(&m.name));
        self.record.is_inference = inbound.route.operation.is_inference();
        let client = Client::of(&inbound.route).map(Client::name);
        self.record.formats = client.map(|client| Formats::new(client, inbound.streams));
    }

    pub(crate) fn begin_attempt(&mut self, endpoint: Arc<Endpoint>, model: Option<Arc<ModelLive>>) {
        self.attempt_started = clock::instant();
        self.record.attempts.push(Attempt::new(endpoint, model, Duration::ZERO));
    }

    /// Notes in which format the backend of the current attempt is asked; `None`: in the client's.
    pub(crate) fn asks_in(&mut self, format: Option<&'static str>) {
        if let Some(formats) = &mut self.record.formats {
            formats.backend = Some(format.unwrap_or(formats.client));
        }
    }

    /// Notes that what the client is going to get has come now.
    pub(crate) fn hears(&mut self) {
        self.heard_at = clock::instant();
    }

    /// Notes that the current attempt has failed, or that its response head has arrived.
    pub(crate) fn end_attempt(&mut self, failure: Option<Failure>) {
        self.hears();
        if let Some(attempt) = self.record.attempts.last_mut() {
            attempt.took = self.heard_at.saturating_duration_since(self.attempt_started);
            attempt.failure = failure;
        }
    }

    /// Notes that the answer of an earlier attempt is used after all: it shares the request's fate, and so
    /// goes last.
    pub(crate) fn fall_back_to(&mut self, position: usize) {
        self.hears();
        if let Some(later) = self.record.attempts.get_mut(position..) {
            later.rotate_left(1);
        }
    }

    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.record.status = Some(status);
    }

    /// Copies what it has of the request head, all of which would otherwise stay in memory for as long as the response
    /// takes.
    pub(crate) fn let_go_of_head(&mut self) {
        let record = &mut *self.record;
        let copied = Uri::from_maybe_shared(Bytes::from(record.uri.to_string()));
        // What was read once is read again.
        record.uri = copied.unwrap_or_default();
    }

    pub(crate) fn failed(&mut self, code: &'static str) {
        self.record.error = Some(code);
    }

    pub(crate) fn sent(&mut self, bytes: usize, now: Instant) {
        if self.record.first_byte.is_none() {
            self.record.first_byte = Some(now.saturating_duration_since(self.started));
        }
        self.record.bytes_out += bytes as u64;
    }

    /// Notes that the response body broke off.
    pub(crate) fn broke(&mut self, failure: Failure) {
        self.record.error = Some(failure.as_str());
        if let Some(attempt) = self.record.attempts.last_mut() {
            attempt.failure = Some(failure);
        }
    }

    /// Hands the record over. Later calls do nothing.
    pub(crate) fn finish(&mut self, outcome: Outcome, now: Instant) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        if std::mem::take(&mut self.is_present) {
            self.books.crowd.leave();
        }
        self.record.outcome = outcome;
        self.record.duration = now.saturating_duration_since(self.started);
        self.record.count();
        for recorder in &self.books.recorders {
            recorder.record(&self.record);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        if std::thread::panicking() {
            self.failed("panic");
            return self.finish(Outcome::Failure, clock::instant());
        }
        self.broke(Failure::ClientGone);
        self.finish(Outcome::Cancelled, clock::instant());
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ticket").field("record", &self.record).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_response_does_not_keep_the_request_head() {
        let head = Bytes::from(b"/v1/chat/completions?x=1".to_vec());
        let uri = Uri::from_maybe_shared(head.clone()).unwrap();
        let books = Arc::new(Books { recorders: vec![], crowd: Arc::new(Crowd::new(0)) });
        let mut ticket = Ticket::start("id-7".into(), (Method::POST, uri), None, &books);

        ticket.let_go_of_head();

        assert!(head.is_unique());
        assert_eq!(ticket.target(), "/v1/chat/completions?x=1");
    }
}
