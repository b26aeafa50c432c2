//! The example of an embedder's program does what its text says.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use olla_sim::{Engine, Kind};
use tower::ServiceExt;

use crate::support::{Wire, soon};

#[expect(dead_code, reason = "its main function is for people")]
#[path = "../../examples/embed.rs"]
mod example;

async fn engine() -> Engine {
    let engine = Engine::builder("sim").kind(Kind::Vllm).models(["some-model"]);
    engine.start("127.0.0.1:0".parse().unwrap()).await.unwrap()
}

async fn ask(app: axum::Router, request: Request<Full<Bytes>>) -> (StatusCode, String) {
    let Ok(response) = soon(app.oneshot(request)).await;
    let (head, body) = response.into_parts();
    (head.status, String::from_utf8(soon(body.collect()).await.unwrap().to_bytes().to_vec()).unwrap())
}

#[tokio::test]
async fn the_application_and_the_proxy_share_one_router() {
    let engine = engine().await;
    let app = example::app(&engine.url(), "some-model").unwrap();

    let (status, body) = ask(app.clone(), Request::get("/").body(Full::default()).unwrap()).await;
    assert_eq!((status, body.is_empty()), (StatusCode::OK, false));
    let (_, models) = ask(app.clone(), Request::get("/llm/v1/models").body(Full::default()).unwrap()).await;
    assert!(models.contains("some-model"), "{models}");

    let body = r#"{"model":"some-model","messages":[{"role":"user","content":"hello"}]}"#;
    let chat = Request::post("/llm/v1/chat/completions").body(Full::from(body)).unwrap();
    let (status, answer) = ask(app, chat).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert!(answer.contains("hello"), "{answer}");
    assert_eq!(engine.received().len(), 1);
}

#[tokio::test]
async fn it_is_served_like_any_other_application() {
    let engine = engine().await;
    let app = example::app(&engine.url(), "some-model").unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(example::serve(listener, app));

    let mut wire = Wire::to(address).await;
    let body = r#"{"model":"some-model","stream":true,"messages":[]}"#;
    wire.send(&format!(
        "POST /llm/v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ))
    .await;

    assert!(wire.head().await.contains("text/event-stream"));
    wire.until("data: [DONE]").await;
    let received = engine.received();
    let forwarded = received[0].headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-forwarded-for"));
    assert_eq!(
        forwarded.map(|(_, address)| &**address),
        Some("127.0.0.1"),
        "the application knows its clients"
    );
}
