//! Endpoints are drained by callers on this machine, and by nobody else.

use std::net::IpAddr;

use super::*;

const LOCAL: &str = "127.0.0.1";

async fn post(stage: &Stage, path: &str, peer: Option<&str>, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::post(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    if let Some(peer) = peer {
        request.extensions_mut().insert(ClientAddr(peer.parse::<IpAddr>().unwrap()));
    }
    let (head, body) = stage.router.clone().oneshot(request).await.unwrap().into_parts();
    Answer {
        status: head.status,
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes().to_vec(),
    }
}

#[tokio::test]
async fn an_endpoint_is_drained_and_resumed_and_says_so() {
    let stage = Stage::settled();
    let in_flight = stage.endpoint("gpu").live.enter();

    for _ in 0..2 {
        let answer = post(&stage, "/internal/endpoints/gpu/drain", Some(LOCAL), &[]).await;
        let document = answer.json();
        assert_eq!((&document["endpoint"], &document["draining"]), (&json!("gpu"), &json!(true)));
        assert_eq!(document["in_flight"], 1);
    }

    let document = stage.document("/internal/status/endpoints").await;
    let gpu = entry(&document["endpoints"], "gpu");
    assert_eq!(
        (&gpu["status"], &gpu["draining"], &gpu["routable"]),
        (&json!("healthy"), &json!(true), &json!(false))
    );
    assert_eq!((&gpu["issues"], &document["routable_count"]), (&json!("draining"), &json!(1)));
    assert!(gpu["reason"].as_str().unwrap().contains("an operator drains it"), "{gpu}");
    let status = stage.document("/internal/status").await;
    assert_eq!(entry(&status["endpoints"], "gpu")["issues"], "draining");
    assert_eq!(stage.document("/internal/ready").await["endpoints_routable"], 1);
    drop(in_flight);

    let resumed = post(&stage, "/internal/endpoints/gpu/resume", Some("::1"), &[]).await.json();
    assert_eq!((&resumed["draining"], &resumed["in_flight"]), (&json!(false), &json!(0)));
    assert!(stage.endpoint("gpu").live.is_routable());
}

#[tokio::test]
async fn nobody_else_may_drain() {
    let stage = Stage::settled();
    let path = "/internal/endpoints/gpu/drain";
    for (peer, headers) in [
        (Some("192.0.2.7"), &[][..]),
        (None, &[]),
        (Some("192.0.2.7"), &[("x-forwarded-for", LOCAL), ("x-real-ip", LOCAL)]),
        (Some(LOCAL), &[("x-forwarded-for", "203.0.113.4")]),
        (Some(LOCAL), &[("forwarded", "for=203.0.113.4")]),
        (Some(LOCAL), &[("origin", "https://evil.example"), ("host", "localhost:40114")]),
        (Some(LOCAL), &[("origin", "null"), ("host", "localhost:40114")]),
    ] {
        let answer = post(&stage, path, peer, headers).await;

        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{peer:?} {headers:?}");
        assert_eq!(answer.json()["error"]["code"], "local_callers_only");
        assert!(!stage.endpoint("gpu").live.is_draining());
    }
    let own_page = [("origin", "http://localhost:40114"), ("host", "localhost:40114")];
    assert_eq!(post(&stage, path, Some("::ffff:127.0.0.1"), &own_page).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_not_there_cannot_be_drained() {
    let stage = Stage::settled();
    for (path, code) in [
        ("/internal/endpoints/nobody/drain", "unknown_endpoint"),
        ("/internal/endpoints/gpu/explode", "unknown_path"),
    ] {
        let answer = post(&stage, path, Some(LOCAL), &[]).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (StatusCode::NOT_FOUND, &json!(code)));
    }
}
