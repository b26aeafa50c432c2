//! A response that breaks off must never look complete to the client.

use http::StatusCode;
use olla_core::{Failure, Outcome, Status};

use crate::support::{Backend, Ending, Note, Stage, chat};

/// Lets the client read everything over a real connection.
async fn read(response: &'static str) -> (String, Ending, Note) {
    let backend = Backend::answering_once(response).await;
    let stage = Stage::over(&backend);
    let mut wire = stage.wire().await;
    wire.chat().await;
    let head = wire.head().await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let (body, ending) = wire.rest().await;
    let note = stage.journal.only().await;
    assert_eq!(stage.in_flight(), 0);
    (body, ending, note)
}

fn assert_broken(note: &Note) {
    assert_eq!(note.attempts, [("a".into(), Some(Failure::Truncated))]);
    assert_eq!((note.outcome, note.error), (Outcome::Failure, Some("truncated")));
    assert_eq!(note.status, Some(StatusCode::OK), "what the client was told at first");
}

#[tokio::test]
async fn a_body_shorter_than_its_length_stays_short() {
    let (body, _, note) = read("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345").await;

    assert!(body.len() < 10 && "12345".starts_with(&body), "{body:?}");
    assert_broken(&note);
}

#[tokio::test]
async fn a_chunked_body_without_its_last_chunk_gets_none() {
    let (body, _, note) = read("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n").await;

    assert!(!body.contains("\r\n0\r\n") && !body.starts_with("0\r\n"), "{body:?}");
    assert_broken(&note);
}

#[tokio::test]
async fn a_malformed_chunk_is_not_an_end() {
    let (body, _, note) =
        read("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\nwhat\r\nnow\r\n").await;

    assert!(!body.contains("\r\n0\r\n"), "{body:?}");
    assert_broken(&note);
}

#[tokio::test]
async fn a_reset_ends_nothing() {
    let backend = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.send("HTTP/1.1 200 OK\r\n\r\npart").await;
        // The client has the part: it cannot be lost with the reset.
        conn.request().await;
        conn.reset();
    })
    .await;
    let stage = Stage::over(&backend);
    let address = stage.listen().await;
    let mut wire = crate::support::Wire::to(address).await;
    wire.chat().await;
    wire.until("part").await;

    crate::support::poke(&backend).await;
    let (rest, _) = wire.rest().await;

    assert!(!rest.contains("0\r\n\r\n"), "{rest:?}");
    assert_broken(&stage.journal.only().await);
    assert_eq!(stage.status(0), Status::Healthy, "one broken response does not take an endpoint out");
    assert!(stage.probe_requested(0));
}
