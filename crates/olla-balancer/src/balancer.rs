//! The strategies that a configuration can name.

use std::{fmt, str::FromStr};

use thiserror::Error;

use crate::{Candidate, Hint, Pick, Reason, Strategy, Tried, field::Field};

/// A strategy of the configuration.
///
/// Each considers routable endpoints first. Where it takes turns, the turns are in proportion to `weight`,
/// of which a busy endpoint has less.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Balancer {
    /// The endpoints of the highest priority, in turn.
    Priority,
    /// All endpoints, in turn.
    RoundRobin,
    /// The endpoint with the fewest requests in flight for its weight, this one included; equals in turn.
    #[default]
    LeastConnections,
}

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

    fn pick(&self, candidates: &[Candidate<'_>], tried: &Tried, _hint: &Hint) -> Option<Pick> {
        let (mut field, last_resort) = match Field::routable(candidates, tried) {
            field if field.is_empty() => (Field::suspect(candidates, tried), true),
            field => (field, false),
        };
        let alone = field.len() == 1;
        let reason = match self {
            Self::Priority => field.keep_highest_priority(),
            Self::RoundRobin => Reason::NextInTurn,
            Self::LeastConnections => field.keep_least_loaded(),
        };
        let reason = match (last_resort, alone) {
            (true, _) => Reason::LastResort,
            (false, true) => Reason::OnlyCandidate,
            (false, false) => reason,
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
