//! Backends come and go under load, and no client notices.

mod quick_failures;
mod turns;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use olla_sim::{Builder, Engine, Kind, load};
use tokio::time::{sleep, timeout};

use crate::{
    engines::{self, MODEL, engine, entry},
    olla::{Olla, PATIENCE, Setup},
};

const REQUESTS: u64 = 10_000;
const CONNECTIONS: usize = 64;
/// So slow that every connection has a request in flight when an engine dies, and that one can come back five
/// times before the run ends.
const TTFT: Duration = Duration::from_millis(120);
const DEATHS: usize = 5;
/// Requests that the survivor serves before the dead one returns.
const SERVED_ALONE: u64 = 200;
/// More than a new engine receives by health checks and listings alone.
const SERVED_AGAIN: u64 = 100;

const NO_LIMITS: &str = "global_requests_per_minute: 0, per_ip_requests_per_minute: 0";

#[tokio::test]
async fn no_request_fails_while_an_engine_is_killed_and_restarted_five_times() {
    let mortal = engines::start(slow_engine("mortal")).await;
    let survivor = engines::start(slow_engine("survivor")).await;
    let olla = serving(&[("mortal", &mortal), ("survivor", &survivor)], "").await;

    let began = Instant::now();
    let chats = plan(&olla, "/v1/chat/completions", false);
    let running = tokio::spawn(load::run(load::Plan { limit: load::Limit::Requests(REQUESTS), ..chats }));
    let died = timeout(PATIENCE, die_and_return(mortal, &survivor)).await;
    let alive = died.expect("it comes back every time");
    assert!(!running.is_finished(), "all of it under load; took {:?}", began.elapsed());
    let report = running.await.unwrap();

    assert_eq!(
        (report.requests, report.ok),
        (REQUESTS, REQUESTS),
        "{:?} {:?}",
        report.errors,
        report.statuses
    );
    assert!(report.engines["mortal"] > SERVED_AGAIN && report.engines["survivor"] > SERVED_ALONE);
    for name in ["mortal", "survivor"] {
        olla.endpoint_when(name, |entry| entry["active_connections"] == 0).await;
    }
    let failures = olla.endpoint("mortal").await["failures"].as_u64();
    assert!(failures >= Some(DEATHS as u64), "each death hit requests in flight: {failures:?}");
    alive.stop().await;
}

/// Starts Olla in front of these engines, without limits and with these settings of `proxy`.
async fn serving(engines: &[(&str, &Engine)], settings: &str) -> Olla {
    let entries: String = engines.iter().map(|(name, engine)| entry(name, engine, "vllm")).collect();
    let server = format!("server: {{request_logging: false, rate_limits: {{{NO_LIMITS}}}}}");
    let olla =
        Setup::config(&format!("{server}\nproxy: {{{settings}}}\nendpoints:\n{entries}")).start().await;
    olla.ready().await;
    olla
}

/// Describes a load of as many clients as an engine has to fear, each with one request at a time.
fn plan(olla: &Olla, target: &str, stream: bool) -> load::Plan {
    load::Plan {
        addr: olla.address(),
        host: "localhost".into(),
        target: target.into(),
        headers: vec![],
        body: load::chat_body(MODEL, 400, stream),
        connections: CONNECTIONS,
        limit: load::Limit::Requests(0),
        rate: None,
        timeout: PATIENCE,
        cancels: None,
    }
}

/// Describes an engine that runs on a thread of its own.
fn slow_engine(name: &str) -> Builder {
    engine(name, Kind::Vllm).ttft(TTFT).workers(1)
}

async fn die_and_return(mut mortal: Engine, survivor: &Engine) -> Engine {
    let address = mortal.addr();
    for _ in 0..DEATHS {
        mortal.wait_received(SERVED_AGAIN).await;
        mortal.stop().await;
        survivor.wait_received(survivor.stats().received + SERVED_ALONE).await;
        mortal = revive(address).await;
    }
    mortal.wait_received(SERVED_AGAIN).await;
    mortal
}

/// The port may be in use for a moment, by a connection that the system is still closing.
async fn revive(address: SocketAddr) -> Engine {
    loop {
        match slow_engine("mortal").start(address).await {
            Ok(engine) => return engine,
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}
