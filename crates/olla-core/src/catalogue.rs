//! Every model of every endpoint under one roof: which endpoints have a model, by all names it has.
//!
//! Two endpoints have the same model when their digests are equal, or when a name is, in any case, and
//! their digests do not differ. Nothing else makes models equal: not the family, not the size.

mod replicas;

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use smallvec::SmallVec;

use crate::{Glob, Model, ModelLive};

/// A model on an endpoint: the unit that requests are routed to.
#[derive(Debug, Clone)]
pub struct Placement {
    /// Position of the endpoint in [`Fleet::endpoints`](crate::Fleet::endpoints).
    pub endpoint: usize,
    /// The model as that endpoint lists it.
    pub model: Arc<Model>,
    /// What changes all the time.
    pub live: Arc<ModelLive>,
}

/// A model as the whole fleet has it.
#[derive(Debug)]
#[non_exhaustive]
pub struct CatalogueModel {
    /// Unique: the name under which the first endpoint lists it. Another model that was first to have this
    /// name, with another digest, adds `-` and the end of the digest to it.
    pub id: Arc<str>,
    /// Every name by which an endpoint knows it, sorted.
    pub names: Box<[Arc<str>]>,
    /// Where it is, in the order of the endpoints; an endpoint may have it under several names.
    pub placements: Box<[Placement]>,
    /// Whether the placements are alike, once somebody has asked.
    is_replicated: OnceLock<bool>,
}

/// The placements found for a name, at most one for each endpoint, in the order of the configuration.
// alloc: none for up to eight.
pub type Lookup<'a> = SmallVec<[&'a Placement; 8]>;

/// All models, with an index of their names.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    models: Vec<CatalogueModel>,
    /// Positions in `models`, by name in lower case.
    by_name: HashMap<Box<str>, Positions>,
    /// Patterns that stand for many models, in the order of the endpoints.
    wildcards: Vec<(Glob, Placement)>,
}

type Positions = SmallVec<[u32; 2]>;

/// How many characters of a digest tell models of one name apart.
const DIGEST_END: usize = 8;

// === impl CatalogueModel ===

impl CatalogueModel {
    /// Returns whether an endpoint knows the model by exactly this name.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.names.binary_search_by(|known| (**known).cmp(name)).is_ok()
    }

    /// Returns the other names, sorted.
    pub fn aliases(&self) -> impl Iterator<Item = &Arc<str>> {
        self.names.iter().filter(|name| **name != self.id)
    }
}

// === impl Catalogue ===

impl Catalogue {
    /// Takes each endpoint's models with their live state, in the order of the endpoints.
    pub(crate) fn build<'a, M>(endpoints: impl Iterator<Item = M>) -> Self
    where
        M: Iterator<Item = (&'a Arc<Model>, &'a Arc<ModelLive>)>,
    {
        let mut merging = Merging::default();
        for (endpoint, models) in endpoints.enumerate() {
            for (model, live) in models {
                merging.add(Placement { endpoint, model: Arc::clone(model), live: Arc::clone(live) });
            }
        }
        merging.finish()
    }

    /// Returns all models, sorted by identity.
    pub(crate) fn models(&self) -> &[CatalogueModel] {
        &self.models
    }

    /// Finds a model by its identity, else by an exact name, else by a name in any case.
    pub(crate) fn find(&self, name: &str) -> Option<&CatalogueModel> {
        if let Ok(position) = self.models.binary_search_by(|model| (*model.id).cmp(name)) {
            return self.models.get(position);
        }
        let mut named = self.named(name);
        let any_case = named.clone().next();
        named.find(|model| model.is_called(name)).or(any_case)
    }

    /// Finds the endpoints that have a model of this name; one that only a pattern promises counts if
    /// `is_used` says so.
    pub(crate) fn lookup(&self, name: &str, is_used: impl Fn(&Placement) -> bool) -> Lookup<'_> {
        let named = self.named(name);
        let exact = named.len() > 1 && named.clone().any(|model| model.is_called(name));
        let mut found = Lookup::new();
        let mut sources = 0;
        for model in named.filter(|model| !exact || model.is_called(name)) {
            sources += 1;
            add_best(&mut found, &model.placements, name);
        }
        if found.is_empty()
            && let Ok(position) = self.models.binary_search_by(|model| (*model.id).cmp(name))
            && let Some(model) = self.models.get(position)
        {
            add_best(&mut found, &model.placements, name);
        }
        for (_, placement) in self.wildcards.iter().filter(|(pattern, _)| pattern.matches(name)) {
            if found.iter().all(|other| other.endpoint != placement.endpoint) && is_used(placement) {
                sources += 1;
                found.push(placement);
            }
        }
        if sources > 1 {
            found.sort_by_key(|placement| placement.endpoint);
        }
        found
    }

    #[expect(clippy::indexing_slicing, reason = "positions are of this very catalogue")]
    fn named(&self, name: &str) -> impl ExactSizeIterator<Item = &CatalogueModel> + Clone {
        let positions = fold(name, |folded| self.by_name.get(folded));
        positions.map_or(&[][..], |p| p).iter().map(|position| &self.models[*position as usize])
    }
}

/// Adds one placement for each endpoint that `found` lacks: the one whose name is nearest to `name`.
fn add_best<'a>(found: &mut Lookup<'a>, placements: &'a [Placement], name: &str) {
    let of_others = found.len();
    // Those of one endpoint stand side by side.
    for here in placements.chunk_by(|a, b| a.endpoint == b.endpoint) {
        let best = match here {
            [only] => Some(only),
            // The first of the best.
            several => several.iter().rev().max_by_key(|placement| likeness(placement, name)),
        };
        let Some(best) = best else { continue };
        match found.iter_mut().take(of_others).find(|other| other.endpoint == best.endpoint) {
            None => found.push(best),
            Some(other) if likeness(best, name) > likeness(other, name) => *other = best,
            Some(_) => {}
        }
    }
}

