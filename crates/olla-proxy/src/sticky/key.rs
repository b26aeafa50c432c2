//! What tells one conversation from another: the first of the configured sources that a request has.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    net::IpAddr,
};

use http::header::AUTHORIZATION;
use olla_core::KeySource;
use smallvec::SmallVec;

use super::{
    digest::Digest,
    prefix::{self, Shape},
};
use crate::{
    headers::{X_API_KEY, X_OLLA_SESSION_ID},
    inspect::Inbound,
    settings::Sticky,
};

/// A conversation's key. Nothing can be read out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) source: KeySource,
    /// Over the source, its value and the model, in any case.
    pub(crate) hash: u64,
}

/// A request whose key is looked for.
struct Asking<'a> {
    settings: &'a Sticky,
    secret: &'a RandomState,
    inbound: &'a Inbound,
    client: Option<IpAddr>,
}

// === impl Key ===

impl Key {
    /// Finds the key of a request, if it has one.
    pub(crate) fn find(
        settings: &Sticky,
        secret: &RandomState,
        inbound: &Inbound,
        client: Option<IpAddr>,
    ) -> Option<Self> {
        let asking = Asking { settings, secret, inbound, client };
        settings.key_sources.iter().find_map(|source| asking.key(*source))
    }
}

// === impl Asking ===

impl Asking<'_> {
    fn key(&self, source: KeySource) -> Option<Key> {
        let headers = &self.inbound.head.headers;
        let value =
            |name: &str| headers.get(name).map(http::HeaderValue::as_bytes).filter(|value| !value.is_empty());
        match source {
            KeySource::SessionHeader => value(X_OLLA_SESSION_ID).map(|id| self.scoped(source, id)),
            KeySource::PrefixHash => self.prefix().map(|hash| self.scoped(source, hash)),
            KeySource::AuthHeader => {
                let proof = value(AUTHORIZATION.as_str()).or_else(|| value(X_API_KEY.as_str()));
                proof.map(|proof| self.scoped(source, proof))
            }
            KeySource::Ip => self.client.map(|address| self.scoped(source, address)),
        }
    }

    fn prefix(&self) -> Option<u64> {
        let shape = Shape::of(&self.inbound.route)?;
        prefix::of(&self.inbound.body, shape, Digest::new(self.secret, self.settings.prefix_hash_bytes))
    }

    fn scoped(&self, source: KeySource, value: impl Hash) -> Key {
        let model = self.inbound.model.as_ref().map_or("", |model| &model.name);
        // alloc: none up to 64 bytes.
        let model: SmallVec<[u8; 64]> = model.bytes().map(|byte| byte.to_ascii_lowercase()).collect();
        Key { source, hash: self.secret.hash_one((source, value, &model[..])) }
    }
}
