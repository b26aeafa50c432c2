//! Web pages of other origins: only where the operator lets them.

use http::{Method, Request};

use crate::{
    client::{Answer, Body},
    olla::{Olla, Setup},
};

const ORIGIN: &str = "https://chat.example.org";

async fn serving(cors: &str) -> Olla {
    Setup::config(&format!("server: {{cors: {cors}}}\ndiscovery: {{local: false}}\n")).start().await
}

async fn from_a_page(olla: &Olla, method: Method) -> Answer {
    let request = Request::builder().method(method).uri("/v1/models").header("origin", ORIGIN);
    let request = request
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type");
    olla.send(request.body(Body::default()).unwrap()).await
}

#[tokio::test]
async fn no_page_may_call_unless_told_otherwise() {
    let olla = serving("{enabled: false}").await;

    for method in [Method::OPTIONS, Method::GET] {
        let answer = from_a_page(&olla, method).await;

        assert_eq!(answer.header("access-control-allow-origin"), "");
    }
}

#[tokio::test]
async fn a_preflight_is_answered() {
    let olla = serving("{enabled: true, allowed_origins: ['https://*.example.org'], max_age: 60}").await;

    let answer = from_a_page(&olla, Method::OPTIONS).await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), ORIGIN);
    assert!(answer.header("access-control-allow-methods").contains("POST"), "{answer:?}");
    assert_ne!(answer.header("access-control-allow-headers"), "");
    assert_eq!(answer.header("access-control-max-age"), "60");
}

#[tokio::test]
async fn a_page_may_read_what_olla_says_of_the_request() {
    let olla = serving("{enabled: true}").await;

    let answer = from_a_page(&olla, Method::GET).await;

    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, "*"));
    let exposed = answer.header("access-control-expose-headers").to_lowercase();
    for name in ["x-olla-request-id", "x-olla-endpoint", "x-olla-model"] {
        assert!(exposed.contains(name), "{exposed}");
    }
}

#[tokio::test]
async fn another_origin_is_not_let_in() {
    let olla = serving("{enabled: true, allowed_origins: ['https://elsewhere.net']}").await;

    for method in [Method::OPTIONS, Method::GET] {
        assert_eq!(from_a_page(&olla, method).await.header("access-control-allow-origin"), "");
    }
}
