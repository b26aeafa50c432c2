//! What requests teach of endpoints: who fails is left out for a while, who asks to be spared is spared, and
//! retries are limited.

use http::StatusCode;
use olla_balancer::Balancer;
use olla_core::{Failure, Outcome, Status};

use crate::support::{Backend, Plan, answer, chat, millis, ok, post};

async fn failing(status: &str) -> Backend {
    Backend::answering(answer(status, "", r#"{"error":"x"}"#)).await
}

#[tokio::test]
async fn an_endpoint_whose_requests_fail_is_left_out_and_comes_back_with_one_request() {
    let (bad, good) = (failing("500 x").await, Backend::answering(ok("{}")).await);
    let mut plan = Plan::over(&[&bad, &good]);
    plan.settings.balancer = Balancer::Priority;
    let stage = plan.start();

    let mut statuses = vec![];
    for _ in 0..20 {
        statuses.push(stage.ask(chat()).await.status.as_u16());
    }

    assert_eq!(statuses[..5], [500; 5], "a status that is not retried");
    assert_eq!(statuses[5..], [200; 15]);
    assert_eq!(bad.heard().len(), 5);
    assert_eq!(stage.status(0), Status::Healthy, "its health check says so");
}

#[tokio::test]
async fn quick_refusals_attract_nothing() {
    let (bad, good) = (failing("503 x").await, Backend::answering(ok("{}")).await);
    let mut plan = Plan::over(&[&bad, &good]);
    plan.settings.balancer = Balancer::LeastConnections;
    let stage = plan.start();

    for _ in 0..200 {
        assert_eq!(stage.ask(chat()).await.status, StatusCode::OK);
    }

    assert!(bad.heard().len() <= 5, "{} of 200 requests", bad.heard().len());
}

#[tokio::test]
async fn an_endpoint_whose_streams_all_break_off_is_left_out() {
    let cutting = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 99\r\n\r\n").await;
        conn.send("data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n").await;
    })
    .await;
    let good = Backend::answering(ok("{}")).await;
    let stage = Plan::over(&[&cutting, &good]).start();

    for n in 0..20 {
        let told = stage.ask(post("/v1/chat/completions", r#"{"model":"m","stream":true}"#)).await;
        assert_eq!(told.header("x-olla-endpoint"), Some(if n < 5 { "a" } else { "b" }), "{n}");
        assert_eq!(told.body.is_ok(), n >= 5);
    }
}

#[tokio::test]
async fn an_endpoint_that_passes_its_health_checks_and_answers_nothing_is_left_out() {
    let hanging = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.closed().await;
    })
    .await;
    let good = Backend::answering(ok("{}")).await;
    let mut plan = Plan::over(&[&hanging, &good]);
    plan.settings.timeouts.first_byte = millis(300);
    let stage = plan.start();

    for _ in 0..6 {
        assert_eq!(stage.ask(chat()).await.status, StatusCode::OK);
        stage.endpoint(0).live.set_status(Status::Healthy);
    }

    assert_eq!(hanging.heard().len(), 5, "the sixth request goes straight to the other");
    assert_eq!(stage.endpoint(0).live.checkup().ejected_for, Some(Failure::HeadTimeout));
}

