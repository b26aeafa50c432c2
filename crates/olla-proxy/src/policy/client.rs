//! Who the client is, when requests come through proxies of the operator's.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

use super::forwarded::{self, Chain, X_FORWARDED_FOR};
use crate::{
    glance::Glance,
    headers::{X_REAL_IP, is_of_forwarding, remove_all},
};

/// The proxies whose `X-Forwarded-For` is believed. By default there are none.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

/// Who is asking: the other end of the connection, and the client behind trusted proxies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker {
    pub(crate) peer: Option<IpAddr>,
    pub(crate) client: Option<IpAddr>,
}

/// What a chain of hops comes to.
struct Known {
    /// The nearest hop that is not a trusted proxy, or the farthest that is.
    client: Option<IpAddr>,
    /// How many hops were named by trusted proxies, the client included.
    hops: usize,
}

// === impl TrustedProxies ===

impl TrustedProxies {
    /// Believes proxies with these addresses.
    #[must_use]
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Returns the client's address: the nearest hop that is not a trusted proxy, as `X-Forwarded-For` tells
    /// it, else `Forwarded`, else `X-Real-IP`.
    ///
    /// Entries further left are written by that hop or beyond, and so could be anything.
    #[must_use]
    pub fn client(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        let peer = peer?;
        if !self.trust(peer) {
            return Some(peer);
        }
        let chain = Chain::read(forwarded::leading(headers), headers);
        let real = || headers.get(X_REAL_IP).and_then(|v| v.to_str().ok()?.trim().parse().ok());
        self.follow(&chain).client.or_else(real).or(Some(peer))
    }

    /// Returns whether a proxy with this address is believed.
    #[must_use]
    pub fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Works out who is asking, and removes what nobody trusted has said of that.
    ///
    /// Where the peer is not known, because the embedder does not tell, nothing is removed.
    pub(crate) fn ask(&self, peer: Option<IpAddr>, headers: &mut HeaderMap, glance: &Glance) -> Asker {
        if !glance.has_forwarding {
            return Asker { peer, client: peer };
        }
        let client = self.client(peer, headers);
        match peer {
            None => {}
            Some(peer) if self.trust(peer) => {
                for name in [X_FORWARDED_FOR, header::FORWARDED] {
                    self.forget_strangers(name, headers);
                }
            }
            Some(_) => remove_all(headers, is_of_forwarding),
        }
        Asker { peer, client }
    }

    /// Cuts a chain down to what trusted proxies have written.
    fn forget_strangers(&self, name: HeaderName, headers: &mut HeaderMap) {
        let chain = Chain::read(name.clone(), headers);
        let cut = chain.cut(self.follow(&chain).hops);
        drop(chain);
        if let Some(cut) = cut {
            headers.insert(name, cut);
        }
    }

    fn follow(&self, chain: &Chain<'_>) -> Known {
        let mut known = Known { client: None, hops: 0 };
        for hop in chain.addresses() {
            known.hops += 1;
            let Some(address) = hop else { break };
            known.client = Some(address);
            if !self.trust(address) {
                break;
            }
        }
        known
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

    #[test]
    fn the_client_may_be_named_in_other_ways() {
        let trusted = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let named = |pairs: &[(HeaderName, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap()));
            trusted.client(Some("10.0.0.1".parse().unwrap()), &pairs.collect()).unwrap().to_string()
        };
        let forwarded = (header::FORWARDED, "for=6.6.6.6, for=203.0.113.9;proto=https, for=10.0.0.2");

        assert_eq!(named(std::slice::from_ref(&forwarded)), "203.0.113.9");
        assert_eq!(named(&[forwarded, (X_FORWARDED_FOR, "203.0.113.10")]), "203.0.113.10");
        assert_eq!(named(&[(HeaderName::from_static(X_REAL_IP), "203.0.113.11")]), "203.0.113.11");
        assert_eq!(
            named(&[(X_FORWARDED_FOR, "unknown"), (HeaderName::from_static(X_REAL_IP), "203.0.113.11")]),
            "203.0.113.11"
        );
    }
}
