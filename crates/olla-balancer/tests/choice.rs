//! Which candidates may be picked, and which of them each strategy prefers.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::sync::Arc;

use olla_balancer::{Balancer, Candidate, Hint, Lease, Pick, Reason, Strategy, Tried};
use olla_core::{BaseUrl, EndpointSpec, Failure, Fleet, FleetCell, Moment, Status};
use proptest::prelude::*;

const STATUSES: [Status; 7] = [
    Status::Unknown,
    Status::Healthy,
    Status::Busy,
    Status::Unhealthy,
    Status::Offline,
    Status::ConfigError,
    Status::RateLimited,
];

/// A fleet of healthy endpoints of these priorities and weights.
fn fleet(endpoints: &[(u32, u32)]) -> Arc<Fleet> {
    let specs = endpoints.iter().enumerate().map(|(number, (priority, weight))| {
        let base = BaseUrl::parse("http://127.0.0.1:1").unwrap();
        let mut spec = EndpointSpec::new(format!("e{number}"), base);
        (spec.priority, spec.weight) = (*priority, *weight);
        spec
    });
    let fleet = FleetCell::new(specs.collect(), Default::default()).load();
    for endpoint in fleet.endpoints() {
        endpoint.live.set_status(Status::Healthy);
    }
    fleet
}

fn candidates(fleet: &Fleet) -> Vec<Candidate<'_>> {
    fleet.endpoints().iter().map(|endpoint| Candidate { endpoint, placement: None, rank: 0 }).collect()
}

fn tried(positions: &[usize]) -> Tried {
    let mut tried = Tried::default();
    positions.iter().for_each(|position| tried.insert(*position));
    tried
}

fn pick(balancer: Balancer, fleet: &Fleet, tried: &Tried) -> Option<(usize, Reason)> {
    balancer
        .pick(&candidates(fleet), tried, &Hint::default())
        .map(|Pick { position, reason }| (position, reason))
}

#[test]
fn nothing_is_picked_when_nothing_may_be() {
    for balancer in Balancer::ALL {
        let down = fleet(&[(1, 1), (1, 1)]);
        for endpoint in down.endpoints() {
            endpoint.live.set_status(Status::Offline);
        }

        assert_eq!(pick(balancer, &fleet(&[]), &tried(&[])), None);
        assert_eq!(pick(balancer, &fleet(&[(1, 1)]), &tried(&[0])), None);
        assert_eq!(pick(balancer, &down, &tried(&[])), None, "offline by a probe is not a last resort");
    }
}

#[test]
fn suspects_are_a_last_resort() {
    for balancer in Balancer::ALL {
        let fleet = fleet(&[(9, 9), (1, 1), (1, 1)]);
        fleet.endpoints()[0].live.demote(Failure::Refused);
        fleet.endpoints()[2].live.set_status(Status::Unhealthy);

        assert_eq!(pick(balancer, &fleet, &tried(&[])), Some((1, Reason::OnlyCandidate)));
        assert_eq!(pick(balancer, &fleet, &tried(&[1])), Some((0, Reason::LastResort)));
        assert_eq!(pick(balancer, &fleet, &tried(&[0, 1])), None);

        fleet.endpoints()[0].live.set_status(Status::Offline);
        assert_eq!(pick(balancer, &fleet, &tried(&[1])), None, "a probe has confirmed it");
    }
}

#[test]
fn priority_stays_in_the_highest_tier_that_is_left() {
    let fleet = fleet(&[(1, 1), (50, 1), (50, 1), (99, 1)]);
    fleet.endpoints()[3].live.set_status(Status::Unhealthy);

    let picks: Vec<_> = (0..4).map(|_| pick(Balancer::Priority, &fleet, &tried(&[])).unwrap()).collect();

    assert_eq!(picks, [1, 2, 1, 2].map(|position| (position, Reason::HighestPriority)));
    assert_eq!(pick(Balancer::Priority, &fleet, &tried(&[1])).unwrap().0, 2);
    assert_eq!(pick(Balancer::Priority, &fleet, &tried(&[1, 2])), Some((0, Reason::OnlyCandidate)));
}

#[test]
fn least_connections_fills_endpoints_in_proportion_to_weight() {
    let fleet = fleet(&[(1, 3), (1, 1), (1, 2)]);
    let candidates = candidates(&fleet);

    let leases: Vec<_> = (0..60)
        .map(|_| {
            let pick = Balancer::LeastConnections.pick(&candidates, &tried(&[]), &Hint::default()).unwrap();
            Lease::acquire(&candidates, pick, Hint::default().now).unwrap()
        })
        .collect();

    let loads: Vec<_> = fleet.endpoints().iter().map(|e| e.live.in_flight()).collect();
    assert_eq!((loads, leases.len()), (vec![30, 10, 20], 60));
}

#[test]
fn least_connections_takes_turns_among_equals() {
    let fleet = fleet(&[(1, 1), (1, 1), (1, 1)]);
    let _busy = fleet.endpoints()[1].live.enter();

    let picks: Vec<_> =
        (0..4).map(|_| pick(Balancer::LeastConnections, &fleet, &tried(&[])).unwrap()).collect();

    assert_eq!(picks, [0, 2, 0, 2].map(|position| (position, Reason::LeastLoaded)));
}

#[test]
fn the_greatest_weights_do_not_overflow() {
    for balancer in Balancer::ALL {
        let fleet = fleet(&[(u32::MAX, u32::MAX), (u32::MAX, u32::MAX)]);

        let picks = [(); 4].map(|()| pick(balancer, &fleet, &tried(&[])).unwrap().0);

        assert_eq!(picks, [0, 1, 0, 1], "{balancer}");
    }
}

