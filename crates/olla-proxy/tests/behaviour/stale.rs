//! A pooled connection that the backend has closed meanwhile is nobody's failure.

use std::{
    io::{Read, Write},
    sync::mpsc::channel,
    time::Duration,
};

use http::StatusCode;
use olla_core::{PathRules, Status};

use crate::support::{Backend, Plan, Stage, answer, chat, ok, post};

#[tokio::test]
async fn a_connection_closed_while_idle_is_replaced() {
    let backend = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.send(&ok("{}")).await;
        conn.report_closing();
    })
    .await;
    let stage = Stage::over(&backend);

    for _ in 0..3 {
        assert_eq!(stage.ask(chat()).await.status, StatusCode::OK);
        backend.reported().await;

        let note = stage.journal.only().await;
        assert_eq!(note.attempts, [("a".into(), None)], "the same endpoint, one attempt");
    }

    assert_eq!(backend.connections(), 3);
    assert_eq!(stage.status(0), Status::Healthy);
    assert!(!stage.probe_requested(0));
}

#[tokio::test]
async fn a_request_that_never_left_is_sent_again_even_if_it_must_not_be_repeated() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let ((close, wishes), (closed, closes)) = (channel(), channel());
    let backend = std::thread::spawn(move || {
        for (mut stream, _) in (0..2).map(|_| listener.accept().unwrap()) {
            let mut request = vec![];
            while !request.ends_with(b"{}") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            stream.write_all(ok("{}").as_bytes()).unwrap();
            wishes.recv().unwrap();
            drop(stream);
            closed.send(()).unwrap();
        }
    });
    let mut plan = Plan::over_urls(&[&url]);
    plan.specs[0].allow_paths = PathRules::parse(["/admin"]).unwrap().into();
    let stage = plan.start();

    for _ in 0..2 {
        assert_eq!(stage.ask(post("/olla/vllm/admin", "{}")).await.status, StatusCode::OK);
        tokio::task::yield_now().await;
        // Blocks the runtime: the task of the connection is woken with us and comes after us.
        close.send(()).unwrap();
        closes.recv_timeout(Duration::from_secs(10)).unwrap();
        tokio::task::yield_now().await;
    }

    backend.join().unwrap();
    assert_eq!(stage.status(0), Status::Healthy);
}

#[tokio::test]
async fn a_connection_that_dies_under_the_next_request_is_replaced_once() {
    // The race that no check can win: the backend closes when it reads the request.
    let backend = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.send(&ok("{}")).await;
        conn.request().await;
        conn.reset();
    })
    .await;
    let stage = Stage::over(&backend);

    for _ in 0..3 {
        assert_eq!(stage.ask(chat()).await.status, StatusCode::OK);
    }

    let connections: Vec<_> = backend.heard().iter().map(|heard| heard.connection).collect();
    assert_eq!(connections, [0, 0, 1, 1, 2], "each stale attempt was followed by one on a fresh connection");
    assert_eq!(stage.status(0), Status::Healthy);
}

#[tokio::test]
async fn a_fresh_connection_that_dies_too_is_a_failure() {
    let backend = Backend::scripted(|mut conn| async move {
        if conn.number == 0 {
            conn.request().await;
            conn.send(&ok("{}")).await;
        }
        conn.request().await;
        conn.reset();
    })
    .await;
    let stage = Stage::over(&backend);
    stage.ask(chat()).await;

    let told = stage.ask(chat()).await;

    assert_eq!(told.status, StatusCode::BAD_GATEWAY);
    assert_eq!(told.json()["error"]["code"], "reset_before_head");
    assert_eq!((backend.heard().len(), stage.status(0)), (3, Status::Offline));
}

#[tokio::test]
async fn the_time_that_a_backend_keeps_idle_connections_is_honoured() {
    // One second is kept as a margin: a connection that lives for one second is not trusted at all.
    for (lines, connections) in [("keep-alive: timeout=1\r\n", 3), ("keep-alive: timeout=5, max=100\r\n", 1)]
    {
        let backend = Backend::answering(answer("200 OK", lines, "{}")).await;
        let stage = Stage::over(&backend);

        for _ in 0..3 {
            stage.ask(chat()).await;
        }

        assert_eq!(backend.connections(), connections, "{lines}");
    }
}
