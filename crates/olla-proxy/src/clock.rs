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
    let origin = *ORIGIN;
    Moment::after_origin(Instant::now().into_std().saturating_duration_since(origin))
}

/// Returns the time since the beginning of 1970; zero before.
pub(crate) fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
