//! Parameter counts: `8b` for a reported `8.0B` and for the `8B` of `Llama-3.1-8B-Instruct`.
//!
//! Active parameters (`A3B`) and effective ones (`E4B`) are not the size of a model.

use std::sync::LazyLock;

use regex::bytes::{Captures, Regex};

/// A parameter count in normal form.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Size {
    /// One decimal at most and a unit, such as `3.2b`; `8x7b` for a mixture of experts.
    pub(super) text: Box<str>,
    /// The count, where the text tells it: experts share layers, so that `8x7b` does not.
    pub(super) count: Option<u64>,
}

/// A whole text that is a size, a unit or none after it.
static WHOLE: LazyLock<Regex> = LazyLock::new(|| compile(r"^(?:(\d+)x)?(\d+(?:\.\d+)?)\s*([kmbt]?)$"));

/// A size that stands by itself in a name. An underscore is a decimal point, as in `stablelm-2-1_6b`, or
/// separates, as in `open_llama_3b`.
static IN_NAME: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        r"(?:^|[^a-z0-9._])(?:(\d+)x)?(\d+(?:[._]\d+)?)([mbt])(?:$|[^a-z0-9])|_(?:(\d+)x)?(\d+(?:\.\d+)?)([mbt])(?:$|[^a-z0-9])",
    )
});

/// Fewer million than this are the length of a context, as in `Qwen2.5-1M`.
const LEAST_MILLIONS: f64 = 10.0;

/// Brings a reported size into normal form; text that is no size stays as it is. `None` when it tells nothing.
pub(super) fn reported(text: &str) -> Option<Size> {
    let lower = text.trim().to_ascii_lowercase();
    if lower.is_empty() || lower == "unknown" {
        return None;
    }
    match WHOLE.captures(lower.as_bytes()) {
        Some(parts) => size(&parts, [1, 2, 3]),
        None => Some(match find(&lower) {
            Some((_, size)) => size,
            None => Size { text: text.trim().into(), count: None },
        }),
    }
}

/// Returns the first size in a lower-case name, and where it starts.
pub(super) fn find(name: &str) -> Option<(usize, Size)> {
    IN_NAME.captures_iter(name.as_bytes()).find_map(|parts| {
        let groups = if parts.get(2).is_some() { [1, 2, 3] } else { [4, 5, 6] };
        let start = parts.get(groups[0]).or(parts.get(groups[1]))?.start();
        if text_of(&parts, groups[2]) == "m" && value_of(&parts, groups[1])? < LEAST_MILLIONS {
            return None;
        }
        Some((start, size(&parts, groups)?))
    })
}

/// Builds a size from the groups of experts, number and unit.
fn size(parts: &Captures<'_>, [experts, number, unit]: [usize; 3]) -> Option<Size> {
    let value = value_of(parts, number).filter(|value| *value > 0.0)?;
    // A number without a unit counts billions.
    let (text, scale) = match text_of(parts, unit) {
        "k" => (format!("{value:.0}k"), 1e3),
        "m" if value < 1000.0 => (format!("{value:.0}m"), 1e6),
        "m" => (format!("{}b", one_decimal(value / 1000.0)), 1e6),
        "t" => (format!("{}t", one_decimal(value)), 1e12),
        _ if value < 1000.0 => (format!("{}b", one_decimal(value)), 1e9),
        _ => (format!("{}t", one_decimal(value / 1000.0)), 1e9),
    };
    match text_of(parts, experts) {
        "" => Some(Size { text: text.into(), count: Some((value * scale).round() as u64) }),
        experts => Some(Size { text: format!("{experts}x{text}").into(), count: None }),
    }
}

fn value_of(parts: &Captures<'_>, group: usize) -> Option<f64> {
    text_of(parts, group).replace('_', ".").parse().ok()
}

fn text_of<'t>(parts: &Captures<'t>, group: usize) -> &'t str {
    parts.get(group).and_then(|found| std::str::from_utf8(found.as_bytes()).ok()).unwrap_or_default()
}

fn one_decimal(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

fn compile(pattern: &str) -> Regex {
    #[expect(clippy::expect_used, reason = "the patterns are constants and tests use them")]
    let compiled = regex::bytes::RegexBuilder::new(pattern).unicode(false).build().expect("a valid pattern");
    compiled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reported_sizes_are_brought_into_normal_form() {
        for (text, normal, count) in [
            ("7B", "7b", Some(7_000_000_000)),
            ("7", "7b", Some(7_000_000_000)),
            ("14.77 b", "14.8b", Some(14_770_000_000)),
            ("137M", "137m", Some(137_000_000)),
            ("1100M", "1.1b", Some(1_100_000_000)),
            ("33K", "33k", Some(33_000)),
            ("1026.4B", "1t", Some(1_026_400_000_000)),
            ("1.5T", "1.5t", Some(1_500_000_000_000)),
            ("8x7B", "8x7b", None),
            ("30B-A3B", "30b", Some(30_000_000_000)),
            ("tiny", "tiny", None),
        ] {
            assert_eq!(reported(text), Some(Size { text: normal.into(), count }), "{text}");
        }
        assert_eq!([reported(""), reported("unknown"), reported("0B")], [None, None, None]);
    }

    #[test]
    fn active_and_effective_parameters_and_contexts_are_not_sizes() {
        for name in ["qwen3-a3b", "gemma-3n-e4b", "mimo-1m", "yi-200k", "qwen3-4bit", "e5-m3"] {
            assert_eq!(find(name), None, "{name}");
        }
    }
}