#[test]
fn a_weight_of_zero_counts_as_one() {
    for balancer in Balancer::ALL {
        let fleet = fleet(&[(1, 0), (1, 1)]);

        let picks = [(); 4].map(|()| pick(balancer, &fleet, &tried(&[])).unwrap().0);

        assert_eq!(picks, [0, 1, 0, 1], "{balancer}");
    }
}

#[test]
fn a_pick_outside_the_candidates_is_no_lease() {
    let fleet = fleet(&[(1, 1)]);
    let pick = Pick { position: 1, reason: Reason::Custom("wrong") };

    assert!(Lease::acquire(&candidates(&fleet), pick, Moment::default()).is_none());
    assert_eq!(fleet.endpoints()[0].live.in_flight(), 0);
}

#[test]
fn a_strategy_from_outside_fits_the_seam() {
    #[derive(Debug)]
    struct ByPromptSize;

    impl Strategy for ByPromptSize {
        fn name(&self) -> &'static str {
            "by-prompt-size"
        }

        fn pick(&self, candidates: &[Candidate<'_>], tried: &Tried, hint: &Hint) -> Option<Pick> {
            let position = usize::try_from(hint.prompt_bytes).ok()? % candidates.len();
            (!tried.contains(position)).then_some(Pick { position, reason: Reason::Custom("prompt_size") })
        }
    }

    let fleet = fleet(&[(1, 1), (1, 1)]);
    let mut hint = Hint::default();
    hint.prompt_bytes = 7;
    let strategy: Box<dyn Strategy> = Box::new(ByPromptSize);

    let lease = Lease::acquire(
        &candidates(&fleet),
        strategy.pick(&candidates(&fleet), &tried(&[]), &hint).unwrap(),
        hint.now,
    );

    let lease = lease.unwrap();
    assert_eq!((lease.position(), lease.reason().as_str()), (1, "prompt_size"));
    assert_eq!((&*lease.endpoint().spec.name, strategy.name()), ("e1", "by-prompt-size"));
}

fn balancer() -> impl proptest::strategy::Strategy<Value = Balancer> {
    prop::sample::select(Balancer::ALL.to_vec())
}

proptest! {
    #[test]
    fn only_untried_endpoints_that_may_serve_are_picked(
        balancer in balancer(),
        endpoints in prop::collection::vec((0..3_u32, 0..4_u32, 0..8_usize, 0..4_u32, any::<bool>()), 0..40),
    ) {
        let settings: Vec<_> = endpoints.iter().map(|e| (e.0, e.1)).collect();
        let fleet = fleet(&settings);
        let mut skip = Tried::default();
        let mut loads = Vec::new();
        for (position, (endpoint, set)) in fleet.endpoints().iter().zip(&endpoints).enumerate() {
            match STATUSES.get(set.2) {
                Some(status) => {
                    endpoint.live.set_status(*status);
                }
                None => {
                    endpoint.live.demote(Failure::HeadTimeout);
                }
            }
            loads.extend((0..set.3).map(|_| endpoint.live.enter()));
            if set.4 {
                skip.insert(position);
            }
        }
        let untried = || fleet.endpoints().iter().enumerate().filter(|(p, _)| !skip.contains(*p));
        let routable: Vec<_> = untried().filter(|(_, e)| e.live.status().is_routable()).collect();
        let suspects: Vec<_> = untried().filter(|(_, e)| e.live.is_suspect()).collect();

        let picked = pick(balancer, &fleet, &skip);

        let allowed = if routable.is_empty() { &suspects } else { &routable };
        let Some((position, reason)) = picked else {
            prop_assert!(allowed.is_empty());
            return Ok(());
        };
        let (_, chosen) = allowed.iter().find(|(p, _)| *p == position).expect("an allowed endpoint");
        prop_assert_eq!(reason == Reason::LastResort, routable.is_empty());
        prop_assert_eq!(reason == Reason::OnlyCandidate, routable.len() == 1);
        if balancer == Balancer::Priority {
            prop_assert!(allowed.iter().all(|(_, e)| e.spec.priority <= chosen.spec.priority));
        }
        if balancer == Balancer::LeastConnections {
            let weight = |e: &olla_core::Endpoint| {
                let share = if routable.is_empty() { 100 } else { e.live.status().share_percent() };
                u64::from(e.spec.weight.max(1) * share)
            };
            let load = |e: &olla_core::Endpoint| u64::from(e.live.in_flight()) + 1;
            prop_assert!(allowed.iter().all(|(_, e)| load(chosen) * weight(e) <= load(e) * weight(chosen)));
        }
    }

    #[test]
    fn in_flight_returns_to_zero_after_any_mix_of_leases(
        balancer in balancer(),
        drops in prop::collection::vec(prop::option::of(any::<prop::sample::Index>()), 1..80),
    ) {
        let fleet = fleet(&[(1, 1), (1, 2), (2, 1)]);
        let candidates = candidates(&fleet);
        let in_flight = || fleet.endpoints().iter().map(|e| e.live.in_flight() as usize).sum::<usize>();
        let mut leases = Vec::new();

        for dropped in drops {
            match dropped {
                Some(index) if !leases.is_empty() => drop(leases.remove(index.index(leases.len()))),
                _ => {
                    let pick = balancer.pick(&candidates, &Tried::default(), &Hint::default()).unwrap();
                    leases.push(Lease::acquire(&candidates, pick, Hint::default().now).unwrap());
                }
            }
            prop_assert_eq!(in_flight(), leases.len());
        }
        drop(leases);

        prop_assert_eq!(in_flight(), 0);
    }
}
