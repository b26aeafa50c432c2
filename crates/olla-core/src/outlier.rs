//! Outlier ejection: an endpoint whose requests fail leaves the rotation for a while, then has to pass one.
//!
//! Requests are judged, not probes: an endpoint that answers its health check and nothing else is found here.
//! What ejects: so many failures in a row, or too few successes among enough recent requests. How long: one
//! second, then two, then four, so that it is back soon after it has healed. Then a single request tries it.
//! When its response begins well, the endpoint is back, on probation: until one has ended well, the next failure
//! ejects it again.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::{Moment, Window};

/// When an endpoint is ejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EjectionRules {
    /// Failures in a row that eject; 0 never does. Default 5.
    pub consecutive_failures: u32,
    /// The least share of successes, percent; 0 never ejects. Default 50.
    pub min_success_percent: u32,
    /// Requests within the window before the share counts. Default 20.
    pub min_requests: u32,
}

/// Whether an endpoint takes part, as far as its requests tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Good,
    /// It does not before this moment.
    Ejected(Moment),
    /// One request may try it, and none has yet.
    OnTrial,
    /// A request is trying it.
    BeingTried,
}

/// The right, and the duty, to be the one request that tries an ejected endpoint.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "give it back with `end_trial`"]
pub struct Trial(u64);

/// What an endpoint's recent requests came to. Relaxed throughout: a count that is one too small for an
/// instant delays an ejection by one request.
#[derive(Debug, Default)]
// See `Live`.
#[repr(C)]
pub struct Outlier {
    /// When the ejection ends, in milliseconds, plus one; 0 is none.
    ejected_until: AtomicU64,
    /// Failures since the last success.
    in_a_row: AtomicU32,
    /// Ejections since the endpoint was last good for long.
    ejections: AtomicU32,
    /// Whether it is back from an ejection, and no response has ended well since.
    probation: AtomicBool,
    /// When the trial that is under way began, in milliseconds, plus one; 0 is none.
    trial: AtomicU64,
    /// Successes and failures.
    window: Window,
}

/// The first ejection; each further one is twice as long.
const SHORTEST: Duration = Duration::from_secs(1);
/// A healed endpoint waits no longer than this.
const LONGEST: Duration = Duration::from_secs(4);
/// A trial that has not ended by then does not keep others from trying: its answer may be a long one.
const TRIAL: Duration = Duration::from_secs(10);
/// The seconds whose failures weigh on an endpoint's load.
const PENALTY_SECONDS: u32 = 2;

// === impl EjectionRules ===

impl Default for EjectionRules {
    fn default() -> Self {
        Self { consecutive_failures: 5, min_success_percent: 50, min_requests: 20 }
    }
}

// === impl Outlier ===

impl Outlier {
    /// Returns whether the endpoint takes part.
    #[must_use]
    pub fn standing(&self, now: Moment) -> Standing {
        let until = self.ejected_until.load(Relaxed);
        if until == 0 {
            return Standing::Good;
        }
        let until = Moment::from_millis(until - 1);
        if now < until {
            return Standing::Ejected(until);
        }
        match self.trial.load(Relaxed) {
            0 => Standing::OnTrial,
            began if now.since(Moment::from_millis(began - 1)) >= TRIAL => Standing::OnTrial,
            _ => Standing::BeingTried,
        }
    }

    /// Takes the trial, unless another request has it.
    pub fn begin_trial(&self, now: Moment) -> Option<Trial> {
        if self.standing(now) != Standing::OnTrial {
            return None;
        }
        let (seen, mine) = (self.trial.load(Relaxed), now.as_millis() + 1);
        self.trial.compare_exchange(seen, mine, Relaxed, Relaxed).ok().map(|_| Trial(mine))
    }

    /// Gives a trial back: its request has ended, perhaps without saying anything of the endpoint.
    pub fn end_trial(&self, Trial(mine): Trial) {
        // It fails when the trial has been judged meanwhile, or has passed to another.
        let _ = self.trial.compare_exchange(mine, 0, Relaxed, Relaxed);
    }

