//! Who is next: a weighted rotation that needs no state but one number on each endpoint.
//!
//! The number is the endpoint's *turn*: the virtual time at which its next request is due. A request
//! moves it on by a stride, the longer the smaller the weight. As in earliest-eligible-deadline-first
//! scheduling, a turn is eligible when it is not later than the weighted mean of all, and of the eligible
//! ones the one that ends first is taken. That keeps every endpoint within one request of its share; where
//! only some take part, who are drawn anew each time, within two. (Who is not among those drawn for a while counts as away.)
//!
//! Where an endpoint runs with several models, the turn is the endpoint's, and its models alternate.
//!
//! An endpoint that was away comes back with an old turn. It is moved up to the others, so that it gets its
//! share from now on and no burst for the past. Turns wrap around; only distances count.

use std::{
    cmp::Reverse,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use smallvec::SmallVec;

use crate::field::Runner;

/// The stride of a weight of one hundredth. At least 1 remains for the greatest weight, `u32::MAX` × 100.
const STRIDE: u64 = 100 << 32;

/// One runner's place in virtual time, as read at the start of a pick.
#[derive(Debug)]
struct Lane<'a> {
    position: usize,
    turn: &'a AtomicU64,
    /// The turn as read.
    seen: u64,
    /// How far it is moved up.
    lift: i128,
    /// Distance of the turn, moved up, from an arbitrary origin.
    lead: i128,
    stride: u64,
    weight: i128,
}

/// Gives the turn to one of the runners and returns its position.
pub(crate) fn take(runners: &[Runner<'_>]) -> Option<usize> {
    if let [only] = runners {
        only.endpoint.live.turn().fetch_add(stride(only.weight), Relaxed);
        return Some(only.position);
    }
    // Relaxed is enough throughout: turns only grow, so one read too early is smaller than it is now,
    // and the turn that is taken is compared when it is written.
    if let Some(position) = take_among_equals(runners) {
        return Some(position);
    }
    loop {
        let mut lanes = read(runners);
        close_gaps(&mut lanes);
        let next = next(&lanes)?;
        // Fails only if another worker has moved this very turn, which is progress.
        if next.advance(next.stride) {
            for lane in lanes.iter().filter(|lane| lane.lift > 0 && lane.position != next.position) {
                lane.advance(0);
            }
            return model_of(&lanes, next);
        }
    }
}

/// Does the same for an undisturbed rotation of endpoints of one weight, each with one model, as nearly all are: the one
/// that is furthest behind is next. Returns `None` where there is more to it, or another worker was quicker.
fn take_among_equals(runners: &[Runner<'_>]) -> Option<usize> {
    let first = runners.first()?;
    let origin = first.endpoint.live.turn().load(Relaxed);
    let (mut next, mut least, mut most) = (first, 0, 0);
    for runner in runners {
        let lead = runner.endpoint.live.turn().load(Relaxed).wrapping_sub(origin).cast_signed();
        if runner.weight != first.weight {
            return None;
        }
        if lead < least {
            (next, least) = (runner, lead);
        }
        most = most.max(lead);
    }
    let stride = stride(first.weight);
    let is_undisturbed = most.abs_diff(least) <= 2 * stride;
    let models = runners.iter().filter(|runner| std::ptr::eq(runner.endpoint, next.endpoint)).count();
    if !is_undisturbed || models > 1 {
        return None;
    }
    let seen = origin.wrapping_add_signed(least);
    let taken =
        next.endpoint.live.turn().compare_exchange(seen, seen.wrapping_add(stride), Relaxed, Relaxed).is_ok();
    taken.then_some(next.position)
}

// alloc: none up to 8, as many as are drawn of many.
fn read<'a>(runners: &[Runner<'a>]) -> SmallVec<[Lane<'a>; 8]> {
    let origin = runners.first().map_or(0, |r| r.endpoint.live.turn().load(Relaxed));
    let lanes = runners.iter().map(|runner| {
        let turn = runner.endpoint.live.turn();
        let seen = turn.load(Relaxed);
        Lane {
            position: runner.position,
            turn,
            seen,
            lift: 0,
            lead: i128::from(seen.wrapping_sub(origin).cast_signed()),
            stride: stride(runner.weight),
            weight: i128::from(runner.weight),
        }
    });
    lanes.collect()
}

/// Moves up whoever has been away.
///
/// In an undisturbed rotation everybody is within one stride of the mean, so a gap of more than two of the
/// longest strides shows an absence. All behind such a gap are moved up together, and so keep their order
/// and distances, until the foremost of them is level with the mean of those in front.
fn close_gaps(lanes: &mut [Lane<'_>]) {
    let widest = 2 * i128::from(lanes.iter().map(|lane| lane.stride).max().unwrap_or(0));
    let leads = || lanes.iter().map(|lane| lane.lead);
    if leads().max().zip(leads().min()).is_none_or(|(first, last)| first - last <= widest) {
        return;
    }
    lanes.sort_unstable_by_key(|lane| (Reverse(lane.lead), lane.position));
    let (mut lift, mut total, mut moment) = (0, 0, 0);
    let mut in_front = None;
    for lane in lanes {
        lane.lead += lift;
        if in_front.is_some_and(|lead| lead - lane.lead > widest) {
            let missed = moment / total - lane.lead;
            lift += missed;
            lane.lead += missed;
        }
        lane.lift = lift;
        total += lane.weight;
        moment += lane.weight * lane.lead;
        in_front = Some(lane.lead);
    }
}

fn next<'l, 'a>(lanes: &'l [Lane<'a>]) -> Option<&'l Lane<'a>> {
    let total: i128 = lanes.iter().map(|lane| lane.weight).sum();
    let moment: i128 = lanes.iter().map(|lane| lane.weight * lane.lead).sum();
    lanes
        .iter()
        .filter(|lane| lane.lead * total <= moment)
        .min_by_key(|lane| (lane.lead + i128::from(lane.stride), lane.position))
}

/// Returns the position whose turn a lane's is. An endpoint may run with several models: they share its turn and
/// alternate. A turn grows by one stride with each request, and so numbers them.
fn model_of(lanes: &[Lane<'_>], lane: &Lane<'_>) -> Option<usize> {
    let models = || lanes.iter().filter(|other| std::ptr::eq(other.turn, lane.turn));
    let number = usize::try_from(lane.seen / lane.stride).unwrap_or(usize::MAX);
    models().nth(number % models().count().max(1)).map(|model| model.position)
}

fn stride(weight: u64) -> u64 {
    STRIDE / weight.max(1)
}

// === impl Lane ===

impl Lane<'_> {
    /// Moves the turn on, unless it is no longer as read; returns whether it did.
    fn advance(&self, stride: u64) -> bool {
        // The cast wraps, as turns do.
        let moved = self.seen.wrapping_add(self.lift as u64).wrapping_add(stride);
        self.turn.compare_exchange(self.seen, moved, Relaxed, Relaxed).is_ok()
    }
}
