//! Where a request goes next: the balancer's choice, or, where all are full, the first that has room.

use std::{
    future::poll_fn,
    mem,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use olla_balancer::{Candidate, Hint, Lease, Pick, Reason, Tried};
use olla_core::{Live, Place};
use tokio::time::Instant;
use tracing::debug;

use crate::{candidates::Candidates, clock, deadline::within, error::Jam, shared::Shared, ticket::Ticket};

/// The choices of one request.
pub(super) struct Choice<'c, 'f> {
    shared: &'c Shared,
    candidates: &'c Candidates<'f>,
    /// Those that it chooses among; all where the first will not do.
    list: &'c [Candidate<'f>],
    /// Whether the first is one that is free, and the strategy need not be asked.
    begins_with_free: bool,
    tried: Tried,
    hint: Hint,
    /// When it stops waiting for room; set when it begins to.
    patience: Option<Instant>,
    /// Why it does not wait any more.
    jam: Option<Jam>,
}

/// Counts a request as waiting.
struct Waiting<'s>(&'s AtomicUsize);

/// Choices that may be lost to other workers before the request gives up.
const MAX_RACES: usize = 100;

// === impl Choice ===

impl<'c, 'f> Choice<'c, 'f> {
    pub(super) fn new(shared: &'c Shared, candidates: &'c Candidates<'f>, hint: Hint) -> Self {
        let (list, begins_with_free) = (&*candidates.list, candidates.begin_with_free());
        let tried = Tried::default();
        Self { shared, candidates, list, begins_with_free, tried, hint, patience: None, jam: None }
    }

    /// Chooses the candidate to try next, each at most once; waits for room where that is all that is missing.
    ///
    /// Cancel-safe: whoever leaves while waiting passes on what it was given.
    pub(super) async fn next(&mut self, ticket: &Ticket) -> Option<Lease> {
        // Another worker may be quicker, and an endpoint may fail while its slot is handed over. The next choice
        // knows; a strategy that never learns is given up.
        for _ in 0..MAX_RACES {
            if !self.may_try(ticket) {
                return None;
            }
            if !ticket.attempts().is_empty() {
                // What has failed at one endpoint may fail at those that were drawn with it: they share a rack.
                self.list = self.candidates.all();
            }
            self.hint.now = clock::now();
            let pick = if mem::take(&mut self.begins_with_free) {
                Some(Pick { position: 0, reason: Reason::Free })
            } else {
                self.shared.strategy.pick(self.list, &self.tried, &self.hint)
            };
            if !self.is_content(pick) && self.widen() {
                continue;
            }
            let lease = if is_second_rate(pick) && self.should_wait(ticket) {
                // alloc: only requests that wait; it must not make the future of every request larger.
                Box::pin(self.wait(ticket)).await
            } else {
                let pick = pick?;
                if pick.reason == Reason::SetAside && !ticket.attempts().is_empty() {
                    // One request may ask a backend that wants to be spared; it is not worth a second try.
                    return None;
                }
                Lease::acquire(self.list, pick, self.hint.now)
            };
            if let Some(lease) = lease {
                self.tried.insert(lease.position());
                return self.may_cost(ticket).then_some(lease);
            }
        }
        None
    }

    /// Returns why the request could not wait for room, or not longer, if that was so.
    pub(super) fn jam(&self) -> Option<Jam> {
        self.jam
    }

    /// Returns whether somebody else who is well could be asked now, if the attempt under way were given up.
    pub(super) fn has_alternative(&self, ticket: &Ticket) -> bool {
        let now = clock::now();
        self.shared.settings.retry.on_failure
            && self.may_try(ticket)
            && self.shared.budget.has_some(now)
            && self.untried().any(|candidate| candidate.is_well(now) && !candidate.is_full())
    }

    /// Returns whether looking at everybody would hardly lead to a better choice.
    fn is_content(&self, pick: Option<Pick>) -> bool {
        let Some(pick) = pick.filter(|pick| !is_second_rate(Some(*pick))) else { return false };
        // What has one choice has none; and whether a home has too much to do, the mean of all loads says.
        let Some(picked) = self.list.get(pick.position) else { return true };
        pick.reason != Reason::OnlyCandidate
            && (self.hint.pinned.is_none() || pick.reason == Reason::Pinned)
            && !picked.is_cold()
    }

    /// Chooses among all from now on; returns whether these are more.
    fn widen(&mut self) -> bool {
        let few = self.list.len();
        self.list = self.candidates.all();
        few < self.list.len()
    }

    fn may_try(&self, ticket: &Ticket) -> bool {
        let retry = &self.shared.settings.retry;
        let made = ticket.attempts().len();
        let in_time = || retry.deadline.is_zero() || ticket.elapsed() < retry.deadline;
        made == 0 || (retry.max_attempts.is_none_or(|most| made < most.get()) && in_time())
    }

    /// Pays for a further attempt out of the budget. The first is free, and so is one after an attempt that no
    /// backend has noticed.
    fn may_cost(&self, ticket: &Ticket) -> bool {
        match ticket.attempts().last().map(|attempt| attempt.failure) {
            None => {
                self.shared.budget.deposit(self.hint.now);
                true
            }
            Some(Some(failure)) if failure.never_sent() => true,
            Some(_) => self.shared.budget.withdraw(self.hint.now),
        }
    }

    /// Returns whether there is a candidate that only lacks room, and time left to wait for it.
    fn should_wait(&self, ticket: &Ticket) -> bool {
        let now = self.hint.now;
        self.shared.settings.queue.is_on()
            && self.jam.is_none()
            && self.untried().any(|candidate| candidate.is_well(now) && candidate.is_full())
            && (ticket.attempts().is_empty() || self.shared.budget.has_some(now))
    }

    async fn wait(&mut self, ticket: &Ticket) -> Option<Lease> {
        let queue = self.shared.settings.queue;
        let Some(mut place) = Place::take(self.lines(), queue.max_waiting) else {
            self.jam = Some(Jam::QueueFull { max_waiting: queue.max_waiting });
            return None;
        };
        debug!(request_id = ticket.id(), "waiting for room");
        let _waiting = Waiting::new(&self.shared.waiting);
        let until = *self.patience.get_or_insert_with(|| clock::instant() + queue.timeout);
        let until = self.shared.settings.timeouts.deadline(ticket).map_or(until, |end| end.min(until));
        match within(Some(until), poll_fn(|cx| place.poll_slot(cx))).await {
            Ok(slot) => Lease::of_slot(self.list, &self.tried, slot, clock::now()),
            Err(_) => {
                self.jam = Some(Jam::TooLong { limit: queue.timeout });
                None
            }
        }
    }

    /// Returns the endpoints in whose lines it waits: also those that are down, for they may come back first.
    fn lines(&self) -> impl Iterator<Item = &'c Arc<Live>> {
        let now = self.hint.now;
        let wanted = self.untried().filter(move |candidate| candidate.aside_until(now).is_none());
        wanted.map(|candidate| &candidate.endpoint.live)
    }

    fn untried(&self) -> impl Iterator<Item = &'c Candidate<'f>> {
        let untried =
            self.candidates.all().iter().enumerate().filter(|(position, _)| !self.tried.contains(*position));
        untried.map(|(_, candidate)| candidate)
    }
}

/// Whether there is nobody, or nobody who is well.
fn is_second_rate(pick: Option<Pick>) -> bool {
    pick.is_none_or(|pick| matches!(pick.reason, Reason::LastResort | Reason::SetAside))
}

// === impl Waiting ===

impl<'s> Waiting<'s> {
    fn new(count: &'s AtomicUsize) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
