//! Requests that are too large are refused in JSON.

use olla_sim::{Engine, Kind};

use crate::{
    client::{self, chat},
    engines::{self, MODEL, engine, entry},
    olla::{Olla, Setup},
};

async fn serving() -> (Olla, Engine) {
    let engine = engines::start(engine("sim", Kind::Vllm)).await;
    let limits = "server: {request_limits: {max_body_size: 1KB, max_header_size: 4KB}}\n";
    let olla = Setup::config(&format!("{limits}endpoints:\n{}", entry("one", &engine, "vllm"))).start().await;
    olla.ready().await;
    (olla, engine)
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_one_below_is_not() {
    let (olla, engine) = serving().await;
    let mut large = chat(MODEL);
    large["padding"] = "x".repeat(1024).into();

    let refused = olla.post("/v1/chat/completions", &large).await;
    let served = olla.post("/v1/chat/completions", &chat(MODEL)).await;

    assert_eq!((refused.status, &*refused.error_code()), (413, "body_too_large"));
    assert_eq!(served.status, 200);
    assert_eq!(engine.received().iter().filter(|r| r.method == "POST").count(), 1);
}

#[tokio::test]
async fn a_head_over_the_limit_is_refused_and_one_below_is_not() {
    let (olla, _engine) = serving().await;
    let with_header = |length: usize| {
        let mut request = client::post("/v1/chat/completions", &chat(MODEL));
        request.headers_mut().insert("x-padding", "x".repeat(length).parse().unwrap());
        request
    };

    let refused = olla.send(with_header(5 * 1024)).await;
    let served = olla.send(with_header(2 * 1024)).await;

    assert_eq!((refused.status, &*refused.error_code()), (431, "headers_too_large"));
    assert_eq!(served.status, 200);
}
