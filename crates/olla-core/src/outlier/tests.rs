use proptest::prelude::*;

use super::*;

fn at(millis: u64) -> Moment {
    Moment::from_millis(millis)
}

const RULES: EjectionRules =
    EjectionRules { consecutive_failures: 5, min_success_percent: 50, min_requests: 20 };

fn eject(outlier: &Outlier, now: u64) -> Duration {
    (0..5).filter_map(|_| outlier.failed(at(now), &RULES)).last().unwrap()
}

#[test]
fn failures_in_a_row_eject_and_a_success_between_them_does_not() {
    let outlier = Outlier::default();

    for _ in 0..4 {
        assert_eq!(outlier.failed(at(0), &RULES), None);
    }
    outlier.succeeded(at(0));
    for _ in 0..4 {
        assert_eq!(outlier.failed(at(0), &RULES), None);
    }
    assert_eq!(outlier.failed(at(0), &RULES), Some(SHORTEST));
    assert_eq!(outlier.standing(at(999)), Standing::Ejected(at(1000)));
}

#[test]
fn one_request_tries_an_ejected_endpoint_and_its_end_decides() {
    let outlier = Outlier::default();
    eject(&outlier, 0);

    assert_eq!(outlier.begin_trial(at(999)), None, "not yet");
    assert!(outlier.begin_trial(at(1000)).is_some());
    assert_eq!(outlier.begin_trial(at(1000)), None, "one is enough");
    assert_eq!(outlier.standing(at(1001)), Standing::BeingTried);
    assert_eq!(outlier.failed(at(1100), &RULES), Some(Duration::from_secs(2)), "longer than before");

    assert!(outlier.begin_trial(at(3100)).is_some());
    outlier.succeeded(at(3200));
    assert_eq!(outlier.standing(at(3200)), Standing::Good);
    assert_eq!(outlier.failed(at(3300), &RULES), None, "the past is forgiven");
}

#[test]
fn a_trial_that_ends_without_a_verdict_or_not_at_all_lets_others_try() {
    let outlier = Outlier::default();
    eject(&outlier, 0);

    let trial = outlier.begin_trial(at(1000)).unwrap();
    outlier.end_trial(trial);
    assert!(outlier.begin_trial(at(1001)).is_some());
    assert_eq!(outlier.begin_trial(at(11_000)), None);
    assert!(outlier.begin_trial(at(11_001)).is_some());
}

#[test]
fn ejections_grow_to_four_seconds_and_begin_anew_after_a_good_while() {
    let outlier = Outlier::default();
    let mut now = 0;
    for expected in [1, 2, 4, 4] {
        assert_eq!(eject(&outlier, now), Duration::from_secs(expected));
        now += expected * 1000;
        assert!(outlier.begin_trial(at(now)).is_some());
        outlier.succeeded(at(now));
    }
    outlier.succeeded(at(now + 20_000));
    assert_eq!(eject(&outlier, now + 20_000), SHORTEST);
}

#[test]
fn half_of_enough_requests_must_succeed() {
    let outlier = Outlier::default();
    let round = |now| {
        outlier.succeeded(at(now));
        [outlier.failed(at(now), &RULES), outlier.failed(at(now), &RULES)].into_iter().flatten().next()
    };

    for n in 0..6 {
        assert_eq!(round(n * 100), None, "18 requests at most");
    }
    assert_eq!(round(700), Some(SHORTEST));
}

#[test]
fn what_is_older_than_the_window_does_not_count() {
    let rules = EjectionRules { min_success_percent: 60, ..RULES };
    for (min_requests, ejects) in [(20, true), (21, false)] {
        let outlier = Outlier::default();
        let rules = EjectionRules { min_requests, ..rules };

        let ejected = (0..40_000).step_by(1000).any(|now| {
            outlier.succeeded(at(now));
            outlier.failed(at(now), &rules).is_some()
        });

        assert_eq!(ejected, ejects, "two requests a second for ten seconds are 20");
    }
}

#[test]
fn rules_of_zero_never_eject() {
    let outlier = Outlier::default();
    let never = EjectionRules { consecutive_failures: 0, min_success_percent: 0, min_requests: 0 };

    assert!((0..100).all(|_| outlier.failed(at(5), &never).is_none()));
}

#[test]
fn quick_failures_weigh_on_the_load_for_two_seconds() {
    let outlier = Outlier::default();
    assert_eq!(outlier.penalty(at(0)), 0);

    for _ in 0..3 {
        outlier.failed(at(100), &RULES);
    }

    assert_eq!((outlier.penalty(at(900)), outlier.penalty(at(1900)), outlier.penalty(at(2000))), (3, 3, 0));
}

/// The same rules over a plain list of what happened.
#[derive(Default)]
struct Reference {
    events: Vec<(u64, bool)>,
    in_a_row: u32,
    ejected_until: Option<u64>,
    ejections: u32,
}

impl Reference {
    fn step(&mut self, now: u64, success: bool) -> Option<Duration> {
        self.events.push((now, success));
        if success {
            self.in_a_row = 0;
            if self.ejected_until.take().is_some() {
                self.events.clear();
            } else if self.window(now).1 == 0 {
                self.ejections = 0;
            }
            return None;
        }
        self.in_a_row += 1;
        let eject = match self.ejected_until {
            Some(until) if now < until => false,
            Some(_) => true,
            None => {
                let (good, bad) = self.window(now);
                self.in_a_row >= RULES.consecutive_failures
                    || (good + bad >= RULES.min_requests && good * 2 < good + bad)
            }
        };
        eject.then(|| {
            let pause = (1000 << self.ejections).min(4000);
            self.ejections = (self.ejections + 1).min(8);
            self.ejected_until = Some(now + pause);
            Duration::from_millis(pause)
        })
    }

    fn window(&self, now: u64) -> (u32, u32) {
        let recent = self.events.iter().filter(|(then, _)| now / 1000 - then / 1000 < 10);
        recent.fold((0, 0), |(good, bad), (_, ok)| (good + u32::from(*ok), bad + u32::from(!*ok)))
    }
}

proptest! {
    #[test]
    fn behaves_like_the_reference(steps in prop::collection::vec((0_u64..1500, prop::bool::weighted(0.4)), 0..200)) {
        let outlier = Outlier::default();
        let mut reference = Reference::default();
        let mut now = 0;
        for (pause, success) in steps {
            now += pause;
            let got = if success {
                outlier.succeeded(at(now));
                None
            } else {
                outlier.failed(at(now), &RULES)
            };
            prop_assert_eq!(got, reference.step(now, success), "at {}", now);
            let ejected = matches!(outlier.standing(at(now)), Standing::Ejected(_));
            prop_assert_eq!(ejected, reference.ejected_until.is_some_and(|until| now < until));
        }
    }
}
