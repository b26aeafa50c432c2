//! Backends that take a few requests at a time, and many clients: nobody is refused, and no backend gets more.

use std::time::Duration;

use olla_sim::{Engine, Fault, Kind, Scope, load};
use tokio::{io::AsyncWriteExt, net::TcpStream, task::yield_now, time::timeout};

use crate::{
    client::chat,
    engines::{self, MODEL, engine, entry_with},
    olla::{Olla, PATIENCE, Setup},
};

const NO_LIMITS: &str = "global_requests_per_minute: 0, per_ip_requests_per_minute: 0";

async fn waiting(olla: &Olla, count: u64) {
    let there = async {
        while olla.get("/internal/status").await.json()["system"]["waiting_requests"] != count {
            yield_now().await;
        }
    };
    timeout(PATIENCE, there).await.expect("so many wait");
}

/// Returns the most requests that an engine had at a time while a future ran.
async fn busiest<F: Future>(engines: &[&Engine], running: F) -> (u64, F::Output) {
    let mut running = std::pin::pin!(running);
    let mut most = 0;
    loop {
        let look = tokio::time::sleep(Duration::from_millis(1));
        tokio::select! {
            ended = &mut running => return (most, ended),
            () = look => {
                most = engines.iter().map(|engine| engine.stats().in_flight).chain([most]).max().unwrap_or(most);
            }
        }
    }
}

#[tokio::test]
async fn many_clients_share_few_slots_and_all_are_served() {
    let slow = |name| engine(name, Kind::Vllm).ttft(Duration::from_millis(5)).workers(1);
    let (a, b) = (engines::start(slow("a")).await, engines::start(slow("b")).await);
    let limit = ", max_concurrent: 2";
    let config = format!(
        "server: {{request_logging: false, workers: 3, rate_limits: {{{NO_LIMITS}}}}}\nendpoints:\n{}{}",
        entry_with("a", &a, "vllm", limit),
        entry_with("b", &b, "vllm", limit)
    );
    let olla = Setup::config(&config).start().await;
    olla.ready().await;

    let plan = load::Plan {
        addr: olla.address(),
        host: "localhost".into(),
        target: "/v1/chat/completions".into(),
        headers: vec![("content-type".into(), "application/json".into())],
        body: load::chat_body(MODEL, 400, false),
        connections: 32,
        limit: load::Limit::Requests(1000),
        rate: None,
        timeout: PATIENCE,
        cancels: None,
    };
    let (most, report) = busiest(&[&a, &b], load::run(plan)).await;

    assert_eq!((report.requests, report.ok), (1000, 1000), "{:?} {:?}", report.errors, report.statuses);
    // A health check or a listing may be under way as well.
    assert!((2..=4).contains(&most), "{most} at a time");
    assert!(report.engines["a"] > 300 && report.engines["b"] > 300, "{:?}", report.engines);
    waiting(&olla, 0).await;
}

#[tokio::test]
async fn a_client_that_leaves_the_line_never_reaches_the_backend() {
    let hanging = engine("sim", Kind::Vllm).fault(Fault::HangBeforeHead.on(Scope::Inference).times(1));
    let engine = engines::start(hanging).await;
    let config = format!("endpoints:\n{}", entry_with("one", &engine, "vllm", ", max_concurrent: 1"));
    let olla = Setup::config(&config).start().await;
    olla.ready().await;
    let ask = async || {
        let mut client = TcpStream::connect(olla.address()).await.unwrap();
        let body = chat(MODEL).to_string();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        client.write_all((head + &body).as_bytes()).await.unwrap();
        client
    };
    let first = ask().await;
    olla.endpoint_when("one", |entry| entry["active_connections"] == 1).await;
    let second = ask().await;
    waiting(&olla, 1).await;

    drop(second);
    waiting(&olla, 0).await;
    drop(first);
    timeout(PATIENCE, engine.wait_abandoned(1)).await.expect("the backend notices");

    let third = olla.post("/v1/chat/completions", &chat(MODEL)).await;
    assert_eq!(third.status, 200);
    let chats = engine.received().iter().filter(|received| received.method == "POST").count();
    assert_eq!(chats, 2, "the first and the third");
}
