//! Reads one YAML document key by key and notes everything that is wrong with it, instead of stopping at
//! the first mistake.

use std::fmt::Write as _;

use serde_yaml::Value;

use crate::{
    ObsoleteKey, ProfileProblem,
    locate::{self, Step},
    schema::obsolete,
};

/// Collects the mistakes and obsolete keys of one file.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    /// What the file is, for messages.
    subject: &'static str,
    /// Says what replaces a key that older files may have.
    instead: fn(&str) -> Option<&'static str>,
    pub(crate) problems: Vec<ProfileProblem>,
    pub(crate) obsolete: Vec<ObsoleteKey>,
}

/// A value of the document and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node<'v> {
    value: &'v Value,
    path: Vec<Step>,
}

// === impl Reader ===

impl<'a> Reader<'a> {
    pub(crate) fn of_profile(file: &'a str, text: &'a str) -> Self {
        let (subject, instead) = ("a profile", obsolete::instead);
        Self { file, text, subject, instead, problems: vec![], obsolete: vec![] }
    }

    pub(crate) fn of_names(file: &'a str, text: &'a str) -> Self {
        let (subject, instead) = ("a models file", |_: &str| None);
        Self { file, text, subject, instead, problems: vec![], obsolete: vec![] }
    }

    /// Parses the text; `None` when it is not YAML.
    pub(crate) fn document(&mut self) -> Option<Value> {
        match serde_yaml::from_str(self.text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.problems.push(ProfileProblem {
                    file: self.file.into(),
                    line: error.location().map(|location| location.line()),
                    key: String::new(),
                    message: format!("is not valid YAML: {error}"),
                    suggestion: None,
                });
                None
            }
        }
    }

    /// Notes a mistake at `node`.
    pub(crate) fn problem(&mut self, node: &Node<'_>, message: impl Into<String>) {
        self.problem_with_suggestion(node, message, None);
    }

    /// Notes a mistake at `node`, and what was probably meant.
    pub(crate) fn problem_with_suggestion(
        &mut self,
        node: &Node<'_>,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        self.problems.push(problem_at(self.file, self.text, &node.path, message.into(), suggestion));
    }

    /// Checks that `node` is a mapping with no other keys than `known` and obsolete ones.
    pub(crate) fn keys(&mut self, node: &Node<'_>, known: &[&str]) {
        let Value::Mapping(entries) = node.value else {
            return self.problem(node, format!("must be a mapping, not {}", kind_of(node.value)));
        };
        for key in entries.keys() {
            let Some(name) = scalar(key) else {
                self.problem(node, "has a key that is not text");
                continue;
            };
            if known.contains(&&*name) {
                continue;
            }
            let child = node.child(Step::Key(name.clone()), key);
            let path = child.key();
            match (self.instead)(&path) {
                Some(instead) => self.obsolete.push(ObsoleteKey { key: path, instead }),
                None => {
                    let suggestion = closest(&name, known);
                    let message = format!("is not a key of {}", self.subject);
                    self.problem_with_suggestion(&child, message, suggestion);
                }
            }
        }
    }

    /// Returns the value of a key that must be there.
    pub(crate) fn required<'v>(&mut self, node: &Node<'v>, key: &str) -> Option<Node<'v>> {
        let value = node.get(key);
        if value.is_none() && node.is_mapping() {
            self.problem(node, format!("needs a `{key}`"));
        }
        value
    }

    /// Reads a text; numbers and flags are texts too.
    pub(crate) fn text(&mut self, node: Option<Node<'_>>) -> Option<String> {
        let node = node?;
        match scalar(node.value).filter(|text| !text.trim().is_empty()) {
            Some(text) => Some(text),
            None => {
                self.problem(&node, format!("must be a text, not {}", kind_of(node.value)));
                None
            }
        }
    }

    /// Reads `true` or `false`.
    pub(crate) fn flag(&mut self, node: Option<Node<'_>>) -> Option<bool> {
        let node = node?;
        let flag = node.value.as_bool();
        if flag.is_none() {
            self.problem(&node, format!("must be true or false, not {}", kind_of(node.value)));
        }
        flag
    }

    /// Reads a whole number that fits `T`.
    pub(crate) fn number<T: TryFrom<u64>>(&mut self, node: Option<Node<'_>>) -> Option<T> {
        let node = node?;
        let number = node.value.as_u64().and_then(|n| T::try_from(n).ok());
        if number.is_none() {
            self.problem(&node, "must be a whole number in range");
        }
        number
    }

    /// Reads a list; absent is empty.
    pub(crate) fn list<'v>(&mut self, node: Option<Node<'v>>) -> Vec<Node<'v>> {
        let Some(node) = node else { return vec![] };
        let Value::Sequence(elements) = node.value else {
            self.problem(&node, format!("must be a list, not {}", kind_of(node.value)));
            return vec![];
        };
        elements.iter().enumerate().map(|(n, element)| node.child(Step::Index(n), element)).collect()
    }

    /// Reads a list, or a single value as a list of one.
    pub(crate) fn one_or_many<'v>(&mut self, node: Option<Node<'v>>) -> Vec<Node<'v>> {
        match node {
            Some(node) if !node.value.is_sequence() => vec![node],
            node => self.list(node),
        }
    }

    /// Reads a list of texts.
    pub(crate) fn texts(&mut self, node: Option<Node<'_>>) -> Vec<String> {
        let elements = self.one_or_many(node);
        elements.into_iter().filter_map(|element| self.text(Some(element))).collect()
    }
}

