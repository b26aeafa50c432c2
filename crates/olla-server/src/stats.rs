//! Process-wide statistics: every request that reached a backend once, and refusals by error code.
//!
//! Counters of endpoints and models live in the fleet and are kept by the proxy; nothing here repeats them.

mod translators;

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use olla_core::{AffinityOutcome, Outcome, Recorder, RequestRecord, Totals, TotalsView};

pub(crate) use translators::{Figures, MESSAGES, Translators};

/// How long a client that was sent away for asking too often is remembered.
const LIMITED_FOR: Duration = Duration::from_secs(3600);
/// The most clients remembered; the ones that come after are refused all the same.
const LIMITED_MAX: usize = 10_000;
/// The least time between two searches for clients to forget.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

const RATE_LIMITED: &str = "rate_limited";
const OVERSIZED: [&str; 2] = ["body_too_large", "headers_too_large"];

/// Counts finished requests.
#[derive(Default)]
pub(crate) struct Stats {
    totals: Totals,
    /// Of conversations, among answered requests.
    hits: AtomicU64,
    misses: AtomicU64,
    translators: Translators,
    refused: Mutex<Refused>,
}

/// The values of [`Stats`] at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct StatsView {
    /// Requests that reached a backend.
    pub(crate) totals: TotalsView,
    /// Requests that Olla answered with an error instead of asking a backend, by error code.
    pub(crate) refusals: BTreeMap<&'static str, u64>,
    /// Distinct clients that met the rate limit within the last hour.
    pub(crate) limited_clients: usize,
}

/// How often a request was found to belong to a conversation that is remembered, and how often not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lookups {
    /// Those that had moved to another endpoint included.
    pub(crate) hits: u64,
    pub(crate) misses: u64,
}

/// Requests that never reached a backend. Behind a lock: refusing is rare, or cheap enough to wait.
#[derive(Default)]
struct Refused {
    by_code: BTreeMap<&'static str, u64>,
    limited: HashMap<IpAddr, SystemTime>,
    swept: Option<SystemTime>,
}

// === impl Stats ===

impl Stats {
    /// Returns the current values.
    pub(crate) fn snapshot(&self, now: SystemTime) -> StatsView {
        let refused = self.refused();
        StatsView {
            totals: self.totals.view(),
            refusals: refused.by_code.clone(),
            limited_clients: refused.limited.values().filter(|seen| is_recent(**seen, now)).count(),
        }
    }

    /// Returns what became of look-ups of conversations.
    pub(crate) fn lookups(&self) -> Lookups {
        Lookups { hits: self.hits.load(Relaxed), misses: self.misses.load(Relaxed) }
    }

    /// Returns what became of conversations in each format of clients.
    pub(crate) fn translators(&self) -> &Translators {
        &self.translators
    }

    fn refused(&self) -> MutexGuard<'_, Refused> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder for Stats {
    fn record(&self, record: &RequestRecord) {
        let now = record.started + record.duration;
        match record.affinity.map(|affinity| affinity.outcome) {
            Some(AffinityOutcome::Hit | AffinityOutcome::Repin) => _ = self.hits.fetch_add(1, Relaxed),
            Some(AffinityOutcome::Miss) => _ = self.misses.fetch_add(1, Relaxed),
            Some(AffinityOutcome::Disabled) | None => {}
        }
        self.translators.record(record);
        if !record.attempts.is_empty() {
            self.totals.record(record.outcome, record.duration, record.bytes_out, record.ended());
        } else if let Some(code) = record.error
            && record.outcome != Outcome::Cancelled
        {
            let client = record.client.filter(|_| code == RATE_LIMITED);
            self.refused().note(code, client, now);
        }
    }
}

// === impl StatsView ===

impl StatsView {
    /// Returns how many requests met the rate limit.
    pub(crate) fn rate_limits(&self) -> u64 {
        self.refusals.get(RATE_LIMITED).copied().unwrap_or(0)
    }

    /// Returns how many requests were too large.
    pub(crate) fn size_limits(&self) -> u64 {
        OVERSIZED.iter().filter_map(|code| self.refusals.get(code)).sum()
    }
}

// === impl Refused ===

impl Refused {
    fn note(&mut self, code: &'static str, limited: Option<IpAddr>, now: SystemTime) {
        *self.by_code.entry(code).or_default() += 1;
        let Some(client) = limited else { return };
        if self.limited.len() >= LIMITED_MAX {
            self.sweep(now);
        }
        if self.limited.len() < LIMITED_MAX || self.limited.contains_key(&client) {
            self.limited.insert(client, now);
        }
    }

