//! The clock behind every [`Moment`] of this process, and the one that the world goes by.
//!
//! To read a clock costs as much as a hundred instructions, and a request has a dozen questions for it. Whoever polls
//! requests and bodies can let [time stand still](still) for as long as a poll takes: all that happens in it happens
//! at one time, and the clock is read once. Who takes such [turns](turn) also keeps the time for what it polls: a timer for
//! each wait costs more than all else that a wait does.

use std::{
    cell::Cell,
    sync::LazyLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use olla_core::Moment;
use tokio::time::Instant;

static ORIGIN: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);

/// For how long the time on the wall is reckoned from what it was.
const RECKONED: Duration = Duration::from_millis(100);

thread_local! {
    static TIME: Cell<Time> = const { Cell::new(Time::Flows) };
    static ALARM: Cell<Alarm> = const { Cell::new(Alarm::Unkept) };
    /// When the clock on the wall was last looked at, and what it said.
    static WALL: Cell<Option<(Instant, SystemTime)>> = const { Cell::new(None) };
    /// The last answer.
    static SHOWN: Cell<Option<(Instant, SystemTime)>> = const { Cell::new(None) };
}

/// How time goes on a thread.
#[derive(Clone, Copy)]
enum Time {
    Flows,
    /// It stands still, and nobody has asked for it yet.
    Stands,
    StandsAt(Instant),
}

/// When what is being polled on a thread has to be polled again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alarm {
    /// Nobody sees to that: each needs a timer of its own.
    Unkept,
    /// It need not be.
    Unset,
    At(Instant),
}

/// Lets time flow again, whatever comes of what is done.
struct Flow;

/// Leaves alarms to who kept them before, whatever comes of what is done.
struct Keeper(Alarm);

/// Does something that does not wait, such as a poll, with time standing still on this thread: [`instant`] and
/// [`now`] say the same throughout. Who loops until some time has come must not ask them.
pub fn still<T>(work: impl FnOnce() -> T) -> T {
    let _flow = matches!(TIME.get(), Time::Flows).then(|| {
        TIME.set(Time::Stands);
        Flow
    });
    work()
}

/// Does what a connection has to do now: polls, with time [standing still](still). Returns also when it wants to be polled
/// again at the latest, if anything in it waits for a time to come. The caller sees to that: nothing else will wake it.
pub fn turn<T>(work: impl FnOnce() -> T) -> (T, Option<Instant>) {
    let _keeper = Keeper(ALARM.replace(Alarm::Unset));
    let done = still(work);
    match ALARM.get() {
        Alarm::At(at) => (done, Some(at)),
        Alarm::Unset | Alarm::Unkept => (done, None),
    }
}

/// Asks to be polled again at a time; returns whether somebody sees to it.
pub(crate) fn wake_at(at: Instant) -> bool {
    let soonest = match ALARM.get() {
        Alarm::Unkept => return false,
        Alarm::Unset => at,
        Alarm::At(other) => at.min(other),
    };
    ALARM.set(Alarm::At(soonest));
    true
}

/// Lets time go on to the present where it stands still. To be called after work that takes long enough to be seen in
/// the record of a request.
pub(crate) fn catch_up() {
    if let Time::StandsAt(_) = TIME.get() {
        TIME.set(Time::Stands);
    }
}

/// Returns what time it is. In a runtime whose time is paused, that of the runtime.
#[must_use]
pub fn instant() -> Instant {
    match TIME.get() {
        Time::StandsAt(instant) => instant,
        time => look(time),
    }
}

// Many ask, few have to look: it would be repeated for each.
#[inline(never)]
fn look(time: Time) -> Instant {
    let instant = Instant::now();
    if let Time::Stands = time {
        TIME.set(Time::StandsAt(instant));
    }
    instant
}

/// Returns how long ago an instant was.
pub(crate) fn since(instant: Instant) -> Duration {
    self::instant().saturating_duration_since(instant)
}

