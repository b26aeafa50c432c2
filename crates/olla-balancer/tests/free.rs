//! Who is free: nobody could be less busy, or better prepared.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::{num::NonZeroU32, time::Duration};

use olla_balancer::Candidate;
use olla_core::{
    BaseUrl, EjectionRules, Endpoint, EndpointSpec, Failure, FleetCell, Live, Model, Moment, Place, Status,
};

const NOW: Moment = Moment::from_millis(60_000);

/// Returns whether a healthy endpoint with one model is free after a change.
fn is_free_after(change: impl FnOnce(&Endpoint)) -> bool {
    let mut spec = EndpointSpec::new("e", BaseUrl::parse("http://127.0.0.1:1").unwrap());
    spec.max_concurrent = NonZeroU32::new(2);
    let cell = FleetCell::new(vec![spec], Default::default());
    cell.publish_models(cell.load().endpoints()[0].id, None, vec![Model::named("m")]);
    let fleet = cell.load();
    let endpoint = &fleet.endpoints()[0];
    endpoint.live.set_status(Status::Healthy);
    change(endpoint);
    let found = fleet.lookup("m");
    Candidate { endpoint, placement: found.iter().copied().next(), rank: 0 }.is_free(NOW)
}

fn fail(live: &Live, times: usize, seconds_ago: u64) {
    let then = Moment::from_millis(NOW.as_millis() - seconds_ago * 1000);
    (0..times).for_each(|_| _ = live.request_failed(Failure::Refused, then, &EjectionRules::default()));
}

#[test]
fn who_is_well_and_has_nothing_to_do_is_free() {
    assert!(is_free_after(|_| {}));
    assert!(is_free_after(|e| drop(e.live.try_enter())));
    assert!(is_free_after(|e| fail(&e.live, 1, 3)));
    assert!(is_free_after(|e| fail(&e.live, 5, 3)), "it may be tried again");
    assert!(is_free_after(|e| e.model_live[0].set_loaded(Default::default())));
}

#[test]
fn who_is_not_well_is_not_free() {
    for status in [Status::Unknown, Status::Busy, Status::Unhealthy, Status::Offline, Status::RateLimited] {
        assert!(!is_free_after(|e| _ = e.live.set_status(status)), "{status:?}");
    }
    assert!(!is_free_after(|e| _ = e.live.drain()));
    assert!(!is_free_after(|e| fail(&e.live, 5, 0)), "ejected");
    assert!(!is_free_after(|e| e.model_live[0].set_aside(NOW.after(Duration::from_secs(1)))));
    assert!(!is_free_after(|e| e.model_live[0].set_cold()));
}

#[test]
fn who_has_something_to_do_is_not_free() {
    assert!(!is_free_after(|e| e.live.try_enter().unwrap().keep()));
    assert!(!is_free_after(|e| fail(&e.live, 1, 1)), "a failure of late counts as a request in flight");
}

#[test]
fn who_has_promised_a_slot_is_not_free() {
    let mut place = None;
    assert!(!is_free_after(|e| {
        let all = [e.live.try_enter().unwrap(), e.live.try_enter().unwrap()];
        place = Place::take([&e.live], 1);
        // Whoever waits is given the first; nobody has come for it yet.
        drop(all);
    }));
    assert!(place.is_some());
}