    fn sweep(&mut self, now: SystemTime) {
        let due = self.swept.is_none_or(|swept| age(swept, now) >= SWEEP_INTERVAL);
        if due {
            self.limited.retain(|_, seen| is_recent(*seen, now));
            self.swept = Some(now);
        }
    }
}

fn is_recent(seen: SystemTime, now: SystemTime) -> bool {
    age(seen, now) < LIMITED_FOR
}

fn age(then: SystemTime, now: SystemTime) -> Duration {
    now.duration_since(then).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{Method, Uri};
    use olla_core::{Affinity, Attempt, BaseUrl, EndpointSpec, Failure, FleetCell};

    use super::*;

    fn record(client: u32) -> RequestRecord {
        let id = "req_1".into();
        let client = IpAddr::V4(client.into());
        RequestRecord::start(id, Method::POST, Uri::default(), Some(client), SystemTime::now())
    }

    fn refused(client: u32, code: &'static str) -> RequestRecord {
        let mut record = record(client);
        record.error = Some(code);
        record.outcome = Outcome::Success;
        record
    }

    #[test]
    fn counts_a_retried_request_once() {
        let spec = EndpointSpec::new("a", BaseUrl::parse("http://127.0.0.1:1").unwrap());
        let endpoint = Arc::clone(&FleetCell::new(vec![spec], Default::default()).load().endpoints()[0]);
        let mut request = record(1);
        for failure in [Some(Failure::Refused), None] {
            let mut attempt = Attempt::new(Arc::clone(&endpoint), None, Duration::from_millis(1));
            attempt.failure = failure;
            request.attempts.push(attempt);
        }
        request.outcome = Outcome::Success;
        request.bytes_out = 7;
        let stats = Stats::default();

        stats.record(&request);

        let view = stats.snapshot(SystemTime::now());
        assert_eq!((view.totals.requests, view.totals.successes, view.totals.bytes), (1, 1, 7));
        assert!(view.refusals.is_empty());
    }

    #[test]
    fn a_conversation_that_has_moved_was_found_and_one_without_a_key_was_not_looked_for() {
        let stats = Stats::default();

        for outcome in
            [AffinityOutcome::Hit, AffinityOutcome::Miss, AffinityOutcome::Repin, AffinityOutcome::Disabled]
        {
            let mut request = record(1);
            request.affinity = Some(Affinity { outcome, source: None });
            stats.record(&request);
        }

        assert_eq!(stats.lookups(), Lookups { hits: 2, misses: 1 });
    }

    #[test]
    fn keeps_refusals_apart_from_requests() {
        let stats = Stats::default();

        for code in ["rate_limited", "body_too_large", "headers_too_large", "model_not_found"] {
            stats.record(&refused(1, code));
        }

        let view = stats.snapshot(SystemTime::now());
        assert_eq!((view.totals.requests, view.refusals.len()), (0, 4));
        assert_eq!((view.rate_limits(), view.size_limits()), (1, 2));
    }

    #[test]
    fn neither_a_client_that_left_nor_an_answer_of_our_own_is_a_refusal() {
        let stats = Stats::default();
        let mut gone = refused(1, "client_gone");
        gone.outcome = Outcome::Cancelled;
        let mut listing = record(1);
        listing.outcome = Outcome::Success;

        stats.record(&gone);
        stats.record(&listing);

        assert_eq!(stats.snapshot(SystemTime::now()), StatsView::default());
    }

    #[test]
    fn remembers_each_limited_client_for_an_hour() {
        let stats = Stats::default();

        for client in [1, 1, 2] {
            stats.record(&refused(client, RATE_LIMITED));
        }
        stats.record(&refused(3, "body_too_large"));

        let now = SystemTime::now();
        assert_eq!(stats.snapshot(now).limited_clients, 2);
        assert_eq!(stats.snapshot(now + LIMITED_FOR).limited_clients, 0);
    }

    #[test]
    fn the_memory_of_limited_clients_is_bounded_and_makes_room() {
        let mut memory = Refused::default();
        let now = SystemTime::now();
        let client = |n: usize| Some(IpAddr::V4(u32::try_from(n).unwrap().into()));

        for n in 0..=LIMITED_MAX {
            memory.note(RATE_LIMITED, client(n), now);
        }
        assert_eq!(memory.limited.len(), LIMITED_MAX);
        memory.note(RATE_LIMITED, client(LIMITED_MAX), now + LIMITED_FOR);

        assert_eq!(memory.limited.len(), 1);
    }
}