fn likeness(placement: &Placement, name: &str) -> u8 {
    let model = &placement.model;
    if *model.name == *name {
        3
    } else if model.also.iter().any(|also| **also == *name) {
        2
    } else {
        u8::from(model.name.to_lowercase() == name.to_lowercase())
    }
}

/// Hands over `name` in lower case.
fn fold<R>(name: &str, use_it: impl FnOnce(&str) -> R) -> R {
    if name.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) {
        return use_it(name);
    }
    // alloc: none for names of up to 96 bytes in ASCII.
    if name.is_ascii() {
        let mut folded: SmallVec<[u8; 96]> = SmallVec::from_slice(name.as_bytes());
        folded.make_ascii_lowercase();
        if let Ok(folded) = std::str::from_utf8(&folded) {
            return use_it(folded);
        }
    }
    use_it(&name.to_lowercase())
}

/// A catalogue in the making.
#[derive(Default)]
struct Merging {
    groups: Vec<Group>,
    by_digest: HashMap<Box<str>, u32>,
    by_name: HashMap<Box<str>, Positions>,
}

struct Group {
    digest: Option<Box<str>>,
    placements: Vec<Placement>,
}

// === impl Merging ===

impl Merging {
    fn add(&mut self, placement: Placement) {
        let digest = placement.model.digest.as_deref().filter(|digest| !digest.is_empty());
        let position = self.group_of(&placement.model, digest);
        if let Some(digest) = digest {
            self.by_digest.entry(digest.into()).or_insert(position);
        }
        for name in placement.model.names() {
            fold(name, |folded| match self.by_name.get_mut(folded) {
                Some(positions) if positions.contains(&position) => {}
                Some(positions) => positions.push(position),
                None => {
                    self.by_name.insert(folded.into(), SmallVec::from_slice(&[position]));
                }
            });
        }
        if let Some(group) = self.groups.get_mut(position as usize) {
            if group.digest.is_none() {
                group.digest = digest.map(Into::into);
            }
            group.placements.push(placement);
        }
    }

    fn group_of(&mut self, model: &Model, digest: Option<&str>) -> u32 {
        if let Some(position) = digest.and_then(|digest| self.by_digest.get(digest)) {
            return *position;
        }
        for name in model.names() {
            let positions = fold(name, |folded| self.by_name.get(folded));
            let fits = |position: &&u32| {
                let group = self.groups.get(**position as usize);
                group.is_some_and(|g| g.digest.is_none() || digest.is_none())
            };
            if let Some(position) = positions.into_iter().flatten().find(fits) {
                return *position;
            }
        }
        self.groups.push(Group { digest: None, placements: vec![] });
        u32::try_from(self.groups.len() - 1).unwrap_or(u32::MAX)
    }

    fn finish(self) -> Catalogue {
        let mut wildcards = vec![];
        let mut taken: HashMap<Arc<str>, ()> = HashMap::with_capacity(self.groups.len());
        let mut models: Vec<(usize, CatalogueModel)> = Vec::with_capacity(self.groups.len());
        for (position, group) in self.groups.into_iter().enumerate() {
            for placement in group.placements.iter().filter(|p| p.model.is_pattern()) {
                if let Ok(glob) = Glob::parse(&placement.model.name) {
                    wildcards.push((glob, placement.clone()));
                }
            }
            let id = identity(&group, &taken);
            taken.insert(Arc::clone(&id), ());
            let mut names: Vec<_> = group.placements.iter().flat_map(|p| p.model.names()).cloned().collect();
            names.sort_unstable();
            names.dedup();
            let model = CatalogueModel {
                id,
                names: names.into(),
                placements: group.placements.into_boxed_slice(),
                is_replicated: OnceLock::new(),
            };
            models.push((position, model));
        }
        wildcards.sort_by_key(|(_, placement)| placement.endpoint);
        models.sort_unstable_by(|(_, a), (_, b)| a.id.cmp(&b.id));
        let mut moved = vec![0; models.len()];
        for (to, (from, _)) in (0_u32..).zip(&models) {
            if let Some(moved) = moved.get_mut(*from) {
                *moved = to;
            }
        }
        let mut by_name = self.by_name;
        for position in by_name.values_mut().flatten() {
            *position = moved.get(*position as usize).copied().unwrap_or(u32::MAX);
        }
        let models = models.into_iter().map(|(_, model)| model).collect();
        Catalogue { models, by_name, wildcards }
    }
}

fn identity(group: &Group, taken: &HashMap<Arc<str>, ()>) -> Arc<str> {
    let name = group.placements.first().map_or_else(|| Arc::from(""), |first| Arc::clone(&first.model.name));
    if !taken.contains_key(&name) {
        return name;
    }
    let digest = group.digest.as_deref().unwrap_or_default();
    let end = digest.char_indices().rev().nth(DIGEST_END - 1).map_or(digest, |(at, _)| &digest[at..]);
    let mut id: Arc<str> = format!("{name}-{end}").into();
    let mut n = 2;
    while taken.contains_key(&id) {
        id = format!("{name}-{end}-{n}").into();
        n += 1;
    }
    id
}

#[cfg(test)]
mod tests;