    /// Notes a response that has begun well: an ejection whose time has come is over. Returns whether that was so.
    ///
    /// It may still break off, and so counts neither as a success nor against earlier failures. Before that
    /// time it tells nothing: the request may have been sent before the trouble began.
    pub fn started(&self, now: Moment) -> bool {
        let ends = self.may_return(now);
        if ends {
            self.probation.store(true, Relaxed);
            self.readmit();
        }
        ends
    }

    /// Counts a request that the endpoint has served to the end. Returns whether that ended an ejection.
    pub fn succeeded(&self, now: Moment) -> bool {
        // Stored only when they change: all workers share them.
        if self.in_a_row.load(Relaxed) != 0 {
            self.in_a_row.store(0, Relaxed);
        }
        if self.probation.load(Relaxed) {
            self.probation.store(false, Relaxed);
        }
        let ends = self.may_return(now);
        if ends {
            self.readmit();
        }
        self.window.count_first(now);
        if !ends && self.ejections.load(Relaxed) != 0 && self.window.recent(now, Window::SECONDS).1 == 0 {
            self.ejections.store(0, Relaxed);
        }
        ends
    }

    /// Counts a request that the endpoint has failed; returns for how long that ejects it.
    pub fn failed(&self, now: Moment, rules: &EjectionRules) -> Option<Duration> {
        let in_a_row = self.in_a_row.fetch_add(1, Relaxed).saturating_add(1);
        self.window.count_second(now);
        match self.standing(now) {
            // Requests that were under way when it was ejected.
            Standing::Ejected(_) => None,
            Standing::OnTrial | Standing::BeingTried => Some(self.eject(now)),
            Standing::Good => {
                let too_many = rules.consecutive_failures > 0 && in_a_row >= rules.consecutive_failures;
                (too_many || self.probation.load(Relaxed) || self.is_below(rules, now))
                    .then(|| self.eject(now))
            }
        }
    }

    /// Returns by how many requests an endpoint looks busier than it is: a failure is quick, and must not
    /// make its endpoint attractive.
    #[must_use]
    pub fn penalty(&self, now: Moment) -> u32 {
        if self.in_a_row.load(Relaxed) == 0 { 0 } else { self.window.recent(now, PENALTY_SECONDS).1 }
    }

    /// Returns whether the endpoint is ejected, or on trial after that.
    #[must_use]
    pub fn is_ejected(&self) -> bool {
        self.ejected_until.load(Relaxed) != 0
    }

    /// Returns how many requests have failed since one was served to the end.
    #[must_use]
    pub fn failures_in_a_row(&self) -> u32 {
        self.in_a_row.load(Relaxed)
    }

    /// Returns whether the endpoint is ejected and the time for its trial has come.
    fn may_return(&self, now: Moment) -> bool {
        !matches!(self.standing(now), Standing::Good | Standing::Ejected(_))
    }

    fn readmit(&self) {
        self.ejected_until.store(0, Relaxed);
        self.trial.store(0, Relaxed);
        self.window.clear();
    }

    fn eject(&self, now: Moment) -> Duration {
        let earlier = self.ejections.fetch_add(1, Relaxed).min(16);
        let pause = (SHORTEST * 2_u32.pow(earlier)).min(LONGEST);
        self.trial.store(0, Relaxed);
        self.probation.store(false, Relaxed);
        self.ejected_until.store(now.after(pause).as_millis() + 1, Relaxed);
        pause
    }

    fn is_below(&self, rules: &EjectionRules, now: Moment) -> bool {
        let (successes, failures) = self.window.recent(now, Window::SECONDS);
        let all = successes + failures;
        rules.min_success_percent > 0
            && all >= rules.min_requests.max(1)
            && u64::from(successes) * 100 < u64::from(all) * u64::from(rules.min_success_percent)
    }
}

#[cfg(test)]
mod tests;
