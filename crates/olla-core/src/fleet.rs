//! The fleet: one immutable snapshot of all endpoints and their models, replaced as a whole.
//!
//! Readers take one snapshot per request. Writers (discovery, reload) are cold and serialised. A change
//! of health is one atomic store in [`Live`] and replaces nothing.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;

use crate::{
    Aliases, CatalogueModel, EndpointSpec, KindId, Live, Lookup, Model, ModelLive, Placement,
    catalogue::Catalogue,
};

/// Identifies an endpoint across snapshots, for as long as it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId(u32);

/// An endpoint in a snapshot: its settings, its live state, and what discovery found there.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Endpoint {
    /// Identity across snapshots.
    pub id: EndpointId,
    /// Settings.
    pub spec: Arc<EndpointSpec>,
    /// Health and counters; the same object in every snapshot.
    pub live: Arc<Live>,
    /// The kind, configured or recognised; `None` while unrecognised.
    pub kind: Option<KindId>,
    /// Models: those listed and admitted by the filter, then those declared; sorted by name.
    pub models: Arc<[Arc<Model>]>,
    /// Live state of each model, in the order of `models`.
    pub model_live: Arc<[Arc<ModelLive>]>,
}

/// One snapshot of the fleet.
#[derive(Debug)]
pub struct Fleet {
    endpoints: Box<[Arc<Endpoint>]>,
    catalogue: Catalogue,
    aliases: Arc<Aliases>,
    generation: u64,
}

/// Holds the current [`Fleet`] and replaces it.
pub struct FleetCell {
    current: ArcSwap<Fleet>,
    writer: Mutex<()>,
    next_id: AtomicU32,
}

// === impl EndpointId ===

impl EndpointId {
    /// Returns a number for tables of endpoints: no two of a fleet have the same, and they begin with 0.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

// === impl Endpoint ===

impl Endpoint {
    fn new(id: EndpointId, spec: EndpointSpec) -> Self {
        let models: Arc<[_]> = spec.declared_models.iter().cloned().map(Arc::new).collect();
        Self {
            id,
            kind: spec.kind,
            live: Arc::new(Live::new(spec.max_concurrent)),
            spec: Arc::new(spec),
            model_live: models.iter().map(|_| Arc::default()).collect(),
            models,
        }
    }

    /// Returns whether its models are known: it has listed them since the start, or has declared some.
    #[must_use]
    pub fn has_listed(&self) -> bool {
        !self.models.is_empty() || self.live.checkup().listed_at.is_some()
    }

    /// Returns whether routing judges this endpoint and another alike, if they have the same model: all but what
    /// changes by the minute. The filter has had its say when models are listed.
    fn is_like(&self, other: &Self) -> bool {
        let (one, two) = (&self.spec, &other.spec);
        self.kind == other.kind
            && (one.priority, one.weight) == (two.priority, two.weight)
            && one.placement == two.placement
            && one.allow_paths == two.allow_paths
    }

    /// Returns this endpoint with another list of models, or `None` when nothing changes.
    fn with_models(&self, kind: Option<KindId>, listed: Vec<Model>) -> Option<Self> {
        let mut models: Vec<_> = listed.into_iter().filter(|m| self.spec.filter.keeps(m)).collect();
        models.extend(self.spec.declared_models.iter().cloned());
        models.sort_by(|a, b| a.name.cmp(&b.name));
        models.dedup_by(|a, b| a.name == b.name);

        let kind = kind.or(self.kind);
        if kind == self.kind && models.iter().eq(self.models.iter().map(|m| &**m)) {
            return None;
        }
        let known: HashMap<_, _> = self.models.iter().map(|m| &m.name).zip(&*self.model_live).collect();
        let model_live =
            models.iter().map(|m| known.get(&m.name).map_or_else(Arc::default, |t| Arc::clone(t)));
        Some(Self {
            kind,
            model_live: model_live.collect(),
            models: models.into_iter().map(Arc::new).collect(),
            ..self.clone()
        })
    }
}

// === impl Fleet ===

impl Fleet {
    fn new(endpoints: Vec<Arc<Endpoint>>, aliases: Arc<Aliases>, generation: u64) -> Self {
        let models = endpoints.iter().map(|e| e.models.iter().zip(&*e.model_live));
        Self { catalogue: Catalogue::build(models), endpoints: endpoints.into(), aliases, generation }
    }

    /// Returns all endpoints, in the order of the configuration.
    #[must_use]
    pub fn endpoints(&self) -> &[Arc<Endpoint>] {
        &self.endpoints
    }

    /// Returns the endpoint with this identity.
    #[must_use]
    pub fn get(&self, id: EndpointId) -> Option<&Arc<Endpoint>> {
        self.endpoints.get(self.position(id)?)
    }

