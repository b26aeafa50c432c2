//! Backends come and go under load, and no client notices.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use olla_sim::{Engine, Kind, load};
use tokio::time::{sleep, timeout};

use crate::{
    engines::{self, MODEL, engine, entry},
    olla::{PATIENCE, Setup},
};

const REQUESTS: u64 = 10_000;
const CONNECTIONS: usize = 64;
/// Slow enough for an engine to come back five times before the run ends.
const REQUESTS_PER_SECOND: f64 = 800.0;
const DEATHS: usize = 5;
/// Requests that the survivor serves before the dead one returns.
const SERVED_ALONE: u64 = 200;
/// More than a new engine receives by health checks and listings alone.
const SERVED_AGAIN: u64 = 100;

#[tokio::test]
async fn no_request_fails_while_an_engine_is_killed_and_restarted_five_times() {
    let mortal = Some(engines::start(engine("mortal", Kind::Vllm).workers(1)).await);
    let survivor = engines::start(engine("survivor", Kind::Vllm).workers(1)).await;
    let config = format!(
        "server: {{request_logging: false, rate_limits: {{global_requests_per_minute: 0, per_ip_requests_per_minute: 0}}}}\n\
         endpoints:\n{}{}",
        entry("mortal", mortal.as_ref().unwrap(), "vllm"),
        entry("survivor", &survivor, "vllm")
    );
    let olla = Setup::config(&config).start().await;
    olla.ready().await;

    let began = Instant::now();
    let running = tokio::spawn(load::run(load::Plan {
        addr: olla.address(),
        host: "localhost".into(),
        target: "/v1/chat/completions".into(),
        headers: vec![("content-type".into(), "application/json".into())],
        body: load::chat_body(MODEL, 400, false),
        connections: CONNECTIONS,
        limit: load::Limit::Requests(REQUESTS),
        rate: Some(REQUESTS_PER_SECOND),
        timeout: PATIENCE,
    }));
    let died = timeout(PATIENCE, die_and_return(mortal.unwrap(), &survivor)).await;
    let alive = died.expect("it comes back every time");
    assert!(!running.is_finished(), "all of it under load; took {:?}", began.elapsed());
    eprintln!("CYCLES {:?}", began.elapsed());
    let report = running.await.unwrap();
    eprintln!("{:?} {:?}", report.engines, report.latency_ms);

    assert_eq!(
        (report.requests, report.ok),
        (REQUESTS, REQUESTS),
        "{:?} {:?}",
        report.errors,
        report.statuses
    );
    assert!(report.engines["mortal"] > SERVED_AGAIN && report.engines["survivor"] > SERVED_ALONE);
    for name in ["mortal", "survivor"] {
        assert_eq!(olla.endpoint(name).await["active_connections"], 0);
    }
    alive.stop().await;
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
        match engine("mortal", Kind::Vllm).workers(1).start(address).await {
            Ok(engine) => return engine,
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}
