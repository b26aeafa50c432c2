//! The best of the answers that nobody wanted: what the client gets when no candidate does better.

use std::time::Duration;

use olla_balancer::Candidate;
use olla_core::{Failure, Moment, Standing};

use super::Served;

/// The best poor answer so far.
#[derive(Debug)]
pub(super) struct Best {
    /// The attempt that gave it.
    pub(super) attempt: usize,
    served: Served,
    worth: u8,
}

/// Told where the backend says nothing and nothing is known.
const SOON: Duration = Duration::from_secs(1);

// === impl Best ===

impl Best {
    /// Keeps the better of two; of equals the later, which is closer to how things are.
    pub(super) fn of(earlier: Option<Self>, attempt: usize, served: Served, failure: Failure) -> Self {
        let worth = worth(failure);
        match earlier {
            Some(earlier) if earlier.worth > worth => earlier,
            Some(_) | None => Self { attempt, served, worth },
        }
    }

    /// Hands it to the client, who is told when it is worth trying again.
    pub(super) fn serve(self, candidates: &[Candidate<'_>], now: Moment) -> Served {
        Served { retry_after: Some(soonest(candidates, now)), ..self.served }
    }
}

/// A refusal for the sake of a rate says what to do; one of a busy backend says that it will pass; other statuses
/// say at least something; an error within a stream comes with a status that says the opposite.
fn worth(failure: Failure) -> u8 {
    match failure {
        Failure::Status(429) => 3,
        Failure::Status(503) => 2,
        Failure::Status(_) => 1,
        _ => 0,
    }
}

/// Returns after how long the first of the candidates takes requests again.
fn soonest(candidates: &[Candidate<'_>], now: Moment) -> Duration {
    let wait = |candidate: &Candidate<'_>| {
        let aside = candidate.aside_until(now);
        let ejected = match candidate.standing(now) {
            Standing::Ejected(until) => Some(until),
            Standing::Good | Standing::OnTrial | Standing::BeingTried => None,
        };
        aside.max(ejected).map_or(SOON, |until| until.since(now))
    };
    let usable = candidates.iter().filter(|candidate| candidate.endpoint.live.is_routable());
    usable.map(wait).min().unwrap_or(SOON)
}
