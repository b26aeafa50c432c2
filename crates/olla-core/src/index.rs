//! Which endpoint has which model, by every name the model is known by.

use std::{collections::HashMap, sync::Arc};

use smallvec::SmallVec;

use crate::{Glob, Model, Totals};

/// A model on an endpoint: the unit that requests are routed to.
#[derive(Debug, Clone)]
pub struct Placement {
    /// Position of the endpoint in [`Fleet::endpoints`](crate::Fleet::endpoints).
    pub endpoint: usize,
    /// The model as that endpoint lists it.
    pub model: Arc<Model>,
    /// Finished requests for this model on this endpoint.
    pub totals: Arc<Totals>,
}

/// The placements found for a name, at most one for each endpoint, in the order of the configuration.
pub type Lookup<'a> = SmallVec<[&'a Placement; 8]>;

/// Virtual model names, each standing for a list of real ones, best first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aliases {
    exact: HashMap<Box<str>, Arc<[Arc<str>]>>,
    folded: HashMap<Box<str>, Arc<[Arc<str>]>>,
}

#[derive(Debug, Default)]
pub(crate) struct Index {
    exact: HashMap<Arc<str>, Vec<Arc<Placement>>>,
    folded: HashMap<Box<str>, Vec<Arc<Placement>>>,
    wildcards: Vec<(Glob, Arc<Placement>)>,
}

// === impl Aliases ===

impl Aliases {
    /// Creates aliases from names and their targets; of names that differ only in case, the first answers
    /// a name that matches neither exactly.
    pub fn new<I>(aliases: I) -> Self
    where
        I: IntoIterator<Item = (Box<str>, Arc<[Arc<str>]>)>,
    {
        let mut built = Self::default();
        for (name, targets) in aliases {
            built.folded.entry(name.to_lowercase().into()).or_insert_with(|| Arc::clone(&targets));
            built.exact.insert(name, targets);
        }
        built
    }

    /// Returns the real names behind `name`: an exact match first, else one that ignores case.
    #[must_use]
    pub fn targets(&self, name: &str) -> Option<&[Arc<str>]> {
        if self.exact.is_empty() {
            return None;
        }
        let found = self.exact.get(name).or_else(|| self.folded.get(name.to_lowercase().as_str()));
        found.map(|targets| &**targets)
    }

    /// Returns the alias names, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.exact.keys().map(|name| &**name).collect();
        names.sort_unstable();
        names
    }
}

// === impl Index ===

impl Index {
    /// Takes each endpoint's models with their counters, in the order of the endpoints.
    pub(crate) fn build<'a, M>(endpoints: impl Iterator<Item = M>) -> Self
    where
        M: Iterator<Item = (&'a Arc<Model>, &'a Arc<Totals>)>,
    {
        let mut index = Self::default();
        for (endpoint, models) in endpoints.enumerate() {
            for (model, totals) in models {
                let (model, totals) = (Arc::clone(model), Arc::clone(totals));
                index.add(&Arc::new(Placement { endpoint, model, totals }));
            }
        }
        index
    }

    pub(crate) fn lookup(&self, name: &str) -> Lookup<'_> {
        let mut found = Lookup::new();
        let named = match self.exact.get(name) {
            Some(placements) => Some(placements),
            None => self.folded.get(name.to_lowercase().as_str()),
        };
        for placement in named.into_iter().flatten() {
            push_once(&mut found, placement);
        }
        for (pattern, placement) in &self.wildcards {
            if pattern.matches(name) {
                push_once(&mut found, placement);
            }
        }
        found
    }

    fn add(&mut self, placement: &Arc<Placement>) {
        if placement.model.is_pattern()
            && let Ok(glob) = Glob::parse(&placement.model.name)
        {
            self.wildcards.push((glob, Arc::clone(placement)));
        }
        let model = Arc::clone(&placement.model);
        for name in std::iter::once(&model.name).chain(&model.also) {
            self.exact.entry(Arc::clone(name)).or_default().push(Arc::clone(placement));
            self.folded.entry(name.to_lowercase().into()).or_default().push(Arc::clone(placement));
        }
    }
}

fn push_once<'a>(found: &mut Lookup<'a>, placement: &'a Arc<Placement>) {
    if found.iter().all(|f| f.endpoint != placement.endpoint) {
        found.push(placement);
    }
}
