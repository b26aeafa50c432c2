//! Choosing among a few that are drawn of many spreads requests nearly as well as choosing among all.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::{collections::VecDeque, sync::Arc};

use olla_balancer::{Aperture, Balancer, Candidate, Hint, Lease, Pick, Reason, Strategy, Tried, sample};
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

/// Takes one of an aperture that is free if the strategy takes any, or else chooses among a sample; returns a lease of it.
fn choose(
    balancer: Balancer,
    fleet: &Fleet,
    (aperture, in_flight): (&Aperture, usize),
    now: Moment,
) -> Lease {
    let candidate = |number: usize| {
        Some(Candidate { endpoint: fleet.endpoints().get(number)?, placement: None, rank: 0 })
    };
    let free = || aperture.free((ENDPOINTS, in_flight), now, candidate);
    if let Some(free) = balancer.takes_any_free().then(free).flatten() {
        return Lease::acquire(&[free], Pick { position: 0, reason: Reason::Free }, now).unwrap();
    }
    let candidates: Vec<_> =
        sample(balancer.choices(), ENDPOINTS).into_iter().filter_map(candidate).collect();
    let pick = balancer.pick(&candidates, &Tried::default(), &Hint::default()).unwrap();
    Lease::acquire(&candidates, pick, now).unwrap()
}

/// Returns how many of so many requests a second each endpoint gets, all of them over at once, from two workers that take
/// turns.
fn served(balancer: Balancer, requests: usize, a_second: usize) -> Vec<usize> {
    let (fleet, workers) = (fleet(), [0, 1].map(Aperture::new));
    let mut served = vec![0; ENDPOINTS];
    for number in 0..requests {
        let now = Moment::from_millis((number * 1000 / a_second) as u64);
        let lease = choose(balancer, &fleet, (&workers[number % 2], 1), now);
        served[lease.endpoint().id.index()] += 1;
    }
    served
}

fn furthest_from(share: usize, served: &[usize]) -> usize {
    served.iter().map(|served| served.abs_diff(share)).max().unwrap()
}

#[test]
fn turns_among_a_sample_are_nearly_as_fair_as_turns_among_all() {
    for balancer in [Balancer::Priority, Balancer::RoundRobin] {
        for share in [1, 10, 100] {
            fastrand::seed(7);

            let most = furthest_from(share, &served(balancer, share * ENDPOINTS, 100));

            assert!(most <= 2, "{balancer}: {most} off a share of {share}");
        }
    }
}

#[test]
fn idle_endpoints_are_used_alike_whether_requests_are_few_or_many() {
    // Requests a second, and seconds after which no endpoint is so many percent off.
    for (a_second, seconds, percent) in [(1, 40_000, 10), (100, 400, 10), (10_000, 30, 15), (1000, 400, 5)] {
        fastrand::seed(7);
        let share = a_second * seconds / ENDPOINTS;

        let most = furthest_from(share, &served(Balancer::LeastConnections, a_second * seconds, a_second));

        assert!(most <= share * percent / 100, "{a_second}/s: {most} off a share of {share}");
    }
}

#[test]
fn the_least_loaded_of_a_sample_is_nearly_the_least_loaded_of_all() {
    for share in [1, 4, 32] {
        fastrand::seed(7);
        let fleet = fleet();
        let (mut open, aperture) = (VecDeque::new(), Aperture::new(0));

        for _ in 0..50 * ENDPOINTS {
            if open.len() == share * ENDPOINTS {
                // Requests end in no order.
                open.swap_remove_back(fastrand::usize(..open.len()));
            }
            let worker = (&aperture, open.len() + 1);
            open.push_back(choose(Balancer::LeastConnections, &fleet, worker, Moment::default()));
            let most = fleet.endpoints().iter().map(|endpoint| endpoint.live.in_flight()).max().unwrap();
            assert!(most as usize <= share + 1, "{most} in flight at one, {share} at each");
        }
    }
}
