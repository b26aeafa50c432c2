//! The health of an endpoint.

use std::fmt;

/// What is known of an endpoint's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Status {
    /// Not checked yet.
    Unknown = 0,
    /// Answers its health check.
    Healthy = 1,
    /// Answers its health check, but slowly: gets a smaller share.
    Busy = 2,
    /// Answers with an error.
    Unhealthy = 3,
    /// Cannot be reached.
    Offline = 4,
    /// Refuses our credentials (401, 403): an operator must act.
    ConfigError = 5,
    /// Asked to be left alone for a while (429).
    RateLimited = 6,
}

// === impl Status ===

impl Status {
    /// Returns whether requests may be sent to an endpoint in this state.
    #[must_use]
    pub const fn is_routable(self) -> bool {
        matches!(self, Self::Healthy | Self::Busy)
    }

    /// Returns the share of traffic relative to a healthy endpoint, in percent.
    #[must_use]
    pub const fn share_percent(self) -> u32 {
        match self {
            Self::Healthy => 100,
            Self::Busy => 30,
            Self::Unknown | Self::Unhealthy | Self::Offline | Self::ConfigError | Self::RateLimited => 0,
        }
    }

    /// Returns the name used in status documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Busy => "busy",
            Self::Unhealthy => "unhealthy",
            Self::Offline => "offline",
            Self::ConfigError => "config_error",
            Self::RateLimited => "rate_limited",
        }
    }

    pub(crate) const fn from_u8(raw: u8) -> Self {
        match raw {
            1 => Self::Healthy,
            2 => Self::Busy,
            3 => Self::Unhealthy,
            4 => Self::Offline,
            5 => Self::ConfigError,
            6 => Self::RateLimited,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
