//! How turns are shared: smoothly, in proportion to weight, whatever comes and goes.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::sync::{Arc, atomic::Ordering::Relaxed};

use olla_balancer::{Balancer, Candidate, Hint, Strategy, Tried};
use olla_core::{BaseUrl, EndpointSpec, Fleet, FleetCell, Status};
use proptest::prelude::*;

/// A fleet of healthy endpoints of these weights.
fn fleet(weights: &[u32]) -> Arc<Fleet> {
    let specs = weights.iter().enumerate().map(|(number, weight)| {
        let mut spec = EndpointSpec::new(format!("e{number}"), BaseUrl::parse("http://127.0.0.1:1").unwrap());
        spec.weight = *weight;
        spec
    });
    let fleet = FleetCell::new(specs.collect(), Default::default()).load();
    for endpoint in fleet.endpoints() {
        endpoint.live.set_status(Status::Healthy);
    }
    fleet
}

/// Asks for the next endpoint of those at `members`, by round-robin.
fn next_of(fleet: &Fleet, members: &[usize]) -> usize {
    let candidates: Vec<_> = members
        .iter()
        .map(|member| Candidate { endpoint: &fleet.endpoints()[*member], placement: None, rank: 0 })
        .collect();
    let pick = Balancer::RoundRobin.pick(&candidates, &Tried::default(), &Hint::default());
    members[pick.unwrap().position]
}

fn next(fleet: &Fleet) -> usize {
    let all: Vec<_> = (0..fleet.endpoints().len()).collect();
    next_of(fleet, &all)
}

fn counts(picks: impl IntoIterator<Item = usize>) -> [usize; 3] {
    let mut counts = [0; 3];
    picks.into_iter().for_each(|position| counts[position] += 1);
    counts
}

#[test]
fn equal_weights_rotate_strictly() {
    let fleet = fleet(&[1, 1, 1]);

    let picks: Vec<_> = (0..9).map(|_| next(&fleet)).collect();

    assert_eq!(picks, [0, 1, 2, 0, 1, 2, 0, 1, 2]);
}

#[test]
fn the_models_of_one_endpoint_alternate_and_do_not_add_to_its_share() {
    let fleet = fleet(&[1, 1]);

    let picks: Vec<_> = (0..12)
        .map(|_| {
            // Twice the first endpoint, once the second.
            let candidates =
                [0, 0, 1].map(|n| Candidate { endpoint: &fleet.endpoints()[n], placement: None, rank: 0 });
            let pick = Balancer::RoundRobin.pick(&candidates, &Tried::default(), &Hint::default());
            pick.unwrap().position
        })
        .collect();

    assert_eq!(picks, [0, 2, 1, 2, 0, 2, 1, 2, 0, 2, 1, 2]);
}

#[test]
fn weights_are_spread_smoothly() {
    for (weights, expected) in
        [(vec![2, 1, 1], vec![0, 1, 0, 2, 0, 1, 0, 2]), (vec![1, 3], vec![1, 0, 1, 1, 1, 0, 1, 1])]
    {
        let fleet = fleet(&weights);
        let picks: Vec<_> = (0..8).map(|_| next(&fleet)).collect();
        assert_eq!(picks, expected, "{weights:?}");
    }
}

#[test]
fn a_busy_endpoint_gets_its_smaller_share() {
    let fleet = fleet(&[1, 1]);
    fleet.endpoints()[1].live.set_status(Status::Busy);

    assert_eq!(counts((0..1300).map(|_| next(&fleet))), [1000, 300, 0]);
}

#[test]
fn an_endpoint_that_returns_gets_no_burst() {
    for away in 0..3 {
        let fleet = fleet(&[1, 1, 1]);
        fleet.endpoints()[away].live.set_status(Status::Offline);
        assert_eq!(counts((0..1000).map(|_| next(&fleet)))[away], 0);

        fleet.endpoints()[away].live.set_status(Status::Healthy);

        let picks: Vec<_> = (0..300).map(|_| next(&fleet)).collect();
        let found = picks.chunks_exact(3).all(|round| counts(round.iter().copied()) == [1, 1, 1]);
        assert!(found, "{picks:?}");
    }
}

