//! What sticky sessions make of a request: what tells its conversation, and whether it stayed where that was.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// What sticky sessions made of a request that a backend answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Affinity {
    /// How the request was served.
    pub outcome: AffinityOutcome,
    /// What told its conversation; `None` when nothing did.
    pub source: Option<KeySource>,
}

/// How a request was served, seen from its conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AffinityOutcome {
    /// By the endpoint that had served the conversation before.
    Hit,
    /// The conversation was new.
    Miss,
    /// By another endpoint than before, which could not be used, had too much to do, or failed.
    Repin,
    /// Nothing told its conversation.
    Disabled,
}

/// What tells the requests of one conversation from those of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeySource {
    /// The header `X-Olla-Session-ID`.
    SessionHeader,
    /// How the conversation begins: the system prompt and the first message of the user.
    PrefixHash,
    /// The client's credentials.
    AuthHeader,
    /// The client's address.
    Ip,
}

/// The name is not that of a key source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be session_header, prefix_hash, auth_header or ip")]
pub struct UnknownKeySource;

// === impl AffinityOutcome ===

impl AffinityOutcome {
    /// Returns the name used in headers and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Repin => "repin",
            Self::Disabled => "disabled",
        }
    }
}

impl fmt::Display for AffinityOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl KeySource ===

impl KeySource {
    /// Every source.
    pub const ALL: [Self; 4] = [Self::SessionHeader, Self::PrefixHash, Self::AuthHeader, Self::Ip];

    /// Returns the name used in configuration files and headers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SessionHeader => "session_header",
            Self::PrefixHash => "prefix_hash",
            Self::AuthHeader => "auth_header",
            Self::Ip => "ip",
        }
    }
}

impl FromStr for KeySource {
    type Err = UnknownKeySource;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|source| source.as_str() == name).ok_or(UnknownKeySource)
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_parses_back() {
        for source in KeySource::ALL {
            assert_eq!(source.as_str().parse(), Ok(source));
        }
        assert_eq!("cookie".parse::<KeySource>(), Err(UnknownKeySource));
    }
}
