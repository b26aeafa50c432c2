//! A slow backend delays nobody.

use std::time::Duration;

use olla_sim::{Fault, Kind, Scope};
use tokio::time::{sleep, timeout};

use crate::{
    client::chat,
    engines::{self, MODEL, engine, entry},
    olla::{PATIENCE, Setup},
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

    // Its models are known a moment before its first check has ended.
    let settled = async {
        loop {
            let waiting = olla.get("/internal/ready").await;
            if !waiting.text().contains("good") {
                return waiting;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    let waiting = timeout(PATIENCE, settled).await.expect("its first check ends");

    assert_eq!((waiting.status, &waiting.json()["status"]), (503, &"starting".into()));
    assert_eq!(waiting.json()["reason"], "waiting for the first check of: slow");
    let answer = olla.post("/v1/chat/completions", &chat(MODEL)).await;
    assert_eq!((answer.status, answer.header("x-olla-endpoint")), (200, "good"));
    olla.ready().await;
    let slow = olla.endpoint("slow").await;
    assert_eq!((&slow["routable"], &slow["status"]), (&false.into(), &"offline".into()));
}
