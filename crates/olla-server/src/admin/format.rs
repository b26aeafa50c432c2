//! How numbers and times are written for people, in every document alike.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What stands for a rate of nothing.
pub(super) const NOT_AVAILABLE: &str = "N/A";
/// The timestamp of what has never happened, where a document must hold one.
pub(super) const NEVER: &str = "0001-01-01T00:00:00Z";

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Writes a size: `512 B`, `1.50 KB`, `4.34 GB`.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KB", "MB", "GB", "TB", "PB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = UNITS[0];
    for larger in &UNITS[1..] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    format!("{value:.2} {unit}")
}

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

/// Writes how long ago something was: `4s ago`, `never`.
pub(super) fn ago(then: Option<SystemTime>, now: SystemTime) -> String {
    let Some(then) = then else { return "never".into() };
    format!("{} ago", largest_unit(now.duration_since(then).unwrap_or_default()))
}

/// Writes how soon something is due: `in 3s`, `now`, `unknown`.
pub(super) fn until(then: Option<SystemTime>, now: SystemTime) -> String {
    let Some(then) = then else { return "unknown".into() };
    match then.duration_since(now) {
        Ok(left) if left.as_secs() > 0 => format!("in {}", largest_unit(left)),
        _ => "now".into(),
    }
}

/// Writes a moment in RFC 3339, UTC, with milliseconds: `2026-01-02T03:04:05.678Z`.
pub(super) fn timestamp(moment: SystemTime) -> String {
    let unix = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, secs) = (unix.as_secs() / DAY, unix.as_secs() % DAY);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (secs / HOUR, secs % HOUR / MINUTE, secs % MINUTE);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", unix.subsec_millis())
}

fn largest_unit(duration: Duration) -> String {
    let secs = duration.as_secs();
    match secs {
        0..MINUTE => format!("{secs}s"),
        MINUTE..HOUR => format!("{}m", secs / MINUTE),
        HOUR..DAY => format!("{}h", secs / HOUR),
        _ => format!("{}d", secs / DAY),
    }
}

/// Counts off years, then months, from 1 January 1970.
fn date(mut days: u64) -> (u64, u64, u64) {
    let mut year = 1970;
    while days >= year_length(year) {
        days -= year_length(year);
        year += 1;
    }
    let february = year_length(year) - 337;
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

fn year_length(year: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    if leap { 366 } else { 365 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn at(unix_ms: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(unix_ms)
    }

    #[test]
    fn sizes_go_up_in_steps_of_1024() {
        let sizes = [0, 1023, 1536, 4_660_039_619, u64::MAX].map(bytes);

        assert_eq!(sizes, ["0 B", "1023 B", "1.50 KB", "4.34 GB", "16384.00 PB"]);
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
    fn ages_and_due_times_use_one_unit() {
        let now = at(10 * DAY * 1000);

        assert_eq!(ago(None, now), "never");
        assert_eq!(
            [4, 90, 2 * HOUR, 3 * DAY].map(|s| ago(Some(now - secs(s)), now)),
            ["4s ago", "1m ago", "2h ago", "3d ago"]
        );
        assert_eq!(ago(Some(now + secs(1)), now), "0s ago", "a clock that was set back");
        assert_eq!(until(None, now), "unknown");
        assert_eq!(until(Some(now + secs(3)), now), "in 3s");
        assert_eq!(until(Some(now - secs(3)), now), "now");
    }

    #[test]
    fn timestamps_follow_the_calendar() {
        let moments = [0, 951_782_400_000, 1_767_323_045_678, 1_735_689_599_999, 4_102_444_800_001];

        assert_eq!(
            moments.map(|ms| timestamp(at(ms))),
            [
                "1970-01-01T00:00:00.000Z",
                "2000-02-29T00:00:00.000Z",
                "2026-01-02T03:04:05.678Z",
                "2024-12-31T23:59:59.999Z",
                "2100-01-01T00:00:00.001Z",
            ]
        );
    }
}
