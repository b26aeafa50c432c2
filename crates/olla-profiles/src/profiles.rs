//! The set of kinds in use: the shipped ones, replaced and extended by files.

use std::{collections::HashMap, sync::Arc};

use olla_core::{Glob, KindId};

use crate::{Names, Notice, Observed, Profile, ProfileProblem, assembly, schema, shipped::SHIPPED};

/// The loaded kinds, ordered by name; a [`KindId`] is a position in this order.
#[derive(Debug, Clone, Default)]
pub struct Profiles {
    profiles: Vec<Profile>,
    /// By prefix, as written: what a URL names.
    by_prefix: HashMap<Box<str>, KindId>,
    /// By name and prefix, folded: what a configuration names.
    by_word: HashMap<String, KindId>,
    /// Names and prefixes of the kinds that the filter left out, sorted.
    left_out: Vec<Box<str>>,
}

/// Kinds, and what to tell the user about their files.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The kinds.
    pub profiles: Profiles,
    /// Files with keys that do nothing, at most one notice for each file.
    pub notices: Vec<Notice>,
}

/// The text of one profile file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileSource {
    /// Its name, for messages.
    pub file: String,
    /// Its content.
    pub text: String,
}

/// Which kinds are used: all, or those included, less those excluded.
///
/// A pattern that no kind's name matches goes by prefixes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProfileFilter {
    /// Patterns of kinds to use; empty means every kind.
    pub include: Vec<Glob>,
    /// Patterns of kinds to leave out; wins over `include`.
    pub exclude: Vec<Glob>,
}

// === impl Profiles ===

impl Profiles {
    /// Returns the shipped kinds.
    #[must_use]
    pub fn builtin() -> Self {
        #[expect(
            clippy::expect_used,
            reason = "the shipped files are part of the program and tests load them"
        )]
        let loaded = Self::load(&[], &ProfileFilter::default()).expect("the shipped profiles are valid");
        loaded.profiles
    }

    /// Returns the shipped kinds, replaced by files of the same `name` and extended by the others.
    ///
    /// # Errors
    /// Returns every mistake of every file.
    pub fn load(files: &[ProfileSource], filter: &ProfileFilter) -> Result<Loaded, Vec<ProfileProblem>> {
        let (mut problems, mut notices) = (vec![], vec![]);
        let mut read = |file, text| {
            let reading = schema::read(file, text);
            problems.extend(reading.problems);
            if !reading.obsolete.is_empty() {
                notices.push(Notice { file: String::from(file), keys: reading.obsolete });
            }
            reading.draft
        };
        let shipped: Vec<_> = SHIPPED.iter().filter_map(|(file, text)| read(*file, *text)).collect();
        let files = files.iter().filter_map(|source| read(&*source.file, &*source.text)).collect();

        let shapes = assembly::Shapes::of_shipped(&shipped);
        let mut kinds = assembly::merge(shipped, files, &mut problems);
        let left_out = filter.apply(&mut kinds);
        assembly::find_clashes(&kinds, &mut problems);
        let names = Arc::new(Names::builtin());
        let mut profiles = vec![];
        for (id, kind) in (0..).map(KindId::new).zip(kinds) {
            match assembly::compile(id, kind, &shapes, &names) {
                Ok(profile) => profiles.push(profile),
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Loaded { profiles: Self { left_out, ..Self::index(profiles) }, notices })
    }

    /// Returns the same kinds with other rules for the names of models; without this, they have the shipped ones.
    #[must_use]
    pub fn with_names(mut self, names: Names) -> Self {
        let names = Arc::new(names);
        for profile in &mut self.profiles {
            profile.names = Arc::clone(&names);
        }
        self
    }

    /// Returns the kind with this identity.
    #[must_use]
    pub fn get(&self, id: KindId) -> Option<&Profile> {
        self.profiles.get(id.position())
    }

    /// Returns all kinds, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = &Profile> {
        self.profiles.iter()
    }

    /// Finds a kind by its name or any of its prefixes, ignoring case and taking `_` for `-`.
    #[must_use]
    pub fn resolve(&self, configured_type: &str) -> Option<KindId> {
        self.by_word.get(&fold(configured_type)).copied()
    }

    /// Finds the kind that a URL segment after `/olla/` leads to; segments are taken as they are written.
    #[must_use]
    pub fn by_prefix(&self, segment: &str) -> Option<KindId> {
        self.by_prefix.get(segment).copied()
    }

    /// Returns every word that [`resolve`](Self::resolve) knows: names and prefixes, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.by_prefix.keys().map(|prefix| &**prefix).collect();
        names.extend(self.profiles.iter().map(|profile| &*profile.name));
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Returns the names and prefixes of the kinds that the filter left out, sorted.
    pub fn left_out(&self) -> impl Iterator<Item = &str> {
        self.left_out.iter().map(|word| &**word)
    }

    /// Returns the distinct paths to GET from a server in order to recognise it, most telling first.
    #[must_use]
    pub fn detection_plan(&self) -> Vec<&str> {
        let mut plan: Vec<&str> = vec![];
        for profile in self.by_rank() {
            for path in profile.detection.paths() {
                if !plan.contains(&path) {
                    plan.push(path);
                }
            }
        }
        plan
    }

    /// Recognises a kind by what a server answered; answers that did not come are simply left out.
    #[must_use]
    pub fn recognise(&self, observed: &[Observed<'_>]) -> Option<KindId> {
        self.by_rank()
            .into_iter()
            .find(|profile| profile.detection.matches(observed))
            .map(|profile| profile.id)
    }

    fn by_rank(&self) -> Vec<&Profile> {
        let mut ranked: Vec<_> = self.profiles.iter().collect();
        ranked.sort_by_key(|profile| std::cmp::Reverse(profile.detection.rank()));
        ranked
    }

    fn index(profiles: Vec<Profile>) -> Self {
        let mut indexed = Self::default();
        for profile in &profiles {
            indexed.by_word.insert(fold(&profile.name), profile.id);
            for prefix in &profile.prefixes {
                indexed.by_word.insert(fold(prefix), profile.id);
                indexed.by_prefix.insert(prefix.clone(), profile.id);
            }
        }
        Self { profiles, ..indexed }
    }
}

// === impl ProfileFilter ===

impl ProfileFilter {
    /// Removes the kinds that are not used and returns their names and prefixes, sorted.
    fn apply(&self, kinds: &mut Vec<schema::Draft<'_>>) -> Vec<Box<str>> {
        let names: Vec<_> = kinds.iter().map(|kind| kind.name.clone()).collect();
        let hits = |pattern: &Glob, kind: &schema::Draft<'_>| {
            if names.iter().any(|name| pattern.matches(name)) {
                return pattern.matches(&kind.name);
            }
            kind.prefixes.iter().any(|prefix| pattern.matches(prefix))
        };
        let mut left_out = vec![];
        kinds.retain(|kind| {
            let included = self.include.is_empty() || self.include.iter().any(|p| hits(p, kind));
            let used = included && !self.exclude.iter().any(|p| hits(p, kind));
            if !used {
                left_out.push(kind.name.as_str().into());
                left_out.extend(kind.prefixes.iter().cloned());
            }
            used
        });
        left_out.sort_unstable();
        left_out.dedup();
        left_out
    }
}

/// Makes spellings of a kind equal: case does not matter, and `_` is `-`.
pub(crate) fn fold(word: &str) -> String {
    word.trim().to_lowercase().replace('_', "-")
}
