//! What happens to a request whose model is not there, and what clients are told of it: the reasons of
//! `X-Olla-Routing-*`.

use std::borrow::Cow;

use crate::settings::{Fallback, Routing};

/// What `X-Olla-Routing-*` tell.
#[derive(Debug, Clone)]
pub(crate) struct Decision {
    pub(crate) strategy: &'static str,
    pub(crate) action: &'static str,
    pub(crate) reason: Cow<'static, str>,
}

/// How the listings that a missing model gave rise to have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rediscovery {
    /// There were none.
    NotAsked,
    /// An endpoint at least has listed its models anew.
    Listed,
    /// None has, in time.
    Failed,
}

/// What is known of a model that no available endpoint has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Missing {
    /// Endpoints have it that are not available.
    pub(crate) known: bool,
    /// Other endpoints are available.
    pub(crate) others: bool,
    pub(crate) rediscovery: Rediscovery,
}

// === impl Routing ===

impl Routing {
    /// Returns the name of `X-Olla-Routing-Strategy`.
    pub(crate) fn strategy(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Optimistic(_) => "optimistic",
            Self::Discovery { .. } => "discovery",
        }
    }

    /// Returns the reason for a model that was found.
    pub(crate) fn found(self, rediscovery: Rediscovery) -> &'static str {
        match (self, rediscovery) {
            (Self::Strict | Self::Optimistic(_), _) => "model_found",
            (Self::Discovery { .. }, Rediscovery::NotAsked) => "model_found_no_refresh",
            (Self::Discovery { .. }, _) => "model_found_after_discovery",
        }
    }

    /// Returns the reason for a missing model: `Ok` lets the request go to any other endpoint, `Err` refuses
    /// it. Of the refusals, `model_not_found` alone means that the model is unknown.
    pub(crate) fn missing(self, missing: Missing) -> Result<&'static str, &'static str> {
        use {Fallback::*, Rediscovery::*};

        let Missing { known, others, rediscovery } = missing;
        match (self, rediscovery) {
            (Self::Strict | Self::Optimistic(Nowhere | CompatibleOnly), _) if !known => {
                Err("model_not_found")
            }
            (Self::Strict, _) => Err("model_unavailable"),
            (Self::Optimistic(Nowhere), _) => Err("model_unavailable_no_fallback"),
            (Self::Optimistic(CompatibleOnly), _) => Err("model_unavailable_compatible_only"),
            (Self::Optimistic(All), _) if known => Ok("all_healthy_fallback"),
            (Self::Optimistic(All), _) => Ok("model_not_found_fallback"),
            (Self::Discovery { .. }, NotAsked) => Err("model_unavailable_no_refresh"),
            (Self::Discovery { fallback: Nowhere, .. }, Failed) => Err("discovery_failed_no_fallback"),
            (Self::Discovery { fallback: CompatibleOnly, .. }, Failed) => {
                Err("discovery_failed_compatible_only")
            }
            (Self::Discovery { fallback: All, .. }, Failed) if others => Ok("discovery_failed_all_fallback"),
            (Self::Discovery { .. }, Listed | Failed) if !others => Err("no_healthy_after_discovery"),
            (Self::Discovery { fallback: All, .. }, Listed | Failed) => Ok("all_healthy_after_discovery"),
            (Self::Discovery { .. }, Listed) => Err("model_unavailable_after_discovery"),
        }
    }
}

/// The refusal that means that no endpoint has the model, up or down.
pub(crate) const NOT_FOUND: &str = "model_not_found";

// === impl Decision ===

impl Decision {
    pub(crate) fn routed(strategy: &'static str, reason: &'static str) -> Self {
        Self { strategy, action: "routed", reason: reason.into() }
    }

    pub(crate) fn fallback(strategy: &'static str, reason: &'static str) -> Self {
        Self { strategy, action: "fallback", reason: reason.into() }
    }

    pub(crate) fn rejected(strategy: &'static str, reason: &'static str) -> Self {
        Self { strategy, action: "rejected", reason: reason.into() }
    }

    // alloc: requests for aliases only.
    pub(crate) fn alias(name: &str, endpoints: usize) -> Self {
        let reason = format!("alias {name:?} resolved to {endpoints} endpoint(s)");
        Self { strategy: "alias", action: "routed", reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFRESH: Option<std::time::Duration> = Some(std::time::Duration::from_secs(2));

    fn missing(
        routing: Routing,
        known: bool,
        rediscovery: Rediscovery,
    ) -> Result<&'static str, &'static str> {
        routing.missing(Missing { known, others: true, rediscovery })
    }

    #[test]
    fn strict_and_optimistic_have_the_reasons_of_the_original() {
        let cases = [
            (Routing::Strict, false, Err("model_not_found")),
            (Routing::Strict, true, Err("model_unavailable")),
            (Routing::Optimistic(Fallback::Nowhere), false, Err("model_not_found")),
            (Routing::Optimistic(Fallback::Nowhere), true, Err("model_unavailable_no_fallback")),
            (Routing::Optimistic(Fallback::CompatibleOnly), false, Err("model_not_found")),
            (Routing::Optimistic(Fallback::CompatibleOnly), true, Err("model_unavailable_compatible_only")),
            (Routing::Optimistic(Fallback::All), false, Ok("model_not_found_fallback")),
            (Routing::Optimistic(Fallback::All), true, Ok("all_healthy_fallback")),
        ];
        for (routing, known, expected) in cases {
            assert_eq!(missing(routing, known, Rediscovery::NotAsked), expected, "{routing:?} {known}");
        }
    }

    #[test]
    fn discovery_has_a_reason_for_every_end() {
        let discovery = |fallback| Routing::Discovery { fallback, refresh: REFRESH };
        let cases = [
            (Fallback::All, Rediscovery::NotAsked, Err("model_unavailable_no_refresh")),
            (Fallback::Nowhere, Rediscovery::Failed, Err("discovery_failed_no_fallback")),
            (Fallback::CompatibleOnly, Rediscovery::Failed, Err("discovery_failed_compatible_only")),
            (Fallback::All, Rediscovery::Failed, Ok("discovery_failed_all_fallback")),
            (Fallback::Nowhere, Rediscovery::Listed, Err("model_unavailable_after_discovery")),
            (Fallback::CompatibleOnly, Rediscovery::Listed, Err("model_unavailable_after_discovery")),
            (Fallback::All, Rediscovery::Listed, Ok("all_healthy_after_discovery")),
        ];
        for (fallback, rediscovery, expected) in cases {
            for known in [false, true] {
                let got = missing(discovery(fallback), known, rediscovery);
                assert_eq!(got, expected, "{fallback:?} {rediscovery:?}");
            }
        }
        let nobody = Missing { known: true, others: false, rediscovery: Rediscovery::Listed };
        assert_eq!(discovery(Fallback::All).missing(nobody), Err("no_healthy_after_discovery"));
        assert_eq!(discovery(Fallback::All).found(Rediscovery::Listed), "model_found_after_discovery");
        assert_eq!(discovery(Fallback::All).found(Rediscovery::NotAsked), "model_found_no_refresh");
    }
}
