//! A model that has just appeared: refused until the next listing, or found by the first request for it.

use std::num::NonZeroU32;

use futures_util::future::join_all;
use olla_sim::{Engine, Fault, Kind, Scope};

use crate::{
    client::{Answer, chat},
    engines::{self, MODEL, engine, entry},
    olla::{Olla, Setup},
};

const DISCOVERY: &str = "{type: discovery, options: {discovery_refresh_on_miss: true}}";

/// Two engines with the usual model, and a server with this routing strategy.
async fn pair(strategy: &str) -> (Olla, [Engine; 2]) {
    let one = engines::start(engine("one", Kind::Vllm)).await;
    let two = engines::start(engine("two", Kind::Ollama)).await;
    let endpoints = [entry("one", &one, "vllm"), entry("two", &two, "ollama")].concat();
    let config = format!("model_registry: {{routing_strategy: {strategy}}}\nendpoints:\n{endpoints}");
    // All requests come from one address.
    let config = format!("server: {{rate_limits: {{per_ip_requests_per_minute: 0}}}}\n{config}");
    let olla = Setup::config(&config).start().await;
    olla.ready().await;
    (olla, [one, two])
}

async fn ask(olla: &Olla, model: &str) -> Answer {
    olla.post("/v1/chat/completions", &chat(model)).await
}

/// Returns what a response says of how its request was routed.
fn told(answer: &Answer) -> (u16, &str, &str) {
    (answer.status, answer.header("x-olla-routing-strategy"), answer.header("x-olla-routing-reason"))
}

/// Returns how often each engine was asked for its models.
fn listings(engines: &[Engine; 2]) -> [usize; 2] {
    let asked = |engine: &Engine, path| {
        engine.received().iter().filter(|r| r.method == "GET" && r.target == path).count()
    };
    [asked(&engines[0], "/v1/models"), asked(&engines[1], "/api/tags")]
}

#[tokio::test]
async fn strict_routing_does_not_know_a_model_that_no_listing_has_told() {
    let (olla, engines) = pair("{type: strict}").await;
    let before = listings(&engines);

    engines[1].set_models([MODEL, "new"]);
    let refused = ask(&olla, "new").await;

    assert_eq!(told(&refused), (404, "strict", "model_not_found"));
    assert_eq!(listings(&engines), before);
}

#[tokio::test]
async fn the_first_request_for_a_new_model_is_served() {
    let (olla, engines) = pair(DISCOVERY).await;
    let known = ask(&olla, MODEL).await;

    engines[1].set_models([MODEL, "new"]);
    let first = ask(&olla, "new").await;
    let second = ask(&olla, "new").await;

    assert_eq!(told(&known), (200, "discovery", "model_found_no_refresh"));
    assert_eq!(told(&first), (200, "discovery", "model_found_after_discovery"));
    assert_eq!(first.header("x-olla-endpoint"), "two");
    assert_eq!(told(&second), (200, "discovery", "model_found_no_refresh"));
}

#[tokio::test]
async fn fifty_requests_that_miss_together_cause_one_listing_of_each_endpoint() {
    let (olla, engines) = pair(DISCOVERY).await;
    let before = listings(&engines);
    engines[1].set_models([MODEL, "new"]);
    // The whole list takes a while, so that all requests have come before the first is answered.
    let slow = Fault::SlowDrip { bytes_per_second: NonZeroU32::new(2000).unwrap() };
    engines[1].set_fault(slow.on(Scope::Path("/api/tags".into())));

    let answers = join_all((0..50).map(|_| ask(&olla, "new"))).await;

    for answer in &answers {
        assert_eq!(told(answer), (200, "discovery", "model_found_after_discovery"));
    }
    assert_eq!(listings(&engines), before.map(|count| count + 1));
}

#[tokio::test]
async fn a_model_that_is_nowhere_is_refused_after_the_listing_with_its_reason() {
    let (olla, engines) = pair(DISCOVERY).await;
    let before = listings(&engines);

    let refused = ask(&olla, "nowhere").await;

    assert_eq!(told(&refused), (503, "discovery", "model_unavailable_after_discovery"));
    assert_eq!(listings(&engines), before.map(|count| count + 1));
}

#[tokio::test]
async fn an_endpoint_that_does_not_answer_holds_up_nobody_for_longer_than_the_limit() {
    let options = "{discovery_refresh_on_miss: true, discovery_timeout: 500ms}";
    let (olla, engines) = pair(&format!("{{type: discovery, options: {options}}}")).await;
    engines[0].set_fault(Fault::HangBeforeHead.on(Scope::Path("/v1/models".into())));
    engines[1].set_models([MODEL, "new"]);

    let served = ask(&olla, "new").await;
    let refused = ask(&olla, "nowhere").await;

    assert_eq!(told(&served), (200, "discovery", "model_found_after_discovery"));
    assert_eq!(told(&refused), (503, "discovery", "model_unavailable_after_discovery"));
}

#[tokio::test]
async fn without_a_refresh_what_is_missing_is_refused_at_once_and_the_start_says_so() {
    let (olla, engines) = pair("{type: discovery}").await;
    let before = listings(&engines);
    engines[1].set_models([MODEL, "new"]);

    let refused = ask(&olla, "new").await;

    assert_eq!(told(&refused), (503, "discovery", "model_unavailable_no_refresh"));
    assert_eq!(listings(&engines), before);
    olla.log().text(|line| line.contains("discovery_refresh_on_miss")).await;
}

#[tokio::test]
async fn where_all_is_the_fallback_any_endpoint_is_tried_in_the_end() {
    let options = "{discovery_refresh_on_miss: true, fallback_behavior: all}";
    let (olla, _engines) = pair(&format!("{{type: discovery, options: {options}}}")).await;

    let answer = ask(&olla, "nowhere").await;

    assert_eq!(answer.header("x-olla-routing-decision"), "fallback");
    assert_eq!(answer.header("x-olla-routing-reason"), "all_healthy_after_discovery");
    assert!(["one", "two"].contains(&answer.header("x-olla-endpoint")), "{answer:?}");
}