#[tokio::test]
async fn the_clients_own_mistakes_eject_nobody() {
    let backend = failing("422 x").await;
    let stage = Plan::over(&[&backend]).start();

    for _ in 0..30 {
        assert_eq!(stage.ask(chat()).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }

    assert_eq!(backend.heard().len(), 30);
}

#[tokio::test]
async fn nobody_is_ejected_when_nobody_else_is_left() {
    let backend = failing("500 x").await;
    let stage = Plan::over(&[&backend]).start();

    for _ in 0..20 {
        assert_eq!(
            stage.ask(chat()).await.status,
            StatusCode::INTERNAL_SERVER_ERROR,
            "the backend's own answer"
        );
    }

    assert_eq!(backend.heard().len(), 20);
}

#[tokio::test]
async fn a_model_whose_backend_asks_for_time_is_spared_and_other_models_there_are_not() {
    let limited = Backend::scripted(|mut conn| async move {
        while let Some(heard) = conn.request().await {
            let busy = heard.body.contains(r#""m""#);
            conn.send(&if busy { answer("429 x", "retry-after: 30\r\n", "{}") } else { ok("{}") }).await;
        }
    })
    .await;
    let other = Backend::answering(ok("{}")).await;
    let mut plan = Plan::over(&[&limited, &other]);
    plan.models(0, &["m", "n"]);
    let stage = plan.start();

    for _ in 0..5 {
        assert_eq!(stage.ask(chat()).await.header("x-olla-endpoint"), Some("b"));
    }
    let unlimited = stage.ask(post("/v1/completions", r#"{"model":"n"}"#)).await;

    assert_eq!(limited.heard().iter().filter(|heard| heard.body.contains(r#""m""#)).count(), 1);
    assert_eq!(unlimited.header("x-olla-endpoint"), Some("a"));
}

#[tokio::test]
async fn when_all_ask_for_time_the_client_gets_the_answer_of_the_one_that_is_back_first() {
    let slow = Backend::answering(answer("429 x", "retry-after: 60\r\n", r#"{"slow":1}"#)).await;
    let quick = Backend::answering(answer("429 x", "retry-after: 20\r\n", r#"{"quick":1}"#)).await;
    let stage = Plan::over(&[&slow, &quick]).start();
    stage.ask(chat()).await;

    let told = stage.ask(chat()).await;

    assert_eq!((told.status, told.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, Some("20")));
    assert_eq!(told.text(), r#"{"quick":1}"#);
    assert_eq!((slow.heard().len(), quick.heard().len()), (1, 2));
}

#[tokio::test]
async fn retries_stay_within_their_budget_and_the_answer_is_the_backends() {
    let bad = [failing("503 x").await, failing("503 x").await];
    let mut plan = Plan::over(&[&bad[0], &bad[1]]);
    plan.settings.retry.budget_percent = 0;
    plan.settings.ejection.consecutive_failures = 0;
    plan.settings.ejection.min_success_percent = 0;
    let stage = plan.start();

    for _ in 0..150 {
        let told = stage.ask(chat()).await;
        assert_eq!((told.status, told.text()), (StatusCode::SERVICE_UNAVAILABLE, r#"{"error":"x"}"#));
    }

    let heard = bad[0].heard().len() + bad[1].heard().len();
    assert_eq!(heard, 150 + 100, "a hundred are always allowed");
}

#[tokio::test]
async fn attempts_that_no_backend_notices_cost_nothing() {
    let (refusing, good) = (Backend::refusing(), Backend::answering(ok("{}")).await);
    let mut plan = Plan::over(&[&refusing, &good]);
    plan.settings.retry.budget_percent = 0;
    let stage = plan.start();

    for _ in 0..150 {
        stage.endpoint(0).live.set_status(Status::Healthy);
        assert_eq!(stage.ask(chat()).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_backend_that_hangs_is_found_by_its_own_usual_time() {
    let moody = Backend::scripted(|mut conn| async move {
        let mut served = 0;
        while conn.request().await.is_some() {
            if served == 10 {
                conn.closed().await;
                return;
            }
            served += 1;
            conn.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 14\r\n\r\ndata: [DONE]\n\n").await;
        }
    })
    .await;
    let other = Backend::answering(ok("{}")).await;
    let mut plan = Plan::over(&[&moody, &other]);
    plan.settings.timeouts.least_first_output = millis(50);
    let stage = plan.start();
    let ask = || post("/v1/chat/completions", r#"{"model":"m","stream":true,"messages":[]}"#);
    for _ in 0..10 {
        assert_eq!(stage.ask(ask()).await.header("x-olla-endpoint"), Some("a"));
        assert_eq!(stage.journal.next().await.outcome, Outcome::Success);
    }

    let told = stage.ask(ask()).await;

    assert_eq!(told.header("x-olla-endpoint"), Some("b"), "long before the first-byte timeout of 10 min");
}
