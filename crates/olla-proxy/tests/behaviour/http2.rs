//! Clients that speak HTTP/2 to backends that speak HTTP/1.1.

use bytes::Bytes;
use http::{Method, Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use olla_core::Outcome;

use crate::support::{Backend, Stage, ok, soon};

fn ask_for(method: Method, path: &str, body: &'static str) -> Request<Full<Bytes>> {
    let target = format!("http://chat.example{path}");
    Request::builder().method(method).uri(target).body(Full::from(body)).unwrap()
}

fn chat() -> Request<Full<Bytes>> {
    ask_for(Method::POST, "/v1/chat/completions", r#"{"model":"m"}"#)
}

#[tokio::test]
async fn a_request_becomes_http_1_and_its_answer_http_2() {
    let backend =
        Backend::answering("HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\n{}").await;
    let stage = Stage::over(&backend);
    let mut client = stage.http2().await;

    let response = soon(client.send_request(chat())).await.unwrap();

    assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_2));
    assert_eq!(soon(response.into_body().collect()).await.unwrap().to_bytes(), "{}");
    let heard = backend.heard_one();
    assert_eq!((&*heard.line, &*heard.body), ("POST /v1/chat/completions HTTP/1.1", r#"{"model":"m"}"#));
    assert_eq!(heard.header("host"), Some(&*backend.address().to_string()));
    assert_eq!(heard.header("x-forwarded-host"), Some("chat.example"));
}

#[tokio::test]
async fn head_gets_no_body() {
    let backend = Backend::answering(ok("")).await;
    let stage = Stage::over(&backend);
    let mut client = stage.http2().await;

    let response = soon(client.send_request(ask_for(Method::HEAD, "/v1/models", ""))).await.unwrap();

    assert_ne!(response.headers()["content-length"], "0");
    assert_eq!(soon(response.into_body().collect()).await.unwrap().to_bytes(), "");
}

#[tokio::test]
async fn an_answer_that_breaks_off_resets_its_stream_and_no_other() {
    let backend = Backend::scripted(|mut conn| async move {
        conn.request().await;
        if conn.number > 0 {
            conn.send(&ok("{}")).await;
            return;
        }
        conn.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n").await;
        conn.cue().await;
    })
    .await;
    let stage = Stage::over(&backend);
    let mut client = stage.http2().await;
    let mut broken = soon(client.send_request(chat())).await.unwrap().into_body();
    assert_eq!(soon(broken.frame()).await.unwrap().unwrap().into_data().unwrap(), "part");

    backend.cue();

    assert!(soon(broken.frame()).await.unwrap().is_err());
    assert_eq!(stage.journal.only().await.outcome, Outcome::Failure);
    let next = soon(client.send_request(chat())).await.unwrap();
    assert_eq!(soon(next.into_body().collect()).await.unwrap().to_bytes(), "{}");
}

#[tokio::test]
async fn a_stream_that_the_client_resets_is_cancelled() {
    for response in ["", "HTTP/1.1 200 OK\r\n\r\ndata: 1\n\n"] {
        let backend = Backend::scripted(move |mut conn| async move {
            conn.request().await;
            conn.send(response).await;
            conn.report();
            conn.closed().await;
            conn.report();
        })
        .await;
        let stage = Stage::over(&backend);
        let mut client = stage.http2().await;

        if response.is_empty() {
            tokio::select! {
                _ = client.send_request(chat()) => panic!("nobody answered"),
                () = backend.reported() => {}
            }
        } else {
            let mut body = soon(client.send_request(chat())).await.unwrap().into_body();
            soon(body.frame()).await.unwrap().unwrap();
            backend.reported().await;
        }

        backend.reported().await;
        assert_eq!(stage.journal.only().await.outcome, Outcome::Cancelled);
        assert_eq!(stage.in_flight(), 0);
    }
}
