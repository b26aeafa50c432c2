//! Which models an endpoint is rather, less gladly or never asked for.

use crate::{Glob, Model};

/// The operator's rules for models on one endpoint, by name or pattern.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlacementRules {
    /// Models that go here before they go to other endpoints.
    pub prefer: Vec<Glob>,
    /// Models that come here only when no other endpoint can take them.
    pub avoid: Vec<Glob>,
    /// Models that never come here; wins over `avoid`, which wins over `prefer`.
    pub never: Vec<Glob>,
}

/// How gladly a model is sent to an endpoint, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Preference {
    /// Before others.
    Preferred,
    /// Like others.
    Neutral,
    /// After others.
    Avoided,
    /// Not at all.
    Never,
}

// === impl PlacementRules ===

impl PlacementRules {
    /// Returns what the rules say of a model that the client calls `asked`: each of its names counts.
    #[must_use]
    pub fn of(&self, model: &Model, asked: &str) -> Preference {
        self.judge(|glob| glob.matches(asked) || model.names().any(|name| glob.matches(name)))
    }

    /// Returns what the rules say of a model of which only this name is known.
    #[must_use]
    pub fn of_name(&self, name: &str) -> Preference {
        self.judge(|glob| glob.matches(name))
    }

    fn judge(&self, hits: impl Fn(&Glob) -> bool) -> Preference {
        let hit = |globs: &[Glob]| globs.iter().any(&hits);
        if hit(&self.never) {
            Preference::Never
        } else if hit(&self.avoid) {
            Preference::Avoided
        } else if hit(&self.prefer) {
            Preference::Preferred
        } else {
            Preference::Neutral
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stricter_rule_wins_and_every_name_counts() {
        let globs = |texts: &[&str]| texts.iter().map(|text| Glob::parse(text).unwrap()).collect();
        let rules = PlacementRules {
            prefer: globs(&["llama*"]),
            avoid: globs(&["*:70b"]),
            never: globs(&["openai/gpt-5*"]),
        };

        let of = |model: &str, asked: &str| rules.of(&Model::named(model), asked);
        let mut tagged = Model::named("mixtral:latest");
        tagged.also = vec!["mixtral:70b".into()];

        assert_eq!(rules.of_name("llama3:8b"), Preference::Preferred);
        assert_eq!(of("llama3:70b", "llama3:70b"), Preference::Avoided);
        assert_eq!(of("openai/*", "openai/gpt-5-mini"), Preference::Never);
        assert_eq!(of("phi4", "fast"), Preference::Neutral);
        assert_eq!(rules.of(&tagged, "mixtral"), Preference::Avoided);
    }
}
