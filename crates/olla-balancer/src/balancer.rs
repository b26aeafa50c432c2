//! The strategies that a configuration can name.

use std::{fmt, str::FromStr};

use thiserror::Error;

use crate::{Candidate, Hint, Pick, Reason, Strategy, Tried, field::Field};

/// A strategy of the configuration.
///
/// Each considers endpoints that are routable (and not drained), not ejected, not full and not set aside, and of those the ones of
/// the lowest rank. Where there are none, those that are ejected are considered after all, then those that a
/// failed request took out, then the one that is set aside for the shortest time. A pinned one
/// among them is taken while its load is in bounds, whoever's turn it is. Of equals, those that hold the model in memory go first.
/// Where a strategy takes turns, the turns are in proportion to `weight`, of which a busy endpoint has less.
///
/// Of many endpoints that are alike, each chooses among eight that are drawn at random, at a cost that does not grow
/// with their number. Already the better of two is nearly as good as the best of all ("the power of two choices":
/// Azar et al., 1994; Mitzenmacher, 2001): of n endpoints, the most loaded has log log n / log d requests more than the
/// mean with d choices, which is one or two with eight and any number of endpoints. By the fewest requests in flight,
/// some of an [`Aperture`](crate::Aperture) are looked at before, and the first that is [free](Candidate::is_free) is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Balancer {
    /// The endpoints of the highest priority, in turn.
    Priority,
    /// All endpoints, in turn.
    RoundRobin,
    /// The endpoint with the fewest requests in flight for its weight, this one included; equals in turn, but of many that
    /// are alike whoever is free and comes along.
    #[default]
    LeastConnections,
}

/// Of how many that are alike one is chosen.
const CHOICES: usize = 8;

/// The name is not that of a strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be priority, round-robin or least-connections")]
pub struct UnknownBalancer;

// === impl Balancer ===

impl Balancer {
    /// Every strategy.
    pub const ALL: [Self; 3] = [Self::Priority, Self::RoundRobin, Self::LeastConnections];

    /// Returns the name used in configuration files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Priority => "priority",
            Self::RoundRobin => "round-robin",
            Self::LeastConnections => "least-connections",
        }
    }
}

impl Strategy for Balancer {
    fn name(&self) -> &'static str {
        self.as_str()
    }

    fn choices(&self) -> usize {
        CHOICES
    }

    fn takes_any_free(&self) -> bool {
        match self {
            // Whose turn it is matters, free or not.
            Self::Priority | Self::RoundRobin => false,
            Self::LeastConnections => true,
        }
    }

    fn pick(&self, candidates: &[Candidate<'_>], tried: &Tried, hint: &Hint) -> Option<Pick> {
        let mut field = Field::default();
        let last_resort = field.gather(candidates, tried, hint.now);
        let among_all = field.len();
        field.keep_lowest_rank();
        let among_best = field.len();
        if let Some(pinned) = hint.pinned
            && last_resort.is_none()
            && field.is_at_hand(pinned)
        {
            // Takes no turn: turns are for what can go anywhere, such as the next new conversation.
            return Some(Pick { position: pinned.position, reason: Reason::Pinned });
        }
        let by_strategy = match self {
            Self::Priority => field.keep_highest_priority(),
            Self::RoundRobin => Reason::NextInTurn,
            Self::LeastConnections => field.keep_least_loaded(),
        };
        let reason = match (last_resort, among_all, among_best) {
            (Some(reason), _, _) => reason,
            (None, 1, _) => Reason::OnlyCandidate,
            (None, _, 1) => Reason::Preferred,
            _ if field.keep_loaded() => Reason::AlreadyLoaded,
            _ => by_strategy,
        };
        Some(Pick { position: field.take_turn()?, reason })
    }
}

impl FromStr for Balancer {
    type Err = UnknownBalancer;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "priority" => Ok(Self::Priority),
            "round-robin" | "round_robin" => Ok(Self::RoundRobin),
            "least-connections" | "least_connections" => Ok(Self::LeastConnections),
            _ => Err(UnknownBalancer),
        }
    }
}

impl fmt::Display for Balancer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_back_with_hyphens_and_underscores() {
        for balancer in Balancer::ALL {
            assert_eq!(balancer.as_str().parse(), Ok(balancer));
            assert_eq!(balancer.as_str().replace('-', "_").parse(), Ok(balancer));
        }
        assert_eq!("random".parse::<Balancer>(), Err(UnknownBalancer));
    }
}
