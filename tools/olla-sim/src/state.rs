//! What all connections of one engine share: who it is, what it serves, its faults and its ledger.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::fault::{Armed, Faults};
use crate::kind::Kind;
use crate::ledger::Ledger;
use crate::model::Model;
use crate::script::Pace;

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) name: Arc<str>,
    pub(crate) kind: Kind,
    pub(crate) pace: Pace,
    pub(crate) faults: Faults,
    pub(crate) ledger: Ledger,
    /// Whether connects are accepted.
    pub(crate) gate: watch::Sender<Gate>,
    /// Sockets that accept now.
    pub(crate) listening: watch::Sender<usize>,
    /// Whether a socket keeps connects waiting.
    pub(crate) silent: watch::Sender<bool>,
    /// Whether a worker sees to that.
    pub(crate) deaf: AtomicBool,
    models: RwLock<Arc<[Model]>>,
    epoch: AtomicU64,
}

/// Whether connects are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    Open,
    /// Nothing listens, until then if a time is given.
    Refusing(Option<Instant>),
    /// Connects are neither accepted nor refused, until then if a time is given.
    Silent(Option<Instant>),
    /// Nothing listens and every connection is closed, for good.
    Stopped,
}

// === impl State ===

impl State {
    pub(crate) fn new(name: Arc<str>, kind: Kind, pace: Pace, record_limit: usize) -> Self {
        State {
            name,
            kind,
            pace,
            faults: Faults::default(),
            ledger: Ledger::new(record_limit),
            gate: watch::Sender::new(Gate::Open),
            listening: watch::Sender::new(0),
            silent: watch::Sender::new(false),
            deaf: AtomicBool::new(false),
            models: RwLock::new(Arc::from([])),
            epoch: AtomicU64::new(0),
        }
    }

    pub(crate) fn models(&self) -> Arc<[Model]> {
        Arc::clone(&self.models.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the models; those that stay in the list stay what they are, and in memory.
    pub(crate) fn set_models(&self, names: Vec<String>) {
        let before = self.models();
        let models = names.into_iter().map(|name| match before.iter().find(|model| model.name == name) {
            Some(known) => Model::new(name, known.origin.clone(), known.is_loaded()),
            None => Model::new(name.clone(), name, false),
        });
        self.replace(models.collect());
    }

    /// Gives a model another name besides its own, and returns whether it is there.
    pub(crate) fn copy(&self, source: &str, name: &str) -> bool {
        let before = self.models();
        let Some(copied) = before.iter().find(|model| self.is_called(model, source)) else { return false };
        let others = before.iter().filter(|model| model.name != name);
        let kept =
            others.map(|model| Model::new(model.name.clone(), model.origin.clone(), model.is_loaded()));
        self.replace(kept.chain([copied.copy(name.to_owned())]).collect());
        true
    }

    /// Takes a name away, and returns whether it was there.
    pub(crate) fn delete(&self, name: &str) -> bool {
        let before = self.models();
        let (gone, kept): (Vec<_>, Vec<_>) = before.iter().partition(|model| self.is_called(model, name));
        self.set_models(kept.iter().map(|model| model.name.clone()).collect());
        !gone.is_empty()
    }

    fn replace(&self, models: Arc<[Model]>) {
        *self.models.write().unwrap_or_else(PoisonError::into_inner) = models;
        self.changed();
    }

    /// Loads the models of these names and unloads the others.
    pub(crate) fn set_loaded(&self, names: &[String]) {
        for model in &*self.models() {
            model.set_loaded(names.contains(&model.name));
        }
        self.changed();
    }

    /// Notes that a model is asked for, which loads it.
    pub(crate) fn load(&self, name: &str) {
        let models = self.models();
        let asked = models.iter().find(|model| self.is_called(model, name));
        if asked.is_some_and(|model| model.set_loaded(true)) {
            self.changed();
        }
    }

    fn changed(&self) {
        // Release: whoever sees the new epoch also sees the new models.
        self.epoch.fetch_add(1, Ordering::Release);
    }

    /// Changes whenever an earlier answer may no longer be the right one.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    pub(crate) fn set_faults(&self, faults: Vec<Armed>) {
        self.faults.set(faults);
    }

    /// Whether this engine answers for `name`.
    pub(crate) fn serves(&self, name: &str) -> bool {
        self.models().iter().any(|model| self.is_called(model, name))
    }

    /// Whether `name` means this model: as listed, by Ollama's implied `:latest`, or by a listed wildcard.
    fn is_called(&self, model: &Model, name: &str) -> bool {
        let listed = &model.name;
        listed == name
            || (self.kind == Kind::Ollama && listed.strip_suffix(":latest") == Some(name))
            || listed.strip_suffix('*').is_some_and(|prefix| name.starts_with(prefix))
    }

    /// Closes the listeners, and returns when they are closed.
    pub(crate) async fn refuse(&self, time: Option<Duration>) {
        let until = end_of(time);
        self.gate.send_replace(Gate::Refusing(until));
        before(until, self.wait_listening(|count| count == 0)).await;
    }

    /// Lets connects wait, and returns when they do.
    pub(crate) async fn silence(&self, time: Option<Duration>) {
        let until = end_of(time);
        self.gate.send_replace(Gate::Silent(until));
        // The sender lives in `self`, so waiting cannot fail.
        before(until, async { drop(self.silent.subscribe().wait_for(|silent| *silent).await) }).await;
    }

    pub(crate) async fn wait_listening(&self, reached: impl Fn(usize) -> bool) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.listening.subscribe().wait_for(|count| reached(*count)).await;
    }
}

fn end_of(time: Option<Duration>) -> Option<Instant> {
    time.and_then(|time| Instant::now().checked_add(time))
}

/// Waits for a change of the gate; a very short one may be over before anybody looks.
async fn before(until: Option<Instant>, changed: impl Future<Output = ()>) {
    match until {
        Some(until) => drop(tokio::time::timeout_at(until, changed).await),
        None => changed.await,
    }
}
