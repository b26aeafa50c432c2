//! How numbers and times are written for people, in every document alike.

use std::time::{Duration, SystemTime};

use olla_core::largest_unit;
pub(super) use olla_core::{ago, byte_size as bytes, rfc3339 as timestamp};

/// What stands for a rate of nothing.
pub(super) const NOT_AVAILABLE: &str = "N/A";
/// The timestamp of what has never happened, where a document must hold one.
pub(super) const NEVER: &str = "0001-01-01T00:00:00Z";

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Writes a rate: `0%`, `99.5%`, `100%`.
pub(super) fn percent(rate: f64) -> String {
    if rate <= 0.0 {
        "0%".into()
    } else if rate >= 100.0 {
        "100%".into()
    } else {
        format!("{rate:.1}%")
    }
}

/// Returns whole milliseconds.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Writes a latency: `125ms`, `1.2s`.
pub(super) fn latency(duration: Duration) -> String {
    match millis(duration) {
        ms @ 0..1000 => format!("{ms}ms"),
        _ => format!("{:.1}s", duration.as_secs_f64()),
    }
}

/// Writes how long something has been running, in at most two units: `12s`, `5m`, `3h 12m`, `2d 4h`.
pub(super) fn uptime(duration: Duration) -> String {
    let secs = duration.as_secs();
    match secs {
        0..MINUTE => format!("{secs}s"),
        MINUTE..HOUR => format!("{}m", secs / MINUTE),
        HOUR..DAY => format!("{}h {}m", secs / HOUR, secs % HOUR / MINUTE),
        _ => format!("{}d {}h", secs / DAY, secs % DAY / HOUR),
    }
}

/// Writes a duration down to the second: `250ms`, `5s`, `12m5s`, `3h12m5s`.
pub(super) fn duration(duration: Duration) -> String {
    let secs = duration.as_secs();
    match secs {
        0 => format!("{}ms", duration.subsec_millis()),
        1..MINUTE => format!("{secs}s"),
        MINUTE..HOUR => format!("{}m{}s", secs / MINUTE, secs % MINUTE),
        _ => format!("{}h{}m{}s", secs / HOUR, secs % HOUR / MINUTE, secs % MINUTE),
    }
}

/// Writes how soon something is due: `in 3s`, `now`, `unknown`.
pub(super) fn until(then: Option<SystemTime>, now: SystemTime) -> String {
    let Some(then) = then else { return "unknown".into() };
    match then.duration_since(now) {
        Ok(left) if left.as_secs() > 0 => format!("in {}", largest_unit(left)),
        _ => "now".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn secs(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn rates_have_one_decimal_except_at_the_ends() {
        assert_eq!([0.0, 99.5, 66.666, 100.0].map(percent), ["0%", "99.5%", "66.7%", "100%"]);
    }

    #[test]
    fn latencies_turn_into_seconds_at_one_second() {
        let latencies = [0, 125, 999, 1000, 1234, 61_000].map(|ms| latency(Duration::from_millis(ms)));

        assert_eq!(latencies, ["0ms", "125ms", "999ms", "1.0s", "1.2s", "61.0s"]);
    }

    #[test]
    fn uptimes_have_at_most_two_units() {
        let uptimes = [12, 300, 3 * HOUR + 12 * MINUTE, 2 * DAY + 4 * HOUR].map(|s| uptime(secs(s)));

        assert_eq!(uptimes, ["12s", "5m", "3h 12m", "2d 4h"]);
    }

    #[test]
    fn durations_go_down_to_the_second() {
        let durations = [5, 725, 11_525, 2 * DAY].map(|s| duration(secs(s)));

        assert_eq!(durations, ["5s", "12m5s", "3h12m5s", "48h0m0s"]);
        assert_eq!(duration(Duration::from_millis(250)), "250ms");
    }

    #[test]
    fn due_times_use_one_unit() {
        let now = UNIX_EPOCH + secs(10 * DAY);

        assert_eq!(until(None, now), "unknown");
        assert_eq!(until(Some(now + secs(3)), now), "in 3s");
        assert_eq!(until(Some(now - secs(3)), now), "now");
    }
}
