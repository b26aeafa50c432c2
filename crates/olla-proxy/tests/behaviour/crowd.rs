//! There are only so many requests at a time, each from its head to the end of its response.

use http::StatusCode;
use http_body_util::BodyExt;
use olla_core::Outcome;

use crate::support::{Backend, Plan, Stage, chat, get, post, soon};

async fn two_at_a_time() -> (Stage, Backend) {
    let backend = Backend::scripted(|mut conn| async move {
        while conn.request().await.is_some() {
            conn.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{").await;
            conn.cue().await;
            conn.send("}").await;
        }
    })
    .await;
    let mut plan = Plan::over(&[&backend]);
    plan.settings.limits.max_in_flight = 2;
    (plan.start(), backend)
}

#[tokio::test]
async fn requests_beyond_the_limit_are_refused_in_the_callers_dialect_until_a_response_has_ended() {
    let (stage, backend) = two_at_a_time().await;
    let first = stage.open(chat()).await;
    let second = stage.open(chat()).await;

    let refused = stage.ask(post("/v1/messages", r#"{"model":"m"}"#)).await;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, Some("1")));
    assert_eq!(refused.json()["type"], "error");
    assert_eq!(stage.ask(get("/v1/models")).await.json()["error"]["code"], "too_many_in_flight");

    backend.cue();
    backend.cue();
    soon(first.into_body().collect()).await.unwrap();
    assert_eq!(stage.ask(get("/v1/models")).await.status, StatusCode::OK);
    drop(second);
}

#[tokio::test]
async fn a_request_that_is_refused_or_whose_client_leaves_is_no_longer_counted() {
    let (stage, _backend) = two_at_a_time().await;

    for _ in 0..5 {
        drop(stage.open(chat()).await);
        assert_eq!(stage.journal.next().await.outcome, Outcome::Cancelled);
        assert_eq!(
            stage.ask(post("/v1/completions", r#"{"model":"nobody's"}"#)).await.status,
            StatusCode::NOT_FOUND
        );
        stage.journal.next().await;
    }

    assert_eq!(stage.open(chat()).await.status(), StatusCode::OK);
}
