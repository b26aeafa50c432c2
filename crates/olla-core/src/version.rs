//! The version of a server, as far as versions are compared.

/// A version: up to three numbers, of which missing ones are zero. `v0.14.0-rc1` is 0.14.0, `b4847-abc` is 4847.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(u64);

/// Bits of each number.
const BITS: u32 = 21;
const MAX: u64 = (1 << BITS) - 1;

// === impl Version ===

impl Version {
    /// Reads a version; `None` if no number is at its beginning, at most one letter apart.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix(|c: char| c.is_ascii_alphabetic()).unwrap_or(text);
        let mut packed = 0;
        let mut parts = text.split('.');
        for position in 0..3 {
            let part = parts.next().unwrap_or_default();
            let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            let (digits, rest) = part.split_at(end);
            let number = match digits.parse::<u64>() {
                Ok(number) => number.min(MAX),
                Err(_) if position == 0 => return None,
                Err(_) => 0,
            };
            packed = (packed << BITS) | number;
            // What follows a suffix is no part of the version.
            if !rest.is_empty() {
                parts = "".split('.');
            }
        }
        Some(Self(packed))
    }

    /// Returns the version as one number, greater for later versions.
    #[must_use]
    pub(crate) const fn packed(self) -> u64 {
        self.0
    }

    pub(crate) const fn from_packed(packed: u64) -> Self {
        Self(packed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_number_by_number() {
        let version = |text| Version::parse(text).unwrap();

        for (earlier, later) in [
            ("0.9.9", "0.14.0"),
            ("0.11.0", "v0.11.1rc2"),
            ("b4847", "b7200-1c2d3e4"),
            ("0.11", "0.11.1"),
            ("0.14.0-rc9.7", "0.14.1"),
        ] {
            assert!(version(earlier) < version(later), "{earlier} {later}");
        }
        assert_eq!(version("0.14.0-rc1"), version(" v0.14 "));
        assert_eq!([Version::parse(""), Version::parse("dev"), Version::parse("main.1")], [None; 3]);
    }
}
