use std::mem::offset_of;

use super::*;

#[test]
fn what_a_choice_looks_at_is_close_together() {
    // Of either, only the beginning.
    let (slots, outlier) = (offset_of!(Live, slots), offset_of!(Live, outlier));

    assert!(slots + 12 <= 64 && outlier + 17 <= 64, "{slots} {outlier}");
}

#[test]
fn in_flight_returns_to_zero_when_guards_drop() {
    let live = Arc::new(Live::default());

    let guards: Vec<_> = (0..3).map(|_| live.enter()).collect();
    assert_eq!(live.in_flight(), 3);
    drop(guards);

    assert_eq!(live.in_flight(), 0);
}

#[test]
fn nobody_enters_above_the_limit() {
    let live = Arc::new(Live::new(NonZeroU32::new(2)));

    let guards: Vec<_> = (0..3).filter_map(|_| live.try_enter()).collect();

    assert_eq!((guards.len(), live.in_flight()), (2, 2));
}

#[test]
fn only_the_first_failure_demotes_and_a_probe_settles_it() {
    let live = Live::default();
    live.set_status(Status::Healthy);

    assert!(live.demote(Failure::Refused));
    assert!(!live.demote(Failure::Refused));
    assert!(live.is_suspect() && live.status() == Status::Offline);
    live.set_status(Status::Healthy);

    assert!(!live.is_suspect() && live.status() == Status::Healthy);
}

#[test]
fn a_drained_endpoint_stays_drained_whatever_its_health() {
    let live = Live::default();
    live.set_status(Status::Healthy);

    assert!(live.drain() && !live.drain());
    live.set_status(Status::Offline);
    live.set_status(Status::Healthy);
    assert!(live.is_draining() && !live.is_routable() && !live.is_open());

    assert!(live.resume() && !live.resume());
    assert!(live.is_routable() && live.is_open());
}

#[test]
fn gaps_are_forgotten_with_another_version_and_when_the_endpoint_comes_back() {
    let renew: [fn(&Live); 2] = [
        |live| live.set_version(Version::parse("2.0.0")),
        |live| {
            live.set_status(Status::Offline);
            live.set_status(Status::Healthy);
        },
    ];
    for renew in renew {
        let live = Live::default();
        live.set_status(Status::Healthy);
        live.set_version(Version::parse("1.0.0"));
        live.gaps().missed(0, Moment::default());

        live.set_status(Status::Busy);
        live.set_version(Version::parse("1.0.0"));
        assert!(live.gaps().has(0, Moment::default));
        renew(&live);

        assert!(!live.gaps().has(0, Moment::default));
    }
}

#[test]
fn a_demotion_wakes_the_prober_once() {
    let live = Live::default();
    let mut cx = Context::from_waker(std::task::Waker::noop());
    live.set_status(Status::Healthy);

    assert!(live.poll_probe_requested(&mut cx).is_pending());
    live.demote(Failure::HeadTimeout);

    assert!(live.poll_probe_requested(&mut cx).is_ready());
    assert!(live.poll_probe_requested(&mut cx).is_pending());
}