    /// Returns the position of the endpoint with this identity.
    #[must_use]
    pub fn position(&self, id: EndpointId) -> Option<usize> {
        // Endpoints are numbered as they are added, at the end.
        self.endpoints.binary_search_by_key(&id, |endpoint| endpoint.id).ok()
    }

    /// Finds the endpoints that have a model, by any name it is known by: exactly, else ignoring case;
    /// patterns that an endpoint lists, such as `openai/*`, match too, where its filter admits the name.
    #[must_use]
    pub fn lookup(&self, name: &str) -> Lookup<'_> {
        self.catalogue.lookup(name, |placement| {
            self.endpoints.get(placement.endpoint).is_some_and(|endpoint| {
                let spec = &endpoint.spec;
                // A declared model is there whatever the filter says.
                spec.filter.admits(name)
                    || spec.declared_models.iter().any(|m| m.name == placement.model.name)
            })
        })
    }

    /// Returns what [`Fleet::lookup`] would find, where that is the same model on one endpoint, or on several of
    /// which each serves a request, and is preferred, as any other: they differ in nothing but what happens there
    /// now, and in their versions. Sorted by endpoint.
    #[must_use]
    pub fn replicas(&self, name: &str) -> Option<&[Placement]> {
        self.catalogue.replicas(name, |one, two| {
            let (one, two) = (self.endpoints.get(one), self.endpoints.get(two));
            one.zip(two).is_some_and(|(one, two)| one.is_like(two))
        })
    }

    /// Returns every model, merged over the endpoints that have it, sorted by identity.
    #[must_use]
    pub fn models(&self) -> &[CatalogueModel] {
        self.catalogue.models()
    }

    /// Finds a model of the catalogue by its identity, else by a name, exactly or ignoring case.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<&CatalogueModel> {
        self.catalogue.find(name)
    }

    /// Returns the virtual model names.
    #[must_use]
    pub fn aliases(&self) -> &Aliases {
        &self.aliases
    }

    /// Returns a number that grows with each change.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns whether every endpoint has had its first check.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.endpoints.iter().all(|e| e.live.checkup().settled)
    }
}

// === impl FleetCell ===

impl FleetCell {
    /// Creates the first snapshot. Declared models are known from the start.
    #[must_use]
    pub fn new(specs: Vec<EndpointSpec>, aliases: Aliases) -> Self {
        let numbered = (0..).map(EndpointId).zip(specs);
        let endpoints: Vec<_> = numbered.map(|(id, spec)| Arc::new(Endpoint::new(id, spec))).collect();
        let next_id = AtomicU32::new(u32::try_from(endpoints.len()).unwrap_or(u32::MAX));
        let fleet = Fleet::new(endpoints, Arc::new(aliases), 0);
        Self { current: ArcSwap::from_pointee(fleet), writer: Mutex::new(()), next_id }
    }

    /// Returns the current snapshot.
    #[must_use]
    pub fn load(&self) -> Arc<Fleet> {
        self.current.load_full()
    }

    /// Replaces what an endpoint lists, and its kind where one was recognised.
    ///
    /// The endpoint's filter is applied and its declared models are added. Returns whether anything
    /// changed; an unknown identity changes nothing.
    pub fn publish_models(&self, id: EndpointId, kind: Option<KindId>, listed: Vec<Model>) -> bool {
        let _writer = self.lock();
        let fleet = self.current.load();
        let Some(changed) = fleet.get(id).and_then(|e| e.with_models(kind, listed)) else { return false };
        let endpoints = fleet
            .endpoints
            .iter()
            .map(|e| if e.id == id { Arc::new(changed.clone()) } else { Arc::clone(e) });
        self.replace(&fleet, endpoints.collect());
        true
    }

    /// Adds an endpoint at the end and returns its identity, or `None` if the name is taken.
    pub fn add(&self, spec: EndpointSpec) -> Option<EndpointId> {
        let _writer = self.lock();
        let fleet = self.current.load();
        if fleet.endpoints.iter().any(|e| e.spec.name == spec.name) {
            return None;
        }
        let id = EndpointId(self.next_id.fetch_add(1, Relaxed));
        let added = Arc::new(Endpoint::new(id, spec));
        self.replace(&fleet, fleet.endpoints.iter().cloned().chain([added]).collect());
        Some(id)
    }

