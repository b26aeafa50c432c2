//! Name patterns: `*` stands for any run of characters, everything else for itself, case ignored.

use thiserror::Error;

/// A compiled name pattern such as `llama3*`, `*embed*` or `qwen*coder*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    source: Box<str>,
    /// Lower-cased literal runs between the stars; the first and last are anchored.
    runs: Box<[Box<str>]>,
}

/// A pattern that cannot mean anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum GlobError {
    /// The pattern is empty or white space.
    #[error("pattern is blank; write a name, or * for every name")]
    Blank,
}

// === impl Glob ===

impl Glob {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// Refuses a blank pattern.
    pub fn parse(source: &str) -> Result<Self, GlobError> {
        if source.trim().is_empty() {
            return Err(GlobError::Blank);
        }
        let runs = source.to_lowercase().split('*').map(Box::from).collect();
        Ok(Self { source: source.into(), runs })
    }

    /// Returns the pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Returns whether the pattern holds a `*`.
    #[must_use]
    pub fn is_wildcard(&self) -> bool {
        self.runs.len() > 1
    }

    /// Returns whether `name` matches, ignoring case.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.matches_lowercase(&name.to_lowercase())
    }

    /// Returns whether there is a name that matches both this pattern and `other`.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "the table has a row and a column for every position")]
    pub fn meets(&self, other: &Self) -> bool {
        let spell = |glob: &Self| -> Vec<char> { glob.runs.join("*").chars().collect() };
        let (mine, theirs) = (spell(self), spell(other));
        // Whether what is left of both, from these positions on, has a name in common.
        let mut meet = vec![vec![false; theirs.len() + 1]; mine.len() + 1];
        for i in (0..=mine.len()).rev() {
            for j in (0..=theirs.len()).rev() {
                meet[i][j] = match (mine.get(i), theirs.get(j)) {
                    (None, None) => true,
                    // A star stands for nothing more, or for what comes next on the other side.
                    (Some('*'), next) => meet[i + 1][j] || next.is_some() && meet[i][j + 1],
                    (next, Some('*')) => meet[i][j + 1] || next.is_some() && meet[i + 1][j],
                    (Some(one), Some(other)) => one == other && meet[i + 1][j + 1],
                    (None, Some(_)) | (Some(_), None) => false,
                };
            }
        }
        meet[0][0]
    }

    fn matches_lowercase(&self, name: &str) -> bool {
        let Some((first, rest)) = self.runs.split_first() else { return false };
        let Some((last, middle)) = rest.split_last() else { return name == &**first };
        let Some(mut name) = name.strip_prefix(&**first) else { return false };
        for run in middle {
            let Some(at) = name.find(&**run) else { return false };
            name = &name[at + run.len()..];
        }
        name.ends_with(&**last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Glob::parse(pattern).unwrap().matches(name)
    }

    #[test]
    fn matches_prefix_suffix_contained_and_inner_runs() {
        assert!(matches("llama3", "LLaMA3"));
        assert!(matches("llama3*", "llama3.2:3b"));
        assert!(matches("*:3b", "llama3.2:3b"));
        assert!(matches("*embed*", "nomic-Embed-text"));
        assert!(matches("qwen*coder*", "qwen2.5-coder:7b"));
        assert!(matches("*", ""));
        assert!(!matches("llama3", "llama3.2"));
        assert!(!matches("a*a", "a"));
        assert!(!matches("qwen*coder*", "coder-qwen"));
    }

    #[test]
    fn patterns_meet_where_a_name_matches_both() {
        let meet = |a: &str, b: &str| Glob::parse(a).unwrap().meets(&Glob::parse(b).unwrap());

        for (a, b) in [("openai/*", "OpenAI/gpt-4*"), ("openai/*", "*gpt*"), ("*", "x"), ("a*c", "ab*")] {
            assert!(meet(a, b) && meet(b, a), "{a} {b}");
        }
        for (a, b) in [("openai/*", "anthropic/*"), ("a", "ab"), ("*x", "*y"), ("ab*", "a")] {
            assert!(!meet(a, b) && !meet(b, a), "{a} {b}");
        }
    }

    #[test]
    fn refuses_a_blank_pattern() {
        assert_eq!(Glob::parse("  "), Err(GlobError::Blank));
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_a_naive_matcher(pattern in "[ab*]{1,6}", name in "[ab]{0,8}") {
            proptest::prop_assert_eq!(matches(&pattern, &name), naive(pattern.as_bytes(), name.as_bytes()));
        }
    }

    proptest::proptest! {
        #[test]
        fn patterns_that_do_not_meet_share_no_name(
            one in "[ab*]{1,5}", other in "[ab*]{1,5}", name in "[ab]{0,6}",
        ) {
            let meet = Glob::parse(&one).unwrap().meets(&Glob::parse(&other).unwrap());
            let shared = matches(&one, &name) && matches(&other, &name);
            proptest::prop_assert!(meet || !shared, "{one} {other} {name}");
        }

        #[test]
        fn a_pattern_meets_a_name_exactly_if_it_matches(pattern in "[ab*]{1,6}", name in "[ab]{1,8}") {
            let meets = Glob::parse(&pattern).unwrap().meets(&Glob::parse(&name).unwrap());
            proptest::prop_assert_eq!(meets, matches(&pattern, &name));
        }
    }

    fn naive(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|n| naive(rest, &name[n..])),
            Some((c, rest)) => name.split_first().is_some_and(|(n, tail)| n == c && naive(rest, tail)),
        }
    }
}
