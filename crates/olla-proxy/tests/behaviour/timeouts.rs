//! Limits of time: a silent stream, and the whole exchange.

use http::StatusCode;
use http_body_util::BodyExt;
use olla_core::{Failure, Outcome, Status};

use crate::support::{Backend, Plan, Stage, chat, millis, ok, pass, soon, stop_the_clock};

const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n";

/// A backend that sends this and then nothing; reports when the proxy has hung up.
async fn silent_after(response: &'static str) -> Backend {
    Backend::scripted(move |mut conn| async move {
        conn.request().await;
        conn.send(response).await;
        conn.closed().await;
        conn.report();
    })
    .await
}

fn plan(backend: &Backend) -> Plan {
    let mut plan = Plan::over(&[backend]);
    plan.settings.timeouts.first_byte = millis(0);
    plan.settings.timeouts.stall = millis(0);
    plan
}

#[tokio::test]
async fn a_stream_that_stalls_is_cut_off_and_says_so() {
    let backend = silent_after(STREAM).await;
    let mut plan = plan(&backend);
    plan.settings.timeouts.stall = millis(80);
    let stage = plan.start();
    let mut wire = stage.wire().await;
    wire.chat().await;

    let (body, _) = wire.rest().await;

    assert!(body.contains("data: 1\n\n") && body.contains(r#""code":"stalled""#), "{body}");
    assert!(!body.ends_with("0\r\n\r\n"), "{body:?}");
    backend.reported().await;
    let note = stage.journal.only().await;
    assert_eq!((note.outcome, note.error), (Outcome::Failure, Some("stalled")));
    assert_eq!((stage.status(0), stage.in_flight()), (Status::Healthy, 0));
    assert!(stage.probe_requested(0));
}

#[tokio::test]
async fn a_slow_stream_that_keeps_flowing_is_no_stall() {
    stop_the_clock();
    let backend = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.send("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n").await;
        for _ in 0..8 {
            conn.cue().await;
            conn.send("x").await;
        }
        conn.closed().await;
    })
    .await;
    let mut plan = plan(&backend);
    plan.settings.timeouts.stall = millis(400);
    let stage = plan.start();
    backend.cue();
    let mut body = stage.open(chat()).await.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "x");

    // Longer than the limit in all, never at once.
    for _ in 0..7 {
        let pause = async {
            pass(millis(300)).await;
            backend.cue();
        };
        let (piece, ()) = tokio::join!(body.frame(), pause);
        assert_eq!(piece.unwrap().unwrap().into_data().unwrap(), "x");
    }
}

#[tokio::test]
async fn a_client_that_pauses_is_not_a_backend_that_stalls() {
    let backend = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na").await;
        conn.cue().await;
        conn.send("b").await;
        conn.closed().await;
    })
    .await;
    let mut plan = plan(&backend);
    plan.settings.timeouts.stall = millis(300);
    let stage = plan.start();
    let mut body = stage.open(chat()).await.into_body();
    assert_eq!(soon(body.frame()).await.unwrap().unwrap().into_data().unwrap(), "a");

    tokio::time::sleep(millis(400)).await;
    backend.cue();

    assert_eq!(soon(body.collect()).await.unwrap().to_bytes(), "b");
}

#[tokio::test]
async fn the_whole_exchange_has_a_deadline_before_the_head() {
    let (first, second) = (silent_after("").await, Backend::answering(ok("{}")).await);
    let mut plan = Plan::over(&[&first, &second]);
    plan.settings.timeouts.total = millis(80);
    let stage = plan.start();

    let told = stage.ask(chat()).await;

    assert_eq!(told.status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(told.json()["error"]["code"], "deadline");
    first.reported().await;
    assert!(second.heard().is_empty(), "there is no time left to try another");
    assert_eq!(stage.journal.only().await.attempts, [("a".into(), Some(Failure::Deadline))]);
    assert_eq!((stage.status(0), stage.in_flight()), (Status::Healthy, 0));
}

#[tokio::test]
async fn the_whole_exchange_has_a_deadline_in_the_body() {
    // It never stalls; it only never ends.
    let backend = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.send("HTTP/1.1 200 OK\r\n\r\n").await;
        loop {
            conn.send("x").await;
            tokio::select! {
                () = tokio::time::sleep(millis(20)) => {}
                () = conn.closed() => break,
            }
        }
        conn.report();
    })
    .await;
    let mut plan = plan(&backend);
    plan.settings.timeouts.total = millis(400);
    plan.settings.timeouts.stall = millis(10_000);
    let stage = plan.start();

    let told = stage.ask(chat()).await;

    assert_eq!((told.status, told.body), (StatusCode::OK, Err(Failure::Deadline)));
    backend.reported().await;
    assert_eq!(stage.journal.only().await.error, Some("deadline"));
}

#[tokio::test]
async fn a_backend_that_never_makes_us_wait_is_held_to_the_deadline_too() {
    let backend = Backend::answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await;
    let mut plan = plan(&backend);
    plan.settings.timeouts.total = millis(100);
    let stage = plan.start();

    let mut body = stage.open(chat()).await.into_body();
    tokio::time::sleep(millis(150)).await;

    // The bytes have long been there to be taken.
    assert!(matches!(soon(body.frame()).await, Some(Err(Failure::Deadline))));
}

#[tokio::test]
async fn a_head_that_takes_too_long_is_a_gateway_timeout() {
    let backend = silent_after("").await;
    let mut plan = plan(&backend);
    plan.settings.timeouts.first_byte = millis(50);
    let stage = plan.start();

    let told = stage.ask(chat()).await;

    assert_eq!(told.status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(told.json()["error"]["code"], "head_timeout");
    backend.reported().await;
}

#[tokio::test]
async fn a_kind_that_loads_models_first_is_given_the_time_it_needs() {
    let backend = Backend::scripted(|mut conn| async move {
        conn.request().await;
        tokio::time::sleep(millis(150)).await;
        conn.send(&ok("{}")).await;
    })
    .await;
    let mut plan = plan(&backend);
    plan.settings.timeouts.first_byte = millis(50);
    plan.kind(0, "ollama");

    assert_eq!(plan.start().ask(chat()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn zero_is_no_limit() {
    let backend = Backend::answering(ok("{}")).await;
    let mut plan = plan(&backend);
    plan.settings.limits.body_timeout = millis(0);
    plan.settings.limits.max_body_bytes = 0;
    plan.settings.limits.max_header_bytes = 0;
    plan.settings.timeouts.total = millis(0);
    let stage: Stage = plan.start();

    assert_eq!(stage.ask(chat()).await.status, StatusCode::OK);
}
