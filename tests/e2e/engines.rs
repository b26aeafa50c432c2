//! Simulated engines, and how a configuration names them.

use std::net::{Ipv4Addr, SocketAddr};

use olla_sim::{Builder, Engine, Kind};

/// The model that an engine has unless a test says otherwise.
pub(crate) const MODEL: &str = "llama3.2:3b";

/// Describes an engine with one model.
pub(crate) fn engine(name: &str, kind: Kind) -> Builder {
    Engine::builder(name).kind(kind).models([MODEL])
}

/// Starts an engine on any free port.
pub(crate) async fn start(engine: Builder) -> Engine {
    engine.start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap()
}

/// Returns the line of an endpoint list for an engine that is checked every second.
pub(crate) fn entry(name: &str, engine: &Engine, kind: &str) -> String {
    entry_with(name, engine, kind, "")
}

/// Returns the same with further keys, such as `, priority: 1`.
pub(crate) fn entry_with(name: &str, engine: &Engine, kind: &str, more: &str) -> String {
    let url = engine.url();
    format!(
        "  - {{name: {name}, url: '{url}', type: {kind}, check_interval: 1s, check_timeout: 900ms{more}}}\n"
    )
}
