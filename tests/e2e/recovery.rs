//! A backend that goes away and comes back.

use olla_sim::Kind;
use serde_json::Value;

use crate::{
    client::chat,
    engines::{self, MODEL, engine, entry},
    olla::Setup,
};

#[tokio::test]
async fn a_backend_that_returns_is_used_again_with_the_models_it_has_now() {
    let sim = engines::start(engine("sim", Kind::Vllm)).await;
    let config = format!(
        "discovery: {{model_discovery: {{interval: 24h}}}}\nendpoints:\n{}",
        entry("one", &sim, "vllm")
    );
    let olla = Setup::config(&config).start().await;
    olla.ready().await;

    sim.refuse(None).await;

    let down = olla.endpoint_when("one", |entry| entry["status"] == "offline").await;
    assert_eq!(down["routable"], false);
    assert!(down["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{down}");
    let answer = olla.post("/v1/chat/completions", &chat(MODEL)).await;
    assert_eq!((answer.status, &*answer.error_code()), (503, "model_unavailable"));
    assert_ne!(answer.header("retry-after"), "");

    sim.set_models([MODEL, "brought-along"]);
    sim.resume().await;

    let up = olla.endpoint_when("one", |entry| entry["models_count"] == 2).await;
    assert_eq!((&up["status"], up.get("reason")), (&"healthy".into(), None));
    assert_eq!(olla.post("/v1/chat/completions", &chat("brought-along")).await.status, 200);
    let is_return = |line: &Value| line["from"] == "offline" && line["to"] == "healthy";
    assert_eq!(olla.log().json(is_return).await["message"], "health changed");
    let changes = olla.log().lines().iter().filter(|line| line.contains("health changed")).count();
    assert_eq!(changes, 3, "one line for each transition: up, down, up");
}
