//! Which paths may be forwarded: an allow-list of exact paths and patterns.
//!
//! Rules are matched against the path as the client sent it, still percent-encoded, so that what was
//! allowed is byte for byte what is forwarded.

use std::collections::HashSet;

use thiserror::Error;

/// An allow-list of request paths.
///
/// A rule is an exact path (`/v1/models`), a path with single-segment wildcards
/// (`/engines/*/v1/models`), or a path ending in `/*`, which admits everything below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathRules {
    exact: HashSet<Box<str>>,
    patterns: Vec<Pattern>,
}

/// A rule that cannot be a path.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PathRuleError {
    /// The rule does not begin with `/`.
    #[error("path rule {0:?} must begin with /")]
    NoSlash(Box<str>),
    /// The rule has a `*` inside a segment.
    #[error("path rule {0:?} has * inside a segment; a * stands for a whole segment")]
    PartialWildcard(Box<str>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    segments: Box<[Segment]>,
    /// Whether anything (at least one byte) may follow the segments.
    open_ended: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    Any,
}

// === impl PathRules ===

impl PathRules {
    /// Compiles a list of rules.
    ///
    /// # Errors
    /// Returns the first rule that cannot be a path.
    pub fn parse<'a>(rules: impl IntoIterator<Item = &'a str>) -> Result<Self, PathRuleError> {
        let mut compiled = Self::default();
        for rule in rules {
            compiled.add(rule)?;
        }
        Ok(compiled)
    }

    /// Returns whether `path` (no query) is allowed.
    #[must_use]
    pub fn allow(&self, path: &str) -> bool {
        self.exact.contains(path) || self.patterns.iter().any(|p| p.matches(path))
    }

    /// Returns whether a rule is `path` itself, without any wildcard.
    #[must_use]
    pub fn name(&self, path: &str) -> bool {
        self.exact.contains(path)
    }

    fn add(&mut self, rule: &str) -> Result<(), PathRuleError> {
        let Some(body) = rule.strip_prefix('/') else {
            return Err(PathRuleError::NoSlash(rule.into()));
        };
        if !rule.contains('*') {
            self.exact.insert(rule.into());
            return Ok(());
        }
        let (body, open_ended) = match body.strip_suffix('*') {
            Some("") => (None, true),
            Some(head) if head.ends_with('/') => (Some(&head[..head.len() - 1]), true),
            _ => (Some(body), false),
        };
        let segments = body.map_or(Ok(Box::default()), |body| {
            body.split('/')
                .map(|s| match s {
                    "*" => Ok(Segment::Any),
                    s if s.contains('*') => Err(PathRuleError::PartialWildcard(rule.into())),
                    s => Ok(Segment::Literal(s.into())),
                })
                .collect()
        })?;
        self.patterns.push(Pattern { segments, open_ended });
        Ok(())
    }
}

// === impl Pattern ===

impl Pattern {
    fn matches(&self, path: &str) -> bool {
        let Some(mut rest) = path.strip_prefix('/') else { return false };
        for (n, segment) in self.segments.iter().enumerate() {
            if n > 0 {
                let Some(tail) = rest.strip_prefix('/') else { return false };
                rest = tail;
            }
            let (head, tail) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let fits = match segment {
                Segment::Any => !head.is_empty(),
                Segment::Literal(literal) => head == &**literal,
            };
            if !fits {
                return false;
            }
            rest = tail;
        }
        match (self.open_ended, self.segments.is_empty()) {
            (false, _) => rest.is_empty(),
            (true, true) => true,
            (true, false) => rest.len() > 1 && rest.starts_with('/'),
        }
    }
}

/// Returns whether a path holds a `.` or `..` segment, literally or percent-encoded.
///
/// Such a path could name something else to the backend than the rule that allowed it
/// (RFC 3986 §5.2.4), so it is refused rather than cleaned.
#[must_use]
pub fn has_dot_segment(path: &str) -> bool {
    // Not ended at the first: the compiler looks at many bytes at a time then.
    if !path.bytes().fold(false, |found, byte| found | (byte == b'.') | (byte == b'%')) {
        return false;
    }
    let decoded = percent_decode(path.as_bytes());
    decoded.split(|b| matches!(b, b'/' | b'\\')).any(|s| matches!(s, b"." | b".."))
}

fn percent_decode(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match (first, tail) {
            (b'%', [high, low, tail @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                decoded.push(hex(*high) << 4 | hex(*low));
                rest = tail;
            }
            _ => decoded.push(first),
        }
    }
    decoded
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_exact_paths_segments_and_everything_below() {
        let rules = PathRules::parse(["/v1/models", "/engines/*/v1/models", "/key/*"]).unwrap();

        for allowed in ["/v1/models", "/engines/llama.cpp/v1/models", "/key/generate", "/key/a/b"] {
            assert!(rules.allow(allowed), "{allowed}");
        }
        for refused in [
            "/v1/models/",
            "/engines//v1/models",
            "/engines/a/b/v1/models",
            "/key",
            "/key/",
            "/keys/x",
            "//key/x",
        ] {
            assert!(!rules.allow(refused), "{refused}");
        }
    }

    #[test]
    fn a_lone_star_admits_everything() {
        let rules = PathRules::parse(["/*"]).unwrap();

        assert!(rules.allow("/") && rules.allow("/a") && rules.allow("/a/b"));
    }

    #[test]
    fn an_empty_segment_is_a_segment() {
        let rules = PathRules::parse(["//*"]).unwrap();

        assert!(rules.allow("//v1") && !rules.allow("/v1") && !rules.allow("//"));
    }

    #[test]
    fn names_the_rule_that_is_not_a_path() {
        assert_eq!(PathRules::parse(["v1"]).unwrap_err(), PathRuleError::NoSlash("v1".into()));
        assert_eq!(PathRules::parse(["/v*/x"]).unwrap_err(), PathRuleError::PartialWildcard("/v*/x".into()));
    }

    #[test]
    fn sees_dot_segments_in_any_spelling() {
        for path in ["/a/../b", "/./a", "/a/%2e%2E/b", "/a/.%2e", "/a%2f..%2fb", "/a/..\\b"] {
            assert!(has_dot_segment(path), "{path}");
        }
        for path in ["/a/..b", "/v1/llama3.2", "/a/...", "/a%2", "/engines/llama.cpp"] {
            assert!(!has_dot_segment(path), "{path}");
        }
    }
}
