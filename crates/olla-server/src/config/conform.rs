//! Holds a tree of values against the table of keys: what fits is brought into its one form, what does not
//! is reported and left out, so that the rest can still be checked.

use figment::value::{Dict, Empty, Value};

use super::{
    document::join,
    keys::{Entry, Key, Shape},
    obsolete,
    problem::{Problem, Report},
    scalar::Scalar,
    suggest,
};

/// Checks a mapping of settings that stands at `path`, which is empty for the whole file.
pub(crate) fn mapping(dict: &Dict, keys: &[Key], path: &str, report: &mut Report) -> Dict {
    section(dict, &Level { keys, path: path.to_owned(), inner: String::new() }, report)
}

/// Checks one value; `None` means that it is unset, or was reported.
pub(crate) fn value(value: &Value, shape: &Shape, path: &str, report: &mut Report) -> Option<Value> {
    if matches!(value, Value::Empty(..)) {
        return None;
    }
    match shape {
        Shape::One(scalar) => one(value, scalar, path, report),
        Shape::Many(scalar) => many(value, scalar, path, report),
        Shape::Map(scalar) => each(value, path, report, |value, path, report| match value {
            Value::Empty(..) => Some(Value::from("")),
            value => one(value, scalar, path, report),
        }),
        Shape::Entries(entry) => entries(value, entry, path, report),
        Shape::Nested(entry) => nested(value, entry, path, report),
        Shape::Named(entry) => each(value, path, report, |value, path, report| match value {
            Value::Empty(..) => Some(Value::from(Vec::<Value>::new())),
            value => nested(value, entry, path, report),
        }),
    }
}

/// A mapping within the tree.
struct Level<'a> {
    keys: &'a [Key],
    /// Its path in the file.
    path: String,
    /// Its path in the table.
    inner: String,
}

fn section(dict: &Dict, level: &Level<'_>, report: &mut Report) -> Dict {
    let mut fitting = Dict::new();
    for (name, found) in dict {
        let path = join(&level.path, name);
        let inner = join(&level.inner, name);
        if let Some(key) = level.keys.iter().find(|key| key.path == inner) {
            if let Some(found) = value(found, &key.shape, &path, report) {
                fitting.insert(name.clone(), found);
            }
        } else if level.has_below(&inner) || obsolete::has_below(&path) {
            match found {
                Value::Dict(_, dict) => {
                    let below = section(dict, &Level { keys: level.keys, path, inner }, report);
                    fitting.insert(name.clone(), Value::from(below));
                }
                Value::Empty(..) => {}
                // Never echoed: a credential may have been put in the place of its section.
                other => report.add(Problem::new(path, unexpected("a mapping", other, true))),
            }
        } else if !obsolete::covers(&path) {
            report.add(level.unknown(name, path));
        }
    }
    fitting
}

fn one(value: &Value, scalar: &Scalar, path: &str, report: &mut Report) -> Option<Value> {
    let Some(read) = scalar.read(value) else {
        let problem = Problem::new(path, unexpected(&scalar.expected(), value, scalar.secret));
        let meant = value.as_str().and_then(|word| suggest::closest(word, scalar.choices.iter().copied()));
        report.add(problem.suggest(meant));
        return None;
    };
    Some(read).filter(|read| !matches!(read, Value::Empty(..)))
}

fn many(value: &Value, scalar: &Scalar, path: &str, report: &mut Report) -> Option<Value> {
    let items = match value {
        Value::Array(_, items) => items.as_slice(),
        Value::Dict(..) => {
            report.add(Problem::new(path, unexpected("a list", value, scalar.secret)));
            return None;
        }
        lone => std::slice::from_ref(lone),
    };
    let read =
        items.iter().enumerate().filter_map(|(n, item)| one(item, scalar, &format!("{path}[{n}]"), report));
    Some(Value::from(read.collect::<Vec<_>>()))
}

