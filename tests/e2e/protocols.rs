//! HTTP/1.1 with keep-alive and pipelining, and HTTP/2 with prior knowledge, on one port.

use std::io::ErrorKind;

use http::{Request, Version};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use olla_sim::{Engine, Fault, Kind, Scope};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    client::{self, Answer, Body, chat, streamed_chat},
    engines::{self, MODEL, engine, entry},
    olla::{Olla, PATIENCE, Setup},
};

async fn serving() -> (Olla, Engine) {
    let engine = engines::start(engine("sim", Kind::Vllm)).await;
    let olla = Setup::config(&format!("endpoints:\n{}", entry("one", &engine, "vllm"))).start().await;
    olla.ready().await;
    (olla, engine)
}

/// A chat as it is sent.
fn posted(version: &str, chat: &Value) -> String {
    let chat = chat.to_string();
    let length = chat.len();
    format!("POST /v1/chat/completions {version}\r\nhost: h\r\ncontent-length: {length}\r\n\r\n{chat}")
}

#[tokio::test]
async fn speaks_http2_with_prior_knowledge() {
    let (olla, _engine) = serving().await;
    let stream = TcpStream::connect(olla.address()).await.unwrap();
    let (mut sender, connection) =
        http2::handshake::<_, _, Body>(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let uri = format!("http://{}/v1/chat/completions", olla.address());

    let ask = |document: serde_json::Value| sender.send_request(client::post(&uri, &document));
    let (whole, streamed) = {
        let mut ask = ask;
        let (whole, streamed) = (ask(chat(MODEL)), ask(streamed_chat(MODEL)));
        timeout(PATIENCE, async { tokio::join!(whole, streamed) }).await.expect("both at once")
    };

    let (whole, streamed) = (whole.unwrap(), streamed.unwrap());
    assert_eq!((whole.version(), streamed.version()), (Version::HTTP_2, Version::HTTP_2));
    let (whole, streamed) = (Answer::read(whole).await.unwrap(), Answer::read(streamed).await.unwrap());
    assert_eq!((whole.status, whole.header("x-olla-endpoint")), (200, "one"));
    assert!(streamed.text().ends_with("data: [DONE]\n\n"));
    sender.ready().await.expect("the connection stays open");
}

#[tokio::test]
async fn keeps_a_connection_for_many_requests() {
    let (olla, _engine) = serving().await;
    let mut connection = client::connect(olla.address()).await;

    for path in ["/v1/models", "/version", "/nonsense", "/v1/models"] {
        let request = Request::get(path).header("host", "localhost").body(Body::default()).unwrap();
        let response = timeout(PATIENCE, connection.send_request(request)).await.expect("an answer");
        Answer::read(response.expect("the connection is still open")).await.unwrap();
        connection.ready().await.expect("the connection stays open");
    }
}

#[tokio::test]
async fn answers_pipelined_requests_in_order() {
    let (olla, _engine) = serving().await;
    let post = posted("HTTP/1.1", &chat(MODEL));
    let last = "GET /version HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
    let mut stream = TcpStream::connect(olla.address()).await.unwrap();

    stream
        .write_all(format!("{post}GET /nonsense HTTP/1.1\r\nhost: h\r\n\r\n{last}").as_bytes())
        .await
        .unwrap();
    let mut answers = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answers)).await.expect("an end").unwrap();

    let statuses: Vec<_> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "404", "200"], "{answers}");
    let places = ["\"choices\"", "unknown_path", "\"version\""].map(|text| answers.find(text).expect(text));
    assert!(places.is_sorted(), "{answers}");
}

#[tokio::test]
async fn bytes_behind_a_request_do_not_hold_back_its_answer() {
    let engine = engines::start(engine("sim", Kind::Vllm).early_head(true).ttft(PATIENCE * 2)).await;
    let olla = Setup::config(&format!("endpoints:\n{}", entry("one", &engine, "vllm"))).start().await;
    olla.ready().await;
    let post = posted("HTTP/1.1", &streamed_chat(MODEL));
    let mut stream = TcpStream::connect(olla.address()).await.unwrap();

    // The tokens take longer than this test waits: what comes is the head, flushed by itself.
    stream.write_all(format!("{post}\r\nGET /version HTT").as_bytes()).await.unwrap();
    let mut head = [0; 15];
    timeout(PATIENCE, stream.read_exact(&mut head)).await.expect("a head at once").unwrap();

    assert_eq!(&head, b"HTTP/1.1 200 OK");
}

#[tokio::test]
async fn a_client_of_http_1_0_sees_that_a_stream_breaks_off() {
    let fault = Fault::CloseAfter { bytes: 300, framed: None };
    let engine = engines::start(engine("sim", Kind::Vllm).fault(fault.on(Scope::Inference))).await;
    let olla = Setup::config(&format!("endpoints:\n{}", entry("one", &engine, "vllm"))).start().await;
    olla.ready().await;
    let post = posted("HTTP/1.0", &streamed_chat(MODEL));
    let mut stream = TcpStream::connect(olla.address()).await.unwrap();

    stream.write_all(post.as_bytes()).await.unwrap();
    let mut received = vec![];
    let ended = timeout(PATIENCE, stream.read_to_end(&mut received)).await.expect("an end");

    let received = String::from_utf8_lossy(&received);
    assert!(received.contains("connection: close\r\n") && received.contains("\r\n\r\ndata: "), "{received}");
    assert_eq!(ended.map_err(|error| error.kind()), Err(ErrorKind::ConnectionReset), "{received}");
}

#[tokio::test]
async fn what_is_no_request_is_answered_and_not_just_dropped() {
    let (olla, _engine) = serving().await;
    let many: String = (0..200).map(|n| format!("x-{n}: 1\r\n")).collect();

    for (sent, status) in [
        ("FOO BAR\r\n\r\n".to_owned(), "400"),
        ("GET /v1/models HTTP/1.1\r\n\r\n".to_owned(), "400"),
        ("GET /v1/models HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n".to_owned(), "400"),
        (format!("GET /v1/models HTTP/1.1\r\nhost: h\r\n{many}\r\n"), "431"),
    ] {
        let mut stream = TcpStream::connect(olla.address()).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut head = [0; 12];
        timeout(PATIENCE, stream.read_exact(&mut head)).await.expect("an answer").unwrap();
        assert_eq!(String::from_utf8_lossy(&head), format!("HTTP/1.1 {status}"), "{sent:?}");
    }
}
