//! Starting, refusing, stopping; connections that are kept, and bad requests.

use std::io::ErrorKind;
use std::time::Duration;

use olla_sim::Engine;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{CHAT, CHAT_STREAM, End, Raw, get, in_time, plain, post, request, start};

const PATH: &str = "/v1/chat/completions";

async fn connect_error(engine: &Engine) -> Option<ErrorKind> {
    TcpStream::connect(engine.addr()).await.err().map(|error| error.kind())
}

#[tokio::test]
async fn a_refusing_engine_refuses_connects_and_closes_old_connections_at_their_next_request() {
    let engine = plain().await;
    let mut raw = Raw::connect(&engine).await;
    assert_eq!(raw.exchange("POST", PATH, CHAT).await.status, 200);

    engine.refuse(None).await;

    assert_eq!(connect_error(&engine).await, Some(ErrorKind::ConnectionRefused));
    raw.send(&request("POST", PATH, CHAT)).await;
    assert_eq!(raw.drain().await, (String::new(), End::Closed));

    engine.resume().await;
    assert_eq!(post(&engine, PATH, CHAT).await.status, 200);
}

#[tokio::test]
async fn an_engine_that_refuses_for_a_time_comes_back_by_itself() {
    let engine = plain().await;
    let mut raw = Raw::connect(&engine).await;

    let answer = raw.exchange("PUT", "/sim/refuse", r#"{"for_ms":500}"#).await;

    assert!(answer.head.contains("connection: close"), "{}", answer.head);
    assert_eq!(connect_error(&engine).await, Some(ErrorKind::ConnectionRefused));
    let back = async {
        while connect_error(&engine).await.is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    in_time(back).await;
    assert_eq!(get(&engine, "/v1/models").await.status, 200);
}

#[tokio::test]
async fn being_away_over_http_needs_a_time() {
    let engine = plain().await;

    for path in ["/sim/refuse", "/sim/silence"] {
        let answer = Raw::connect(&engine).await.exchange("PUT", path, "{}").await;

        assert_eq!(answer.status, 400);
        assert_eq!(connect_error(&engine).await, None);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_silent_engine_neither_accepts_nor_refuses_connects() {
    let engine = plain().await;
    let mut raw = Raw::connect(&engine).await;
    assert_eq!(raw.exchange("POST", PATH, CHAT).await.status, 200);

    in_time(engine.silence(None)).await;

    let connect = tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(engine.addr()));
    assert!(connect.await.is_err(), "no answer of any kind");
    raw.send(&request("POST", PATH, CHAT)).await;
    assert_eq!(raw.drain().await, (String::new(), End::Closed));

    engine.resume().await;
    assert_eq!(post(&engine, PATH, CHAT).await.status, 200);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_engine_of_several_workers_is_silent_for_its_time() {
    let engine = start(Engine::builder("sim-a").workers(3)).await;
    let mut raw = Raw::connect(&engine).await;

    let answer = in_time(raw.exchange("PUT", "/sim/silence", r#"{"for_ms":300}"#)).await;

    assert!(answer.head.contains("connection: close"), "{}", answer.head);
    // The kernel asks again until the engine is back.
    assert_eq!(post(&engine, PATH, CHAT).await.status, 200);
    in_time(engine.stop()).await;
}

#[tokio::test]
async fn a_client_that_speaks_tls_gets_an_alert() {
    let engine = plain().await;
    let mut stream = TcpStream::connect(engine.addr()).await.unwrap();

    stream.write_all(&[22, 3, 1, 0, 1, 1]).await.unwrap();
    let mut answer = Vec::new();
    in_time(stream.read_to_end(&mut answer)).await.unwrap();

    assert_eq!(answer, [21, 3, 3, 0, 2, 2, 40], "fatal, handshake_failure");
}

#[tokio::test]
async fn stopping_cuts_open_streams_and_frees_the_address() {
    let engine = start(Engine::builder("sim-a").tokens_per_second(0.001)).await;
    let addr = engine.addr();
    let mut raw = Raw::connect(&engine).await;
    raw.send(&request("POST", PATH, CHAT_STREAM)).await;
    raw.take_through("sim-a").await;

    in_time(engine.stop()).await;

    assert!(!raw.drain().await.0.contains("[DONE]"));
    let again = Engine::builder("sim-b").start(addr).await.unwrap();
    assert!(post(&again, PATH, CHAT).await.head.contains("x-sim-engine: sim-b"));
}

#[tokio::test]
async fn dropping_an_engine_cuts_its_connections() {
    let engine = start(Engine::builder("sim-a").ttft(Duration::from_secs(3600))).await;
    let mut raw = Raw::connect(&engine).await;
    raw.send(&request("POST", PATH, CHAT)).await;
    in_time(engine.wait_received(1)).await;

    drop(engine);

    assert_eq!(raw.drain().await.0, "");
}

#[tokio::test]
async fn an_address_in_use_is_an_error() {
    let engine = plain().await;

    let second = Engine::builder("sim-b").start(engine.addr()).await;

    assert_eq!(second.unwrap_err().kind(), ErrorKind::AddrInUse);
}

#[tokio::test]
async fn workers_share_one_address_and_one_record() {
    let engine = start(Engine::builder("sim-a").workers(3)).await;
    for _ in 0..12 {
        assert_eq!(post(&engine, PATH, CHAT).await.status, 200);
    }

    assert_eq!((engine.received().len(), engine.stats().connections), (12, 12));
    engine.refuse(None).await;
    assert_eq!(connect_error(&engine).await, Some(ErrorKind::ConnectionRefused));
    engine.resume().await;
    assert_eq!(post(&engine, PATH, CHAT).await.status, 200);
    in_time(engine.stop()).await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let engine = plain().await;
    let mut raw = Raw::connect(&engine).await;

    raw.send(&[request("GET", "/v1/models", ""), request("POST", PATH, CHAT_STREAM)].concat()).await;

    assert_eq!(raw.response().await.json()["object"], "list");
    assert!(raw.response().await.body.ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn an_http_10_client_gets_a_stream_that_ends_with_the_connection() {
    let engine = plain().await;
    let mut raw = Raw::connect(&engine).await;
    raw.send(&format!("POST {PATH} HTTP/1.0\r\ncontent-length: {}\r\n\r\n{CHAT_STREAM}", CHAT_STREAM.len()))
        .await;

    let (wire, end) = raw.drain().await;

    assert!(!wire.contains("transfer-encoding") && wire.ends_with("data: [DONE]\n\n"), "{wire}");
    assert_eq!(end, End::Closed);
}

#[tokio::test]
async fn a_client_that_expects_100_continue_gets_it_before_it_sends_the_body() {
    let engine = plain().await;
    let mut raw = Raw::connect(&engine).await;
    let length = CHAT.len();
    raw.send(&format!("POST {PATH} HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n"))
        .await;

    assert_eq!(raw.take_through("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    raw.send(CHAT).await;

    assert_eq!(raw.response().await.status, 200);
}

#[tokio::test]
async fn bytes_that_are_no_http_get_400_and_a_close() {
    let engine = plain().await;
    let mut raw = Raw::connect(&engine).await;
    raw.send("hello?\r\n\r\n").await;

    let (wire, end) = raw.drain().await;

    assert!(wire.starts_with("HTTP/1.1 400 "), "{wire}");
    assert_eq!(end, End::Closed);
}

#[tokio::test]
async fn a_head_request_gets_a_head_only() {
    let engine = plain().await;
    let mut raw = Raw::connect(&engine).await;
    raw.send("HEAD /v1/models HTTP/1.1\r\nconnection: close\r\n\r\n").await;

    let (wire, _) = raw.drain().await;

    assert!(wire.ends_with("\r\n\r\n") && wire.contains("content-length: "), "{wire}");
}
