//! The main job on a machine without any LLM: two simulated engines and a proxy for them.

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    sync::mpsc,
    thread,
    time::Duration,
};

use olla_core::{BaseUrl, EndpointSpec};
use olla_sim::{Engine, Kind};
use tokio::runtime;

use crate::{
    config::{self, LoadOptions, Settings, settings::LogFormat},
    start::{complain, reject, start},
    summary,
};

/// Both engines have the first model: requests for it are balanced, and fail over.
const SHARED_MODEL: &str = "llama3.2:3b";
const ENGINES: [(&str, &[&str]); 2] =
    [("sim-a", &[SHARED_MODEL, "qwen3:8b"]), ("sim-b", &[SHARED_MODEL, "nomic-embed-text"])];
const TTFT: Duration = Duration::from_millis(120);
const TOKENS_PER_SECOND: f64 = 60.0;

/// Serves two simulated engines until a signal comes.
pub(crate) fn run(port: u16) -> ExitCode {
    // The demonstration is the same everywhere: no file below a path that is no directory is ever found.
    let nowhere = LoadOptions { directory: PathBuf::from("/dev/null"), ..LoadOptions::default() };
    let mut loaded = match config::load(&nowhere) {
        Ok(loaded) => loaded,
        Err(rejected) => return reject(&rejected),
    };
    let engines = match start_engines() {
        Ok(engines) => engines,
        Err(error) => return complain(&format!("cannot start the simulated engines: {error}")),
    };
    let kind = loaded.profiles.resolve(&Kind::Ollama.to_string());
    let specs = engines.iter().filter_map(|(name, address)| {
        let mut spec = EndpointSpec::new(*name, BaseUrl::parse(&format!("http://{address}")).ok()?);
        spec.kind = kind;
        Some(spec)
    });
    loaded.settings.discovery.endpoints = specs.collect();
    adapt(&mut loaded.settings, port);
    start(loaded, hints)
}

fn adapt(settings: &mut Settings, port: u16) {
    // People paste from here, also when it is piped.
    settings.logging.format = LogFormat::Text;
    settings.discovery.local = false;
    settings.server.port = port;
    settings.server.rate_limits.per_ip = None;
    settings.server.rate_limits.global = None;
}

/// Starts the engines on a thread of their own, where they stay until the process ends.
fn start_engines() -> io::Result<Vec<(&'static str, SocketAddr)>> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (send, receive) = mpsc::channel();
    thread::Builder::new().name("olla-demo-engines".into()).spawn(move || {
        runtime.block_on(async {
            let mut running = Vec::new();
            for (name, models) in ENGINES {
                let engine = engine(name, models).await;
                let _ = send
                    .send(engine.as_ref().map(|e| (name, e.addr())).map_err(|e| io::Error::from(e.kind())));
                running.push(engine);
            }
            drop(send);
            std::future::pending::<()>().await;
        });
    })?;
    receive.iter().take(ENGINES.len()).collect()
}

async fn engine(name: &str, models: &[&str]) -> io::Result<Engine> {
    let builder = Engine::builder(name).kind(Kind::Ollama).models(models.iter().copied());
    builder.ttft(TTFT).tokens_per_second(TOKENS_PER_SECOND).start(SocketAddr::from(([127, 0, 0, 1], 0))).await
}

/// Lines to paste, once everything is up.
async fn hints(url: String) {
    let (whole, streamed) =
        (summary::curl(&url, SHARED_MODEL, false), summary::curl(&url, SHARED_MODEL, true));
    let text = format!(
        "This is a demonstration: both engines are simulated. Paste any of these:\n\n  {whole}\n  {streamed}\n  \
         curl {url}/v1/models\n  curl {url}/internal/status/endpoints\n\nStop with Ctrl-C.\n\n"
    );
    // A closed standard output is no reason not to serve.
    let _ = io::stdout().write_all(text.as_bytes());
}
