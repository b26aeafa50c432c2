//! A stream that fails before its first output is taken over by another backend, and the client never knows.

use std::time::Duration;

use http::StatusCode;
use olla_core::{Failure, Outcome};

use crate::support::{Backend, Plan, Stage, chat, millis, ok, post};

const ROLE: &str = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n";
const ERROR: &str = "data: {\"error\":{\"message\":\"out of memory\"}}\n\n";
const WORD: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"well\"}}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";

async fn over(first: Backend, second: Backend) -> (Stage, [Backend; 2]) {
    let mut plan = Plan::over(&[&first, &second]);
    plan.settings.timeouts.stall = millis(300);
    (plan.start(), [first, second])
}

fn ask() -> http::Request<http_body_util::Full<bytes::Bytes>> {
    post("/v1/chat/completions", r#"{"model":"m","stream":true,"messages":[]}"#)
}

#[tokio::test]
async fn an_error_or_a_break_before_the_first_output_moves_on() {
    for (pieces, complete, failure) in [
        (&[ROLE, ERROR, DONE][..], true, Failure::ErrorEvent),
        (&[": working\n\n", ROLE][..], false, Failure::Truncated),
        (&[][..], false, Failure::Truncated),
        (&[][..], true, Failure::Truncated),
    ] {
        let (stage, _backends) = over(
            Backend::streaming(pieces, complete).await,
            Backend::streaming(&[ROLE, WORD, DONE], true).await,
        )
        .await;

        let told = stage.ask(ask()).await;

        assert_eq!(told.text(), [ROLE, WORD, DONE].concat(), "nothing of the first is left");
        assert_eq!(told.header("x-olla-endpoint"), Some("b"));
        let note = stage.journal.only().await;
        assert_eq!(note.attempts, [("a".into(), Some(failure)), ("b".into(), None)]);
        assert_eq!(note.outcome, Outcome::Success);
    }
}

#[tokio::test]
async fn a_stream_that_falls_silent_before_its_first_output_moves_on() {
    let silent = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: hello\n\n").await;
        conn.closed().await;
    })
    .await;
    let (stage, _backends) = over(silent, Backend::streaming(&[WORD, DONE], true).await).await;

    let told = stage.ask(ask()).await;

    assert_eq!(told.text(), [WORD, DONE].concat());
    let attempts = stage.journal.only().await.attempts;
    assert_eq!(attempts, [("a".into(), Some(Failure::Stall)), ("b".into(), None)]);
}

#[tokio::test]
async fn an_error_that_all_backends_tell_of_reaches_the_client_as_it_is_and_counts_as_a_failure() {
    let failing = [ROLE, ERROR, DONE];
    let (stage, _backends) =
        over(Backend::streaming(&failing, true).await, Backend::streaming(&failing, true).await).await;

    let told = stage.ask(ask()).await;

    assert_eq!((told.status, told.text()), (StatusCode::OK, &*failing.concat()));
    let note = stage.journal.only().await;
    assert_eq!((note.outcome, note.error), (Outcome::Failure, Some("error_in_stream")));
}

#[tokio::test]
async fn after_the_first_output_an_error_stays_where_it_is_and_counts_as_a_failure() {
    let (stage, _backends) = over(
        Backend::streaming(&[WORD, ERROR, DONE], true).await,
        Backend::streaming(&[WORD, DONE], true).await,
    )
    .await;

    let told = stage.ask(ask()).await;

    assert_eq!(told.text(), [WORD, ERROR, DONE].concat());
    let note = stage.journal.only().await;
    assert_eq!(note.attempts, [("a".into(), Some(Failure::ErrorEvent))]);
    assert_eq!(note.outcome, Outcome::Failure);
}

