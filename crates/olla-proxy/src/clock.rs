//! The clock behind every [`Moment`] of this process.

use std::sync::LazyLock;

use olla_core::Moment;
use tokio::time::Instant;

static ORIGIN: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);

/// Returns the current moment. In a runtime whose time is paused, that of the runtime.
#[must_use]
pub fn now() -> Moment {
    let origin = *ORIGIN;
    Moment::after_origin(Instant::now().into_std().saturating_duration_since(origin))
}
