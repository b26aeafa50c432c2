//! The handle of a running engine, and how one is started.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::acceptor::{self, Place};
use crate::fault::Armed;
use crate::kind::Kind;
use crate::ledger::{Abandoned, Received, Stats};
use crate::script::Pace;
use crate::state::{Gate, State};

/// Requests that are kept by default.
const RECORD_LIMIT: usize = 10_000;

/// A running simulated engine. Dropping it closes its listeners and cuts every open connection, like a process
/// that is killed; [`Engine::stop`] does the same and returns when it is done.
#[derive(Debug)]
#[must_use = "an engine stops when it is dropped"]
pub struct Engine {
    state: Arc<State>,
    addr: SocketAddr,
    /// Ends when the last worker has ended.
    workers: mpsc::Receiver<()>,
}

/// Describes an engine before it starts.
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    name: String,
    kind: Kind,
    models: Vec<String>,
    pace: Pace,
    faults: Vec<Armed>,
    record_limit: usize,
    workers: usize,
}

// === impl Engine ===

impl Engine {
    /// Describes an engine. Its answers begin with `name`, and the header `x-sim-engine` holds it.
    pub fn builder(name: impl Into<String>) -> Builder {
        Builder {
            name: name.into(),
            kind: Kind::default(),
            models: vec!["sim-model".to_owned()],
            pace: Pace::default(),
            faults: Vec::new(),
            record_limit: RECORD_LIMIT,
            workers: 0,
        }
    }

    /// Returns the address it listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns its base URL, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Replaces all faults by this one. Requests that are being answered are not changed.
    pub fn set_fault(&self, fault: impl Into<Armed>) {
        self.set_faults(vec![fault.into()]);
    }

    /// Replaces all faults. The first that matches a request meets it.
    pub fn set_faults(&self, faults: Vec<Armed>) {
        self.state.set_faults(faults);
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.set_faults(Vec::new());
    }

    /// Replaces the models that it lists and answers for.
    pub fn set_models<S: Into<String>>(&self, models: impl IntoIterator<Item = S>) {
        self.state.set_models(models.into_iter().map(Into::into).collect());
    }

    /// Loads these models into memory and unloads all others. A model is also loaded when it is asked for.
    pub fn set_loaded<S: Into<String>>(&self, models: impl IntoIterator<Item = S>) {
        self.state.set_loaded(&models.into_iter().map(Into::into).collect::<Vec<_>>());
    }

    /// Closes the listeners, so that connects are refused, and returns when they are closed. Open connections are
    /// closed at their next request. With a time, it listens again after it.
    pub async fn refuse(&self, time: Option<Duration>) {
        self.state.refuse(time).await;
    }

    /// Answers no connects any more, like a host behind a firewall that drops them, and returns when it is so:
    /// a client waits until it gives up. Open connections are closed at their next request. With a time, it
    /// accepts again after it. Linux only; elsewhere a few connects may succeed first.
    pub async fn silence(&self, time: Option<Duration>) {
        self.state.silence(time).await;
    }

    /// Accepts again on the same address after [`Engine::refuse`] or [`Engine::silence`], and returns when it does.
    pub async fn resume(&self) {
        self.state.gate.send_replace(Gate::Open);
        self.state.wait_listening(|count| count > 0).await;
    }

    /// Returns the requests it received, oldest first; those below `/sim/` are not among them.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.state.ledger.received()
    }

    /// Returns the requests whose client went away before the response was complete.
    #[must_use]
    pub fn abandoned(&self) -> Vec<Abandoned> {
        self.state.ledger.abandoned()
    }

    /// Forgets what it received; the counters go on.
    pub fn forget(&self) {
        self.state.ledger.clear();
    }

    /// Returns the counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.state.ledger.stats()
    }

    /// Returns once it has received `count` requests since its start.
    pub async fn wait_received(&self, count: u64) {
        self.state.ledger.wait(|stats| stats.received >= count).await;
    }

    /// Returns once `count` requests have been abandoned since its start.
    pub async fn wait_abandoned(&self, count: u64) {
        self.state.ledger.wait(|stats| stats.abandoned >= count).await;
    }

    /// Closes its listeners and cuts every open connection.
    pub async fn stop(mut self) {
        self.state.gate.send_replace(Gate::Stopped);
        while self.workers.recv().await.is_some() {}
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.state.gate.send_replace(Gate::Stopped);
    }
}

// === impl Builder ===

impl Builder {
    /// Sets the kind of server to imitate. Default: [`Kind::OpenAi`].
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Sets the models it lists and answers for. A name that ends in `*` answers for every name that begins so.
    /// Default: `sim-model`.
    pub fn models<S: Into<String>>(mut self, models: impl IntoIterator<Item = S>) -> Self {
        self.models = models.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the time to the first token. Default: none.
    pub fn ttft(mut self, time: Duration) -> Self {
        self.pace.ttft = time;
        self
    }

    /// Sets the token rate after the first token. Default: 0, as fast as possible.
    pub fn tokens_per_second(mut self, rate: f64) -> Self {
        self.pace.tokens_per_second = rate;
        self
    }

    /// Sets the tokens of an answer. Default: 16.
    pub fn tokens(mut self, tokens: usize) -> Self {
        self.pace.tokens = tokens;
        self
    }

    /// Sets whether the head of a stream leaves at once and not with the first token. Default: no.
    pub fn early_head(mut self, early: bool) -> Self {
        self.pace.early_head = early;
        self
    }

    /// Adds a fault that is set from the start.
    pub fn fault(mut self, fault: impl Into<Armed>) -> Self {
        self.faults.push(fault.into());
        self
    }

    /// Sets how many requests are kept, 64 MiB at most; 0 keeps counters only. Default: 10,000.
    pub fn record_limit(mut self, requests: usize) -> Self {
        self.record_limit = requests;
        self
    }

    /// Sets the number of threads, each with its own runtime and listening socket. Default: 0, which serves on the
    /// runtime that starts the engine.
    pub fn workers(mut self, threads: usize) -> Self {
        self.workers = threads;
        self
    }

    /// Starts the engine; port 0 takes any free port. When it returns, connects are accepted.
    ///
    /// # Errors
    ///
    /// Fails if the address cannot be bound or a thread cannot be started.
    pub async fn start(self, addr: SocketAddr) -> io::Result<Engine> {
        let state = Arc::new(State::new(self.name.into(), self.kind, self.pace, self.record_limit));
        state.set_models(self.models);
        state.set_faults(self.faults);
        let shared = self.workers > 1;
        let first = acceptor::bind(Place { addr, shared })?;
        let place = Place { addr: first.local_addr()?, shared };
        let (alive, workers) = mpsc::channel(1);
        let engine = Engine { state, addr: place.addr, workers };
        let mut sockets = vec![first];
        for _ in 1..self.workers {
            sockets.push(acceptor::bind(place)?);
        }
        let count = sockets.len();
        for socket in sockets {
            let serving = acceptor::run(Arc::clone(&engine.state), socket, place);
            let alive = alive.clone();
            let serving = async move {
                serving.await;
                drop(alive);
            };
            if self.workers == 0 {
                tokio::spawn(serving);
            } else {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                thread::Builder::new()
                    .name("olla-sim".to_owned())
                    .spawn(move || runtime.block_on(serving))?;
            }
        }
        engine.state.wait_listening(|listening| listening == count).await;
        Ok(engine)
    }
}