// === impl Node ===

impl<'v> Node<'v> {
    pub(crate) fn root(value: &'v Value) -> Self {
        Self { value, path: vec![] }
    }

    /// Returns the value of a key; `None` also for null and for anything but a mapping.
    pub(crate) fn get(&self, key: &str) -> Option<Self> {
        let value = self.value.get(key).filter(|value| !value.is_null())?;
        Some(self.child(Step::Key(key.into()), value))
    }

    /// Returns all entries of a mapping whose keys are scalars.
    pub(crate) fn entries(&self) -> Vec<(String, Self)> {
        let Value::Mapping(entries) = self.value else { return vec![] };
        let named = entries.iter().filter_map(|(key, value)| Some((scalar(key)?, value)));
        named.map(|(key, value)| (key.clone(), self.child(Step::Key(key), value))).collect()
    }

    pub(crate) fn is_mapping(&self) -> bool {
        self.value.is_mapping()
    }

    pub(crate) fn path(&self) -> &[Step] {
        &self.path
    }

    /// Returns the path in words: `api.paths[2]`.
    pub(crate) fn key(&self) -> String {
        words(&self.path)
    }

    fn child(&self, step: Step, value: &'v Value) -> Self {
        let mut path = self.path.clone();
        path.push(step);
        Self { value, path }
    }
}

/// Describes a mistake at a path of a file.
pub(crate) fn problem_at(
    file: &str,
    text: &str,
    path: &[Step],
    message: String,
    suggestion: Option<String>,
) -> ProfileProblem {
    let line = locate::line(text, path).filter(|_| !path.is_empty());
    ProfileProblem { file: file.into(), line, key: words(path), message, suggestion }
}

/// Returns the candidate that `word` was probably meant to be.
pub(crate) fn closest(word: &str, candidates: &[&str]) -> Option<String> {
    let word = word.to_lowercase();
    let rated = candidates.iter().map(|candidate| (strsim::jaro_winkler(&word, candidate), candidate));
    let best = rated.filter(|(score, _)| *score > 0.8).max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    Some((*best.1).to_owned())
}

fn words(path: &[Step]) -> String {
    let mut words = String::new();
    for step in path {
        // Writing to a string cannot fail.
        let _ = match step {
            Step::Key(key) if words.is_empty() => write!(words, "{key}"),
            Step::Key(key) => write!(words, ".{key}"),
            Step::Index(index) => write!(words, "[{index}]"),
        };
    }
    words
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Sequence(_) | Value::Mapping(_) | Value::Tagged(_) => None,
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "a flag",
        Value::Number(_) => "a number",
        Value::String(text) if text.trim().is_empty() => "a blank",
        Value::String(_) => "a text",
        Value::Sequence(_) => "a list",
        Value::Mapping(_) => "a mapping",
        Value::Tagged(_) => "a tagged value",
    }
}