#[test]
fn an_endpoint_that_is_added_gets_no_burst() {
    let url = BaseUrl::parse("http://127.0.0.1:1").unwrap();
    let cell = FleetCell::new(vec![EndpointSpec::new("a", url.clone())], Default::default());
    cell.load().endpoints()[0].live.set_status(Status::Healthy);
    assert_eq!(counts((0..1000).map(|_| next(&cell.load()))), [1000, 0, 0]);

    cell.add(EndpointSpec::new("b", url)).unwrap();
    cell.load().endpoints()[1].live.set_status(Status::Healthy);

    let fleet = cell.load();
    let picks = counts((0..100).map(|_| next(&fleet)));
    assert!((50..=51).contains(&picks[1]), "{picks:?}");
}

#[test]
fn endpoints_that_share_a_model_keep_their_proportion_beside_one_busy_with_another() {
    let fleet = fleet(&[1, 2, 1]);

    let shared = (0..300).map(|_| {
        for _ in 0..5 {
            next_of(&fleet, &[0]);
        }
        next_of(&fleet, &[0, 1, 2])
    });

    let counts = counts(shared);
    assert!(counts[0] <= 1 && counts[1].abs_diff(200) <= 1 && counts[2].abs_diff(100) <= 1, "{counts:?}");
}

#[test]
fn turns_wrap_around_without_a_step() {
    let fleet = fleet(&[1, 1, 1]);
    for endpoint in fleet.endpoints() {
        endpoint.live.turn().store(u64::MAX - (1 << 33), Relaxed);
    }

    let picks: Vec<_> = (0..12).map(|_| next(&fleet)).collect();

    assert_eq!(picks, [0, 1, 2].repeat(4));
    assert!(fleet.endpoints()[0].live.turn().load(Relaxed) < u64::MAX / 2, "it has wrapped");
}

#[test]
fn workers_do_not_take_the_same_turn() {
    let fleet = fleet(&[1, 1, 1]);
    let start = std::sync::Barrier::new(4);

    let totals = std::thread::scope(|scope| {
        let workers = [(); 4].map(|()| {
            scope.spawn(|| {
                start.wait();
                counts((0..5000).map(|_| next(&fleet)))
            })
        });
        workers
            .map(|worker| worker.join().unwrap())
            .into_iter()
            .fold([0; 3], |sum, counts| [sum[0] + counts[0], sum[1] + counts[1], sum[2] + counts[2]])
    });

    assert_eq!(totals.iter().sum::<usize>(), 20_000);
    // One more than alone: a worker halted in the middle of a pick may still take a turn early.
    assert!(totals.iter().all(|total| total.abs_diff(20_000 / 3) <= 2), "{totals:?}");
}

proptest! {
    #[test]
    fn nobody_is_ever_more_than_one_request_off_its_share(
        weights in prop::collection::vec(1..=20_u32, 1..40),
        count in 1..400_usize,
    ) {
        let fleet = fleet(&weights);
        let total: u32 = weights.iter().sum();
        let mut served = vec![0; weights.len()];

        for round in 1..=count {
            served[next(&fleet)] += 1;
            for (served, weight) in served.iter().zip(&weights) {
                let off = f64::from(*served) - round as f64 * f64::from(*weight) / f64::from(total);
                prop_assert!(off.abs() <= 1.000_001, "{off} at {round}");
            }
        }
    }

    #[test]
    fn shares_are_fair_from_whatever_has_gone_before(
        turns in prop::collection::vec(any::<u64>(), 1..20),
        count in 1..200_usize,
    ) {
        let fleet = fleet(&vec![1; turns.len()]);
        for (endpoint, turn) in fleet.endpoints().iter().zip(&turns) {
            endpoint.live.turn().store(*turn, Relaxed);
        }
        let mut served = vec![0; turns.len()];

        (0..count).for_each(|_| served[next(&fleet)] += 1);

        let share = count as f64 / turns.len() as f64;
        prop_assert!(served.iter().all(|served| (f64::from(*served) - share).abs() <= 3.0), "{served:?}");
    }

    #[test]
    fn the_same_history_gives_the_same_picks(
        weights in prop::collection::vec(1..5_u32, 3..6),
        sets in prop::collection::vec(prop::collection::vec(any::<bool>(), 6), 1..100),
    ) {
        let fleets = [fleet(&weights), fleet(&weights)];

        for set in sets {
            let members: Vec<_> = (0..weights.len()).filter(|member| set[*member]).collect();
            if members.is_empty() {
                continue;
            }
            let [first, second] = fleets.each_ref().map(|fleet| next_of(fleet, &members));
            prop_assert_eq!(first, second);
            prop_assert!(members.contains(&first));
        }
    }
}
