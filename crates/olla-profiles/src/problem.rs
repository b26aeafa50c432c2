//! What can be wrong with a profile, and what is merely out of date.

use std::fmt;

/// One mistake in one profile. All mistakes of all files are reported together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileProblem {
    /// The file, as its source was named.
    pub file: String,
    /// The line, where it is known; the first is 1.
    pub line: Option<usize>,
    /// The key path, such as `api.paths[2]`; empty for the file as a whole.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

/// Keys of one file that older versions accepted and that do nothing here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The file, as its source was named.
    pub file: String,
    /// The keys, in the order of the file.
    pub keys: Vec<ObsoleteKey>,
}

/// A key that is accepted and does nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObsoleteKey {
    /// The key path, such as `detection.headers`.
    pub key: String,
    /// What replaces it, or why nothing does.
    pub instead: &'static str,
}

// === impl ProfileProblem ===

impl fmt::Display for ProfileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; did you mean {suggestion:?}?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ProfileProblem {}

// === impl Notice ===

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: obsolete keys, ignored: ", self.file)?;
        for (n, ObsoleteKey { key, instead }) in self.keys.iter().enumerate() {
            let separator = if n == 0 { "" } else { "; " };
            write!(f, "{separator}{key} ({instead})")?;
        }
        Ok(())
    }
}
