//! The life of a server: bind, serve on every core, stop when told to.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    process::ExitCode,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread,
    time::Duration,
};

use futures_util::future::join_all;
use olla_health::LocalSearch;
use olla_proxy::RateLimits;
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use tracing::{error, info, warn};

use crate::{
    compose::{App, clean_up_interval},
    config::{Loaded, Settings},
    listen::{self, Patience},
    open_files, summary,
};

/// A server that is bound to its port but does not accept yet.
pub(crate) struct Server {
    app: App,
    settings: Settings,
    listeners: Vec<TcpListener>,
    address: SocketAddr,
    source: summary::Source,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Bind(#[from] listen::BindError),
    #[error("cannot start a runtime: {0}")]
    Runtime(#[from] io::Error),
}

// === impl Server ===

impl Server {
    /// Binds the port and builds the parts.
    pub(crate) fn bind(loaded: Loaded) -> Result<Self, StartError> {
        open_files::allow_many();
        let Loaded { settings, profiles, source, .. } = loaded;
        let cores = thread::available_parallelism().map_or(1, Into::into);
        let workers = settings.server.workers.unwrap_or(cores).max(1);
        let listeners = listen::bind(&settings.server.host, settings.server.port, workers)?;
        let address = match listeners.first() {
            Some(listener) => listener.local_addr()?,
            None => return Err(io::Error::from(io::ErrorKind::AddrNotAvailable).into()),
        };
        let app = App::new(&settings, profiles);
        Ok(Self { app, settings, listeners, address, source: summary::Source(source) })
    }

    /// Returns where clients reach the server.
    pub(crate) fn url(&self) -> String {
        listen::reachable(self.address)
    }

    /// Serves until a signal asks to stop. Blocks the calling thread, which does everything but serve.
    pub(crate) fn run<F: Future<Output = ()>>(self, once_ready: impl FnOnce(String) -> F) -> ExitCode {
        let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return failed(&error.into()),
        };
        let ended = runtime.block_on(self.supervise(once_ready));
        // A name that is still being resolved must not hold up the end.
        runtime.shutdown_background();
        match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error.into()),
        }
    }

    async fn supervise<F: Future<Output = ()>>(self, once_ready: impl FnOnce(String) -> F) -> io::Result<()> {
        // Before anything can be served: a signal that arrives early must not kill the process.
        let mut signals = signals()?;
        let url = self.url();
        let Self { app, settings, listeners, address, source } = self;
        let (stop, stopping) = watch::channel(false);
        let mut workers = start_workers(&app, patience(&settings), listeners, &stopping)?;
        info!(url, workers = workers.count, "listening");

        app.monitor.watch_new();
        let attend = attend(&app, &settings, (&source, &url, address.port()), once_ready);
        tokio::select! {
            () = attend => {}
            _ = signals.recv() => {}
        }
        info!(timeout = ?settings.server.shutdown_timeout, "stopping: requests in flight may finish");
        app.stopping.store(true, Relaxed);
        // All receivers live in workers; a worker that has ended needs no notice.
        let _ = stop.send(true);
        tokio::select! {
            finished = timeout(settings.server.shutdown_timeout, workers.finished()) => match finished {
                Ok(()) => info!("stopped"),
                Err(_) => warn!("stopped with requests in flight; raise server.shutdown_timeout to let them finish"),
            },
            _ = signals.recv() => warn!("stopped at once by a second signal"),
        }
        if settings.show_nerdstats {
            summary::nerd_stats();
        }
        Ok(())
    }
}

/// Does everything but serve, for as long as the server runs: looks for local backends, introduces what
/// there is, forgets clients.
async fn attend<F: Future<Output = ()>>(
    app: &App,
    settings: &Settings,
    (source, url, port): (&summary::Source, &str, u16),
    once_ready: impl FnOnce(String) -> F,
) {
    let mut local = settings.discovery.local.then(|| LocalSearch::new(Arc::clone(&app.monitor), &[port]));
    let introduce = async {
        if let Some(local) = &mut local {
            local.look().await;
        }
        summary::announce(app, settings, (source, url)).await;
        once_ready(url.to_owned()).await;
        if let Some(local) = local {
            local.run().await;
        }
    };
    let interval = clean_up_interval(settings);
    let forget = join_all(app.rate_limits.iter().map(|limits| forget_clients(limits, interval)));
    tokio::join!(introduce, forget, std::future::pending::<()>());
}

/// The threads that serve.
struct Workers {
    count: usize,
    /// Closed when the last worker has ended.
    ended: mpsc::Receiver<()>,
}

// === impl Workers ===

impl Workers {
    async fn finished(&mut self) {
        while self.ended.recv().await.is_some() {}
    }
}

fn start_workers(
    app: &App,
    patience: Patience,
    listeners: Vec<TcpListener>,
    stopping: &watch::Receiver<bool>,
) -> io::Result<Workers> {
    let (alive, ended) = mpsc::channel(1);
    let count = listeners.len();
    for (n, listener) in listeners.into_iter().enumerate() {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (dispatch, stop, alive) = (app.dispatch(), stopping.clone(), alive.clone());
        let grants = (patience, app.room.clone());
        thread::Builder::new().name(format!("olla-worker-{n}")).spawn(move || {
            if let Err(error) = runtime.block_on(listen::serve(listener, dispatch, grants, stop)) {
                error!(%error, "a worker cannot listen; the others serve on");
            }
            // What its connections have left to be sent is sent.
            drop(runtime);
            drop(alive);
        })?;
    }
    Ok(Workers { count, ended })
}

fn patience(settings: &Settings) -> Patience {
    Patience {
        head: settings.server.read_header_timeout,
        idle: settings.server.idle_timeout,
        max_head_bytes: settings.server.limits.max_header_bytes,
    }
}

/// SIGINT and SIGTERM, in the order they come.
fn signals() -> io::Result<mpsc::Receiver<()>> {
    let (send, receive) = mpsc::channel(2);
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let (mut signal, send) = (signal(kind)?, send.clone());
        tokio::spawn(async move {
            while signal.recv().await.is_some() {
                if send.send(()).await.is_err() {
                    return;
                }
            }
        });
    }
    Ok(receive)
}

/// Forgets clients that have not come for a while: now and then, and when there are too many. Sleeps for as long as
/// there is nothing to do.
async fn forget_clients(limits: &RateLimits, interval: Option<Duration>) {
    /// Between two times, however many come.
    const PAUSE: Duration = Duration::from_secs(1);

    loop {
        match interval {
            Some(interval) => _ = timeout(interval, limits.crowded()).await,
            None => limits.crowded().await,
        }
        limits.clean_up();
        sleep(PAUSE).await;
    }
}

fn failed(error: &StartError) -> ExitCode {
    error!(%error, "cannot serve");
    ExitCode::FAILURE
}
