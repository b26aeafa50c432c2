//! Of equals, those that hold the model in memory go first, under every strategy; nobody queues for it.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::sync::Arc;

use olla_balancer::{Balancer, Candidate, Hint, Pick, Reason, Strategy, Tried};
use olla_core::{BaseUrl, Endpoint, EndpointSpec, Fleet, FleetCell, Model, Residency, Status};
use proptest::prelude::*;

/// Healthy endpoints of these priorities and weights that all have the model `m`.
fn fleet(endpoints: &[(u32, u32)]) -> Arc<Fleet> {
    let base = BaseUrl::parse("http://127.0.0.1:1").unwrap();
    let specs = endpoints.iter().enumerate().map(|(number, (priority, weight))| {
        let mut spec = EndpointSpec::new(format!("e{number}"), base.clone());
        (spec.priority, spec.weight) = (*priority, *weight);
        spec
    });
    let cell = FleetCell::new(specs.collect(), Default::default());
    for endpoint in cell.load().endpoints() {
        cell.publish_models(endpoint.id, None, vec![Model::named("m")]);
        endpoint.live.set_status(Status::Healthy);
    }
    cell.load()
}

fn pick(balancer: Balancer, fleet: &Fleet) -> (usize, Reason) {
    let found = fleet.lookup("m");
    let placed = fleet.endpoints().iter().enumerate();
    let candidates: Vec<_> = placed
        .map(|(position, endpoint)| Candidate {
            endpoint,
            placement: found.iter().copied().find(|p| p.endpoint == position),
            rank: 0,
        })
        .collect();
    let pick = balancer.pick(&candidates, &Tried::default(), &Hint::default());
    pick.map(|Pick { position, reason }| (position, reason)).unwrap()
}

fn set(endpoint: &Endpoint, loaded: Option<bool>) {
    match loaded {
        Some(true) => endpoint.model_live[0].set_loaded(Residency::default()),
        Some(false) => endpoint.model_live[0].set_cold(),
        None => endpoint.model_live[0].forget_residency(),
    }
}

#[test]
fn the_one_that_holds_the_model_gets_every_request_while_it_is_idle() {
    for balancer in Balancer::ALL {
        let fleet = fleet(&[(1, 1), (1, 1), (1, 1)]);
        let endpoints = fleet.endpoints();
        endpoints.iter().zip([false, true, false]).for_each(|(e, loaded)| set(e, Some(loaded)));

        let picks: Vec<_> = (0..6).map(|_| pick(balancer, &fleet)).collect();

        assert_eq!(picks, [(1, Reason::AlreadyLoaded); 6], "{balancer}");
    }
}

#[test]
fn nobody_waits_behind_others_for_a_model_that_is_loaded() {
    for balancer in Balancer::ALL {
        let fleet = fleet(&[(1, 1), (1, 1)]);
        set(&fleet.endpoints()[0], Some(true));
        set(&fleet.endpoints()[1], Some(false));
        let _busy = fleet.endpoints()[0].live.enter();

        let picks: Vec<_> = (0..4).map(|_| pick(balancer, &fleet)).collect();

        assert!(picks.iter().any(|(position, _)| *position == 1), "{balancer}: {picks:?}");
        assert!(picks.iter().all(|(_, reason)| *reason != Reason::AlreadyLoaded), "{balancer}: {picks:?}");
    }
}

#[test]
fn who_does_not_tell_is_as_good_as_who_holds_it() {
    for balancer in Balancer::ALL {
        let fleet = fleet(&[(1, 1), (1, 1), (1, 1)]);
        let told = [None, Some(true), Some(false)];
        fleet.endpoints().iter().zip(told).for_each(|(e, loaded)| set(e, loaded));

        let picks: Vec<_> = (0..4).map(|_| pick(balancer, &fleet).0).collect();

        assert_eq!(picks, [0, 1, 0, 1], "{balancer}");
    }
}

#[test]
fn a_higher_priority_goes_before_a_loaded_model() {
    let fleet = fleet(&[(1, 1), (2, 1), (2, 1)]);
    fleet.endpoints().iter().zip([true, false, false]).for_each(|(e, loaded)| set(e, Some(loaded)));

    assert_ne!(pick(Balancer::Priority, &fleet).0, 0);
}

proptest! {
    /// Held against the rule in plain words: the strategy first, then the least busy of what it leaves, and of
    /// those the warm ones.
    #[test]
    fn warm_breaks_ties_and_nothing_else(
        balancer in prop::sample::select(Balancer::ALL.to_vec()),
        endpoints in prop::collection::vec(
            (1..3_u32, 1..4_u32, 0..3_u32, prop::option::of(any::<bool>())),
            1..12,
        ),
    ) {
        let settings: Vec<_> = endpoints.iter().map(|e| (e.0, e.1)).collect();
        let fleet = fleet(&settings);
        let mut held = Vec::new();
        for (endpoint, (_, _, load, loaded)) in fleet.endpoints().iter().zip(&endpoints) {
            held.extend((0..*load).map(|_| endpoint.live.enter()));
            set(endpoint, *loaded);
        }
        // A load for a weight, in sixths, so that weights of 1 to 3 divide it.
        let load = |n: usize| (endpoints[n].2 + 1) * 6 / endpoints[n].1;
        let is_cold = |n: usize| endpoints[n].3 == Some(false);
        let all = 0..endpoints.len();
        let highest = endpoints.iter().map(|e| e.0).max().unwrap();
        let lowest = all.clone().map(load).min().unwrap();
        let left: Vec<_> = match balancer {
            Balancer::RoundRobin => all.collect(),
            Balancer::Priority => all.filter(|n| endpoints[*n].0 == highest).collect(),
            Balancer::LeastConnections => all.filter(|n| load(*n) == lowest).collect(),
        };

        let (position, reason) = pick(balancer, &fleet);

        prop_assert!(left.contains(&position));
        let least = left.iter().map(|n| load(*n)).min().unwrap();
        let warm: Vec<_> = left.iter().copied().filter(|n| !is_cold(*n) && load(*n) == least).collect();
        let breaks_a_tie = !warm.is_empty() && left.iter().any(|n| is_cold(*n));
        prop_assert_eq!(reason == Reason::AlreadyLoaded, breaks_a_tie);
        prop_assert!(!breaks_a_tie || warm.contains(&position));
    }
}
