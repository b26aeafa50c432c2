//! What the configuration keeps away from a backend: kinds, models, and requests beyond a number.

use olla_sim::{Engine, Fault, Kind, Scope};
use serde_json::Value;

use crate::{
    client::{Answer, chat},
    engines::{self, MODEL, engine, entry, entry_with},
    olla::{Olla, Setup},
};

async fn serve(config: &str) -> Olla {
    let olla = Setup::config(config).start().await;
    olla.ready().await;
    olla
}

async fn ask(olla: &Olla, model: &str) -> Answer {
    olla.post("/v1/chat/completions", &chat(model)).await
}

/// Returns the names that `GET /v1/models` lists.
async fn listed(olla: &Olla) -> Vec<String> {
    let document = olla.get("/v1/models").await.json();
    document["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap().into()).collect()
}

/// Returns why an endpoint would not get a request for a model.
async fn why(olla: &Olla, model: &str, endpoint: &str) -> String {
    let document = olla.get(&format!("/internal/explain?model={model}")).await.json();
    let rows = document["endpoints"].as_array().unwrap();
    let row = rows.iter().find(|row| row["endpoint"] == endpoint).unwrap_or(&Value::Null);
    row["why"].as_str().unwrap_or_default().to_owned()
}

/// Two engines with the usual model, each with keys of its own in the configuration.
async fn pair(more: [&str; 2]) -> (Olla, [Engine; 2]) {
    let one = engines::start(engine("one", Kind::Vllm)).await;
    let two = engines::start(engine("two", Kind::Vllm)).await;
    let entries = [entry_with("one", &one, "vllm", more[0]), entry_with("two", &two, "vllm", more[1])];
    let olla = serve(&format!("endpoints:\n{}", entries.concat())).await;
    (olla, [one, two])
}

#[tokio::test]
async fn a_kind_that_is_left_out_has_no_prefix_and_is_not_recognised() {
    let one = engines::start(engine("one", Kind::Ollama)).await;
    let two = engines::start(engine("two", Kind::Vllm).models(["other"])).await;
    let endpoints = [entry("one", &one, "ollama"), entry("two", &two, "auto")].concat();
    let config = format!("proxy: {{profile_filter: {{include: [ollama]}}}}\nendpoints:\n{endpoints}");

    let olla = serve(&config).await;

    let served = olla.post("/olla/ollama/v1/chat/completions", &chat(MODEL)).await;
    assert_eq!((served.status, served.header("x-olla-endpoint")), (200, "one"));
    let refused = olla.post("/olla/vllm/v1/chat/completions", &chat("other")).await;
    assert_eq!((refused.status, &*refused.error_code()), (404, "unknown_prefix"));
    assert_eq!(listed(&olla).await, [MODEL]);
    assert!(olla.endpoint("two").await.to_string().contains("not recognised"));
}

#[tokio::test]
async fn an_endpoint_of_a_kind_that_is_left_out_stops_the_start() {
    let config = "proxy: {profile_filter: {exclude: [vllm]}}\nendpoints: [{url: 'http://h', type: vllm}]\n";

    let ended = Setup::config(config).run().await;

    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("config.yaml:2: endpoints[0].type"), "{}", ended.stderr);
    assert!(ended.stderr.contains("proxy.profile_filter"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_model_that_a_filter_leaves_out_is_neither_listed_nor_routed() {
    for filter in
        ["models: {exclude: ['*EMBED*']}", "model_filter: {include: ['llama*'], exclude: ['*embed*']}"]
    {
        let engine = engine("one", Kind::Vllm).models(["llama3", "llama-embed"]);
        let engine = engines::start(engine).await;

        let olla =
            serve(&format!("endpoints:\n{}", entry_with("one", &engine, "vllm", &format!(", {filter}"))))
                .await;

        assert_eq!(listed(&olla).await, ["llama3"], "{filter}");
        assert_eq!(ask(&olla, "llama3").await.status, 200);
        assert_eq!(ask(&olla, "llama-embed").await.error_code(), "model_not_found");
        assert_eq!(why(&olla, "llama-embed", "one").await, "its filter leaves the model out");
    }
}

#[tokio::test]
async fn a_filter_holds_for_the_models_behind_a_wildcard() {
    let engine = engines::start(engine("one", Kind::LiteLlm).models(["openai/*"])).await;
    let rules = ", models: {include: ['openai/gpt*'], exclude: ['openai/gpt-5*']}";

    let olla = serve(&format!("endpoints:\n{}", entry_with("one", &engine, "litellm", rules))).await;

    assert_eq!(ask(&olla, "openai/gpt-4o").await.status, 200);
    for model in ["openai/gpt-5-mini", "openai/o3"] {
        assert_eq!(ask(&olla, model).await.error_code(), "model_not_found", "{model}");
    }
}

#[tokio::test]
async fn a_preferred_endpoint_gets_all_requests_until_it_is_gone() {
    let (olla, [one, _two]) = pair([", models: {prefer: ['llama*']}", ""]).await;

    for _ in 0..3 {
        assert_eq!(ask(&olla, MODEL).await.header("x-olla-endpoint"), "one");
    }
    one.refuse(None).await;
    assert_eq!(ask(&olla, MODEL).await.header("x-olla-endpoint"), "two");
}

#[tokio::test]
async fn an_avoided_endpoint_gets_a_request_only_when_the_others_are_gone() {
    let (olla, [_one, two]) = pair([", models: {avoid: ['*']}", ""]).await;

    for _ in 0..3 {
        assert_eq!(ask(&olla, MODEL).await.header("x-olla-endpoint"), "two");
    }
    two.refuse(None).await;
    assert_eq!(ask(&olla, MODEL).await.header("x-olla-endpoint"), "one");
}

#[tokio::test]
async fn a_forbidden_endpoint_is_no_last_resort() {
    let (olla, [one, two]) = pair([", models: {never: ['llama*']}", ""]).await;

    two.refuse(None).await;
    let refused = ask(&olla, MODEL).await;

    assert_eq!(refused.status, 502, "{refused:?}");
    assert_eq!(one.received().iter().filter(|received| received.method == "POST").count(), 0);
}

#[tokio::test]
async fn a_request_beyond_the_limit_of_an_endpoint_goes_to_the_next() {
    let (olla, [one, _two]) = pair([", max_concurrent: 1, models: {prefer: ['*']}", ""]).await;
    let before = one.stats().received;
    one.set_fault(Fault::HangBeforeHead.on(Scope::Inference));

    let held = ask(&olla, MODEL);
    let other = async {
        one.wait_received(before + 1).await;
        olla.endpoint_when("one", |entry| entry["active_connections"] == 1).await;
        ask(&olla, MODEL).await
    };
    let served = tokio::select! {
        _ = held => panic!("the first request is never answered"),
        served = other => served,
    };

    assert_eq!((served.status, served.header("x-olla-endpoint")), (200, "two"));
}
