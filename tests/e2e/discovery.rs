//! What a backend lists is what is routed.

use olla_sim::Kind;

use crate::{
    client::{Body, chat},
    engines::{self, engine, entry},
    olla::Setup,
};

#[tokio::test]
async fn a_refresh_picks_up_new_models_and_forgets_old_ones() {
    let engine = engines::start(engine("sim", Kind::Vllm).models(["old", "kept"])).await;
    let olla = Setup::config(&format!("endpoints:\n{}", entry("one", &engine, "vllm"))).start().await;
    olla.ready().await;
    let status = async |model| olla.post("/v1/chat/completions", &chat(model)).await.status;
    assert_eq!((status("old").await, status("kept").await, status("new").await), (200, 200, 404));

    engine.set_models(["kept", "new"]);
    let request = http::Request::post("/internal/discovery/refresh").body(Body::default()).unwrap();
    let refreshed = olla.send(request).await;

    assert_eq!(refreshed.status, 200, "{refreshed:?}");
    assert_eq!(refreshed.json()["endpoints"][0]["models_count"], 2);
    assert_eq!((status("old").await, status("kept").await, status("new").await), (404, 200, 200));
    let gone = olla.post("/v1/chat/completions", &chat("old")).await;
    assert_eq!(gone.error_code(), "model_not_found");
}
