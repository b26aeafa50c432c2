//! An engine that fails within a millisecond attracts nobody, and gets its share as soon as it has healed: a
//! simulation of clients that always have a request under way, with a clock of its own.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::{collections::BTreeMap, sync::Arc};

use olla_balancer::{Balancer, Candidate, Hint, Lease, Strategy, Tried};
use olla_core::{BaseUrl, EjectionRules, EndpointSpec, Failure, Fleet, FleetCell, Moment, Status};

const CLIENTS: usize = 64;
const ENGINES: usize = 4;
/// The engine that fails.
const BAD: usize = 1;
const HEALS_AT: u64 = 10_000;
const END: u64 = 25_000;
const FAILS_WITHIN: u64 = 1;

/// How an engine fails.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// A status that sends the request on to another engine.
    Refuses,
    /// The response begins well, and breaks off: the client has to live with that.
    BreaksOff,
}

/// A request of a client at an engine.
struct Running {
    client: usize,
    tried: Tried,
    lease: Lease,
    failure: Option<Failure>,
}

/// The clients, the engines and the clock.
struct World {
    fleet: Arc<Fleet>,
    strategy: Balancer,
    trouble: Trouble,
    /// By the time at which they end.
    running: BTreeMap<u64, Vec<Running>>,
    /// For each attempt, when it was made and where.
    attempts: Vec<(u64, usize)>,
    /// Requests that no engine was left for.
    lost: usize,
}

// === impl World ===

impl World {
    fn new(strategy: Balancer, trouble: Trouble) -> Self {
        let base = BaseUrl::parse("http://127.0.0.1:1").unwrap();
        let specs = (0..ENGINES).map(|n| EndpointSpec::new(n.to_string(), base.clone())).collect();
        let fleet = FleetCell::new(specs, Default::default()).load();
        fleet.endpoints().iter().for_each(|endpoint| {
            endpoint.live.set_status(Status::Healthy);
        });
        Self { fleet, strategy, trouble, running: BTreeMap::new(), attempts: vec![], lost: 0 }
    }

    fn run(mut self) -> Self {
        (0..CLIENTS).for_each(|client| self.send(0, client, Tried::default()));
        while let Some((now, ended)) = self.running.pop_first().filter(|(now, _)| *now < END) {
            for Running { client, tried, lease, failure } in ended {
                let live = Arc::clone(&lease.endpoint().live);
                drop(lease);
                let Some(failure) = failure else {
                    live.response_ended(Moment::from_millis(now));
                    self.send(now, client, Tried::default());
                    continue;
                };
                live.request_failed(failure, Moment::from_millis(now), &EjectionRules::default());
                let next = if matches!(failure, Failure::Status(_)) { tried } else { Tried::default() };
                self.send(now, client, next);
            }
        }
        self
    }

    /// Sends a request, which has been tried at some engines, to the next.
    fn send(&mut self, now: u64, client: usize, mut tried: Tried) {
        let mut hint = Hint::default();
        hint.now = Moment::from_millis(now);
        let candidates: Vec<_> = self.fleet.endpoints().iter().map(candidate).collect();
        let Some(lease) = self
            .strategy
            .pick(&candidates, &tried, &hint)
            .and_then(|pick| Lease::acquire(&candidates, pick, hint.now))
        else {
            self.lost += 1;
            return;
        };
        let engine = lease.position();
        tried.insert(engine);
        self.attempts.push((now, engine));
        let fails = engine == BAD && now < HEALS_AT;
        let failure = fails.then_some(match self.trouble {
            Trouble::Refuses => Failure::Status(503),
            Trouble::BreaksOff => Failure::Truncated,
        });
        if !matches!(failure, Some(Failure::Status(_))) {
            lease.endpoint().live.response_started(hint.now);
        }
        // Of different lengths, so that the clients do not fall into step.
        let takes = if fails { FAILS_WITHIN } else { 100 + (client as u64 * 37 + now * 13) % 200 };
        self.running.entry(now + takes).or_default().push(Running { client, tried, lease, failure });
    }

    /// Returns the part of the attempts between two moments that went to the bad engine, percent.
    fn percent_to_the_bad_one(&self, from: u64, until: u64) -> f64 {
        let within = self.attempts.iter().filter(|(at, _)| (from..until).contains(at));
        let (mut all, mut bad) = (0, 0);
        for (_, engine) in within {
            all += 1;
            bad += usize::from(*engine == BAD);
        }
        bad as f64 * 100.0 / f64::from(all)
    }
}

fn candidate(endpoint: &Arc<olla_core::Endpoint>) -> Candidate<'_> {
    Candidate { endpoint, placement: None, rank: 0 }
}

#[test]
fn an_engine_that_fails_at_once_gets_hardly_anything_after_a_second_and_its_share_after_it_has_healed() {
    for strategy in Balancer::ALL {
        for trouble in [Trouble::Refuses, Trouble::BreaksOff] {
            let world = World::new(strategy, trouble).run();

            let while_bad = world.percent_to_the_bad_one(1000, HEALS_AT);
            let healed = world.percent_to_the_bad_one(HEALS_AT + 5000, END);
            assert!(while_bad < 2.0, "{strategy} {trouble:?}: {while_bad:.2} % while it fails");
            assert!((22.0..=28.0).contains(&healed), "{strategy} {trouble:?}: {healed:.2} % of 25 %");
            assert_eq!(world.lost, 0, "{strategy} {trouble:?}: the others are well");
        }
    }
}
