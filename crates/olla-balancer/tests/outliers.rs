//! What requests have taught of endpoints: who is ejected, who is tried, who asked to be spared.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::sync::Arc;

use olla_balancer::{Balancer, Candidate, Hint, Lease, Pick, Reason, Strategy, Tried};
use olla_core::{
    BaseUrl, EjectionRules, EndpointSpec, Failure, Fleet, FleetCell, Model, Moment, Standing, Status,
};

/// Healthy endpoints that all have the model `m`.
fn fleet(endpoints: usize) -> Arc<Fleet> {
    let base = BaseUrl::parse("http://127.0.0.1:1").unwrap();
    let specs = (0..endpoints).map(|number| EndpointSpec::new(format!("e{number}"), base.clone()));
    let cell = FleetCell::new(specs.collect(), Default::default());
    for endpoint in cell.load().endpoints() {
        cell.publish_models(endpoint.id, None, vec![Model::named("m")]);
        endpoint.live.set_status(Status::Healthy);
    }
    cell.load()
}

fn candidates(fleet: &Fleet) -> Vec<Candidate<'_>> {
    let found = fleet.lookup("m");
    let candidate = |placement| Candidate {
        endpoint: &fleet.endpoints()[usize::from(placement)],
        placement: found.iter().copied().find(|p| p.endpoint == usize::from(placement)),
        rank: 0,
    };
    (0..u8::try_from(fleet.endpoints().len()).unwrap()).map(candidate).collect()
}

fn at(millis: u64) -> Hint {
    let mut hint = Hint::default();
    hint.now = Moment::from_millis(millis);
    hint
}

fn pick(fleet: &Fleet, now: u64) -> Option<(usize, Reason)> {
    let pick = Balancer::LeastConnections.pick(&candidates(fleet), &Tried::default(), &at(now));
    pick.map(|Pick { position, reason }| (position, reason))
}

fn eject(fleet: &Fleet, position: usize) {
    let outlier = fleet.endpoints()[position].live.outlier();
    (0..5).for_each(|_| {
        outlier.failed(Moment::default(), &EjectionRules::default());
    });
}

#[test]
fn an_ejected_endpoint_gets_nothing_until_one_request_may_try_it() {
    let fleet = fleet(2);
    eject(&fleet, 0);

    assert!((0..50).all(|n| pick(&fleet, n) == Some((1, Reason::OnlyCandidate))));

    let candidates = candidates(&fleet);
    let try_it = Pick { position: 0, reason: Reason::NextInTurn };
    let trial = Lease::acquire(&candidates, try_it, Moment::from_millis(3000)).unwrap();
    assert!(Lease::acquire(&candidates, try_it, Moment::from_millis(3000)).is_none(), "one at a time");
    assert_eq!(pick(&fleet, 3000).unwrap().0, 1);
    drop(trial);
    assert_eq!(fleet.endpoints()[0].live.outlier().standing(Moment::from_millis(3000)), Standing::OnTrial);
}

#[test]
fn ejections_never_leave_nobody() {
    let fleet = fleet(2);
    eject(&fleet, 0);
    eject(&fleet, 1);

    let (position, reason) = pick(&fleet, 10).unwrap();

    assert_eq!(reason, Reason::LastResort);
    let last_resort = Pick { position, reason };
    assert!(Lease::acquire(&candidates(&fleet), last_resort, Moment::from_millis(10)).is_some());
}

#[test]
fn a_quick_failure_makes_an_endpoint_look_busy() {
    let fleet = fleet(2);
    fleet.endpoints()[0].live.outlier().failed(Moment::default(), &EjectionRules::default());

    let picks: Vec<_> = (0..10).map(|_| pick(&fleet, 100).unwrap().0).collect();

    assert_eq!(picks, [1; 10], "although nothing is in flight at either");
}

#[test]
fn a_model_that_is_set_aside_is_asked_last_and_then_the_one_that_is_back_first() {
    let fleet = fleet(3);
    let live = |position: usize| &fleet.endpoints()[position].model_live[0];
    live(0).set_aside(Moment::from_millis(5000));

    assert!((0..20).all(|n| pick(&fleet, n).unwrap().0 != 0));
    live(1).set_aside(Moment::from_millis(3000));
    live(2).set_aside(Moment::from_millis(9000));
    assert_eq!(pick(&fleet, 10), Some((1, Reason::SetAside)));
    fleet.endpoints()[0].live.demote(Failure::Refused);
    assert_eq!(pick(&fleet, 3000), Some((1, Reason::OnlyCandidate)), "its time has come");
}

#[test]
fn an_ejected_endpoint_is_asked_before_one_that_asked_to_be_spared() {
    let fleet = fleet(2);
    eject(&fleet, 0);
    fleet.endpoints()[1].model_live[0].set_aside(Moment::from_millis(5000));

    assert_eq!(pick(&fleet, 10), Some((0, Reason::LastResort)));
}
