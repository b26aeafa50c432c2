use std::{
    sync::{
        Barrier,
        atomic::{AtomicBool, AtomicUsize},
    },
    task::Waker,
    thread,
    time::{Duration, Instant},
};

use proptest::prelude::*;

use super::*;
use crate::{EjectionRules, Failure, Moment, Status};

fn endpoint(limit: u32) -> Arc<Live> {
    let live = Arc::new(Live::new(NonZeroU32::new(limit)));
    live.set_status(Status::Healthy);
    live
}

fn poll(place: &mut Place) -> Option<InFlight> {
    match place.poll_slot(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(slot) => Some(slot),
        Poll::Pending => None,
    }
}

#[test]
fn a_slot_goes_to_the_first_in_line_and_to_no_newcomer() {
    let live = endpoint(1);
    let slot = live.try_enter().unwrap();
    let mut first = Place::take([&live], 9).unwrap();
    let mut second = Place::take([&live], 9).unwrap();
    assert!(poll(&mut first).is_none() && live.waiting() == 2);

    drop(slot);

    assert!(live.try_enter().is_none() && live.is_full());
    assert!(poll(&mut second).is_none());
    let slot = poll(&mut first).unwrap();
    assert_eq!((live.in_flight(), live.waiting()), (1, 1));
    drop((first, slot));
    drop(poll(&mut second).unwrap());
    drop(second);
    assert_eq!((live.in_flight(), live.waiting()), (0, 0));
    assert!(live.try_enter().is_some());
}

#[test]
fn whoever_leaves_passes_on_what_was_handed_over() {
    let live = endpoint(1);
    let slot = live.try_enter().unwrap();
    let first = Place::take([&live], 9).unwrap();
    let mut second = Place::take([&live], 9).unwrap();

    drop(slot);
    drop(first);

    assert!(poll(&mut second).is_some());
}

#[test]
fn the_first_slot_of_any_endpoint_will_do_and_the_other_lines_are_left() {
    let lives = [endpoint(1), endpoint(1)];
    let [a, b] = lives.each_ref().map(|live| live.try_enter().unwrap());
    let mut place = Place::take(&lives, 9).unwrap();

    drop(b);

    assert!(Arc::ptr_eq(poll(&mut place).unwrap().live(), &lives[1]));
    drop(place);
    assert_eq!((lives[0].waiting(), lives[1].waiting()), (0, 0));
    drop(a);
    assert!(lives.iter().all(|live| live.in_flight() == 0));
}

#[test]
fn a_line_has_its_longest_length() {
    let lives = [endpoint(1), endpoint(1)];
    let _slots = lives.each_ref().map(|live| live.try_enter().unwrap());
    let _first = Place::take([&lives[0]], 1).unwrap();

    assert!(Place::take([&lives[0]], 1).is_none());
    assert!(Place::take(&lives, 1).is_some(), "there is room in the other line");
    assert!(Place::take([], 1).is_none());
}

#[test]
fn who_comes_while_a_slot_is_free_gets_it_at_once() {
    let live = endpoint(1);

    let mut place = Place::take([&live], 9).unwrap();

    assert!(poll(&mut place).is_some());
}

#[test]
fn nobody_is_let_in_where_requests_do_not_go_until_they_do_again() {
    let (down, ejected) = (endpoint(1), endpoint(1));
    down.set_status(Status::Offline);
    let rules = EjectionRules { consecutive_failures: 1, ..EjectionRules::default() };
    ejected.request_failed(Failure::Stall, Moment::from_millis(0), &rules);
    for live in [&down, &ejected] {
        let mut place = Place::take([live], 9).unwrap();

        drop(live.enter());

        assert!(poll(&mut place).is_none());
        assert!(!live.is_full(), "whoever goes there nevertheless is not in the way of those who wait");
        live.set_status(Status::Healthy);
        live.response_started(Moment::from_millis(1000));
        assert!(poll(&mut place).is_some());
    }
}

/// What happens in a world of two endpoints with one and two slots.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A request comes that would go to the first endpoint, the second, or either.
    Comes(u8),
    /// The nth of those who have a slot is done.
    Ends(usize),
    /// The nth of those who wait leaves.
    Leaves(usize),
    /// An endpoint goes down, or comes back.
    Flips(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u8..3).prop_map(Step::Comes),
        3 => (0_usize..8).prop_map(Step::Ends),
        2 => (0_usize..8).prop_map(Step::Leaves),
        1 => (0_usize..2).prop_map(Step::Flips),
    ]
}

