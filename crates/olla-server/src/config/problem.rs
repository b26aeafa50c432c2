//! What can be wrong with a configuration, where it was written, and what is merely worth knowing.
//!
//! Neither ever holds the value of a secret.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use olla_profiles::ProfileProblem;

use super::document::Lines;

/// One mistake. All mistakes are reported together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Where the mistake was written.
    pub(crate) origin: Origin,
    /// The line, where it is known; the first is 1.
    pub(crate) line: Option<usize>,
    /// The key path, such as `proxy.retry.on_status[0]`; empty for a file as a whole.
    pub(crate) key: String,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) help: Option<String>,
    /// The part of the configuration that is wrong.
    pub(crate) part: Part,
}

/// A part of the configuration that is reported on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The settings as a whole.
    Config,
    /// The profiles of backend kinds.
    Profiles,
    /// The endpoint lists.
    Endpoints,
    /// The virtual model names.
    Aliases,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// A file.
    File(Arc<str>),
    /// An environment variable.
    Variable(Arc<str>),
    /// Neither: a default.
    Default,
}

/// Something accepted that does not do what one might think.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// The part of the configuration that it is about.
    pub(crate) part: Part,
    /// The fact.
    pub(crate) text: String,
    /// One line each, if the fact is about many things.
    pub(crate) details: Vec<String>,
}

/// Knows where each value was written.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// The configuration file, if there is one.
    pub(crate) file: Option<Arc<str>>,
    /// Where in the file each key stands.
    pub(crate) lines: Lines,
    /// The keys that the environment sets, and by which variable.
    pub(crate) variables: BTreeMap<&'static str, String>,
}

/// Collects problems and notices.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Where values were written.
    pub(crate) sources: Sources,
    /// The problems so far.
    pub(crate) problems: Vec<Problem>,
    /// The notices so far.
    pub(crate) notices: Vec<Notice>,
}

// === impl Problem ===

impl Problem {
    /// Creates a problem with the value of a key; [`Report::add`] finds out where that was written.
    pub(crate) fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        let key = key.into();
        Self {
            origin: Origin::Default,
            line: None,
            part: Part::of(&key),
            key,
            message: message.into(),
            help: None,
        }
    }

    /// Creates a problem with a file as a whole, or with one line of it.
    pub(crate) fn in_file(file: &str, line: Option<usize>, message: impl Into<String>) -> Self {
        Self { origin: Origin::File(file.into()), line, ..Self::new("", message) }
    }

    /// Says what to do about it.
    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// Says what was probably meant, where that is known.
    pub(crate) fn suggest(self, meant: Option<&str>) -> Self {
        match meant {
            Some(meant) => self.help(format!("did you mean `{meant}`?")),
            None => self,
        }
    }
}

impl From<ProfileProblem> for Problem {
    fn from(problem: ProfileProblem) -> Self {
        Self {
            key: problem.key,
            part: Part::Profiles,
            ..Self::in_file(&problem.file, problem.line, problem.message)
        }
        .suggest(problem.suggestion.as_deref())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::File(name) => write!(f, "{name}")?,
            Origin::Variable(name) => write!(f, "{name}")?,
            Origin::Default => write!(f, "configuration")?,
        }
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)?;
        match &self.help {
            Some(help) => write!(f, "\n    help: {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

// === impl Part ===

impl Part {
    fn of(key: &str) -> Self {
        if key.starts_with("endpoints") || key.starts_with("discovery.static.endpoints") {
            Self::Endpoints
        } else if key.starts_with("model_aliases") {
            Self::Aliases
        } else {
            Self::Config
        }
    }
}

// === impl Notice ===

impl Notice {
    /// Creates a notice of keys that change nothing, each with what replaces it.
    pub(crate) fn obsolete<'a>(
        part: Part,
        text: String,
        keys: impl IntoIterator<Item = (&'a str, &'static str)>,
    ) -> Self {
        let mut by_reason: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (key, instead) in keys {
            by_reason.entry(instead).or_default().insert(key);
        }
        let line = |(instead, keys): (&str, BTreeSet<&str>)| {
            format!("{}: {instead}", keys.into_iter().collect::<Vec<_>>().join(", "))
        };
        let mut details: Vec<_> = by_reason.into_iter().map(line).collect();
        details.sort();
        Self { part, text, details }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        self.details.iter().try_for_each(|detail| write!(f, "\n    {detail}"))
    }
}

// === impl Sources ===

impl Sources {
    fn locate(&self, key: &str) -> (Origin, Option<usize>) {
        let covers = |set: &str| {
            key.strip_prefix(set).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        if let Some((_, variable)) = self.variables.iter().find(|(set, _)| covers(set)) {
            return (Origin::Variable(variable.as_str().into()), None);
        }
        match &self.file {
            Some(file) => (Origin::File(Arc::clone(file)), self.lines.of(key)),
            None => (Origin::Default, None),
        }
    }
}

// === impl Report ===

impl Report {
    /// Adds a problem, located by its key unless it says itself where it is.
    pub(crate) fn add(&mut self, mut problem: Problem) {
        if problem.origin == Origin::Default {
            (problem.origin, problem.line) = self.sources.locate(&problem.key);
        }
        self.problems.push(problem);
    }

    /// Adds a notice.
    pub(crate) fn notice(&mut self, part: Part, text: impl Into<String>) {
        self.notices.push(Notice { part, text: text.into(), details: vec![] });
    }

    /// Returns whether a problem with this key, or with an element of its list, has been reported.
    pub(crate) fn mentions(&self, key: &str) -> bool {
        let is_of = |rest: &str| rest.is_empty() || rest.starts_with('[');
        self.problems.iter().any(|p| p.key.strip_prefix(key).is_some_and(is_of))
    }

    /// Returns the problems in the order of files, lines and variables.
    pub(crate) fn into_problems(mut self) -> Vec<Problem> {
        self.problems.sort_by(|a, b| (&a.origin, a.line).cmp(&(&b.origin, b.line)));
        self.problems
    }
}
