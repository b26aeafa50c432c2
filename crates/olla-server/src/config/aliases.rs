//! Virtual model names: what they stand for, and how their models are ordered.

use std::collections::{BTreeMap, HashMap, HashSet};

use olla_core::{Alias, AliasOrder, Aliases};

use super::{
    problem::{Part, Problem, Report},
    raw,
};

/// One alias while it is resolved.
struct Written {
    name: String,
    targets: Vec<String>,
    order: AliasOrder,
    /// The key of the list of targets.
    list: String,
}

/// Resolves all aliases.
pub(crate) fn resolve(raw: BTreeMap<String, raw::Alias>, report: &mut Report) -> Aliases {
    let written: Vec<_> = raw.into_iter().map(|(name, alias)| Written::new(name, alias)).collect();
    let mut spellings: HashMap<String, &Written> = HashMap::new();
    for alias in &written {
        alias.check(report);
        if let Some(other) = spellings.insert(alias.name.to_lowercase(), alias) {
            let message = format!("differs from the alias {:?} only in case", other.name);
            let problem = Problem::new(alias.key(), message);
            report.add(problem.help("requests match aliases in any case: give each its own name"));
        }
    }
    for alias in &written {
        alias.note_aliases_among_targets(&spellings, report);
    }
    Aliases::new(written.into_iter().map(|alias| (alias.name.into(), Alias::of(alias.targets, alias.order))))
}

// === impl Written ===

impl Written {
    fn new(name: String, alias: raw::Alias) -> Self {
        let key = format!("model_aliases.{name}");
        let (targets, strategy, list) = match alias {
            raw::Alias::List(targets) => (targets, String::new(), key),
            raw::Alias::Full(full) => (full.models, full.strategy, format!("{key}.models")),
        };
        let order = match strategy.as_str() {
            "equal" => AliasOrder::Equal,
            "in_order" => AliasOrder::InOrder,
            _ => AliasOrder::BestOfEach,
        };
        Self { name, targets, order, list }
    }

    fn key(&self) -> String {
        format!("model_aliases.{}", self.name)
    }

    fn check(&self, report: &mut Report) {
        if self.name.trim().is_empty() {
            report.add(Problem::new("model_aliases", "an alias has an empty name"));
        } else if self.name.trim() != self.name {
            report.add(Problem::new(self.key(), "the name of an alias begins or ends with a blank"));
        }
        if self.targets.is_empty() && !report.mentions(&self.list) {
            let problem = Problem::new(self.key(), "has no model to stand for");
            report.add(problem.help("list at least one real model name"));
        }
        let mut seen = HashSet::new();
        for (n, target) in self.targets.iter().enumerate() {
            if target.trim().is_empty() {
                let key = format!("{}[{n}]", self.list);
                report.add(Problem::new(key, "is blank instead of the name of a model"));
            } else if !seen.insert(target) {
                report.notice(
                    Part::Aliases,
                    format!("{}: names {target} again, which changes nothing", self.key()),
                );
            }
        }
    }

    /// An alias that lists itself is also the name of a model, so that others may list it as one.
    fn note_aliases_among_targets(&self, spellings: &HashMap<String, &Self>, report: &mut Report) {
        for target in &self.targets {
            let Some(other) = spellings.get(&target.to_lowercase()) else { continue };
            if other.name != self.name && !other.targets.contains(target) {
                let text = format!(
                    "{}: {target} is an alias itself; only a model of that name is meant here, \
                     not what the alias stands for",
                    self.key()
                );
                report.notice(Part::Aliases, text);
            }
        }
    }
}
