//! What arrives from a backend is forwarded when it arrives.

use http_body_util::BodyExt;

use crate::support::{Backend, Stage, chat, soon};

#[tokio::test]
async fn a_chunk_reaches_the_client_before_the_backend_sends_the_next() {
    let backend = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            .await;
        for n in 0..5 {
            conn.cue().await;
            conn.send(&format!("9\r\ndata: {n}\n\n\r\n")).await;
        }
        conn.cue().await;
        conn.send("0\r\n\r\n").await;
        conn.closed().await;
    })
    .await;
    let stage = Stage::over(&backend);
    let mut wire = stage.wire().await;
    wire.chat().await;

    wire.head().await;
    for n in 0..5 {
        backend.cue();
        wire.until(&format!("data: {n}\n\n")).await;
        assert!(stage.journal.is_empty().await, "still open");
    }
    backend.cue();
    wire.until("0\r\n\r\n").await;

    assert_eq!(stage.journal.only().await.bytes_out, 45);
}

#[tokio::test]
async fn half_an_event_is_not_held_back() {
    let backend = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: ha").await;
        conn.cue().await;
        conn.send("lf\n\n").await;
    })
    .await;
    let stage = Stage::over(&backend);

    let mut body = stage.open(chat()).await.into_body();
    let first = soon(body.frame()).await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "data: ha");

    backend.cue();
    assert_eq!(soon(body.collect()).await.unwrap().to_bytes(), "lf\n\n");
}

#[tokio::test]
async fn the_client_does_not_wait_for_a_backend_to_read_the_next_request() {
    // Answer and request of the next round on one connection each, both ways.
    let backend = Backend::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
    let stage = Stage::over(&backend);
    let mut wire = stage.wire().await;

    for _ in 0..3 {
        wire.chat().await;
        wire.until("\r\n\r\n{}").await;
    }

    assert_eq!(backend.connections(), 1);
}
