//! The environment, as an argument: what it sets, and what it seems to have meant to set.

use std::{collections::BTreeMap, fmt};

use figment::value::{Dict, Value};

use super::{
    conform, document,
    keys::{KEYS, Key, Shape},
    obsolete,
    problem::{Origin, Part, Problem, Report},
    suggest,
};

/// The variables that the process was started with.
#[derive(Clone, Default)]
pub(crate) struct Env(BTreeMap<String, String>);

/// Variables that are read outside the table of keys.
const OTHERS: &[&str] = &["OLLA_CONFIG_DIR", "OLLA_CONFIG_FILE", "OLLA_FORCE_COLORS", "OLLA_SHOW_VERSION"];

// === impl Env ===

impl Env {
    /// Takes the environment of this process; what is not UTF-8 is left out.
    pub(crate) fn of_process() -> Self {
        let variables = std::env::vars_os();
        Self(variables.filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect())
    }

    /// Returns the value of a variable; an empty one counts as unset.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.get_even_empty(name).filter(|value| !value.is_empty())
    }

    /// Returns the value of a variable, even an empty one.
    pub(crate) fn get_even_empty(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns what the variables of the table set, and reports those whose value does not fit.
    pub(crate) fn overlay(&self, report: &mut Report) -> Dict {
        let mut tree = Dict::new();
        for key in KEYS {
            let variable = key.env();
            let Some(text) = self.get(&variable) else { continue };
            report.sources.variables.insert(key.path, variable.clone());
            let value = match read(key, text) {
                Ok(value) => value,
                Err(error) => {
                    report.add(Problem {
                        origin: Origin::Variable(variable.into()),
                        ..Problem::new(key.path, error.message)
                    });
                    continue;
                }
            };
            if let Some(value) = conform::value(&value, &key.shape, key.path, report) {
                insert(&mut tree, key.path, value);
            }
        }
        tree
    }

    /// Reports variables that look like settings and are none.
    pub(crate) fn report_unknown(&self, report: &mut Report) {
        let known: Vec<String> = KEYS.iter().map(Key::env).collect();
        for name in self.0.keys().filter(|name| name.starts_with("OLLA_")) {
            if known.contains(name) || OTHERS.contains(&name.as_str()) || obsolete::knows_variable(name) {
                continue;
            }
            let meant = suggest::closest(name, known.iter().map(String::as_str));
            let meant = meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
            report.notice(Part::Config, format!("the environment variable {name} sets nothing{meant}"));
        }
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be secrets.
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Env {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect())
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Env {
    fn from(variables: [(&str, &str); N]) -> Self {
        variables.into_iter().collect()
    }
}

/// Turns the text of a variable into a value: a list is separated by commas, whatever is deeper is YAML.
fn read(key: &Key, text: &str) -> Result<Value, document::SyntaxError> {
    match key.shape {
        Shape::One(_) => Ok(Value::from(text)),
        Shape::Many(_) | Shape::Entries(_) if !text.starts_with(['[', '-']) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Ok(Value::from(items.map(Value::from).collect::<Vec<_>>()))
        }
        Shape::Many(_) | Shape::Map(_) | Shape::Entries(_) | Shape::Nested(_) | Shape::Named(_) => {
            document::parse_value(text)
        }
    }
}

/// Puts a value into a tree, at a path of mappings.
pub(crate) fn insert(tree: &mut Dict, path: &str, value: Value) {
    let Some((section, rest)) = path.split_once('.') else {
        tree.insert(path.to_owned(), value);
        return;
    };
    let below = tree.entry(section.to_owned()).or_insert_with(|| Value::from(Dict::new()));
    if let Value::Dict(_, below) = below {
        insert(below, rest, value);
    }
}

/// Returns the defaults of a table.
pub(crate) fn defaults(keys: &[Key]) -> Dict {
    let mut tree = Dict::new();
    for key in keys.iter().filter(|key| !key.default.is_empty()) {
        let value = read(key, key.default).ok();
        let value = value.and_then(|v| conform::value(&v, &key.shape, key.path, &mut Report::default()));
        if let Some(value) = value {
            insert(&mut tree, key.path, value);
        }
    }
    tree
}
