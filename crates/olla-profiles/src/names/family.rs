//! Families and variants: `Llama-3.1-8B-Instruct` is a `llama`, variant `3.1`.
//!
//! A reported architecture decides, brought into normal form; the name tells the rest.

use std::collections::{BTreeMap, BTreeSet};

use regex::bytes::Regex;

use super::written::Written;

/// How families are told.
#[derive(Debug, Clone, Default)]
pub(super) struct Families {
    /// The first pattern that finds a family counts.
    pub(super) patterns: Vec<FamilyPattern>,
    /// Families by what backends report.
    pub(super) architectures: BTreeMap<Box<str>, Box<str>>,
    /// Families by their other names.
    pub(super) aliases: BTreeMap<Box<str>, Box<str>>,
    /// Families whose models are known by name, whatever the architecture.
    pub(super) preserved: BTreeSet<Box<str>>,
    /// Names that tell nothing, so that the architecture tells the variant.
    pub(super) generic_names: BTreeSet<Box<str>>,
    /// Words with which a variant is over, such as `instruct`.
    pub(super) variant_ends: BTreeSet<Box<str>>,
}

/// A pattern of names, and which of its groups are the family and the variant.
#[derive(Debug, Clone)]
pub(super) struct FamilyPattern {
    pub(super) pattern: Regex,
    pub(super) family_group: usize,
    pub(super) variant_group: Option<usize>,
}

/// What a model is called among models.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) family: Box<str>,
    pub(super) variant: Option<Box<str>>,
}

// === impl Families ===

impl Families {
    /// Tells family and variant. `end_of_version` says where size, quantisation or tag begin in a text.
    pub(super) fn identify(
        &self,
        written: &Written<'_>,
        reported: Option<&str>,
        end_of_version: &dyn Fn(&str) -> usize,
    ) -> Option<Identity> {
        let architecture =
            reported.map(|text| text.trim().to_ascii_lowercase()).filter(|text| !text.is_empty());
        if let Some(family) = self.preserved(written.bare(), architecture.as_deref()) {
            return Some(Identity { family: family.into(), variant: None });
        }
        let named = self.named(written, end_of_version);
        match architecture {
            Some(architecture) => Some(self.of_architecture(&architecture, written.bare(), named)),
            None => named,
        }
    }

    fn preserved(&self, bare: &str, architecture: Option<&str>) -> Option<&str> {
        let kept = self.preserved.iter().filter(|family| {
            let rest = bare.strip_prefix(&***family);
            architecture == Some(&***family)
                || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_', ':', '/', '.']))
        });
        kept.max_by_key(|family| family.len()).map(|family| &**family)
    }

    fn of_architecture(&self, architecture: &str, bare: &str, named: Option<Identity>) -> Identity {
        let family = self.architectures.get(architecture).map_or(architecture, |family| family);
        let family = self.aliases.get(family).map_or(family, |family| family);
        if let Some(named) = named.filter(|named| *named.family == *family && named.variant.is_some()) {
            return named;
        }
        let name = bare.split([':', '@']).next().unwrap_or_default();
        let told = self.generic_names.contains(name) || bare.contains(family);
        let suffix = architecture.strip_prefix(family).filter(|_| told);
        Identity { family: family.into(), variant: suffix.and_then(tidy) }
    }

    fn named(&self, written: &Written<'_>, end_of_version: &dyn Fn(&str) -> usize) -> Option<Identity> {
        // The publisher's name can look like a family, so that the model's own goes first.
        let by_pattern =
            |text: &str| self.patterns.iter().find_map(|p| self.by_pattern(p, text, end_of_version));
        by_pattern(written.bare())
            .or_else(|| by_pattern(written.full()))
            .or_else(|| self.by_first_word(written.bare()))
    }

    fn by_pattern(
        &self,
        pattern: &FamilyPattern,
        text: &str,
        end_of_version: &dyn Fn(&str) -> usize,
    ) -> Option<Identity> {
        let groups = pattern.pattern.captures(text.as_bytes())?;
        let word = text.get(groups.get(pattern.family_group)?.range()).filter(|word| !word.is_empty())?;
        let variant = pattern.variant_group.and_then(|group| groups.get(group)).and_then(|variant| {
            let end = end_of_version(text).min(variant.end());
            self.without_ending(text.get(variant.start()..end)?)
        });
        Some(self.canonical(word, variant.as_deref()))
    }

    /// Puts an alias in normal form; what tells it apart from its family becomes part of the variant.
    fn canonical(&self, word: &str, variant: Option<&str>) -> Identity {
        let Some(family) = self.aliases.get(word).filter(|family| ***family != *word) else {
            return Identity { family: word.into(), variant: variant.and_then(tidy) };
        };
        let own =
            if letters(word).eq(letters(family)) { "" } else { word.strip_prefix(&**family).unwrap_or(word) };
        let whole: Vec<_> =
            [Some(own), variant].into_iter().flatten().filter(|part| !part.is_empty()).collect();
        Identity { family: family.clone(), variant: tidy(&whole.join("-")) }
    }

    fn without_ending(&self, variant: &str) -> Option<Box<str>> {
        let mut start = 0;
        for part in variant.split_inclusive(['-', '_', '.', ' ']) {
            if self.variant_ends.contains(part.trim_end_matches(['-', '_', '.', ' '])) {
                return tidy(variant.get(..start)?);
            }
            start += part.len();
        }
        tidy(variant)
    }

    /// Returns the known family with which the first word of a name begins, the longest one.
    fn by_first_word(&self, bare: &str) -> Option<Identity> {
        let words = self.aliases.keys().chain(self.architectures.keys()).chain(self.architectures.values());
        let word = words.filter(|word| starts_with_word(bare, word)).max_by_key(|word| word.len())?;
        let family = self.architectures.get(word).unwrap_or(word);
        Some(self.canonical(family, None))
    }
}

/// Returns whether `text` begins with `word` and not merely with a longer word.
pub(super) fn starts_with_word(text: &str, word: &str) -> bool {
    let ends_in_letter = word.ends_with(|last: char| last.is_ascii_alphabetic());
    text.strip_prefix(word).is_some_and(|rest| {
        !rest.starts_with(
            |next: char| if ends_in_letter { next.is_ascii_alphabetic() } else { next.is_ascii_digit() },
        )
    })
}

/// Returns a word without its separators.
fn letters(word: &str) -> impl Iterator<Item = char> {
    word.chars().filter(char::is_ascii_alphanumeric)
}

/// Removes separators around a variant, and writes `2_5` as `2.5`.
fn tidy(variant: &str) -> Option<Box<str>> {
    let mut tidy = String::new();
    let mut rest = variant.trim_matches(|c: char| !c.is_ascii_alphanumeric()).chars().peekable();
    while let Some(char) = rest.next() {
        let between_digits =
            tidy.ends_with(|c: char| c.is_ascii_digit()) && rest.peek().is_some_and(char::is_ascii_digit);
        tidy.push(if char == '_' && between_digits { '.' } else { char });
    }
    (!tidy.is_empty()).then(|| tidy.into())
}
