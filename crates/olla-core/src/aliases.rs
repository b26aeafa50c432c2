//! Virtual model names: each stands for a list of real ones.

use std::{collections::HashMap, sync::Arc};

/// Virtual model names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aliases {
    exact: HashMap<Box<str>, Alias>,
    folded: HashMap<Box<str>, Alias>,
}

/// What a virtual name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// Real names, best first.
    pub targets: Arc<[Arc<str>]>,
    /// How the pairs of endpoint and model behind it are ordered.
    pub order: AliasOrder,
}

/// How the pairs of endpoint and model behind an alias are ordered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AliasOrder {
    /// Endpoints share the traffic, each with the first of the models that it has; its further ones follow.
    #[default]
    BestOfEach,
    /// Endpoints share the traffic, and on each of them all of the models that it has, in turn.
    Equal,
    /// Every pair with the first model comes before every pair with the second, and so on.
    InOrder,
}

// === impl Aliases ===

impl Aliases {
    /// Creates aliases; of names that differ only in case, the first answers a name that matches neither
    /// exactly.
    pub fn new(aliases: impl IntoIterator<Item = (Box<str>, Alias)>) -> Self {
        let mut built = Self::default();
        for (name, alias) in aliases {
            built.folded.entry(name.to_lowercase().into()).or_insert_with(|| alias.clone());
            built.exact.insert(name, alias);
        }
        built
    }

    /// Finds an alias: an exact match first, else one that ignores case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Alias> {
        if self.exact.is_empty() {
            return None;
        }
        self.exact.get(name).or_else(|| self.folded.get(name.to_lowercase().as_str()))
    }

    /// Returns the aliases, sorted by name.
    #[must_use]
    pub fn sorted(&self) -> Vec<(&str, &Alias)> {
        let mut all: Vec<_> = self.exact.iter().map(|(name, alias)| (&**name, alias)).collect();
        all.sort_unstable_by_key(|(name, _)| *name);
        all
    }
}

// === impl Alias ===

impl Alias {
    /// Creates an alias for these models.
    pub fn of<T: Into<Arc<str>>>(targets: impl IntoIterator<Item = T>, order: AliasOrder) -> Self {
        Self { targets: targets.into_iter().map(Into::into).collect(), order }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_match_as_written_and_in_any_case() {
        let upper = Alias::of(["llama3"], AliasOrder::Equal);
        let lower = Alias::of(["phi4"], AliasOrder::InOrder);
        let aliases = Aliases::new([("Fast".into(), upper.clone()), ("fast".into(), lower.clone())]);

        assert_eq!(aliases.get("Fast"), Some(&upper));
        assert_eq!(aliases.get("fast"), Some(&lower));
        assert_eq!(aliases.get("FAST"), Some(&upper));
        assert_eq!(aliases.get("slow"), None);
        assert_eq!(aliases.sorted().iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["Fast", "fast"]);
    }
}
