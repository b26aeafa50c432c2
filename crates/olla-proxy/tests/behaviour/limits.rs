//! Requests that are too large or too slow are refused before any backend hears of them.

use http::{HeaderValue, StatusCode};
use olla_core::Outcome;

use crate::support::{Backend, Plan, Stage, chat, get, millis, ok, post};

async fn stage(change: impl FnOnce(&mut Plan)) -> (Stage, Backend) {
    let backend = Backend::answering(ok("{}")).await;
    let mut plan = Plan::over(&[&backend]);
    change(&mut plan);
    (plan.start(), backend)
}

#[tokio::test]
async fn a_body_declared_too_large_is_refused_before_it_is_sent() {
    let (stage, backend) = stage(|plan| plan.settings.limits.max_body_bytes = 20).await;
    let mut wire = stage.wire().await;

    wire.send("POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 21\r\n\r\n").await;

    assert!(wire.head().await.starts_with("HTTP/1.1 413"));
    assert!(wire.until("}}").await.contains("body_too_large"));
    let note = stage.journal.only().await;
    assert_eq!((note.status, note.error), (Some(StatusCode::PAYLOAD_TOO_LARGE), Some("body_too_large")));
    assert_eq!(backend.connections(), 0);
}

#[tokio::test]
async fn a_body_that_turns_out_too_large_is_refused_when_it_does() {
    let (stage, backend) = stage(|plan| plan.settings.limits.max_body_bytes = 20).await;
    let mut wire = stage.wire().await;

    wire.send("POST /v1/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").await;
    wire.send("a\r\n{\"model\":\"\r\n").await;
    wire.send("b\r\nmmmmmmmmmmm\r\n").await;

    assert!(wire.head().await.starts_with("HTTP/1.1 413"));
    assert_eq!(backend.connections(), 0);
}

#[tokio::test]
async fn refusals_are_written_in_the_callers_dialect_however_the_body_comes() {
    let (stage, _backend) = stage(|plan| {
        plan.settings.limits.max_body_bytes = 20;
        plan.settings.limits.max_header_bytes = 1000;
    })
    .await;
    let long = format!("x-long: {}\r\ntransfer-encoding: chunked\r\n", "x".repeat(1000));
    for (status, framing, body) in [
        ("413", "content-length: 21\r\n", ""),
        ("413", "transfer-encoding: chunked\r\n", "15\r\n{\"model\":\"mmmmmmmmmm\"\r\n"),
        ("431", &*long, ""),
    ] {
        for (path, begin) in [
            ("/v1/chat/completions", r#"{"error":{"message":"the request "#),
            ("/v1/messages", r#"{"type":"error","error":{"type":""#),
            ("/olla/proxy/api/chat", r#"{"error":"the request "#),
        ] {
            let mut wire = stage.wire().await;

            wire.send(&format!("POST {path} HTTP/1.1\r\nhost: x\r\n{framing}\r\n{body}")).await;

            let head = wire.head().await;
            assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{path} {framing}: {head}");
            assert!(wire.until("}").await.starts_with(begin), "{path} {framing}");
        }
    }
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_passes() {
    let (stage, _backend) = stage(|plan| plan.settings.limits.max_body_bytes = 13).await;

    assert_eq!(stage.ask(post("/v1/completions", r#"{"model":"m"}"#)).await.status, StatusCode::OK);
    assert_eq!(stage.ask(post("/v1/completions", r#"{"model":"m"} "#)).await.status, 413);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let (stage, backend) = stage(|plan| plan.settings.limits.max_header_bytes = 1000).await;
    let mut request = chat();
    request.headers_mut().insert("x-long", HeaderValue::try_from("x".repeat(1000)).unwrap());

    let told = stage.ask(request).await;

    assert_eq!(told.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    assert_eq!(told.json()["error"]["code"], "headers_too_large");
    let listing = stage.ask(get(&format!("/v1/models?{}", "x".repeat(1000)))).await;
    assert_eq!(
        listing.status,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "our own documents are no exception"
    );
    assert_eq!(stage.ask(chat()).await.status, StatusCode::OK);
    assert_eq!(backend.heard().len(), 1);
}

#[tokio::test]
async fn a_body_that_takes_too_long_is_refused() {
    let (stage, backend) = stage(|plan| plan.settings.limits.body_timeout = millis(50)).await;
    let mut wire = stage.wire().await;

    wire.send("POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 20\r\n\r\n{").await;

    assert!(wire.head().await.starts_with("HTTP/1.1 408"));
    let note = stage.journal.only().await;
    assert_eq!((note.status, note.error), (Some(StatusCode::REQUEST_TIMEOUT), Some("body_timeout")));
    assert_eq!(note.outcome, Outcome::Success, "the client's fault is nobody's failure here");
    assert_eq!(backend.connections(), 0);
}
