//! A slow backend delays nobody.

use olla_sim::{Fault, Kind, Scope};

use crate::{
    client::chat,
    engines::{self, MODEL, engine, entry},
    olla::Setup,
};

#[tokio::test]
async fn a_backend_that_hangs_delays_neither_the_port_nor_the_others() {
    let hanging = engine("hanging", Kind::Vllm).fault(Fault::HangBeforeHead.on(Scope::All));
    let (hanging, good) = (engines::start(hanging).await, engines::start(engine("good", Kind::Vllm)).await);
    let slow = format!(
        "  - {{name: slow, url: '{}', type: vllm, check_interval: 4s, check_timeout: 3s}}\n",
        hanging.url()
    );
    let config = format!("endpoints:\n{slow}{}", entry("good", &good, "vllm"));

    let olla = Setup::config(&config).start().await;
    olla.endpoint_when("good", |entry| entry["models_count"] == 1).await;

    let waiting = olla.get("/internal/ready").await;
    assert_eq!((waiting.status, &waiting.json()["status"]), (503, &"starting".into()));
    assert_eq!(waiting.json()["reason"], "waiting for the first check of: slow");
    let answer = olla.post("/v1/chat/completions", &chat(MODEL)).await;
    assert_eq!((answer.status, answer.header("x-olla-endpoint")), (200, "good"));
    olla.ready().await;
    let slow = olla.endpoint("slow").await;
    assert_eq!((&slow["routable"], &slow["status"]), (&false.into(), &"offline".into()));
}
