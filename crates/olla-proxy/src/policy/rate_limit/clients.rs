//! The clients whose rate is known: so many and no more, whoever floods us with addresses.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use governor::{
    nanos::Nanos,
    state::{
        InMemoryState, NotKeyed, StateStore,
        keyed::{DashMapStateStore, ShrinkableKeyedStateStore},
    },
};
use tokio::sync::Notify;

/// Keeps a state for each client; clients who come when there are too many share one.
#[derive(Debug)]
pub(super) struct Clients {
    known: DashMapStateStore<IpAddr>,
    most: usize,
    strangers: InMemoryState,
    /// Notified when somebody had to be treated as a stranger.
    crowded: Arc<Notify>,
}

/// A few MiB.
const MOST: usize = 1 << 16;

/// Returns under which address a client is known. Whoever has one IPv6 address usually has the 64 bits below its
/// network too, and would never be met twice.
pub(super) fn known_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

// === impl Clients ===

impl Clients {
    /// Knows nobody yet, and notifies `crowded` when there are too many to know them all.
    pub(super) fn new(crowded: Arc<Notify>) -> Self {
        Self { known: DashMapStateStore::default(), most: MOST, strangers: InMemoryState::default(), crowded }
    }
}

impl StateStore for Clients {
    type Key = IpAddr;

    fn measure_and_replace<T, F, E>(&self, client: &IpAddr, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        if let Some(state) = self.known.get(client) {
            return state.measure_and_replace(&NotKeyed::NonKey, decide);
        }
        // Workers that race may know one client more each.
        if self.known.len() < self.most {
            return self.known.measure_and_replace(client, decide);
        }
        self.crowded.notify_one();
        self.strangers.measure_and_replace(&NotKeyed::NonKey, decide)
    }
}

impl ShrinkableKeyedStateStore<IpAddr> for Clients {
    fn retain_recent(&self, drop_below: Nanos) {
        self.known.retain_recent(drop_below);
    }

    fn shrink_to_fit(&self) {
        self.known.shrink_to_fit();
    }

    fn len(&self) -> usize {
        self.known.len()
    }

    fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use futures_util::FutureExt;
    use governor::{Quota, RateLimiter, clock::FakeRelativeClock, middleware::NoOpMiddleware};

    use super::*;

    fn client(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    #[test]
    fn a_flood_of_addresses_takes_bounded_memory_and_nothing_from_those_who_are_known() {
        let crowded = Arc::new(Notify::new());
        let clients = Clients { most: 100, ..Clients::new(Arc::clone(&crowded)) };
        let rate = Quota::per_minute(NonZeroU32::MIN).allow_burst(NonZeroU32::new(2).unwrap());
        let limiter: RateLimiter<_, _, _, NoOpMiddleware<_>> =
            RateLimiter::new(rate, clients, FakeRelativeClock::default());
        assert!(limiter.check_key(&client(0)).is_ok());

        let admitted = (1..10_000).filter(|n| limiter.check_key(&client(*n)).is_ok()).count();

        assert_eq!(limiter.len(), 100);
        assert_eq!(admitted, 99 + 2, "the strangers have one rate together");
        assert!(crowded.notified().now_or_never().is_some());
        assert!(limiter.check_key(&client(0)).is_ok(), "its second");
        assert!(limiter.check_key(&client(0)).is_err());
    }

    #[test]
    fn an_ipv6_network_is_one_client_and_an_embedded_ipv4_address_is_itself() {
        let known = |text: &str| known_as(text.parse().unwrap()).to_string();

        assert_eq!(known("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(known("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(known("192.0.2.7"), "192.0.2.7");
    }
}
