//! What a translation left out or changed, without harm.

use std::borrow::Cow;

/// What a translation left out or changed, without harm: paths such as `thinking`, with a remark where it was
/// changed and not dropped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dropped(Vec<Cow<'static, str>>);

/// More than this is of no use to anybody.
const MAX_HEADER: usize = 1024;

// === impl Dropped ===

impl Dropped {
    /// Notes something; the same thing only once.
    pub(crate) fn note(&mut self, what: impl Into<Cow<'static, str>>) {
        let what = what.into();
        if !self.0.contains(&what) {
            self.0.push(what);
        }
    }

    /// Returns whether all was kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns what was noted, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|what| &**what)
    }

    /// Returns the value of `X-Olla-Translation-Dropped`: visible ASCII, at most 1 KiB.
    #[must_use]
    pub fn header_value(&self) -> String {
        let mut value = String::new();
        for what in &self.0 {
            if value.len() + what.len() + 5 > MAX_HEADER {
                value.push_str(", ...");
                break;
            }
            if !value.is_empty() {
                value.push_str(", ");
            }
            value.extend(what.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }));
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_short_ascii_without_repetition() {
        let mut dropped = Dropped::default();
        for what in ["top_k", "é\r\n", "top_k"] {
            dropped.note(what);
        }
        assert_eq!(dropped.header_value(), "top_k, ???");

        for n in 0..1000 {
            dropped.note(format!("tools[{n}]"));
        }
        let value = dropped.header_value();
        assert!(value.len() <= MAX_HEADER && value.ends_with(", ..."), "{value}");
    }
}
