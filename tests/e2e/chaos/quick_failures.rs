//! A backend that fails at once looks idle, and must not attract what the others would serve.

use std::time::Duration;

use olla_sim::{Engine, Fault, Kind, Scope, load};
use tokio::time::sleep;

use super::{plan, serving};
use crate::engines::{self, engine};

const TTFT: Duration = Duration::from_millis(20);
/// Of the requests that engines receive, from one second after it began to fail.
const MOST_PERCENT: f64 = 2.0;
/// A quarter is fair among four.
const FAIR_PERCENT: std::ops::Range<f64> = 18.0..32.0;

#[tokio::test]
async fn a_backend_that_fails_at_once_attracts_nothing_and_gets_its_share_back_when_it_has_healed() {
    let engines = [start("moody").await, start("b").await, start("c").await, start("d").await];
    let [moody, b, c, d] = &engines;
    let olla = serving(&[("moody", moody), ("b", b), ("c", c), ("d", d)], "").await;
    let chats = plan(&olla, "/v1/chat/completions", false);
    let limit = load::Limit::Time(Duration::from_secs(10));
    let running = tokio::spawn(load::run(load::Plan { limit, ..chats }));

    let fails = Fault::Status { status: 503, headers: [].into(), body: None };
    moody.set_fault(fails.on(Scope::Inference));
    sleep(Duration::from_secs(1)).await;
    let while_it_fails = share_of_first(&engines, Duration::from_secs(2)).await;
    moody.clear_faults();
    sleep(Duration::from_secs(5)).await;
    let after_it_healed = share_of_first(&engines, Duration::from_secs(1)).await;

    println!("\nfailing at once: {while_it_fails:.2} % of the requests; 5 s after: {after_it_healed:.2} %\n");
    assert!(!running.is_finished(), "all of it under load");
    let report = running.await.unwrap();
    assert_eq!((report.ok, report.errors.len()), (report.requests, 0), "{:?}", report.errors);
    assert!(while_it_fails < MOST_PERCENT, "{while_it_fails} %");
    assert!(FAIR_PERCENT.contains(&after_it_healed), "{after_it_healed} %");
}

async fn start(name: &str) -> Engine {
    engines::start(engine(name, Kind::Vllm).ttft(TTFT).workers(1).record_limit(0)).await
}

/// Returns the first one's share of all requests that engines receive meanwhile, in percent.
async fn share_of_first(engines: &[Engine; 4], time: Duration) -> f64 {
    let received = || engines.each_ref().map(|engine| engine.stats().received);
    let before = received();
    sleep(time).await;
    let after = received();
    let gained = |n: usize| (after[n] - before[n]) as f64;
    gained(0) * 100.0 / (0..engines.len()).map(gained).sum::<f64>()
}