fn each(
    value: &Value,
    path: &str,
    report: &mut Report,
    read: impl Fn(&Value, &str, &mut Report) -> Option<Value>,
) -> Option<Value> {
    let Value::Dict(_, dict) = value else {
        report.add(Problem::new(path, unexpected("a mapping", value, true)));
        return None;
    };
    let read =
        dict.iter().filter_map(|(name, value)| Some((name.clone(), read(value, &join(path, name), report)?)));
    Some(Value::from(read.collect::<Dict>()))
}

fn entries(value: &Value, entry: &Entry, path: &str, report: &mut Report) -> Option<Value> {
    let items = match value {
        Value::Array(_, items) => items.as_slice(),
        lone @ (Value::String(..) | Value::Num(..)) => std::slice::from_ref(lone),
        _ => {
            report.add(Problem::new(path, unexpected("a list", value, true)));
            return None;
        }
    };
    let read = items.iter().enumerate().map(|(n, item)| {
        let path = format!("{path}[{n}]");
        match item {
            Value::Dict(_, dict) => Value::from(mapping(dict, entry.keys, &path, report)),
            Value::String(..) | Value::Num(..) => {
                let dict = Dict::from([(entry.short.to_owned(), item.clone())]);
                Value::from(mapping(&dict, entry.keys, &path, report))
            }
            Value::Array(..) | Value::Bool(..) | Value::Char(..) | Value::Empty(..) => {
                report.add(Problem::new(path, unexpected("a mapping", item, true)));
                // Stands for the entry, so that those behind it keep their number.
                Value::from(Empty::None)
            }
        }
    });
    Some(Value::from(read.collect::<Vec<_>>()))
}

/// Leaves the short form as it is, so that messages name what was written.
fn nested(value: &Value, entry: &Entry, path: &str, report: &mut Report) -> Option<Value> {
    match value {
        Value::Dict(_, dict) => Some(Value::from(mapping(dict, entry.keys, path, report))),
        short => self::value(short, &entry.short()?.shape, path, report),
    }
}

fn unexpected(expected: &str, found: &Value, secret: bool) -> String {
    let found = match found {
        Value::String(..) | Value::Char(..) if secret => "other text".to_owned(),
        Value::String(_, text) if text.is_empty() => "empty text".to_owned(),
        Value::String(_, text) => format!("{:?}", text.chars().take(60).collect::<String>()),
        Value::Char(_, c) => format!("{c:?}"),
        Value::Num(..) | Value::Bool(..) if secret => "another value".to_owned(),
        Value::Num(_, n) => match (n.to_i128(), n.to_u128(), n.to_f64()) {
            (Some(n), _, _) => n.to_string(),
            (None, Some(n), _) => n.to_string(),
            (None, None, n) => n.unwrap_or(f64::NAN).to_string(),
        },
        Value::Bool(_, flag) => flag.to_string(),
        Value::Empty(..) => "nothing".to_owned(),
        Value::Dict(..) => "a mapping".to_owned(),
        Value::Array(..) => "a list".to_owned(),
    };
    format!("expected {expected}, found {found}")
}

// === impl Level ===

impl Level<'_> {
    fn has_below(&self, inner: &str) -> bool {
        self.keys.iter().any(|key| below(key.path, inner).is_some())
    }

    fn unknown(&self, name: &str, path: String) -> Problem {
        let mut siblings: Vec<&str> = self
            .keys
            .iter()
            .filter_map(|key| below(key.path, &self.inner))
            .map(|rest| rest.split('.').next().unwrap_or(rest))
            .collect();
        siblings.dedup();
        let elsewhere = || {
            let last = |key: &&Key| key.path.rsplit('.').next() == Some(name);
            self.keys.iter().find(last).map(|key| key.path)
        };
        let problem = Problem::new(path, "unknown key");
        match suggest::closest(name, siblings.iter().copied()).or_else(elsewhere) {
            None if siblings.len() <= 12 => problem.help(format!("known keys here: {}", siblings.join(", "))),
            meant => problem.suggest(meant),
        }
    }
}

/// Returns what of `path` is left below `section`.
fn below<'a>(path: &'a str, section: &str) -> Option<&'a str> {
    if section.is_empty() { Some(path) } else { path.strip_prefix(section)?.strip_prefix('.') }
}
