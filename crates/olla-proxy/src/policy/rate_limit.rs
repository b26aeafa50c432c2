//! Rate limits for each client and for all together, by the generic cell rate algorithm.

mod clients;

use std::{
    net::{IpAddr, Ipv4Addr},
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clients::{Clients, known_as};
use governor::{
    Quota as Rate, RateLimiter,
    clock::Clock,
    middleware::StateInformationMiddleware,
    state::{InMemoryState, NotKeyed},
};
use tokio::sync::Notify;

use crate::{Error, clock, render::Refusal};

/// Requests a minute. Zero turns a limit off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Of all clients together.
    pub global_per_minute: u32,
    /// Of one client address; an IPv6 network of 64 bits counts as one.
    pub per_client_per_minute: u32,
    /// Requests that may come at once before the rate applies; at least one.
    pub burst: u32,
}

/// Admits or refuses requests. Shared by all workers.
#[derive(Debug)]
pub struct RateLimits {
    rates: Rates,
    global: Option<Global>,
    per_client: Option<PerClient>,
    /// Notified when there are more clients than can be known.
    crowded: Arc<Notify>,
}

type Global = RateLimiter<NotKeyed, InMemoryState, OwnClock, StateInformationMiddleware>;
type PerClient = RateLimiter<IpAddr, Clients, OwnClock, StateInformationMiddleware>;

/// [`clock::instant`], as governor asks for it.
#[derive(Debug, Clone)]
struct OwnClock;

/// What a client has left, as `X-RateLimit-*` tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    pub(crate) reset_unix_seconds: u64,
}

// === impl RateLimits ===

impl RateLimits {
    /// Creates limits, or `None` when both rates are off.
    #[must_use]
    pub fn new(rates: Rates) -> Option<Self> {
        let burst = NonZeroU32::new(rates.burst).unwrap_or(NonZeroU32::MIN);
        let rate = |per_minute| Some(Rate::per_minute(NonZeroU32::new(per_minute)?).allow_burst(burst));
        let global = rate(rates.global_per_minute).map(|rate| {
            RateLimiter::direct_with_clock(rate, OwnClock).with_middleware::<StateInformationMiddleware>()
        });
        let crowded = Arc::new(Notify::new());
        let per_client = rate(rates.per_client_per_minute)
            .map(|rate| RateLimiter::new(rate, Clients::new(Arc::clone(&crowded)), OwnClock));
        if global.is_none() && per_client.is_none() {
            return None;
        }
        Some(Self { rates, global, per_client, crowded })
    }

    /// Admits a request of `client` that has come `now`; clients whose address is unknown share one.
    ///
    /// The client's own limit is checked first: what it refuses costs the others nothing.
    pub(crate) fn admit(&self, client: Option<IpAddr>, now: SystemTime) -> Result<Quota, Refusal> {
        let client = client.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let mut remaining = self.rates.burst;
        if let Some(limiter) = &self.per_client {
            match limiter.check_key(&known_as(client)) {
                Ok(state) => remaining = state.remaining_burst_capacity(),
                Err(until) => return Err(self.refuse(until.wait_time_from(OwnClock.now()), now)),
            }
        }
        if let Some(limiter) = &self.global {
            match limiter.check() {
                Ok(state) => remaining = remaining.min(state.remaining_burst_capacity()),
                Err(until) => return Err(self.refuse(until.wait_time_from(OwnClock.now()), now)),
            }
        }
        Ok(self.quota(remaining, Duration::ZERO, now))
    }

    /// Admits a request of `client`, or says how long it must wait. For routes that the proxy does not serve.
    ///
    /// # Errors
    /// Returns the time after which the next request will be admitted.
    pub fn check(&self, client: IpAddr) -> Result<(), Duration> {
        match &self.per_client {
            Some(limiter) => {
                let checked = limiter.check_key(&known_as(client));
                checked.map(drop).map_err(|until| until.wait_time_from(OwnClock.now()))
            }
            None => Ok(()),
        }
    }

    /// Waits until there are more clients than can be known: those who come last share one rate, until
    /// [`clean_up`](Self::clean_up) has forgotten others.
    pub async fn crowded(&self) {
        self.crowded.notified().await;
    }

    /// Forgets clients that have not come for a while. Call it now and then.
    pub fn clean_up(&self) {
        if let Some(limiter) = &self.per_client {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }

    fn refuse(&self, wait: Duration, now: SystemTime) -> Refusal {
        // Rounded up: a client that waits as long as it is told must be admitted.
        let retry_after = Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
        Refusal::over_quota(Error::RateLimited { retry_after }, self.quota(0, retry_after, now))
    }

    fn quota(&self, remaining: u32, wait: Duration, now: SystemTime) -> Quota {
        let per_minute = match self.rates.per_client_per_minute {
            0 => self.rates.global_per_minute,
            limit => limit,
        };
        let used = self.rates.burst.saturating_sub(remaining);
        let refill = Duration::from_secs(u64::from(used) * 60 / u64::from(per_minute.max(1)));
        let reset = now.duration_since(UNIX_EPOCH).unwrap_or_default() + refill.max(wait);
        Quota { limit: per_minute, remaining, reset_unix_seconds: reset.as_secs() }
    }
}

// === impl OwnClock ===

impl Clock for OwnClock {
    type Instant = std::time::Instant;

    fn now(&self) -> Self::Instant {
        clock::instant().into_std()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(global: u32, per_client: u32, burst: u32) -> RateLimits {
        RateLimits::new(Rates { global_per_minute: global, per_client_per_minute: per_client, burst })
            .unwrap()
    }

    fn client(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([10, 0, 0, last]))
    }

    #[test]
    fn each_client_has_a_burst_of_its_own() {
        let limits = limits(0, 1, 2);

        assert_eq!(limits.admit(client(1), UNIX_EPOCH).unwrap().remaining, 1);
        assert_eq!(limits.admit(client(1), UNIX_EPOCH).unwrap().remaining, 0);
        assert!(limits.admit(client(1), UNIX_EPOCH).is_err());
        assert!(limits.admit(client(2), UNIX_EPOCH).is_ok());
    }

    #[test]
    fn the_global_limit_works_without_one_for_clients() {
        let limits = limits(1, 0, 1);

        assert_eq!(limits.admit(client(1), UNIX_EPOCH).unwrap().remaining, 0);
        assert!(limits.admit(client(2), UNIX_EPOCH).is_err());
    }

    #[test]
    fn a_refused_client_does_not_use_up_the_global_limit() {
        let limits = limits(2, 1, 1);

        assert!(limits.admit(client(1), UNIX_EPOCH).is_ok());
        assert!(limits.admit(client(1), UNIX_EPOCH).is_err());
        assert!(limits.admit(client(1), UNIX_EPOCH).is_err());

        assert!(
            limits.global.as_ref().unwrap().check().is_err(),
            "burst of one: used by the first request only"
        );
    }

    #[test]
    fn no_limit_is_no_limiter() {
        assert!(
            RateLimits::new(Rates { global_per_minute: 0, per_client_per_minute: 0, burst: 5 }).is_none()
        );
    }
}
