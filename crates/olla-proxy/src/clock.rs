//! The clock behind every [`Moment`] of this process, and the one that the world goes by.

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use olla_core::Moment;
use tokio::time::Instant;

static ORIGIN: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);

/// Returns the current moment. In a runtime whose time is paused, that of the runtime.
#[must_use]
pub fn now() -> Moment {
    at(Instant::now())
}

/// Returns the moment that an instant is. To read a clock costs as much as a hundred instructions: whoever has
/// read it already says so.
pub(crate) fn at(instant: Instant) -> Moment {
    Moment::after_origin(instant.into_std().saturating_duration_since(*ORIGIN))
}

/// Returns the time since the beginning of 1970; zero before.
pub(crate) fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
