//! A drained endpoint gets no new requests, whatever its health; those in flight finish.

use http::StatusCode;
use http_body_util::BodyExt;
use olla_core::{Failure, Outcome, Status};
use olla_proxy::{Question, Verdict};

use crate::support::{Backend, Plan, Stage, chat, get, ok, soon};

#[tokio::test]
async fn new_requests_go_elsewhere_and_those_in_flight_finish() {
    let streaming = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nha").await;
        conn.cue().await;
        conn.send("lf").await;
        conn.closed().await;
    })
    .await;
    let other = Backend::answering(ok("{}")).await;
    let stage = Plan::over(&[&streaming, &other]).start();
    let body = stage.open(chat()).await.into_body();

    stage.endpoint(0).live.drain();
    for _ in 0..3 {
        assert_eq!(stage.ask(chat()).await.header("x-olla-endpoint"), Some("b"));
        assert_eq!(stage.journal.next().await.outcome, Outcome::Success);
    }
    streaming.cue();

    assert_eq!(soon(body.collect()).await.unwrap().to_bytes(), "half");
    assert_eq!(stage.journal.next().await.outcome, Outcome::Success);
    assert_eq!(stage.in_flight(), 0);
}

#[tokio::test]
async fn it_is_no_last_resort_either_and_stays_drained_when_its_health_changes() {
    let backend = Backend::answering(ok("{}")).await;
    let stage = Stage::over(&backend);
    stage.endpoint(0).live.drain();

    for status in [Status::Offline, Status::Healthy] {
        stage.endpoint(0).live.set_status(status);
        assert_eq!(stage.ask(chat()).await.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    stage.endpoint(0).live.demote(Failure::Refused);
    assert_eq!(stage.ask(chat()).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(backend.heard().is_empty());
    stage.endpoint(0).live.set_status(Status::Healthy);
    stage.endpoint(0).live.resume();

    assert_eq!(stage.ask(chat()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn its_models_are_not_offered_and_explain_says_why() {
    let backend = Backend::answering(ok("{}")).await;
    let stage = Stage::over(&backend);
    let listed = async || stage.ask(get("/v1/models")).await.json()["data"].as_array().unwrap().len();
    assert_eq!(listed().await, 1);

    stage.endpoint(0).live.drain();

    assert_eq!(listed().await, 0);
    let question = Question {
        method: http::Method::POST,
        target: "/v1/chat/completions".parse().unwrap(),
        model: Some("m".into()),
        needs: Default::default(),
    };
    let considered = &stage.proxy.explain(&question).considered[0];
    assert_eq!((considered.verdict, &*considered.why), (Verdict::NotNow, "an operator drains it"));
}
