//! A client that goes away takes its request along, whatever phase it is in.

use std::time::Duration;

use olla_sim::{Engine, Fault, Kind, Phase, Scope};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{
    client::streamed_chat,
    engines::{self, MODEL, engine, entry},
    olla::{Olla, PATIENCE, Setup},
};

/// Starts a backend that never finishes a chat, and sends it one.
async fn asking(fault: Fault) -> (Olla, Engine, TcpStream) {
    let engine = engines::start(engine("sim", Kind::Vllm).fault(fault.on(Scope::Inference))).await;
    let olla = Setup::config(&format!("endpoints:\n{}", entry("one", &engine, "vllm"))).start().await;
    olla.ready().await;
    let mut client = TcpStream::connect(olla.address()).await.unwrap();
    let (path, chat) = ("/v1/chat/completions", streamed_chat(MODEL).to_string());
    let length = chat.len();
    let request = format!("POST {path} HTTP/1.1\r\nhost: h\r\ncontent-length: {length}\r\n\r\n{chat}");
    client.write_all(request.as_bytes()).await.unwrap();
    let arrived = async {
        while !engine.received().iter().any(|received| received.path() == path) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, arrived).await.expect("the chat arrives");
    (olla, engine, client)
}

async fn assert_abandoned(engine: &Engine, phase: Phase) {
    timeout(PATIENCE, engine.wait_abandoned(1)).await.expect("the backend notices");
    assert_eq!(engine.abandoned()[0].phase, phase);
}

async fn assert_counted_as_cancelled(olla: &Olla) {
    let is_over = |entry: &Value| entry["active_connections"] == 0 && entry["cancelled"] == 1;
    assert_eq!(olla.endpoint_when("one", is_over).await["failures"], 0);
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_frees_the_backend() {
    let (olla, engine, client) = asking(Fault::HangBeforeHead).await;

    drop(client);

    assert_abandoned(&engine, Phase::BeforeHead).await;
    assert_counted_as_cancelled(&olla).await;
}

#[tokio::test]
async fn a_client_that_leaves_within_a_stream_frees_the_backend() {
    let (olla, engine, mut client) = asking(Fault::HangAfter { bytes: 300 }).await;
    let mut first = [0; 16];
    timeout(PATIENCE, client.read_exact(&mut first)).await.expect("a first piece").unwrap();

    drop(client);

    assert_abandoned(&engine, Phase::Response).await;
    assert_counted_as_cancelled(&olla).await;
}
