//! What the engine remembers of its clients.

use std::time::Duration;

use olla_sim::{Engine, Framing, Phase};

use crate::client::{CHAT, CHAT_STREAM, Raw, get, in_time, plain, post, request, start};

const PATH: &str = "/v1/chat/completions";

#[tokio::test]
async fn a_request_is_kept_as_it_arrived() {
    let engine = plain().await;
    let mut raw = Raw::connect(&engine).await;
    raw.send(&format!(
        "POST {PATH}?a=%2F HTTP/1.1\r\nHost: sim\r\nX-Mixed: One\r\ncontent-length: {}\r\n\r\n{CHAT}",
        CHAT.len()
    ))
    .await;
    raw.response().await;

    let received = engine.received();

    let [request] = received.as_slice() else { panic!("{received:?}") };
    assert_eq!((request.id, request.method.as_str()), (1, "POST"));
    assert_eq!((request.target.as_str(), request.path()), ("/v1/chat/completions?a=%2F", PATH));
    assert_eq!(request.headers[1], ("X-Mixed".to_owned(), "One".to_owned()));
    assert_eq!(request.json()["model"], "sim-model");
    assert_eq!(request.framing, Framing::ContentLength(CHAT.len() as u64));
    assert_eq!(request.body_bytes, CHAT.len() as u64);
}

#[tokio::test]
async fn a_chunked_body_is_decoded_and_noted_as_chunked() {
    let engine = plain().await;
    let mut raw = Raw::connect(&engine).await;
    let (one, two) = CHAT.split_at(20);
    raw.send(&format!("POST {PATH} HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n14\r\n{one}\r\n")).await;
    raw.send(&format!("{:x}\r\n{two}\r\n0\r\n\r\n", two.len())).await;

    assert_eq!(raw.response().await.status, 200);

    let received = engine.received();
    assert_eq!((received[0].framing, received[0].body.as_ref()), (Framing::Chunked, CHAT.as_bytes()));
}

#[tokio::test]
async fn a_long_body_is_kept_in_part_but_counted_whole() {
    let engine = plain().await;

    post(&engine, PATH, &" ".repeat(100_000)).await;

    let received = engine.received();
    assert_eq!((received[0].body.len(), received[0].body_bytes), (64 * 1024, 100_000));
}

#[tokio::test]
async fn records_are_bounded_by_the_limit() {
    let engine = start(Engine::builder("sim-a").record_limit(2)).await;
    for path in ["/a", "/b", "/c"] {
        get(&engine, path).await;
    }

    let paths: Vec<_> = engine.received().into_iter().map(|request| request.target).collect();

    assert_eq!(paths, ["/b", "/c"]);
    assert_eq!(engine.stats().received, 3);
}

#[tokio::test]
async fn a_client_that_leaves_before_the_first_byte_is_noticed_at_once() {
    let engine = start(Engine::builder("sim-a").ttft(Duration::from_secs(3600))).await;
    let mut raw = Raw::connect(&engine).await;
    raw.send(&request("POST", PATH, CHAT)).await;
    in_time(engine.wait_received(1)).await;

    drop(raw);

    in_time(engine.wait_abandoned(1)).await;
    let abandoned = engine.abandoned();
    assert_eq!((abandoned[0].id, abandoned[0].phase), (1, Phase::BeforeHead));
    assert!(abandoned[0].after_ms < 10_000.0);
}

#[tokio::test]
async fn a_client_that_leaves_between_two_tokens_is_noticed_at_once() {
    let engine = start(Engine::builder("sim-a").tokens_per_second(0.001)).await;
    let mut raw = Raw::connect(&engine).await;
    raw.send(&request("POST", PATH, CHAT_STREAM)).await;
    raw.take_through("sim-a").await;

    drop(raw);

    in_time(engine.wait_abandoned(1)).await;
    assert_eq!(engine.abandoned()[0].phase, Phase::Response);
}

#[tokio::test]
async fn a_client_that_leaves_during_its_own_body_is_noticed() {
    let engine = plain().await;
    let mut raw = Raw::connect(&engine).await;
    raw.send(&format!("POST {PATH} HTTP/1.1\r\ncontent-length: 100\r\n\r\nhalf")).await;

    drop(raw);

    in_time(engine.wait_abandoned(1)).await;
    assert_eq!(engine.abandoned()[0].phase, Phase::Request);
    assert_eq!(engine.received()[0].body.as_ref(), b"half");
}

#[tokio::test]
async fn a_client_that_leaves_before_its_request_is_counted_and_not_recorded() {
    let engine = plain().await;
    let (idle, mut half) = (Raw::connect(&engine).await, Raw::connect(&engine).await);
    half.send("POST /v1/chat/completions HTTP/1.1\r\ncontent-le").await;
    post(&engine, PATH, CHAT).await;

    drop((idle, half));

    let over = async {
        while engine.stats().open > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    in_time(over).await;
    let stats = engine.stats();
    assert_eq!((stats.connections, stats.unused, stats.received, stats.abandoned), (3, 2, 1, 0));
}

#[tokio::test]
async fn a_client_that_reads_everything_has_abandoned_nothing() {
    let engine = plain().await;
    post(&engine, PATH, CHAT_STREAM).await;
    post(&engine, PATH, CHAT).await;

    let stats = engine.stats();

    assert_eq!((stats.completed, stats.abandoned, stats.in_flight), (2, 0, 0));
    assert!(engine.abandoned().is_empty());
}

#[tokio::test]
async fn records_are_read_and_forgotten_over_http_without_being_recorded() {
    let engine = start(Engine::builder("sim-a").ttft(Duration::from_secs(3600))).await;
    let mut leaver = Raw::connect(&engine).await;
    leaver.send(&request("POST", PATH, CHAT)).await;
    in_time(engine.wait_received(1)).await;
    drop(leaver);
    in_time(engine.wait_abandoned(1)).await;
    let mut raw = Raw::connect(&engine).await;

    let received = raw.exchange("GET", "/sim/received", "").await.json();
    let abandoned = raw.exchange("GET", "/sim/abandoned", "").await.json();
    let stats = raw.exchange("GET", "/sim/stats", "").await.json();

    assert_eq!(
        (received.as_array().unwrap().len(), received[0]["framing"].as_str()),
        (1, Some("content-length"))
    );
    assert_eq!(abandoned[0]["phase"], "before_head");
    assert_eq!((stats["received"].as_u64(), stats["abandoned"].as_u64()), (Some(1), Some(1)));
    raw.exchange("DELETE", "/sim/received", "").await;
    assert!(engine.received().is_empty() && engine.abandoned().is_empty());
}
