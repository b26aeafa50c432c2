//! One name for several models: which of them is asked for, where, and in which order.

use std::collections::BTreeSet;

use olla_sim::{Engine, Fault, Kind, Scope};
use serde_json::Value;

use crate::{
    client::{Answer, chat},
    engines::{self, engine, entry},
    olla::{Olla, Setup},
};

/// `one` has `big` and `small`, `two` has `small` alone; `any` stands for both.
async fn pair(alias: &str) -> (Olla, [Engine; 2]) {
    let one = engines::start(engine("one", Kind::Vllm).models(["big", "small"])).await;
    let two = engines::start(engine("two", Kind::Vllm).models(["small"])).await;
    let endpoints = [entry("one", &one, "vllm"), entry("two", &two, "vllm")].concat();
    let olla =
        Setup::config(&format!("model_aliases: {{Any: {alias}}}\nendpoints:\n{endpoints}")).start().await;
    olla.ready().await;
    (olla, [one, two])
}

async fn ask(olla: &Olla) -> Answer {
    olla.post("/v1/chat/completions", &chat("Any")).await
}

/// Returns the models that an engine was asked for, each once.
fn asked(engine: &Engine) -> BTreeSet<String> {
    let model =
        |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap()["model"].as_str().unwrap().into();
    engine.received().iter().filter(|r| r.method == "POST").map(|r| model(&r.body)).collect()
}

/// Asks so often that each endpoint, and each model of a strategy that shares, has its turn.
async fn ask_often(olla: &Olla) {
    for _ in 0..8 {
        let answer = ask(olla).await;
        assert_eq!((answer.status, answer.header("x-olla-routing-strategy")), (200, "alias"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_list_asks_each_endpoint_for_the_best_model_that_it_has() {
    for alias in ["[big, small]", "{models: [big, small], strategy: best_of_each}"] {
        let (olla, [one, two]) = pair(alias).await;

        ask_often(&olla).await;

        assert_eq!((asked(&one), asked(&two)), (["big".into()].into(), ["small".into()].into()), "{alias}");
    }
}

#[tokio::test]
async fn in_order_asks_for_a_model_only_when_none_before_it_can_be_had() {
    let (olla, [one, two]) = pair("{models: [big, small], strategy: in_order}").await;

    ask_often(&olla).await;
    assert_eq!((asked(&one), asked(&two)), (["big".into()].into(), BTreeSet::new()));

    one.set_fault(Fault::RateLimited { retry_after_secs: 60 }.on(Scope::Inference).times(1));
    let answer = ask(&olla).await;
    assert_eq!(answer.status, 200);
    let by_small = asked(&one).contains("small") || asked(&two).contains("small");
    assert!(by_small, "{answer:?}");
}

#[tokio::test]
async fn equal_shares_the_requests_among_all_models() {
    let (olla, [one, two]) = pair("{models: [big, small], strategy: equal}").await;

    ask_often(&olla).await;

    let both = ["big".to_owned(), "small".to_owned()];
    assert_eq!((asked(&one), asked(&two)), (both.into(), ["small".into()].into()));
}

#[tokio::test]
async fn an_alias_is_known_in_any_case_and_the_name_of_the_client_is_kept_in_headers() {
    let (olla, _engines) = pair("[small]").await;

    let answer = olla.post("/v1/chat/completions", &chat("aNY")).await;

    assert_eq!((answer.status, answer.header("x-olla-model")), (200, "aNY"));
    assert_eq!(answer.header("x-olla-routing-reason"), "alias \"aNY\" resolved to 2 endpoint(s)");
}
