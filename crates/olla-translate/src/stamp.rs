//! What a translation may not make up by itself: chance and time.

use std::fmt;

/// Chance and time for one answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stamp {
    /// A random number; all ids are made of it.
    pub seed: u128,
    /// When the request came, in seconds since 1970.
    pub unix_seconds: u64,
}

const DIGITS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

// === impl Stamp ===

impl Stamp {
    /// Returns the id of the answer, with a prefix such as `msg_01`.
    pub(crate) fn id(self, prefix: &str) -> String {
        self.numbered(prefix, 0)
    }

    /// Returns the id of a part of the answer.
    pub(crate) fn numbered(self, prefix: &str, number: u32) -> String {
        let mut left = self.seed.wrapping_add(u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut id = String::with_capacity(prefix.len() + 22);
        id.push_str(prefix);
        for _ in 0..22 {
            let digit = usize::try_from(left % 58).ok().and_then(|at| DIGITS.get(at));
            id.push(char::from(digit.copied().unwrap_or(b'1')));
            left /= 58;
        }
        id
    }
}

/// A time, in seconds since 1970, that spells itself as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rfc3339(pub(crate) u64);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, seconds) = (self.0 / 86_400, self.0 % 86_400);
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// The date of a day since 1970, by Howard Hinnant's `civil_from_days`.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_of_one_length_and_differ() {
        let stamp = Stamp { seed: u128::MAX, unix_seconds: 0 };
        let ids: Vec<_> = (0..3).map(|n| stamp.numbered("toolu_", n)).collect();

        assert!(ids.iter().all(|id| id.len() == 28 && id.starts_with("toolu_")), "{ids:?}");
        assert!(ids[0] != ids[1] && ids[1] != ids[2]);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (unix_seconds, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (1_764_111_456, "2025-11-25T22:57:36Z"),
        ] {
            assert_eq!(Rfc3339(unix_seconds).to_string(), date);
        }
    }
}
