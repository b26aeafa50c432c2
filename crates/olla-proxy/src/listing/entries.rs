//! What there is to list: models, each with what all endpoints that are shown tell of it.

use std::{collections::BTreeMap, sync::Arc};

use olla_core::{CatalogueModel, Endpoint, Fleet, Model, ModelLive, Placement, unix_seconds};

/// A model as a list shows it.
#[derive(Debug)]
pub(crate) struct Entry<'f> {
    /// Its name here, and of each fact the first that is known.
    pub(crate) facts: Model,
    /// All names by which endpoints know it; empty in lists by name.
    pub(crate) names: &'f [Arc<str>],
    /// The models behind the name, where it is an alias.
    pub(crate) alias_of: &'f [Arc<str>],
    /// Where it is, in the order of the configuration.
    pub(crate) places: Vec<Place<'f>>,
}

/// An endpoint that has a model, under one of its names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'f> {
    position: usize,
    pub(crate) endpoint: &'f Endpoint,
    pub(crate) model: &'f Model,
    pub(crate) live: &'f ModelLive,
}

/// The part of a fleet that a list shows.
#[derive(Debug)]
pub(crate) struct View<'f> {
    fleet: &'f Fleet,
    /// For each endpoint.
    shown: Vec<bool>,
}

/// The spellings of a name that differ only in case.
struct Spelling<'f> {
    /// That of the first endpoint.
    name: &'f str,
    places: Vec<Place<'f>>,
}

// === impl View ===

impl<'f> View<'f> {
    pub(crate) fn new(fleet: &'f Fleet, shows: impl Fn(&Endpoint) -> bool) -> Self {
        Self { fleet, shown: fleet.endpoints().iter().map(|endpoint| shows(endpoint)).collect() }
    }

