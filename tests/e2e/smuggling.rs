//! Requests that another server could read as other requests than Olla does: they are refused, and what comes
//! behind them on the connection is not looked at.

use olla_sim::{Engine, Kind};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    client::chat,
    engines::{self, MODEL, engine, entry},
    olla::{Olla, PATIENCE, Setup},
};

const LINE: &str = "POST /v1/chat/completions HTTP/1.1\r\n";
/// Would be answered with 200.
const SMUGGLED: &str = "GET /version HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";

async fn serving() -> (Olla, Engine) {
    let engine = engines::start(engine("sim", Kind::Vllm)).await;
    let olla = Setup::config(&format!("endpoints:\n{}", entry("one", &engine, "vllm"))).start().await;
    olla.ready().await;
    (olla, engine)
}

/// Sends these bytes and returns the statuses of all answers, up to the end of the connection.
async fn statuses(olla: &Olla, sent: &str) -> Vec<String> {
    let mut stream = TcpStream::connect(olla.address()).await.unwrap();
    let mut received = Vec::new();
    let exchange = async {
        // What is refused early may be closed before all of it is sent.
        let _ = stream.write_all(sent.as_bytes()).await;
        let _ = stream.read_to_end(&mut received).await;
    };
    timeout(PATIENCE, exchange).await.unwrap_or_else(|_| panic!("the connection stays open: {sent:?}"));
    let received = String::from_utf8(received).unwrap();
    let statuses = received.split("HTTP/1.1 ").skip(1).map(|answer| answer[..3].to_owned());
    statuses.filter(|status| status.parse::<u16>().is_ok()).collect()
}

/// A chat in one chunk.
fn chunked() -> String {
    let chat = chat(MODEL).to_string();
    format!("{:x}\r\n{chat}\r\n0\r\n\r\n", chat.len())
}

#[tokio::test]
async fn a_head_that_can_be_read_in_two_ways_is_refused() {
    let (olla, engine) = serving().await;
    let body = chunked();
    let length = body.len();

    for head in [
        // Two lengths.
        format!("host: h\r\ncontent-length: {length}\r\ntransfer-encoding: chunked\r\n"),
        format!("host: h\r\ntransfer-encoding: chunked\r\nContent-Length: {length}\r\n"),
        format!("host: h\r\ntransfer-encoding: chunked\r\ncontent-length: 0\r\nx: {length}\r\n"),
        format!("host: h\r\ncontent-length: {length}\r\ncontent-length: 5\r\n"),
        format!("host: h\r\ncontent-length: {length}, {length}\r\n"),
        format!("host: h\r\ncontent-length: +{length}\r\n"),
        "host: h\r\ncontent-length: 0x5\r\n".to_owned(),
        "host: h\r\ncontent-length: \r\n".to_owned(),
        // Encodings that are not just chunks.
        "host: h\r\ntransfer-encoding: identity\r\n".to_owned(),
        "host: h\r\ntransfer-encoding: xchunked\r\n".to_owned(),
        "host: h\r\ntransfer-encoding: chunked, identity\r\n".to_owned(),
        "host: h\r\ntransfer-encoding: gzip, chunked\r\n".to_owned(),
        "host: h\r\ntransfer-encoding: identity\r\ntransfer-encoding: chunked\r\n".to_owned(),
        "host: h\r\ntransfer-encoding: \"chunked\"\r\n".to_owned(),
        "host: h\r\ntransfer-encoding: \x0bchunked\r\n".to_owned(),
        // Lines that some join, split or skip.
        "host: h\r\ntransfer-encoding:\r\n chunked\r\n".to_owned(),
        "host: h\r\nx: 1\r\n\ttransfer-encoding: chunked\r\n".to_owned(),
        " transfer-encoding: chunked\r\nhost: h\r\n".to_owned(),
        "host: h\r\ntransfer-encoding : chunked\r\n".to_owned(),
        "host: h\r\ntransfer-encoding\t: chunked\r\n".to_owned(),
        "host: h\r\ntransfer-encoding\r\n".to_owned(),
        ": x\r\nhost: h\r\n".to_owned(),
        "host: h\r\nx: 1\ntransfer-encoding: chunked\r\n".to_owned(),
        "host: h\ntransfer-encoding: chunked\r\n".to_owned(),
        "host: h\r\nx: 1\rtransfer-encoding: chunked\r\n".to_owned(),
        "host: h\r\nx: 1\0\r\ntransfer-encoding: chunked\r\n".to_owned(),
        format!("host: h\r\ncontent-length: {length}\r\n\n"),
        // Two hosts.
        format!("host: h\r\nhost: i\r\ncontent-length: {length}\r\n"),
    ] {
        let sent = format!("{LINE}{head}\r\n{body}{SMUGGLED}");

        assert_eq!(statuses(&olla, &sent).await, ["400"], "{head:?}");
    }
    assert!(engine.received().iter().all(|received| received.method == "GET"), "a backend got something");
}

