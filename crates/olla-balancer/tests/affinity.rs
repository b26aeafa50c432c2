//! A conversation stays with the candidate that has served it, unless that one cannot be used or is too busy.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::{num::NonZeroU32, sync::Arc};

use olla_balancer::{Balancer, Candidate, Hint, Pick, Pinned, Reason, Strategy, Tried};
use olla_core::{BaseUrl, EjectionRules, EndpointSpec, Failure, Fleet, FleetCell, Model, Moment, Status};
use proptest::prelude::*;

/// A quarter more than the mean.
const LOAD_PERCENT: u32 = 125;

/// Healthy endpoints of these weights that all have the model `m`.
fn fleet(weights: &[u32], max_concurrent: Option<u32>) -> Arc<Fleet> {
    let base = BaseUrl::parse("http://127.0.0.1:1").unwrap();
    let specs = weights.iter().enumerate().map(|(number, weight)| {
        let mut spec = EndpointSpec::new(format!("e{number}"), base.clone());
        spec.weight = *weight;
        spec.max_concurrent = max_concurrent.and_then(NonZeroU32::new);
        spec
    });
    let cell = FleetCell::new(specs.collect(), Default::default());
    for endpoint in cell.load().endpoints() {
        cell.publish_models(endpoint.id, None, vec![Model::named("m")]);
        endpoint.live.set_status(Status::Healthy);
    }
    cell.load()
}

fn candidates(fleet: &Fleet) -> Vec<Candidate<'_>> {
    let found = fleet.lookup("m");
    let placed = fleet.endpoints().iter().enumerate();
    placed
        .map(|(position, endpoint)| Candidate {
            endpoint,
            placement: found.iter().copied().find(|p| p.endpoint == position),
            rank: 0,
        })
        .collect()
}

fn pinned_to(position: usize) -> Hint {
    let mut hint = Hint::default();
    hint.pinned = Some(Pinned { position, load_percent: LOAD_PERCENT });
    hint
}

fn pick(balancer: Balancer, fleet: &Fleet, pinned: usize) -> (usize, Reason) {
    let pick = balancer.pick(&candidates(fleet), &Tried::default(), &pinned_to(pinned));
    pick.map(|Pick { position, reason }| (position, reason)).unwrap()
}

#[test]
fn the_pinned_candidate_is_picked_whoevers_turn_it_is() {
    for balancer in Balancer::ALL {
        let fleet = fleet(&[1, 9, 1], None);

        let picks: Vec<_> = (0..10).map(|_| pick(balancer, &fleet, 2)).collect();

        assert_eq!(picks, [(2, Reason::Pinned); 10], "{balancer}");
    }
}

#[test]
fn new_conversations_take_turns_however_much_the_old_ones_ask() {
    for balancer in Balancer::ALL {
        let fleet = fleet(&[1, 1, 1], None);

        let homes: Vec<_> = (0..6)
            .map(|_| {
                let new = balancer.pick(&candidates(&fleet), &Tried::default(), &Hint::default());
                let home = new.unwrap().position;
                assert!((0..10).all(|_| pick(balancer, &fleet, home) == (home, Reason::Pinned)));
                home
            })
            .collect();

        assert_eq!(homes, [0, 1, 2, 0, 1, 2], "{balancer}");
    }
}

#[test]
fn it_yields_while_its_load_is_above_the_bound_and_is_picked_again_below() {
    for balancer in Balancer::ALL {
        let fleet = fleet(&[1, 1], None);
        let busy = &fleet.endpoints()[0].live;
        let one = busy.enter();
        assert_eq!(pick(balancer, &fleet, 0).1, Reason::Pinned, "{balancer}: 2 of a mean of 1");
        let another = busy.enter();

        let reason = pick(balancer, &fleet, 0).1;

        assert_ne!(reason, Reason::Pinned, "{balancer}: 3 of a mean of 1.5");
        drop((one, another));
        assert_eq!(pick(balancer, &fleet, 0), (0, Reason::Pinned));
    }
}

#[test]
fn what_cannot_be_used_is_not_picked_for_being_pinned() {
    type Breaks = fn(&olla_core::Endpoint);
    let ways: [(&str, Breaks); 5] = [
        ("down", |e| {
            e.live.set_status(Status::Offline);
        }),
        ("suspect", |e| {
            e.live.demote(Failure::Refused);
        }),
        ("ejected", |e| {
            let failed = |_| e.live.outlier().failed(Moment::default(), &EjectionRules::default());
            (0..5).for_each(|n| {
                failed(n);
            });
        }),
        ("set aside", |e| e.model_live[0].set_aside(Moment::from_millis(1000))),
        ("full", |e| std::mem::forget(e.live.enter())),
    ];
    for balancer in Balancer::ALL {
        for (name, breaks) in ways {
            let fleet = fleet(&[1, 1], Some(1));
            breaks(&fleet.endpoints()[0]);

            assert_eq!(pick(balancer, &fleet, 0), (1, Reason::OnlyCandidate), "{balancer}, {name}");
        }
    }
}

#[test]
fn a_candidate_that_has_been_tried_or_does_not_exist_is_no_pin() {
    for balancer in Balancer::ALL {
        let fleet = fleet(&[1, 1], None);
        let mut tried = Tried::default();
        tried.insert(0);

        let second = balancer.pick(&candidates(&fleet), &tried, &pinned_to(0)).unwrap();

        assert_eq!((second.position, second.reason), (1, Reason::OnlyCandidate));
        assert_ne!(pick(balancer, &fleet, 7).1, Reason::Pinned);
    }
}

#[test]
fn a_lower_rank_goes_before_a_pin() {
    let fleet = fleet(&[1, 1], None);
    let mut candidates = candidates(&fleet);
    candidates[0].rank = 1;

    let pick = Balancer::RoundRobin.pick(&candidates, &Tried::default(), &pinned_to(0)).unwrap();

    assert_eq!((pick.position, pick.reason), (1, Reason::Preferred));
}

proptest! {
    #[test]
    fn the_bound_is_the_share_of_the_mean_by_weight_rounded_up(
        endpoints in prop::collection::vec((1..5_u32, 0..9_u32), 1..12),
        pinned in any::<prop::sample::Index>(),
        balancer in prop::sample::select(Balancer::ALL.to_vec()),
    ) {
        let weights: Vec<_> = endpoints.iter().map(|e| e.0).collect();
        let fleet = fleet(&weights, None);
        let mut held = Vec::new();
        for (endpoint, (_, load)) in fleet.endpoints().iter().zip(&endpoints) {
            held.extend((0..*load).map(|_| endpoint.live.enter()));
        }
        let pinned = pinned.index(endpoints.len());

        let (position, reason) = pick(balancer, &fleet, pinned);

        // load + 1 is at most the bound, rounded up, exactly when load is less than the bound.
        let (weight, load) = endpoints[pinned];
        let (all, total) = (endpoints.iter().map(|e| e.1).sum::<u32>() + 1, weights.iter().sum::<u32>());
        let is_within = load * total * 4 < all * weight * 5;
        prop_assert_eq!(reason == Reason::Pinned, is_within);
        prop_assert!(!is_within || position == pinned);
    }
}