    /// Returns an entry for each name and each alias, sorted.
    ///
    /// Spellings of one model's name that differ only in case are one name, that of the first endpoint.
    pub(crate) fn by_name(&self) -> Vec<Entry<'f>> {
        let mut named: BTreeMap<&'f str, Vec<Place<'f>>> = BTreeMap::new();
        for model in self.fleet.models() {
            let mut spellings: Vec<Spelling<'f>> = vec![];
            for place in self.places(&model.placements).filter(|place| !place.model.is_pattern()) {
                match spellings.iter_mut().find(|spelling| spelling.covers(&place.model.name)) {
                    Some(spelling) => spelling.places.push(place),
                    None => spellings.push(Spelling { name: &place.model.name, places: vec![place] }),
                }
            }
            for Spelling { name, places } in spellings {
                named.entry(name).or_default().extend(places);
            }
        }
        self.with_aliases(named.into_iter().map(|(name, places)| Entry::new(name, places)).collect())
    }

    /// Returns an entry for each model of the catalogue and each alias, sorted by identity.
    pub(crate) fn by_model(&self) -> Vec<Entry<'f>> {
        self.with_aliases(self.fleet.models().iter().filter_map(|model| self.entry_of(model)).collect())
    }

    /// Finds what a request for `name` would mean: a name, exactly or in any case, else an alias, else a name that
    /// an endpoint implies, else a pattern.
    pub(crate) fn find_name(&self, name: &str) -> Option<Entry<'f>> {
        let found = self.lookup(name);
        let (patterns, models): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|place| place.model.is_pattern());
        let entry_of = |shown: &str| {
            let wanted = Spelling { name: shown, places: vec![] };
            let places = models.iter().filter(|place| wanted.covers(&place.model.name)).copied().collect();
            Entry::new(shown, places)
        };
        let named =
            models.iter().map(|place| &*place.model.name).filter(|known| same_in_any_case(known, name));
        let exact = named.clone().find(|known| *known == name);
        exact
            .or_else(|| named.clone().next())
            .map(entry_of)
            .or_else(|| self.find_alias(name))
            .or_else(|| models.first().map(|implied| entry_of(&implied.model.name)))
            .or_else(|| Self::of_pattern(name, patterns))
    }

    /// Finds a model by its identity or any of its names, else an alias, else a pattern that stands for it.
    pub(crate) fn find_model(&self, name: &str) -> Option<Entry<'f>> {
        let known = self.fleet.model(name).and_then(|model| self.entry_of(model));
        known.or_else(|| self.find_alias(name)).or_else(|| Self::of_pattern(name, self.lookup(name)))
    }

    fn entry_of(&self, model: &'f CatalogueModel) -> Option<Entry<'f>> {
        let places: Vec<_> = self.places(&model.placements).filter(|p| !p.model.is_pattern()).collect();
        (!places.is_empty()).then(|| Entry::new(&model.id, places).called(&model.names))
    }

    /// Nothing is known of a model that only a pattern stands for.
    fn of_pattern(name: &str, places: Vec<Place<'f>>) -> Option<Entry<'f>> {
        let facts = Model::named(name);
        (!places.is_empty()).then_some(Entry { facts, names: &[], alias_of: &[], places })
    }

    /// Adds the aliases of which a model is shown, unless an entry has the name.
    fn with_aliases(&self, mut entries: Vec<Entry<'f>>) -> Vec<Entry<'f>> {
        let aliases = self
            .fleet
            .aliases()
            .sorted()
            .into_iter()
            .filter(|(name, _)| entries.binary_search_by(|entry| (*entry.facts.name).cmp(name)).is_err());
        let aliases: Vec<_> = aliases.filter_map(|(name, alias)| self.alias(name, &alias.targets)).collect();
        entries.extend(aliases);
        entries.sort_by(|a, b| a.facts.name.cmp(&b.facts.name));
        entries
    }

    fn find_alias(&self, name: &str) -> Option<Entry<'f>> {
        self.fleet.aliases().get(name).and_then(|alias| self.alias(name, &alias.targets))
    }

    /// Describes an alias by the first of its models that is shown.
    fn alias(&self, name: &str, targets: &'f [Arc<str>]) -> Option<Entry<'f>> {
        let mut found = targets.iter().map(|target| self.lookup(target)).filter(|found| !found.is_empty());
        let mut entry = Entry::new(name, found.next()?);
        entry.places.extend(found.flatten());
        entry.places.sort_by_key(|place| place.position);
        Some(Entry { alias_of: targets, ..entry })
    }

    fn lookup(&self, name: &str) -> Vec<Place<'f>> {
        self.fleet.lookup(name).into_iter().filter_map(|placement| self.place(placement)).collect()
    }

    fn places(&self, placements: &'f [Placement]) -> impl Iterator<Item = Place<'f>> {
        placements.iter().filter_map(|placement| self.place(placement))
    }

    fn place(&self, placement: &'f Placement) -> Option<Place<'f>> {
        let position = placement.endpoint;
        let endpoint =
            self.fleet.endpoints().get(position).filter(|_| self.shown.get(position) == Some(&true))?;
        Some(Place { position, endpoint, model: &placement.model, live: &placement.live })
    }
}

// === impl Spelling ===

impl Spelling<'_> {
    fn covers(&self, name: &str) -> bool {
        same_in_any_case(self.name, name)
    }
}

fn same_in_any_case(a: &str, b: &str) -> bool {
    a == b
        || a.eq_ignore_ascii_case(b)
        || (!(a.is_ascii() && b.is_ascii()) && a.to_lowercase() == b.to_lowercase())
}

// === impl Entry ===

impl<'f> Entry<'f> {
    fn new(name: &str, mut places: Vec<Place<'f>>) -> Self {
        places.sort_by_key(|place| place.position);
        let mut facts = Model::named(name);
        for place in &places {
            facts.learn_from(place.model);
        }
        Self { facts, names: &[], alias_of: &[], places }
    }

    fn called(self, names: &'f [Arc<str>]) -> Self {
        Self { names, ..self }
    }

    pub(crate) fn name(&self) -> &str {
        &self.facts.name
    }

    /// Returns when it was made or changed, as Unix seconds, or 0: the same at every request.
    pub(crate) fn created(&self) -> u64 {
        self.facts.modified.as_deref().and_then(unix_seconds).unwrap_or(0)
    }

    /// Returns the places that hold it in memory.
    pub(crate) fn loaded(&self) -> impl Iterator<Item = &Place<'f>> {
        self.places.iter().filter(|place| place.live.loaded() == Some(true))
    }
}

// === impl Place ===

impl Place<'_> {
    pub(crate) fn is_up(&self) -> bool {
        self.endpoint.live.is_routable()
    }

    /// Says in a word what a request for the model would find here.
    pub(crate) fn state(&self) -> &'static str {
        match self.live.loaded() {
            _ if !self.is_up() => "unavailable",
            Some(true) => "loaded",
            Some(false) => "available",
            None => "unknown",
        }
    }
}
