//! A backend that passes its health checks and fails its requests, under different rules.

use olla_sim::{Engine, Fault, Kind};

use crate::{
    client::chat,
    engines::{self, MODEL, engine, entry, entry_with},
    olla::{Olla, Setup},
};

/// Two engines, of which the first is preferred and fails every request with a status that is not retried.
async fn pair(rules: &str) -> (Olla, [Engine; 2]) {
    let one = engines::start(engine("one", Kind::Vllm).fault(Fault::LieOnHealth)).await;
    let two = engines::start(engine("two", Kind::Vllm)).await;
    let preferred = entry_with("one", &one, "vllm", ", models: {prefer: ['*']}");
    let endpoints = [preferred, entry("two", &two, "vllm")].concat();
    let config = format!("proxy: {{outlier_ejection: {rules}}}\nendpoints:\n{endpoints}");
    let olla = Setup::config(&config).start().await;
    olla.ready().await;
    (olla, [one, two])
}

/// Returns how many of 20 requests fail before the first that is served.
async fn failures(olla: &Olla) -> usize {
    for failed in 0..20 {
        if olla.post("/v1/chat/completions", &chat(MODEL)).await.status == 200 {
            return failed;
        }
    }
    20
}

#[tokio::test]
async fn an_endpoint_that_only_fails_is_left_out_after_so_many_failures() {
    let (strict, _engines) = pair("{consecutive_failures: 2}").await;
    let (patient, _engines) = pair("{consecutive_failures: 7}").await;

    assert_eq!(failures(&strict).await, 2);
    assert_eq!(failures(&patient).await, 7);
}

#[tokio::test]
async fn the_share_of_successes_counts_once_there_are_enough_requests() {
    let (olla, _engines) = pair("{consecutive_failures: 0, min_success_percent: 90, min_requests: 4}").await;

    assert_eq!(failures(&olla).await, 4);
}

#[tokio::test]
async fn without_ejection_it_is_asked_again_and_again() {
    let (olla, _engines) = pair("{enabled: false}").await;

    assert_eq!(failures(&olla).await, 20);
}
