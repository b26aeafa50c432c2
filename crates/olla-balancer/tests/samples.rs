//! Choosing among a few that are drawn of many spreads requests nearly as well as choosing among all.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::{collections::VecDeque, sync::Arc};

use olla_balancer::{Balancer, Candidate, Hint, Lease, Strategy, Tried, sample};
use olla_core::{BaseUrl, EndpointSpec, Fleet, FleetCell, Moment, Status};

const ENDPOINTS: usize = 200;

fn fleet() -> Arc<Fleet> {
    let url = BaseUrl::parse("http://127.0.0.1:1").unwrap();
    let specs = (0..ENDPOINTS).map(|n| EndpointSpec::new(format!("e{n}"), url.clone()));
    let fleet = FleetCell::new(specs.collect(), Default::default()).load();
    for endpoint in fleet.endpoints() {
        endpoint.live.set_status(Status::Healthy);
    }
    fleet
}

/// Chooses among a sample; returns the endpoint's number and a lease of it.
fn choose(balancer: Balancer, fleet: &Fleet) -> (usize, Lease) {
    let candidate = |n: &usize| Candidate { endpoint: &fleet.endpoints()[*n], placement: None, rank: 0 };
    for count in [balancer.choices_at_first(), balancer.choices()] {
        let drawn = sample(count, ENDPOINTS);
        let candidates: Vec<_> = drawn.iter().map(candidate).collect();
        let pick = balancer.pick(&candidates, &Tried::default(), &Hint::default()).unwrap();
        if count == balancer.choices() || candidates[pick.position].is_idle(Moment::default()) {
            return (drawn[pick.position], Lease::acquire(&candidates, pick, Moment::default()).unwrap());
        }
    }
    unreachable!("the last choice stands")
}

/// Returns how many of so many requests each endpoint gets, all of them over at once.
fn served(balancer: Balancer, requests: usize) -> Vec<usize> {
    let fleet = fleet();
    let mut served = vec![0; ENDPOINTS];
    (0..requests).for_each(|_| served[choose(balancer, &fleet).0] += 1);
    served
}

#[test]
fn turns_among_a_sample_are_nearly_as_fair_as_turns_among_all() {
    for balancer in Balancer::ALL {
        for share in [1, 10, 100] {
            fastrand::seed(7);

            let served = served(balancer, share * ENDPOINTS);

            let most = served.iter().map(|served| served.abs_diff(share)).max().unwrap();
            let bound = if balancer.choices_at_first() < balancer.choices() { 2 + share / 10 } else { 2 };
            assert!(most <= bound, "{balancer}: {most} off a share of {share}");
        }
    }
}

#[test]
fn the_least_loaded_of_a_sample_is_nearly_the_least_loaded_of_all() {
    for share in [1, 4, 32] {
        fastrand::seed(7);
        let fleet = fleet();
        let mut open = VecDeque::new();

        for _ in 0..50 * ENDPOINTS {
            if open.len() == share * ENDPOINTS {
                // Requests end in no order.
                open.swap_remove_back(fastrand::usize(..open.len()));
            }
            open.push_back(choose(Balancer::LeastConnections, &fleet).1);
            let most = fleet.endpoints().iter().map(|endpoint| endpoint.live.in_flight()).max().unwrap();
            assert!(most as usize <= share + 1, "{most} in flight at one, {share} at each");
        }
    }
}
