//! A client that leaves: the backend is told at once, and nobody is blamed.

use http::StatusCode;
use olla_core::{Failure, Outcome, Status};

use crate::support::{Backend, Note, Stage, chat};

fn assert_cancelled(note: &Note, stage: &Stage) {
    assert_eq!(note.outcome, Outcome::Cancelled, "{note:?}");
    assert_eq!((stage.status(0), stage.in_flight()), (Status::Healthy, 0));
    assert!(!stage.probe_requested(0));
    let totals = stage.endpoint(0).live.totals().view();
    assert_eq!((totals.failures, totals.cancelled), (0, note.attempts.len() as u64));
}

/// A backend that answers with this and then waits; reports that it has a request, and that it is left alone.
async fn waiting(response: &'static str) -> Backend {
    Backend::scripted(move |mut conn| async move {
        conn.request().await;
        conn.send(response).await;
        conn.report();
        conn.closed().await;
        conn.report();
    })
    .await
}

#[tokio::test]
async fn leaving_while_the_body_is_read_reaches_no_backend() {
    let backend = waiting("").await;
    for reset in [false, true] {
        let stage = Stage::over(&backend);
        let mut wire = stage.wire().await;
        // The interim response proves that the proxy is reading the body.
        wire.send("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 100\r\n\r\n").await;
        wire.until("100 Continue\r\n\r\n").await;
        wire.send(r#"{"model":"m","#).await;

        if reset {
            wire.reset();
        } else {
            wire.leave();
        }

        let note = stage.journal.only().await;
        assert!(note.attempts.is_empty());
        assert_cancelled(&note, &stage);
    }
    assert_eq!(backend.connections(), 0);
}

#[tokio::test]
async fn leaving_while_the_head_is_awaited_closes_the_backends_connection() {
    for reset in [false, true] {
        let backend = waiting("").await;
        let stage = Stage::over(&backend);
        let mut wire = stage.wire().await;
        wire.chat().await;
        backend.reported().await;

        if reset {
            wire.reset();
        } else {
            wire.leave();
        }

        backend.reported().await;
        let note = stage.journal.only().await;
        assert_eq!(note.attempts, [("a".into(), Some(Failure::ClientGone))]);
        assert_eq!((note.status, note.error), (None, Some("client_gone")));
        assert_cancelled(&note, &stage);
    }
}

#[tokio::test]
async fn leaving_a_stream_closes_the_backends_connection() {
    for reset in [false, true] {
        let backend = waiting("HTTP/1.1 200 OK\r\n\r\ndata: 1\n\n").await;
        let stage = Stage::over(&backend);
        let mut wire = stage.wire().await;
        wire.chat().await;
        wire.until("data: 1\n\n").await;
        backend.reported().await;

        if reset {
            wire.reset();
        } else {
            wire.leave();
        }

        backend.reported().await;
        let note = stage.journal.only().await;
        assert_eq!(note.attempts, [("a".into(), Some(Failure::ClientGone))]);
        assert_eq!((note.status, note.bytes_out), (Some(StatusCode::OK), 9));
        assert_cancelled(&note, &stage);
    }
}

#[tokio::test]
async fn dropping_the_future_is_leaving() {
    let backend = waiting("").await;
    let stage = Stage::over(&backend);

    tokio::select! {
        _ = stage.open(chat()) => panic!("nobody answered"),
        () = backend.reported() => {}
    }

    backend.reported().await;
    assert_cancelled(&stage.journal.only().await, &stage);
}

#[tokio::test]
async fn dropping_the_response_is_leaving() {
    let backend = waiting("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nH").await;
    let stage = Stage::over(&backend);

    drop(stage.open(chat()).await);

    backend.reported().await;
    backend.reported().await;
    assert_cancelled(&stage.journal.only().await, &stage);
}

#[tokio::test]
async fn leaving_during_the_second_attempt_blames_only_the_first() {
    let (first, second) = (Backend::refusing(), waiting("").await);
    let stage = crate::support::Plan::over(&[&first, &second]).start();

    tokio::select! {
        _ = stage.open(chat()) => panic!("nobody answered"),
        () = second.reported() => {}
    }

    let note = stage.journal.only().await;
    let failures = [("a".into(), Some(Failure::Refused)), ("b".into(), Some(Failure::ClientGone))];
    assert_eq!((note.outcome, &note.attempts[..]), (Outcome::Cancelled, &failures[..]));
    let totals = |position: usize| stage.endpoint(position).live.totals().view();
    assert_eq!((totals(0).failures, totals(1).failures, totals(1).cancelled), (1, 0, 1));
}
