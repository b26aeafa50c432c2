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
    assert!(outlier.succeeded(at(3200)), "that ends it");
    assert_eq!(outlier.standing(at(3200)), Standing::Good);
    assert_eq!(outlier.failed(at(3300), &RULES), None, "the past is forgiven");
}

#[test]
fn a_response_that_begins_well_brings_the_endpoint_back_on_probation() {
    let outlier = Outlier::default();
    eject(&outlier, 0);

    assert!(outlier.begin_trial(at(1000)).is_some());
    assert!(outlier.started(at(1100)));

    assert_eq!(outlier.standing(at(1100)), Standing::Good);
    assert_eq!(outlier.failed(at(1500), &RULES), Some(Duration::from_secs(2)), "it broke off after all");
    assert!(outlier.started(at(3600)));
    assert!(!outlier.succeeded(at(3700)), "it is back already");
    assert_eq!(outlier.failed(at(3800), &RULES), None);
}

#[test]
fn what_was_under_way_before_an_ejection_does_not_end_it() {
    let outlier = Outlier::default();
    eject(&outlier, 0);

    assert!(!outlier.started(at(999)) && !outlier.succeeded(at(999)));

    assert_eq!(outlier.standing(at(999)), Standing::Ejected(at(1000)));
}

#[test]
fn an_endpoint_whose_every_response_breaks_off_is_ejected() {
    let outlier = Outlier::default();

    let ejected = (0..5).find_map(|n| {
        outlier.started(at(n));
        outlier.failed(at(n), &RULES)
    });

    assert_eq!(ejected, Some(SHORTEST));
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

/// What a request may tell.
#[derive(Debug, Clone, Copy)]
enum Event {
    Started,
    Succeeded,
    Failed,
}

/// The same rules over a plain list of what happened.
#[derive(Default)]
struct Reference {
    /// When, and whether it was a success.
    ends: Vec<(u64, bool)>,
    in_a_row: u32,
    ejected_until: Option<u64>,
    on_probation: bool,
    ejections: u32,
}

impl Reference {
    fn step(&mut self, now: u64, event: Event) -> Option<Duration> {
        let returns = self.ejected_until.is_some_and(|until| now >= until);
        match event {
            Event::Started => {
                if returns {
                    self.readmit();
                    self.on_probation = true;
                }
                None
            }
            Event::Succeeded => {
                if returns {
                    self.readmit();
                }
                (self.in_a_row, self.on_probation) = (0, false);
                self.ends.push((now, true));
                if !returns && self.window(now).1 == 0 {
                    self.ejections = 0;
                }
                None
            }
            Event::Failed => {
                self.in_a_row += 1;
                self.ends.push((now, false));
                let (good, bad) = self.window(now);
                let is_bad = self.on_probation
                    || self.in_a_row >= RULES.consecutive_failures
                    || (good + bad >= RULES.min_requests && good * 2 < good + bad);
                let ejects = if self.ejected_until.is_some() { returns } else { is_bad };
                ejects.then(|| self.eject(now))
            }
        }
    }

    fn readmit(&mut self) {
        self.ejected_until = None;
        self.ends.clear();
    }

    fn eject(&mut self, now: u64) -> Duration {
        let pause = (1000 << self.ejections).min(4000);
        self.ejections = (self.ejections + 1).min(8);
        self.ejected_until = Some(now + pause);
        self.on_probation = false;
        Duration::from_millis(pause)
    }

    fn window(&self, now: u64) -> (u32, u32) {
        let recent = self.ends.iter().filter(|(then, _)| now / 1000 - then / 1000 < 10);
        recent.fold((0, 0), |(good, bad), (_, ok)| (good + u32::from(*ok), bad + u32::from(!*ok)))
    }

    /// Returns what stands at a moment, given when the trial under way began.
    fn standing(&self, now: u64, trial: Option<u64>) -> Standing {
        match (self.ejected_until, trial) {
            (None, _) => Standing::Good,
            (Some(until), _) if now < until => Standing::Ejected(at(until)),
            (Some(_), Some(began)) if now - began < 10_000 => Standing::BeingTried,
            (Some(_), _) => Standing::OnTrial,
        }
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![2 => Just(Event::Started), 3 => Just(Event::Succeeded), 4 => Just(Event::Failed)]
}

/// What happens next: whether somebody asks to try the endpoint, gives the trial back, or what a request tells.
#[derive(Debug, Clone, Copy)]
enum Step {
    Told(Event),
    Ask,
    GiveBack,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![6 => event().prop_map(Step::Told), 2 => Just(Step::Ask), 1 => Just(Step::GiveBack)]
}

proptest! {
    #[test]
    fn behaves_like_the_reference(steps in prop::collection::vec((0_u64..1500, step()), 0..200)) {
        let outlier = Outlier::default();
        let mut reference = Reference::default();
        // Trials that were begun, with when; only the last may still count.
        let mut trials: Vec<(u64, Trial)> = vec![];
        let (mut current, mut now) = (None, 0);
        for (pause, step) in steps {
            now += pause;
            match step {
                Step::Told(event) => {
                    let got = match event {
                        Event::Started => { outlier.started(at(now)); None }
                        Event::Succeeded => { outlier.succeeded(at(now)); None }
                        Event::Failed => outlier.failed(at(now), &RULES),
                    };
                    let was_ejected = reference.ejected_until;
                    let expected = reference.step(now, event);
                    prop_assert_eq!(got, expected, "at {}", now);
                    if expected.is_some() || reference.ejected_until != was_ejected {
                        current = None;
                    }
                }
                Step::Ask => {
                    let may = reference.standing(now, current) == Standing::OnTrial;
                    let trial = outlier.begin_trial(at(now));
                    prop_assert_eq!(trial.is_some(), may, "at {}", now);
                    if let Some(trial) = trial {
                        current = Some(now);
                        trials.push((now, trial));
                    }
                }
                Step::GiveBack => {
                    if let Some((began, trial)) = trials.pop() {
                        outlier.end_trial(trial);
                        current = current.filter(|current| *current != began);
                    }
                }
            }
            prop_assert_eq!(outlier.standing(at(now)), reference.standing(now, current), "at {}", now);
            prop_assert_eq!(outlier.failures_in_a_row(), reference.in_a_row);
        }
    }
}