    fn replace(&self, old: &Fleet, endpoints: Vec<Arc<Endpoint>>) {
        self.current.store(Arc::new(Fleet::new(endpoints, Arc::clone(&old.aliases), old.generation + 1)));
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for FleetCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FleetCell").field(&self.load()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BaseUrl, Glob, ModelFilter, Outcome};

    fn spec(name: &str) -> EndpointSpec {
        EndpointSpec::new(name, BaseUrl::parse("http://127.0.0.1:1").unwrap())
    }

    fn models(names: &[&str]) -> Vec<Model> {
        names.iter().map(|n| Model::named(*n)).collect()
    }

    fn names(fleet: &Fleet, model: &str) -> Vec<usize> {
        fleet.lookup(model).iter().map(|p| p.endpoint).collect()
    }

    fn cell(specs: Vec<EndpointSpec>) -> (FleetCell, Vec<EndpointId>) {
        let cell = FleetCell::new(specs, Aliases::default());
        let ids = cell.load().endpoints().iter().map(|e| e.id).collect();
        (cell, ids)
    }

    #[test]
    fn finds_models_in_any_case_and_by_pattern() {
        let (cell, ids) = cell(vec![spec("a"), spec("b"), spec("c")]);
        cell.publish_models(ids[0], None, models(&["Qwen/Qwen3"]));
        cell.publish_models(ids[1], None, models(&["qwen/qwen3"]));
        cell.publish_models(ids[2], None, models(&["openai/*"]));
        let fleet = cell.load();

        assert_eq!(names(&fleet, "Qwen/Qwen3"), [0, 1]);
        assert_eq!(names(&fleet, "QWEN/QWEN3"), [0, 1]);
        assert_eq!(names(&fleet, "openai/gpt-4"), [2]);
        assert!(names(&fleet, "nothing").is_empty());
    }

    #[test]
    fn what_is_no_longer_listed_is_no_longer_found() {
        let (cell, ids) = cell(vec![spec("a")]);
        cell.publish_models(ids[0], None, models(&["old", "kept"]));
        let before = cell.load();
        before.endpoints()[0].model_live[0].record(
            Outcome::Success,
            Default::default(),
            0,
            Default::default(),
        );

        assert!(cell.publish_models(ids[0], None, models(&["kept"])));

        let fleet = cell.load();
        assert!(names(&fleet, "old").is_empty());
        assert_eq!(fleet.lookup("kept")[0].live.totals().view().requests, 1, "counters survive");
        assert!(fleet.generation() > before.generation());
    }

    #[test]
    fn publishing_the_same_list_changes_nothing() {
        let (cell, ids) = cell(vec![spec("a")]);
        cell.publish_models(ids[0], Some(KindId::new(1)), models(&["b", "a"]));
        let generation = cell.load().generation();

        assert!(!cell.publish_models(ids[0], Some(KindId::new(1)), models(&["a", "b"])));
        assert_eq!(cell.load().generation(), generation);
    }

    #[test]
    fn filters_apply_to_listed_models_and_not_to_declared_ones() {
        let declared = EndpointSpec {
            filter: ModelFilter { include: vec![Glob::parse("llama*").unwrap()], exclude: vec![] },
            declared_models: Arc::from(models(&["whisper"])),
            ..spec("a")
        };
        let (cell, ids) = cell(vec![declared]);
        assert_eq!(names(&cell.load(), "whisper"), [0], "declared models need no listing");

        cell.publish_models(ids[0], None, models(&["llama3", "phi4"]));

        let fleet = cell.load();
        let listed: Vec<_> = fleet.endpoints()[0].models.iter().map(|m| &*m.name).collect();
        assert_eq!(listed, ["llama3", "whisper"]);
    }

    #[test]
    fn filters_apply_to_the_names_that_a_listed_pattern_stands_for() {
        let globs = |text: &str| vec![Glob::parse(text).unwrap()];
        let filter = ModelFilter { include: globs("openai/*"), exclude: globs("openai/gpt-5*") };
        let filtered = EndpointSpec { filter, declared_models: Arc::from(models(&["own/*"])), ..spec("a") };
        let (cell, ids) = cell(vec![filtered, spec("b")]);
        cell.publish_models(ids[0], None, models(&["*"]));
        cell.publish_models(ids[1], None, models(&["openai/*"]));
        let fleet = cell.load();

        assert_eq!(names(&fleet, "openai/gpt-4o"), [0, 1]);
        assert_eq!(names(&fleet, "openai/gpt-5-mini"), [1]);
        assert!(names(&fleet, "anthropic/x").is_empty());
        assert_eq!(names(&fleet, "own/gpt-5"), [0], "a declared pattern is not filtered");
    }

    #[test]
    fn an_endpoint_can_be_added_once() {
        let (cell, _) = cell(vec![spec("a")]);

        let id = cell.add(spec("b")).unwrap();

        assert_eq!(cell.load().get(id).unwrap().spec.name, "b".into());
        assert_eq!(cell.add(spec("b")), None);
    }
}
