//! Points in time that fit into an atomic.

use std::time::Duration;

/// A point in time: milliseconds since some moment that all of a process agree on. This crate has no clock;
/// callers hand one in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

// === impl Moment ===

impl Moment {
    /// Creates the moment that lies this long after the common origin.
    #[must_use]
    pub fn after_origin(elapsed: Duration) -> Self {
        Self(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
    }

    /// Returns the milliseconds since the common origin.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Creates a moment from milliseconds since the common origin.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Returns the moment that lies this much later.
    #[must_use]
    pub fn after(self, pause: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)))
    }

    /// Returns how long it is from `earlier` until this moment; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}
