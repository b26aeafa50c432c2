//! The slots of an endpoint: how many requests it takes at a time, and who waits in line for one.
//!
//! Who comes first is served first: while somebody waits, a newcomer gets no slot. A slot that becomes free is
//! handed over to the first in line, and whoever leaves the line passes on what was handed over. A request may
//! stand in the lines of several endpoints; the first slot is its own.
//!
//! Each endpoint has a lock of its own, taken for a few instructions and only where there is a limit: whether
//! there is room, who is next and who gets it is decided under it, so that no wake-up can be lost.

use std::{
    collections::VecDeque,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicUsize, Ordering::AcqRel, Ordering::Acquire, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use atomic_waker::AtomicWaker;
use smallvec::SmallVec;

use crate::{InFlight, Live};

/// How many requests an endpoint has, may have, and keeps waiting.
#[derive(Debug, Default)]
// See `Live`.
#[repr(C)]
pub(crate) struct Slots {
    limit: Option<NonZeroU32>,
    /// Raised towards the limit under the lock of the line; read anywhere.
    taken: AtomicU32,
    /// The length of the line, for whoever does not hold its lock.
    waiting: AtomicU32,
    // Elsewhere: it is looked at only where there is a limit, and then changes all the time.
    line: Box<Mutex<Line>>,
}

/// Those who wait, each with what it calls this endpoint.
type Line = VecDeque<(Arc<Waiter>, usize)>;

/// A request that waits, shared by all lines it stands in.
#[derive(Debug)]
struct Waiter {
    /// [`WAITING`], [`GONE`], or which of its endpoints has given it a slot.
    state: AtomicUsize,
    waker: AtomicWaker,
}

/// A request's place in the lines of some endpoints. Dropping it gives the place up, and passes on a slot that
/// was handed over but not taken.
#[derive(Debug)]
#[must_use = "the request waits only while this is held"]
pub struct Place {
    waiter: Arc<Waiter>,
    /// The endpoints, in the order given.
    lives: Vec<Arc<Live>>,
}

const WAITING: usize = usize::MAX;
const GONE: usize = usize::MAX - 1;

// === impl Slots ===

impl Slots {
    pub(crate) fn new(limit: Option<NonZeroU32>) -> Self {
        Self { limit, ..Self::default() }
    }

    pub(crate) fn taken(&self) -> u32 {
        self.taken.load(Relaxed)
    }

    pub(crate) fn waiting(&self) -> u32 {
        self.waiting.load(Relaxed)
    }

    /// Returns whether a newcomer gets no slot. The line of an endpoint that is not open does not move, and so
    /// keeps nobody out.
    pub(crate) fn is_full(&self, is_open: impl FnOnce() -> bool) -> bool {
        !self.has_room() || (self.waiting() > 0 && is_open())
    }

    /// Takes a slot, whether there is one or not.
    pub(crate) fn enter(&self) {
        self.taken.fetch_add(1, Relaxed);
    }

    /// Takes a slot if there is one for a newcomer.
    pub(crate) fn try_enter(&self, is_open: impl FnOnce() -> bool) -> bool {
        if self.limit.is_none() && self.waiting() == 0 {
            self.enter();
            return true;
        }
        let line = self.lock();
        let free = self.has_room() && (line.is_empty() || !is_open());
        if free {
            self.enter();
        }
        free
    }

    /// Gives a slot back.
    pub(crate) fn leave(&self, is_open: impl FnOnce() -> bool) {
        if self.limit.is_none() {
            self.taken.fetch_sub(1, Relaxed);
            return;
        }
        self.change(is_open, |_| self.taken.fetch_sub(1, Relaxed));
    }

    /// Hands free slots over to those in line. Called whenever an endpoint opens.
    pub(crate) fn serve(&self, is_open: impl FnOnce() -> bool) {
        self.change(is_open, |_| ());
    }

    /// Joins the line unless it has `longest` members already; what is free already is handed over at once.
    fn join(
        &self,
        waiter: &Arc<Waiter>,
        name: usize,
        longest: usize,
        is_open: impl FnOnce() -> bool,
    ) -> bool {
        self.change(is_open, |line| {
            if line.len() >= longest {
                line.retain(|(other, _)| other.is_waiting());
            }
            let joins = line.len() < longest;
            if joins {
                line.push_back((Arc::clone(waiter), name));
            }
            joins
        })
    }

    fn quit(&self, waiter: &Arc<Waiter>) {
        let mut line = self.lock();
        line.retain(|(other, _)| !Arc::ptr_eq(other, waiter));
        self.count(&line);
    }

    /// Makes a change and hands over the slots that are free then.
    fn change<T>(&self, is_open: impl FnOnce() -> bool, change: impl FnOnce(&mut Line) -> T) -> T {
        let mut served = SmallVec::<[_; 1]>::new();
        let mut line = self.lock();
        let changed = change(&mut line);
        if !line.is_empty() && is_open() {
            while self.has_room()
                && let Some((waiter, name)) = line.pop_front()
            {
                // Whoever has a slot elsewhere, or has left, is only passed over.
                if waiter.claim(name) {
                    self.enter();
                    served.push(waiter);
                }
            }
        }
        self.count(&line);
        // Waking may drop what is woken, and with it a place in this line.
        drop(line);
        served.iter().for_each(|waiter| waiter.waker.wake());
        changed
    }

    fn count(&self, line: &Line) {
        self.waiting.store(u32::try_from(line.len()).unwrap_or(u32::MAX), Relaxed);
    }

    fn has_room(&self) -> bool {
        self.limit.is_none_or(|limit| self.taken() < limit.get())
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Waiter ===

impl Waiter {
    fn is_waiting(&self) -> bool {
        self.state.load(Acquire) == WAITING
    }

    /// Gives it the slot of the endpoint that it calls so, unless it has one or has left.
    fn claim(&self, name: usize) -> bool {
        self.state.compare_exchange(WAITING, name, AcqRel, Acquire).is_ok()
    }
}

// === impl Place ===

impl Place {
    /// Takes a place at the end of the lines of these endpoints, of those at most `longest` long. Returns `None`
    /// when all lines are longer, or there is none.
    pub fn take<'a>(lives: impl IntoIterator<Item = &'a Arc<Live>>, longest: usize) -> Option<Self> {
        let waiter = Arc::new(Waiter { state: AtomicUsize::new(WAITING), waker: AtomicWaker::new() });
        let mut place = Self { waiter, lives: vec![] };
        for live in lives {
            if place.lives.iter().any(|known| Arc::ptr_eq(known, live)) {
                continue;
            }
            place.lives.push(Arc::clone(live));
            if !live.slots().join(&place.waiter, place.lives.len() - 1, longest, || live.is_open()) {
                place.lives.pop();
            }
            if !place.waiter.is_waiting() {
                break;
            }
        }
        (!place.lives.is_empty()).then_some(place)
    }

    /// Completes with the slot that was handed over, and the endpoint it belongs to. Polled no more after that.
    pub fn poll_slot(&mut self, cx: &mut Context<'_>) -> Poll<InFlight> {
        // Registered first: what is handed over from now on wakes.
        self.waiter.waker.register(cx.waker());
        let Some(live) = self.lives.get(self.waiter.state.load(Acquire)) else { return Poll::Pending };
        self.waiter.state.store(GONE, Relaxed);
        Poll::Ready(InFlight::of(live))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Nobody claims it any more. What was handed over goes on with the guard.
        let state = self.waiter.state.swap(GONE, AcqRel);
        let slot = self.lives.get(state).map(InFlight::of);
        for live in &self.lives {
            live.slots().quit(&self.waiter);
        }
        drop(slot);
    }
}

#[cfg(test)]
mod tests;