#[tokio::test]
async fn an_error_that_arrives_in_pieces_is_an_error_too() {
    let (head, tail) = ERROR.split_at(20);
    let pieces: [&str; 4] = [WORD, head, tail, DONE];
    let (stage, _backends) =
        over(Backend::streaming(&pieces, true).await, Backend::streaming(&[WORD, DONE], true).await).await;

    let told = stage.ask(ask()).await;

    assert_eq!(told.text(), [WORD, ERROR, DONE].concat());
    let note = stage.journal.only().await;
    assert_eq!((note.outcome, note.error), (Outcome::Failure, Some("error_in_stream")));
    assert_eq!(stage.endpoint(0).live.outlier().failures_in_a_row(), 1, "and the endpoint is blamed");
}

#[tokio::test]
async fn a_stream_that_is_empty_is_handed_on_where_nobody_else_can_be_asked() {
    let backend = Backend::streaming(&[], true).await;
    let stage = Stage::over(&backend);

    let told = stage.ask(ask()).await;

    assert_eq!((told.status, told.text(), told.header("x-olla-endpoint")), (StatusCode::OK, "", Some("a")));
}

#[tokio::test]
async fn the_connection_of_a_stream_that_was_held_is_used_again() {
    let (stage, backends) =
        over(Backend::streaming(&[ROLE, WORD, DONE], true).await, Backend::streaming(&[], true).await).await;

    for _ in 0..3 {
        stage.ask(ask()).await;
    }

    assert_eq!(backends[0].connections(), 1);
}

/// The head of a whole answer, and what may come instead of its first byte.
const NO_BYTE: [&str; 3] = [
    "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nwhat\r\n",
];

#[tokio::test]
async fn a_whole_answer_of_which_no_byte_arrives_is_asked_for_elsewhere() {
    for response in NO_BYTE {
        let (stage, _backends) =
            over(Backend::answering_once(response).await, Backend::answering(ok("good")).await).await;

        let told = stage.ask(chat()).await;

        assert_eq!((told.text(), told.header("x-olla-endpoint")), ("good", Some("b")), "{response}");
        let note = stage.journal.only().await;
        assert_eq!(note.attempts, [("a".into(), Some(Failure::Truncated)), ("b".into(), None)]);
        assert_eq!(note.outcome, Outcome::Success);
    }
}

#[tokio::test]
async fn a_whole_answer_that_falls_silent_behind_its_head_is_asked_for_elsewhere() {
    let silent = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.send(NO_BYTE[0]).await;
        conn.closed().await;
    })
    .await;
    let (stage, _backends) = over(silent, Backend::answering(ok("good")).await).await;

    let told = stage.ask(chat()).await;

    assert_eq!(told.text(), "good");
    let attempts = stage.journal.only().await.attempts;
    assert_eq!(attempts, [("a".into(), Some(Failure::Stall)), ("b".into(), None)]);
}

#[tokio::test]
async fn a_whole_answer_that_comes_behind_its_head_is_passed_on_when_it_comes() {
    let backend = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.send(NO_BYTE[0]).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        conn.send("0123456789").await;
        conn.closed().await;
    })
    .await;
    let stage = Stage::over(&backend);

    let told = tokio::select! {
        biased;
        () = tokio::time::sleep(Duration::from_secs(5)) => panic!("nobody has noticed"),
        told = stage.ask(chat()) => told,
    };

    assert_eq!(told.text(), "0123456789");
}

#[tokio::test]
async fn a_whole_answer_that_nobody_can_give_is_an_error_and_no_broken_body() {
    for response in NO_BYTE {
        let backend = Backend::answering_once(response).await;
        let stage = Stage::over(&backend);

        let told = stage.ask(chat()).await;

        assert_eq!(told.status, StatusCode::BAD_GATEWAY, "{response}");
        assert_eq!(told.json()["error"]["code"], "truncated", "{response}");
        assert_eq!(stage.in_flight(), 0);
    }
}

#[tokio::test]
async fn the_connection_of_a_whole_answer_is_used_again() {
    for body in ["", "good"] {
        let backend = Backend::answering(ok(body)).await;
        let stage = Stage::over(&backend);

        for _ in 0..3 {
            assert_eq!(stage.ask(chat()).await.text(), body);
        }

        assert_eq!(backend.connections(), 1);
    }
}
