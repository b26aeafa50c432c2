//! Names of tools that a backend would not take, shortened on the way there and restored on the way back.

use std::borrow::Cow;

/// The names that were changed.
#[derive(Debug, Clone, Default)]
pub(crate) struct ToolNames {
    limit: usize,
    /// The name that the backend knows, and the client's own.
    changed: Vec<(String, String)>,
}

// === impl ToolNames ===

impl ToolNames {
    /// Begins with the longest name that the backend takes, in bytes.
    pub(crate) const fn new(limit: usize) -> Self {
        Self { limit, changed: vec![] }
    }

    /// Returns the name for the backend, always the same for the same name.
    pub(crate) fn outward<'n>(&mut self, name: &'n str) -> Cow<'n, str> {
        let fine = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || c == b'-';
        if name.len() <= self.limit && name.bytes().all(fine) {
            return Cow::Borrowed(name);
        }
        let ending = format!("_{:08x}", fingerprint(name));
        let kept = name.bytes().map(|c| if fine(c) { char::from(c) } else { '_' });
        let mut short: String = kept.take(self.limit.saturating_sub(ending.len())).collect();
        short.push_str(&ending);
        if !self.changed.iter().any(|(outward, _)| *outward == short) {
            self.changed.push((short.clone(), name.to_owned()));
        }
        Cow::Owned(short)
    }

    /// Returns the client's own name of a tool that the backend has named.
    pub(crate) fn inward<'n>(&'n self, name: &'n str) -> &'n str {
        let found = self.changed.iter().find(|(outward, _)| outward == name);
        found.map_or(name, |(_, original)| original)
    }
}

/// FNV-1a, folded to 32 bits.
fn fingerprint(name: &str) -> u32 {
    let hash = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    (hash ^ (hash >> 32)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_would_be_refused_are_changed() {
        let mut names = ToolNames::new(64);

        assert_eq!(names.outward("get_weather-2"), "get_weather-2");
        assert_eq!(names.inward("get_weather-2"), "get_weather-2");
        assert!(names.changed.is_empty());
    }

    #[test]
    fn changed_names_are_short_unique_and_restored() {
        let long = "mcp__a-server-with-a-long-name__and_a_tool_with_an_even_longer_name_1";
        let mut names = ToolNames::new(64);

        let (one, two) =
            (names.outward(long).into_owned(), names.outward(&long.replace('1', "2")).into_owned());
        let dotted = names.outward("files.read").into_owned();

        assert_ne!(one, two);
        assert!(one.len() == 64 && two.len() == 64, "{one} {two}");
        assert_eq!(names.outward(long), one);
        assert_eq!(names.inward(&one), long);
        assert!(dotted.starts_with("files_read_") && names.inward(&dotted) == "files.read", "{dotted}");
    }
}
