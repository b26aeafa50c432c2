//! How sizes, ages and moments are written in documents, and how backends' moments are read.

use std::{
    cell::RefCell,
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Writes a size for people: `512 B`, `1.50 KB`, `4.34 GB`.
#[must_use]
pub fn byte_size(count: u64) -> String {
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

/// Writes a duration in its largest unit: `4s`, `3m`, `2h`, `5d`.
#[must_use]
pub fn largest_unit(duration: Duration) -> String {
    let secs = duration.as_secs();
    match secs {
        0..MINUTE => format!("{secs}s"),
        MINUTE..HOUR => format!("{}m", secs / MINUTE),
        HOUR..DAY => format!("{}h", secs / HOUR),
        _ => format!("{}d", secs / DAY),
    }
}

/// Writes how long ago something was: `4s ago`, `never`.
#[must_use]
pub fn ago(then: Option<SystemTime>, now: SystemTime) -> String {
    let Some(then) = then else { return "never".into() };
    format!("{} ago", largest_unit(now.duration_since(then).unwrap_or_default()))
}

/// Writes a moment in RFC 3339, UTC, with milliseconds: `2026-01-02T03:04:05.678Z`.
#[must_use]
pub fn rfc3339(moment: SystemTime) -> String {
    let unix = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, secs) = (unix.as_secs() / DAY, unix.as_secs() % DAY);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (secs / HOUR, secs % HOUR / MINUTE, secs % MINUTE);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", unix.subsec_millis())
}

thread_local! {
    static LAST_ADDRESS: RefCell<(Option<IpAddr>, Vec<u8>)> = const { RefCell::new((None, Vec::new())) };
}

/// Writes an address, without a port.
#[must_use]
pub fn address(address: IpAddr) -> String {
    let mut text = Vec::with_capacity("255.255.255.255".len());
    push_address(&mut text, address);
    String::from_utf8(text).unwrap_or_default()
}

/// Writes an address behind other text. A request asks for the same several times in a row: the last is remembered.
pub fn push_address(text: &mut Vec<u8>, address: IpAddr) {
    LAST_ADDRESS.with_borrow_mut(|(last, shown)| {
        if *last != Some(address) {
            shown.clear();
            write_address(shown, address);
            *last = Some(address);
        }
        text.extend_from_slice(shown);
    });
}

fn write_address(text: &mut Vec<u8>, address: IpAddr) {
    match address {
        // The general formatter takes ten times as long.
        IpAddr::V4(address) => {
            for (n, octet) in address.octets().into_iter().enumerate() {
                text.extend_from_slice(if n == 0 { b"" } else { b"." });
                text.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
            }
        }
        IpAddr::V6(address) => text.extend_from_slice(address.to_string().as_bytes()),
    }
}

/// Reads a moment as backends write it, in RFC 3339 or as Unix seconds in decimal, as Unix seconds. Moments
/// before 1970 are none.
#[must_use]
pub fn unix_seconds(text: &str) -> Option<u64> {
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let number = |range: std::ops::Range<usize>| {
        let digits = text.get(range).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
        digits.parse::<u64>().ok()
    };
    let is_separated = [(4, b"-"), (7, b"-"), (13, b":"), (16, b":")]
        .into_iter()
        .all(|(at, separator)| text.as_bytes().get(at..=at) == Some(separator));
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let is_moment = is_separated && (1..=12).contains(&month) && hour < 24 && minute < 60 && second <= 60;
    if !is_moment || year < 1970 || day == 0 || day > month_length(year, month) {
        return None;
    }
    let days: u64 = (1970..year).map(year_length).sum::<u64>()
        + (1..month).map(|month| month_length(year, month)).sum::<u64>()
        + (day - 1);
    let seconds = days * DAY + hour * HOUR + minute * MINUTE + second;
    seconds.checked_add_signed(-offset(text.get(19..)?)?)
}

/// Reads what follows the seconds: a fraction, which is dropped, and `Z` or an offset from UTC, as seconds.
fn offset(rest: &str) -> Option<i64> {
    let rest = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    if matches!(rest, "Z" | "z") {
        return Some(0);
    }
    let (sign, rest) = match rest.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, rest.strip_prefix('+')?),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes) = (hours.parse::<u32>().ok()?, minutes.parse::<u32>().ok()?);
    (hours < 24 && minutes < 60).then(|| sign * i64::from(hours * 3600 + minutes * 60))
}

/// Returns year, month and day of a day since 1970 in the Gregorian calendar.
///
/// Counted from 1 March of the year 0, so that a leap day is the last of its year; 400 years have 146,097 days.
#[must_use]
pub fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March on have 153 days for each five.
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = 400 * era + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

fn month_length(year: u64, month: u64) -> u64 {
    match month {
        2 => year_length(year) - 337,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn year_length(year: u64) -> u64 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    if leap { 366 } else { 365 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(unix_ms: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(unix_ms)
    }

    #[test]
    fn sizes_go_up_in_steps_of_1024() {
        let sizes = [0, 1023, 1536, 4_660_039_619, u64::MAX].map(byte_size);

        assert_eq!(sizes, ["0 B", "1023 B", "1.50 KB", "4.34 GB", "16384.00 PB"]);
    }

    #[test]
    fn ages_use_one_unit() {
        let now = at(10 * DAY * 1000);
        let secs = Duration::from_secs;

        assert_eq!(ago(None, now), "never");
        assert_eq!(
            [4, 90, 2 * HOUR, 3 * DAY].map(|s| ago(Some(now - secs(s)), now)),
            ["4s ago", "1m ago", "2h ago", "3d ago"]
        );
        assert_eq!(ago(Some(now + secs(1)), now), "0s ago", "a clock that was set back");
    }

    #[test]
    fn addresses_are_written_as_the_standard_library_does() {
        for text in ["0.0.0.0", "127.0.0.1", "10.20.30.4", "255.255.255.255", "::1", "2001:db8::7"] {
            assert_eq!(address(text.parse().unwrap()), text);
        }
    }

    #[test]
    fn moments_follow_the_calendar() {
        let moments = [0, 951_782_400_000, 1_767_323_045_678, 1_735_689_599_999, 4_102_444_800_001];

        assert_eq!(
            moments.map(|ms| rfc3339(at(ms))),
            [
                "1970-01-01T00:00:00.000Z",
                "2000-02-29T00:00:00.000Z",
                "2026-01-02T03:04:05.678Z",
                "2024-12-31T23:59:59.999Z",
                "2100-01-01T00:00:00.001Z",
            ]
        );
    }

    #[test]
    fn moments_of_backends_are_read_as_seconds() {
        for (text, seconds) in [
            ("1744173590", Some(1_744_173_590)),
            ("2026-01-02T03:04:05.678Z", Some(1_767_323_045)),
            ("2026-01-02T04:04:05+01:00", Some(1_767_323_045)),
            ("2026-01-01T20:04:05.123456789-07:00", Some(1_767_323_045)),
            ("0001-01-01T00:00:00Z", None),
            ("1970-01-01T00:30:00+01:00", None),
            ("2026-02-29T00:00:00Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-01-02T03:04:05", None),
            ("2026-01-02T03:04:05+1", None),
            ("2026-01-02", None),
            ("yesterday-afternoon", None),
            ("", None),
        ] {
            assert_eq!(unix_seconds(text), seconds, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(seconds in 0..253_402_300_800_u64) {
            prop_assert_eq!(unix_seconds(&rfc3339(at(seconds * 1000))), Some(seconds));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in ".{0,30}|[0-9T:.+Z-]{0,30}") {
            let _ = unix_seconds(&text);
        }
    }
}
