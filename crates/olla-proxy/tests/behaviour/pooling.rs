//! Connections to backends are used again, the last used first, unless they must not be.

use std::sync::Arc;

use http::StatusCode;
use tokio::sync::Barrier;

use crate::support::{Backend, Plan, Stage, answer, chat, get, ok, soon};

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
async fn requests_at_the_same_time_get_connections_of_their_own_and_the_last_used_is_used_first() {
    let both_asked = Arc::new(Barrier::new(2));
    let barrier = Arc::clone(&both_asked);
    let backend = Backend::scripted(move |mut conn| {
        let barrier = Arc::clone(&barrier);
        async move {
            conn.request().await;
            barrier.wait().await;
            conn.send(&ok("{}")).await;
            while conn.request().await.is_some() {
                conn.send(&ok("{}")).await;
            }
        }
    })
    .await;
    let stage = Stage::over(&backend);

    let (left, right) = tokio::join!(stage.open(chat()), stage.open(chat()));
    // The bodies are read one after the other, which decides who returns last.
    for response in [left, right] {
        soon(http_body_util::BodyExt::collect(response.into_body())).await.unwrap();
    }
    for _ in 0..3 {
        stage.ask(chat()).await;
    }

    let later: Vec<_> = backend.heard()[2..].iter().map(|heard| heard.connection).collect();
    assert_eq!((backend.connections(), later.len()), (2, 3));
    assert!(later.iter().all(|connection| *connection == later[0]), "{later:?}");
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
        let request = crate::support::post("/v1/completions", &format!(r#"{{"model":"{model}"}}"#));
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
