//! Four backends, of which three are in trouble at any time, each with another, and one is well in turn.

use std::time::Duration;

use olla_sim::{Engine, Fault, Kind, Scope, load};
use tokio::time::{Instant, sleep};

use super::{CONNECTIONS, plan, serving};
use crate::engines::{self, engine};

/// Seconds of chaos where the variable does not set another number.
const SECONDS: u64 = 10;
const SECONDS_VARIABLE: &str = "OLLA_CHAOS_SECONDS";
const NAMES: [&str; 4] = ["a", "b", "c", "d"];
/// Hanging backends are given up after it. A busy machine must not be mistaken for one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the one that was well and the next both are: a request that was turned away by one of them while it was
/// bad, and has then waited for a hanging one, still finds the other well.
const BOTH_WELL: Duration = Duration::from_millis(1500);
const ONE_WELL: Duration = Duration::from_millis(500);

/// What is wrong with a backend.
#[derive(Debug, Clone, Copy)]
enum Mood {
    Well,
    /// Resets streams after a few tokens.
    Cuts,
    /// Answers 503 at once.
    Fails,
    /// Answers nothing.
    Hangs,
    /// Refuses connects.
    Refuses,
}

/// In this order a backend goes through them, last to first, until it is well again.
const TROUBLES: [Mood; 4] = [Mood::Cuts, Mood::Fails, Mood::Hangs, Mood::Refuses];

#[tokio::test]
async fn nobody_but_the_reader_of_a_stream_that_has_begun_notices_three_bad_backends_of_four() {
    let mut engines = vec![];
    for name in NAMES {
        engines.push(start(name).await);
    }
    let named: Vec<_> = NAMES.into_iter().zip(&engines).collect();
    let olla = serving(&named, &format!("response_header_timeout: {}s", HEAD_TIMEOUT.as_secs())).await;
    let time = Duration::from_secs(seconds());
    let under = |target, stream| {
        let limit = load::Limit::Time(time);
        load::Plan { limit, connections: CONNECTIONS / 2, ..plan(&olla, target, stream) }
    };

    let began = Instant::now();
    let whole = tokio::spawn(load::run(under("/v1/completions", false)));
    let streams = tokio::spawn(load::run(under("/v1/chat/completions", true)));
    for turn in 0.. {
        take_turn(&engines, turn).await;
        if began.elapsed() + BOTH_WELL + ONE_WELL > time {
            break;
        }
    }
    let (whole, streams) = (whole.await.unwrap(), streams.await.unwrap());
    for engine in &engines {
        Mood::Well.befall(engine).await;
    }

    println!("\n| | requests | ok | broken off after they had begun | p99 ms |\n|---|---|---|---|---|");
    for (name, report) in [("whole", &whole), ("streams", &streams)] {
        let (requests, ok, p99) = (report.requests, report.ok, report.latency_ms.p99);
        println!("| {name} | {requests} | {ok} | {} | {p99:.0} |", report.begun);
    }
    assert_eq!(
        (whole.ok, whole.errors.len()),
        (whole.requests, 0),
        "{:?} {:?}",
        whole.errors,
        whole.statuses
    );
    let broken: Vec<_> = streams.errors.iter().map(|(error, count)| (*error, *count)).collect();
    assert_eq!(broken, [("truncated", streams.begun)], "only what had begun, and never as if it were whole");
    assert_eq!(streams.ok + streams.begun, streams.requests);
    assert!(streams.ok > streams.begun, "{streams:?}");
    for name in NAMES {
        olla.endpoint_when(name, |entry| entry["status"] == "healthy" && entry["active_connections"] == 0)
            .await;
        assert!(whole.engines.get(name) > Some(&0), "each has had its turn: {:?}", whole.engines);
    }
}

async fn start(name: &str) -> Engine {
    // A few tokens apart, so that a stream has begun long before it is cut.
    let engine = engine(name, Kind::Vllm).ttft(Duration::from_millis(20)).tokens(8).tokens_per_second(200.0);
    engines::start(engine.workers(1).record_limit(0)).await
}

fn seconds() -> u64 {
    let given = std::env::var(SECONDS_VARIABLE).ok();
    given.map_or(SECONDS, |text| text.parse().expect(SECONDS_VARIABLE))
}

/// Lets the next backend be well, and then all others be bad, each in its own way.
async fn take_turn(engines: &[Engine], turn: usize) {
    let (count, well) = (engines.len(), turn % engines.len());
    Mood::Well.befall(&engines[well]).await;
    sleep(BOTH_WELL).await;
    // Every other round begins with another trouble, so that each backend gets to all.
    let shift = turn / count % 2;
    for behind in 1..count {
        TROUBLES[behind - 1 + shift].befall(&engines[(well + behind) % count]).await;
    }
    sleep(ONE_WELL).await;
}

// === impl Mood ===

impl Mood {
    async fn befall(self, engine: &Engine) {
        match self {
            Self::Refuses => return engine.refuse(None).await,
            Self::Well => engine.clear_faults(),
            Self::Cuts => {
                engine.set_fault(Fault::ResetAfter { bytes: 700 }.on(Scope::Path("/v1/chat".into())));
            }
            Self::Fails => {
                let status = Fault::Status { status: 503, headers: [].into(), body: None };
                engine.set_fault(status.on(Scope::Inference));
            }
            Self::Hangs => engine.set_fault(Fault::HangBeforeHead.on(Scope::Inference)),
        }
        engine.resume().await;
    }
}