#[tokio::test]
async fn a_request_line_that_can_be_read_in_two_ways_is_refused() {
    let (olla, _engine) = serving().await;

    for line in [
        "GET /v1/models HTTP/1.1\n",
        "GET  /v1/models HTTP/1.1\r\n",
        "GET /v1/models  HTTP/1.1\r\n",
        "GET /v1/models HTTP/1.1 \r\n",
        "GET\t/v1/models\tHTTP/1.1\r\n",
        "GET /v1/models HTTP/1.2\r\n",
        "GET /v1/models\r\n",
        "GET v1/models HTTP/1.1\r\n",
        "\n\nGET /v1/models HTTP/1.1\r\n",
        "GET /v1/mo\rdels HTTP/1.1\r\n",
    ] {
        let sent = format!("{line}host: h\r\n\r\n{SMUGGLED}");

        assert_eq!(statuses(&olla, &sent).await, ["400"], "{line:?}");
    }
}

#[tokio::test]
async fn chunks_that_can_be_read_in_two_ways_are_refused() {
    let (olla, engine) = serving().await;
    let chat = chat(MODEL).to_string();
    let size = format!("{:x}", chat.len());
    let extension = "x".repeat(20 * 1024);

    for body in [
        format!("{size}\n{chat}\r\n0\r\n\r\n"),
        format!("{size}\r\n{chat}\n0\r\n\r\n"),
        format!("{size}\r\n{chat}\r\n0\n\r\n"),
        format!("0x{size}\r\n{chat}\r\n0\r\n\r\n"),
        format!("+{size}\r\n{chat}\r\n0\r\n\r\n"),
        format!("-{size}\r\n{chat}\r\n0\r\n\r\n"),
        format!("{size};a\nb\r\n{chat}\r\n0\r\n\r\n"),
        format!("{size};a\rb\r\n{chat}\r\n0\r\n\r\n"),
        format!("{size};{extension}\r\n{chat}\r\n0\r\n\r\n"),
        format!("{size}\r\n{chat}xx\r\n0\r\n\r\n"),
        format!("10000000000000000{size}\r\n{chat}\r\n0\r\n\r\n"),
        format!("\r\n{chat}\r\n0\r\n\r\n"),
        format!("{size}\r\n{chat}\r\n0\r\na: b\nc: d\r\n\r\n"),
        format!("{size}\r\n{chat}\r\n0\r\na: {extension}\r\n\r\n"),
    ] {
        let sent = format!("{LINE}host: h\r\ntransfer-encoding: chunked\r\n\r\n{body}{SMUGGLED}");

        let statuses = statuses(&olla, &sent).await;

        assert_eq!(statuses, ["400"], "{:?}", &body[..body.len().min(200)]);
    }
    assert!(engine.received().iter().all(|received| received.method == "GET"), "a backend got something");
}

#[tokio::test]
async fn what_can_be_read_in_one_way_only_is_served() {
    let (olla, engine) = serving().await;
    let chat = chat(MODEL).to_string();
    let length = chat.len();
    let chunked = format!("{length:X};name=\"value\"\r\n{chat}\r\n000\r\nx-trailer: 1\r\n\r\n");

    for (head, body) in [
        (format!("host: h\r\ncontent-length: {length}\r\n"), &chat),
        (format!("host: h\r\nContent-LENGTH:{length}\r\n"), &chat),
        (format!("host: h\r\ncontent-length: 000{length} \r\n"), &chat),
        (format!("host: h\r\ncontent-length: {length}\r\ncontent-length: {length}\r\n"), &chat),
        ("host: h\r\ntransfer-encoding: chunked\r\n".to_owned(), &chunked),
        ("host: h\r\nTransfer-Encoding:\t Chunked \r\n".to_owned(), &chunked),
        ("host: h\r\nx-transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n".to_owned(), &chunked),
    ] {
        let sent = format!("\r\n{LINE}{head}\r\n{body}{SMUGGLED}");

        assert_eq!(statuses(&olla, &sent).await, ["200", "200"], "{head:?}");
    }
    for received in engine.received().iter().filter(|received| received.method == "POST") {
        assert_eq!(received.body, chat.as_bytes());
        assert_eq!(received.header("content-length"), Some(&*length.to_string()));
        assert_eq!(received.header("transfer-encoding"), None);
        assert_eq!(received.header("x-trailer"), None);
    }
}
