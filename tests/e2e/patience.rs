//! Clients that are slow or silent are let go.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::olla::{Olla, PATIENCE, Setup};

const SHORT: Duration = Duration::from_millis(400);

/// One limit is short and the other so long that only the short one can have closed a connection.
async fn serving(head: &str, idle: &str) -> Olla {
    let limits = format!("server: {{read_header_timeout: {head}, idle_timeout: {idle}}}\n");
    Setup::config(&format!("{limits}discovery: {{local: false}}\n")).start().await
}

/// Returns what arrives until the server closes the connection, and how long that takes.
async fn rest(mut stream: TcpStream) -> (String, Duration) {
    let (began, mut received) = (Instant::now(), Vec::new());
    // A reset ends the connection as well as a close.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut received)).await.expect("the server closes it");
    (String::from_utf8(received).unwrap(), began.elapsed())
}

#[tokio::test]
async fn a_client_that_dawdles_over_its_head_is_cut_off() {
    let olla = serving("400ms", "10m").await;
    let mut stream = TcpStream::connect(olla.address()).await.unwrap();

    stream.write_all(b"GET /version HTTP/1.1\r\nhost: ").await.unwrap();
    let (_, elapsed) = rest(stream).await;

    assert!(elapsed >= SHORT / 2, "not before its time: {elapsed:?}");
}

#[tokio::test]
async fn a_client_that_dawdles_over_its_body_is_told_and_cut_off() {
    let limits = "server: {read_timeout: 400ms, read_header_timeout: 10m, idle_timeout: 10m}\n";
    let olla = Setup::config(&format!("{limits}discovery: {{local: false}}\n")).start().await;
    let mut stream = TcpStream::connect(olla.address()).await.unwrap();

    stream.write_all(b"POST /v1/messages HTTP/1.1\r\nhost: h\r\ncontent-length: 20\r\n\r\n{").await.unwrap();
    let (received, elapsed) = rest(stream).await;

    assert!(received.starts_with("HTTP/1.1 408 "), "{received}");
    assert!(received.contains(r#"{"type":"error","#), "{received}");
    assert!(elapsed >= SHORT / 2, "not before its time: {elapsed:?}");
}

#[tokio::test]
async fn a_client_that_says_nothing_is_cut_off() {
    let olla = serving("400ms", "10m").await;

    let (received, _) = rest(TcpStream::connect(olla.address()).await.unwrap()).await;

    assert_eq!(received, "");
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let olla = serving("10m", "400ms").await;
    let mut stream = TcpStream::connect(olla.address()).await.unwrap();

    stream.write_all(b"GET /version HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    let (received, elapsed) = rest(stream).await;

    assert!(received.starts_with("HTTP/1.1 200 OK\r\n"), "{received}");
    assert!(elapsed >= SHORT / 2, "not before its time: {elapsed:?}");
}
