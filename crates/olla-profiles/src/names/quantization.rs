//! Quantisations: `q4km` for a reported `Q4_K_M` and for the `q4_k_m` of `llama3:8b-instruct-q4_k_m`.

use std::collections::BTreeMap;

use regex::bytes::{Regex, RegexBuilder};

/// The labels of llama.cpp, `_` and `-` alike.
const LLAMA_CPP: &str = "i?q[1-8][-_](?:k(?:[-_](?:xxs|xs|s|m|l|xl))?|[0-9]|nl|xxs|xs|s|m|l|xl)|tq[12]_0";

/// Labels that are a word with a number of bits.
const BITS: &str =
    "q[2-8]f(?:16|32)(?:_[0-9])?|q[2-8]|bf16|fp?(?:4|8|16|32)|int[2-8]|w[0-9]+a[0-9]+|[2-8]-?bit";

/// How labels are written and found.
#[derive(Debug, Clone)]
pub(super) struct Quantizations {
    /// Normal forms by folded label.
    normal: BTreeMap<Box<str>, Box<str>>,
    finder: Regex,
}

// === impl Quantizations ===

impl Quantizations {
    /// Compiles a table of labels and their normal forms.
    pub(super) fn new(table: &BTreeMap<Box<str>, Box<str>>) -> Result<Self, regex::Error> {
        let normal: BTreeMap<_, _> =
            table.iter().map(|(label, normal)| (fold(label).into(), normal.clone())).collect();
        let mut labels: Vec<&str> = normal.keys().map(AsRef::as_ref).collect();
        // Of two labels that fit, the longer one is meant.
        labels.sort_by_key(|label| (std::cmp::Reverse(label.len()), *label));
        let labels: String = labels.iter().map(|label| spelt(label) + "|").collect();
        let pattern = format!("(?:^|[^a-z0-9])({LLAMA_CPP}|{labels}{BITS})(?:$|[^a-z0-9])");
        let finder = RegexBuilder::new(&pattern).unicode(false).case_insensitive(true).build()?;
        Ok(Self { normal, finder })
    }

    /// Brings a reported label into normal form; `None` when it tells nothing.
    pub(super) fn reported(&self, label: &str) -> Option<Box<str>> {
        let label = label.trim();
        if label.is_empty() || label.eq_ignore_ascii_case("unknown") {
            return None;
        }
        if let Some(normal) = self.normal.get(&*fold(label)) {
            return Some(normal.clone());
        }
        let found = self.find(label).map(|(_, normal)| normal);
        Some(found.unwrap_or_else(|| label.to_lowercase().into()))
    }

    /// Returns the first quantisation in a name, in normal form, and where it starts.
    pub(super) fn find(&self, name: &str) -> Option<(usize, Box<str>)> {
        let label = self.finder.captures(name.as_bytes())?.get(1)?;
        let text = name.get(label.range())?;
        Some((label.start(), self.normalised(text)))
    }

    fn normalised(&self, label: &str) -> Box<str> {
        let folded = fold(label);
        if let Some(normal) = self.normal.get(&*folded) {
            return normal.clone();
        }
        let lower = folded.to_lowercase();
        let is_llama_cpp = lower.starts_with('q') || lower.starts_with("iq");
        // Letters are part of the word, q4_k_m, and numbers are not, q4_1.
        if is_llama_cpp
            && lower.split('_').skip(1).all(|part| part.starts_with(|c: char| c.is_ascii_alphabetic()))
        {
            return lower.replace('_', "").into();
        }
        match lower.strip_prefix("fp") {
            Some(bits) => format!("f{bits}").into(),
            // `4-bit` is `4bit`.
            None => if lower.ends_with("_bit") { lower.replace('_', "") } else { lower }.into(),
        }
    }
}

impl Default for Quantizations {
    fn default() -> Self {
        #[expect(clippy::expect_used, reason = "the pattern is a constant and tests use it")]
        let empty = Self::new(&BTreeMap::new()).expect("a valid pattern");
        empty
    }
}

/// Makes spellings of a label equal.
fn fold(label: &str) -> String {
    label.trim().to_ascii_uppercase().replace('-', "_")
}

/// Returns a pattern for the spellings of a folded label.
fn spelt(folded: &str) -> String {
    folded.split('_').map(regex::escape).collect::<Vec<_>>().join("[-_]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_without_an_entry_follow_the_usual_form() {
        let none = Quantizations::default();

        for (label, normal) in [
            ("Q4_K_M", "q4km"),
            ("q6_k", "q6k"),
            ("Q4_1", "q4_1"),
            ("IQ4_XS", "iq4xs"),
            ("IQ2_XXS", "iq2xxs"),
            ("IQ4_NL", "iq4nl"),
            ("Q2_K_XL", "q2kxl"),
            ("Q4", "q4"),
            ("FP8", "f8"),
            ("BF16", "bf16"),
            ("int4", "int4"),
            ("4-bit", "4bit"),
            ("Q4_K - Medium", "q4k"),
            ("(guessed) all F32", "f32"),
            ("MXFP4", "mxfp4"),
        ] {
            assert_eq!(none.reported(label).as_deref(), Some(normal), "{label}");
        }
        assert_eq!([none.reported(" "), none.reported("Unknown")], [None, None]);
    }

    #[test]
    fn a_label_stands_by_itself() {
        let table = BTreeMap::from([("AWQ".into(), "awq".into()), ("AWQ-INT4".into(), "awq4".into())]);
        let known = Quantizations::new(&table).unwrap();

        assert_eq!(known.find("qwen-awq-int4"), Some((5, "awq4".into())));
        assert_eq!(known.find("qwen_AWQ"), Some((5, "awq".into())));
        assert_eq!(known.find("gawqer-point4-aq4x"), None);
    }
}
