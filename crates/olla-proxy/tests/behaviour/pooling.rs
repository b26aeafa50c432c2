//! Connections to backends are used again, the last used first, unless they must not be.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use http_body_util::BodyExt;
use tokio::sync::Barrier;

use crate::support::{Backend, Plan, Stage, answer, chat, get, ok, post, soon};

#[tokio::test]
async fn one_client_needs_one_connection() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
    for response in [ok("{}"), ok(""), chunked.into(), "HTTP/1.1 204 No Content\r\n\r\n".into()] {
        let backend = Backend::answering(response).await;
        let stage = Stage::over(&backend);

        for _ in 0..5 {
            assert!(stage.ask(chat()).await.status.is_success());
        }

        assert_eq!((backend.heard().len(), backend.connections()), (5, 1));
    }
}

#[tokio::test]
async fn of_several_connections_the_last_used_is_used_first() {
    let both_asked = Arc::new(Barrier::new(2));
    let barrier = Arc::clone(&both_asked);
    let backend = Backend::scripted(move |mut conn| {
        let barrier = Arc::clone(&barrier);
        async move {
            conn.request().await;
            barrier.wait().await;
            conn.send(&ok(&conn.number.to_string())).await;
            while conn.request().await.is_some() {
                conn.send(&ok(&conn.number.to_string())).await;
            }
        }
    })
    .await;
    let stage = Stage::over(&backend);

    let (left, right) = tokio::join!(stage.open(chat()), stage.open(chat()));
    // A connection is free when its body has been read.
    let left = soon(left.into_body().collect()).await.unwrap().to_bytes();
    let right = soon(right.into_body().collect()).await.unwrap().to_bytes();

    assert_ne!(left, right, "requests at the same time need connections of their own");
    for _ in 0..3 {
        assert_eq!(stage.ask(chat()).await.text(), right);
    }
    assert_eq!(backend.connections(), 2);
}

#[tokio::test]
async fn an_answer_that_comes_before_the_request_is_sent_is_used_and_its_connection_is_not() {
    let backend = Backend::scripted(|mut conn| async move {
        conn.head().await;
        conn.send(&answer("401 Unauthorized", "", "who are you?")).await;
        conn.report();
        conn.cue().await;
    })
    .await;
    let stage = Stage::over(&backend);
    // More than the sockets buffer.
    let large = format!(r#"{{"model":"m","prompt":"{}"}}"#, "x".repeat(16 << 20));

    for connections in 1..3 {
        let told = stage.ask(post("/v1/completions", &large)).await;

        assert_eq!((told.status, told.text()), (StatusCode::UNAUTHORIZED, "who are you?"));
        backend.reported().await;
        assert_eq!(backend.connections(), connections);
    }
}

#[tokio::test]
async fn a_connection_that_the_backend_will_close_is_not_used_again() {
    for response in [
        answer("200 OK", "connection: close\r\n", "{}"),
        "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}".into(),
    ] {
        let backend = Backend::answering(response).await;
        let stage = Stage::over(&backend);

        for _ in 0..3 {
            assert_eq!(stage.ask(chat()).await.text(), "{}");
        }

        assert_eq!(backend.connections(), 3);
    }
}

#[tokio::test]
async fn a_connection_with_an_unread_body_is_not_used_again() {
    let backend = Backend::scripted(|mut conn| async move {
        while conn.request().await.is_some() {
            conn.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345").await;
        }
    })
    .await;
    let stage = Stage::over(&backend);

    for _ in 0..2 {
        drop(stage.open(chat()).await);
    }

    assert_eq!(backend.connections(), 2);
}

#[tokio::test]
async fn endpoints_do_not_share_connections() {
    let (first, second) = (Backend::answering(ok("1")).await, Backend::answering(ok("2")).await);
    let mut plan = Plan::over(&[&first, &second]);
    plan.models(0, &["one"]);
    plan.models(1, &["two"]);
    let stage = plan.start();

    for (model, body) in [("one", "1"), ("two", "2"), ("one", "1")] {
        let request = post("/v1/completions", &format!(r#"{{"model":"{model}"}}"#));
        assert_eq!(stage.ask(request).await.text(), body);
    }

    assert_eq!((first.connections(), second.connections()), (1, 1));
}

#[tokio::test]
async fn workers_do_not_share_connections() {
    let backend = Backend::answering(ok("{}")).await;
    let mut stage = Stage::over(&backend);
    stage.ask(get("/olla/vllm/health")).await;

    stage.proxy = stage.proxy.worker();
    assert_eq!(stage.ask(get("/olla/vllm/health")).await.status, StatusCode::OK);

    assert_eq!(backend.connections(), 2);
}

#[tokio::test]
async fn an_idle_connection_is_closed_although_nobody_comes_back() {
    let backend = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.send(&answer("200 OK", "keep-alive: timeout=1\r\n", "{}")).await;
        conn.closed().await;
        conn.report();
    })
    .await;
    let stage = Stage::over(&backend);
    stage.ask(chat()).await;

    // The task that will close it has to have begun its wait.
    tokio::task::yield_now().await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(20)).await;
    tokio::time::resume();

    backend.reported().await;
}
