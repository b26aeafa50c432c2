//! A backend that fails before its response head: the next one answers, and the client never knows.

use http::StatusCode;
use olla_core::{Failure, Outcome, Status};

use crate::support::{Backend, MODEL, Plan, Stage, chat, millis, ok, post};

/// A stage where `a` fails and `b` answers.
async fn failing(first: &Backend) -> (Stage, Backend) {
    let second = Backend::answering(ok("{}")).await;
    let mut plan = Plan::over(&[first, &second]);
    plan.settings.timeouts.first_byte = millis(400);
    (plan.start(), second)
}

async fn assert_moves_on(first: &Backend, failure: Failure) {
    let (stage, second) = failing(first).await;

    let told = stage.ask(chat()).await;

    assert_eq!((told.status, told.text()), (StatusCode::OK, "{}"), "{failure:?}");
    assert_eq!(told.header("x-olla-endpoint"), Some("b"));
    assert_eq!(second.heard_one().body, r#"{"model":"m","messages":[]}"#);
    let note = stage.journal.only().await;
    assert_eq!(note.attempts, [("a".into(), Some(failure)), ("b".into(), None)]);
    assert_eq!(note.outcome, Outcome::Success);
    assert_eq!(stage.status(0), Status::Offline, "left the rotation");
    assert!(stage.probe_requested(0) && !stage.probe_requested(1));
    assert_eq!((stage.status(1), stage.in_flight()), (Status::Healthy, 0));
}

#[tokio::test]
async fn moves_on_when_the_connection_is_refused() {
    assert_moves_on(&Backend::refusing(), Failure::Refused).await;
}

#[tokio::test]
async fn moves_on_when_the_connection_is_reset_before_the_head() {
    let first = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.reset();
    })
    .await;

    assert_moves_on(&first, Failure::ResetBeforeHead).await;
}

#[tokio::test]
async fn moves_on_when_the_connection_is_closed_inside_the_head() {
    let first = Backend::answering_once("HTTP/1.1 200 OK\r\ncontent-le").await;

    assert_moves_on(&first, Failure::ResetBeforeHead).await;
}

#[tokio::test]
async fn moves_on_when_no_head_comes_in_time() {
    let first = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.closed().await;
    })
    .await;

    assert_moves_on(&first, Failure::HeadTimeout).await;
}

#[tokio::test]
async fn moves_on_when_the_head_is_not_http() {
    let first = Backend::answering_once("HTTP/9 what\r\n\r\n").await;

    assert_moves_on(&first, Failure::MalformedHead).await;
}

#[tokio::test]
async fn moves_on_when_the_lengths_in_the_head_contradict_each_other() {
    let first =
        Backend::answering_once("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx").await;

    assert_moves_on(&first, Failure::MalformedHead).await;
}

#[tokio::test]
async fn tries_each_candidate_once_and_then_says_who_failed_last() {
    let backends =
        [Backend::refusing(), Backend::answering_once("nonsense\r\n\r\n").await, Backend::refusing()];
    let stage = Plan::over(&backends.iter().collect::<Vec<_>>()).start();

    let told = stage.ask(chat()).await;

    assert_eq!(told.status, StatusCode::BAD_GATEWAY);
    assert_eq!(told.json()["error"]["code"], "connection_refused");
    let message = told.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("3 attempt(s)") && message.contains("\"c\""), "{message}");
    assert!(!message.contains("127.0.0.1"), "addresses are not for clients: {message}");
    let tried: Vec<_> = stage.journal.only().await.attempts.into_iter().map(|(name, _)| name).collect();
    assert_eq!(tried, ["a", "b", "c"]);
    assert_eq!(backends[1].connections(), 1);
    assert_eq!(stage.in_flight(), 0);
}

#[tokio::test]
async fn resends_a_body_byte_for_byte_also_when_it_came_in_chunks() {
    let first = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.reset();
    })
    .await;
    let (stage, second) = failing(&first).await;
    let mut wire = stage.wire().await;

    wire.send("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").await;
    wire.send("9\r\n{ \"model\"\r\n").await;
    wire.send("c\r\n : \"m\" , \"é\r\n").await;
    wire.send("4\r\n\":1}\r\n0\r\n\r\n").await;

    assert!(wire.head().await.starts_with("HTTP/1.1 200"));
    let sent = "{ \"model\" : \"m\" , \"é\":1}";
    assert_eq!((first.heard_one().body, second.heard_one().body), (sent.into(), sent.into()));
}

#[tokio::test]
async fn stops_after_as_many_attempts_as_are_allowed() {
    let (first, second, third) =
        (Backend::refusing(), Backend::refusing(), Backend::answering(ok("{}")).await);
    let mut plan = Plan::over(&[&first, &second, &third]);
    plan.settings.retry.max_attempts = Some(2.try_into().unwrap());
    let stage = plan.start();

    assert_eq!(stage.ask(chat()).await.status, StatusCode::BAD_GATEWAY);

    assert!(third.heard().is_empty());
}

#[tokio::test]
async fn stops_at_the_first_failure_when_told_to() {
    let (first, second) = (Backend::refusing(), Backend::answering(ok("{}")).await);
    let mut plan = Plan::over(&[&first, &second]);
    plan.settings.retry.on_failure = false;
    let stage = plan.start();

    assert_eq!(stage.ask(chat()).await.status, StatusCode::BAD_GATEWAY);

    assert!(second.heard().is_empty());
}

#[tokio::test]
async fn a_demoted_endpoint_is_the_last_resort() {
    let backend = Backend::answering(ok("{}")).await;
    let stage = Stage::over(&backend);
    stage.endpoint(0).live.demote(Failure::Refused);

    assert_eq!(stage.ask(chat()).await.status, StatusCode::OK, "better a doubtful endpoint than none");
}

/// A request that creates something must not be repeated once a backend has it.
fn generate_key() -> http::Request<http_body_util::Full<bytes::Bytes>> {
    post("/olla/litellm/key/generate", r#"{"user":"u"}"#)
}

fn litellm(first: &Backend, second: &Backend) -> Stage {
    let mut plan = Plan::over(&[first, second]);
    for position in 0..2 {
        plan.kind(position, "litellm");
        plan.models(position, &[MODEL]);
        plan.specs[position].allow_paths = olla_core::PathRules::parse(["/key/*"]).unwrap().into();
    }
    plan.start()
}

#[tokio::test]
async fn what_is_not_idempotent_is_not_repeated_after_it_was_sent() {
    let first = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.reset();
    })
    .await;
    let second = Backend::answering(ok("{}")).await;
    let stage = litellm(&first, &second);

    let told = stage.ask(generate_key()).await;

    assert_eq!(told.status, StatusCode::BAD_GATEWAY);
    assert_eq!(told.json()["error"]["code"], "reset_before_head");
    assert!(second.heard().is_empty());
}

#[tokio::test]
async fn what_is_not_idempotent_moves_on_when_it_was_not_sent() {
    let (first, second) = (Backend::refusing(), Backend::answering(ok("{}")).await);
    let stage = litellm(&first, &second);

    assert_eq!(stage.ask(generate_key()).await.status, StatusCode::OK);

    assert_eq!(second.heard_one().body, r#"{"user":"u"}"#);
}
