//! In which file format a model comes, as far as its name tells.

use regex::bytes::Regex;

/// Formats by patterns of names; the first that matches counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Formats {
    pub(super) patterns: Vec<(Regex, Box<str>)>,
}

// === impl Formats ===

impl Formats {
    /// Returns the format that a full name tells.
    pub(super) fn of(&self, full: &str) -> Option<Box<str>> {
        let (_, format) = self.patterns.iter().find(|(pattern, _)| pattern.is_match(full.as_bytes()))?;
        Some(format.clone())
    }
}
