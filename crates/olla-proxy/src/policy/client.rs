//! Who the client is, when requests come through proxies of the operator's.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

use crate::headers::{X_FORWARDED_FOR, X_REAL_IP};

/// The proxies whose `X-Forwarded-For` is believed. By default there are none.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

/// Who is asking: the other end of the connection, and the client behind trusted proxies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker {
    pub(crate) peer: Option<IpAddr>,
    pub(crate) client: Option<IpAddr>,
    /// Whether the other end is a proxy of the operator's, or unknown because the embedder does not tell.
    pub(crate) peer_is_trusted: bool,
}

// === impl TrustedProxies ===

impl TrustedProxies {
    /// Believes proxies with these addresses.
    #[must_use]
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Returns the client's address: the nearest hop that is not a trusted proxy.
    ///
    /// Entries further left are written by that hop or beyond, and so could be anything.
    #[must_use]
    pub fn client(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        let peer = peer?;
        if !self.trust(peer) {
            return Some(peer);
        }
        let hops = headers.get_all(X_FORWARDED_FOR).iter().rev().filter_map(|v| v.to_str().ok());
        let mut nearest = peer;
        for hop in hops.flat_map(|value| value.rsplit(',')) {
            let Ok(address) = hop.trim().parse::<IpAddr>() else { return Some(nearest) };
            nearest = address.to_canonical();
            if !self.trust(nearest) {
                return Some(nearest);
            }
        }
        let real = headers.get(X_REAL_IP).and_then(|v| v.to_str().ok()?.trim().parse().ok());
        if nearest == peer { real.or(Some(peer)) } else { Some(nearest) }
    }

    /// Returns whether a proxy with this address is believed.
    #[must_use]
    pub fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &[&str], peer: &str, forwarded: &[&'static str]) -> String {
        let trusted = TrustedProxies::new(trusted.iter().map(|n| n.parse().unwrap()).collect());
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(X_FORWARDED_FOR, value.parse().unwrap());
        }
        trusted.client(Some(peer.parse().unwrap()), &headers).unwrap().to_string()
    }

    #[test]
    fn an_untrusted_peer_is_the_client_whatever_it_says() {
        assert_eq!(client(&[], "203.0.113.9", &["1.1.1.1"]), "203.0.113.9");
        assert_eq!(client(&["10.0.0.0/8"], "203.0.113.9", &["1.1.1.1"]), "203.0.113.9");
    }

    #[test]
    fn the_nearest_untrusted_hop_is_the_client() {
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &["6.6.6.6, 203.0.113.9, 10.0.0.2"]), "203.0.113.9");
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &["6.6.6.6", "203.0.113.9"]), "203.0.113.9");
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &["nonsense"]), "10.0.0.1");
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &[]), "10.0.0.1");
    }
}