/// Returns the moment that [`instant`] is.
#[must_use]
pub fn now() -> Moment {
    at(instant())
}

/// Returns the moment that an instant is.
pub(crate) fn at(instant: Instant) -> Moment {
    Moment::after_origin(instant.into_std().saturating_duration_since(*ORIGIN))
}

/// Returns the time on the wall. Where the clock there is set, that is noticed within a tenth of a second.
#[must_use]
pub fn wall() -> SystemTime {
    let now = instant();
    if let Some((then, time)) = SHOWN.get()
        && then == now
    {
        return time;
    }
    let time = reckon(now);
    SHOWN.set(Some((now, time)));
    time
}

fn reckon(now: Instant) -> SystemTime {
    let reckoned = WALL.get().and_then(|(then, time)| {
        let since = now.checked_duration_since(then).filter(|since| *since < RECKONED)?;
        time.checked_add(since)
    });
    reckoned.unwrap_or_else(|| {
        let time = SystemTime::now();
        WALL.set(Some((now, time)));
        time
    })
}

/// Returns the time since the beginning of 1970; zero before.
#[must_use]
pub fn since_1970() -> Duration {
    wall().duration_since(UNIX_EPOCH).unwrap_or_default()
}

impl Drop for Keeper {
    fn drop(&mut self) {
        ALARM.set(self.0);
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        TIME.set(Time::Flows);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    /// Returns whether the clock goes on.
    fn flows() -> bool {
        let before = instant();
        pass();
        instant() > before
    }

    /// Waits until the clock that is behind it has gone on.
    fn pass() {
        let before = Instant::now();
        while Instant::now() == before {}
    }

    #[test]
    fn time_stands_still_for_as_long_as_a_poll_takes() {
        assert!(flows());
        still(|| {
            assert!(!flows());
            still(|| assert!(!flows()));
            assert!(!flows(), "the outer poll has not ended");
        });
        assert!(flows());
    }

    #[test]
    fn who_has_worked_for_long_can_catch_up() {
        still(|| {
            let before = instant();
            pass();
            catch_up();
            assert!(instant() > before && !flows());
        });
        catch_up();
        assert!(flows());
    }

    #[test]
    fn a_poll_that_panics_does_not_stop_the_clock() {
        let panicked = catch_unwind(AssertUnwindSafe(|| still(|| panic!("as wanted"))));

        assert!(panicked.is_err() && flows());
    }

    #[test]
    fn the_clock_on_the_wall_is_looked_at_now_and_then() {
        still(|| {
            let ago = |time| instant().checked_sub(time).unwrap();
            WALL.set(Some((ago(RECKONED / 2), UNIX_EPOCH)));
            assert_eq!(wall(), UNIX_EPOCH + RECKONED / 2);

            WALL.set(Some((ago(RECKONED), UNIX_EPOCH)));
            assert_eq!(wall(), UNIX_EPOCH + RECKONED / 2, "it is the same instant");
            SHOWN.set(None);
            assert!(wall() > UNIX_EPOCH + RECKONED);
            assert_eq!(WALL.get(), Some((instant(), wall())));
        });
    }

    #[test]
    fn a_turn_tells_of_the_soonest_alarm_in_it() {
        let now = Instant::now();
        let [soon, late] = [1, 2].map(|seconds| now + Duration::from_secs(seconds));
        let set = |times: &[Instant]| turn(|| times.iter().all(|at| wake_at(*at)));

        for (times, expected) in
            [(&[][..], None), (&[late], Some(late)), (&[soon, late], Some(soon)), (&[late, soon], Some(soon))]
        {
            assert_eq!(set(times), (true, expected));
        }
        assert!(!wake_at(soon), "nobody sees to it");
    }

    #[test]
    fn each_poll_has_a_time_of_its_own() {
        let first = still(instant);
        pass();

        assert!(still(instant) > first);
    }
}