proptest! {
    /// The reference: a plain list of who waits, in the order of arrival, looked through after every step.
    #[test]
    fn every_slot_goes_to_whoever_has_waited_for_it_longest(steps in prop::collection::vec(step(), 0..120)) {
        let lives = [endpoint(1), endpoint(2)];
        let mut up = [true, true];
        let mut served: Vec<(usize, InFlight)> = vec![];
        let mut waiting: Vec<(usize, Vec<usize>, Place)> = vec![];
        let mut count = 0;
        for step in steps {
            match step {
                Step::Comes(which) => {
                    let wanted: Vec<usize> = match which { 0 => vec![0], 1 => vec![1], _ => vec![0, 1] };
                    let place = Place::take(wanted.iter().map(|n| &lives[*n]), 99).unwrap();
                    waiting.push((count, wanted, place));
                    count += 1;
                }
                Step::Ends(n) if n < served.len() => drop(served.remove(n)),
                Step::Leaves(n) if n < waiting.len() => drop(waiting.remove(n)),
                Step::Flips(n) => {
                    up[n] = !up[n];
                    lives[n].set_status(if up[n] { Status::Healthy } else { Status::Offline });
                }
                Step::Ends(_) | Step::Leaves(_) => {}
            }
            let before: Vec<(usize, Vec<usize>)> =
                waiting.iter().map(|(id, wanted, _)| (*id, wanted.clone())).collect();
            let mut taken_by = [vec![], vec![]];
            waiting.retain_mut(|(id, _, place)| {
                let Some(slot) = poll(place) else { return true };
                let at = lives.iter().position(|live| Arc::ptr_eq(live, slot.live())).unwrap();
                taken_by[at].push(*id);
                served.push((*id, slot));
                false
            });
            for (at, limit) in [(0, 1), (1, 2)] {
                let in_flight = lives[at].in_flight();
                prop_assert!(in_flight <= limit);
                let still_waits = |id: &usize| waiting.iter().any(|(other, _, _)| other == id);
                let wanted_it = before.iter().filter(|(_, wanted)| wanted.contains(&at));
                let left: Vec<usize> = wanted_it.map(|(id, _)| *id).filter(still_waits).collect();
                // Nobody waits for a slot that is free, and nobody was overtaken.
                prop_assert!(left.is_empty() || !up[at] || in_flight == limit, "{left:?} at {at}");
                let overtaken = left.iter().any(|id| taken_by[at].iter().any(|other| other > id));
                prop_assert!(!overtaken, "{left:?} by {:?}", taken_by[at]);
            }
        }
        drop((served, waiting));
        prop_assert!(lives.iter().all(|live| (live.in_flight(), live.waiting()) == (0, 0)));
    }
}

/// Waits by sleeping until woken, as a runtime does.
fn block_on(place: &mut Place, until: Instant) -> Option<InFlight> {
    struct Unpark(thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        if let Poll::Ready(slot) = place.poll_slot(&mut Context::from_waker(&waker)) {
            return Some(slot);
        }
        let left = until.checked_duration_since(Instant::now())?;
        thread::park_timeout(left);
    }
}

#[test]
fn no_wake_up_is_lost_between_threads() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 3000;
    let lives = [endpoint(1), endpoint(2)];
    let (start, lost) = (Barrier::new(THREADS + 1), AtomicUsize::new(0));
    let done = AtomicBool::new(false);
    // Longer than all rounds take: whoever gets here has slept through its turn.
    let patience = Duration::from_secs(20);

    thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|worker| {
                let (lives, start, lost) = (&lives, &start, &lost);
                scope.spawn(move || {
                    start.wait();
                    for round in 0..ROUNDS {
                        let mut place = Place::take(lives, 99).unwrap();
                        // Some leave without looking, perhaps with a slot in their hands.
                        if (round + worker) % 5 == 0 {
                            continue;
                        }
                        match block_on(&mut place, Instant::now() + patience) {
                            Some(slot) => drop(slot),
                            None => _ = lost.fetch_add(1, Relaxed),
                        }
                        if lost.load(Relaxed) > 0 {
                            return;
                        }
                    }
                })
            })
            .collect();
        let flipper = scope.spawn(|| {
            start.wait();
            while !done.load(Relaxed) {
                for status in [Status::Offline, Status::Healthy] {
                    lives[1].set_status(status);
                    thread::yield_now();
                }
            }
        });
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        done.store(true, Relaxed);
        flipper.join().unwrap();
    });

    assert_eq!(lost.into_inner(), 0);
    assert!(lives.iter().all(|live| (live.in_flight(), live.waiting()) == (0, 0)));
}
