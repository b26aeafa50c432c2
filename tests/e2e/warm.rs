//! The engine that has the model in memory goes first, and the status documents show which one that is.

use olla_sim::Kind;
use serde_json::{Value, json};

use crate::{
    client::chat,
    engines::{self, MODEL, engine, entry},
    olla::Setup,
};

#[tokio::test]
async fn idle_engines_are_asked_for_what_they_hold_in_memory_under_every_strategy() {
    let cold = engines::start(engine("cold", Kind::Ollama)).await;
    let warm = engines::start(engine("warm", Kind::Ollama)).await;
    cold.set_loaded([""; 0]);
    warm.set_loaded([MODEL]);
    let endpoints = [entry("cold", &cold, "ollama"), entry("warm", &warm, "ollama")].concat();
    for balancer in ["priority", "round-robin", "least-connections"] {
        let olla = Setup::config(&format!("proxy: {{load_balancer: {balancer}}}\nendpoints:\n{endpoints}"))
            .start()
            .await;
        olla.ready().await;
        let knows = |entry: &Value| entry["loaded_models"].is_array();
        let loaded = async |name| olla.endpoint_when(name, knows).await["loaded_models"].clone();
        assert_eq!((loaded("cold").await, loaded("warm").await), (json!([]), json!([MODEL])));

        for _ in 0..4 {
            let answer = olla.post("/v1/chat/completions", &chat(MODEL)).await;
            assert_eq!((answer.status, answer.header("x-olla-endpoint")), (200, "warm"), "{balancer}");
        }

        let models = olla.get("/internal/status/models").await.json();
        assert_eq!(models["recent_models"][0]["loaded_endpoints"], json!(["warm"]));
    }
}
