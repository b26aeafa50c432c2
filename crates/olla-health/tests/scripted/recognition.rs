//! Endpoints whose kind is not configured.

use olla_core::{Failure, Status};

use crate::{
    network::Reply,
    stage::{LISTING, Stage, auto, seconds},
};

const OPENAI_LISTING: &str = "/v1/models";

fn vllm(stage: &Stage, port: u16, model: &str) {
    let list =
        format!(r#"{{"object":"list","data":[{{"id":"{model}","object":"model","owned_by":"vllm"}}]}}"#);
    stage.net.serve(port, OPENAI_LISTING, Reply::ok(&list));
    stage.net.serve(port, "/version", Reply::ok(r#"{"version":"0.11.0"}"#));
    stage.net.serve(port, "/health", Reply::status(200));
}

fn ollama(stage: &Stage, port: u16, model: &str) {
    stage.healthy(port, &[model]);
    stage.net.serve(port, "/api/version", Reply::ok(r#"{"version":"0.12.0"}"#));
}

#[tokio::test(start_paused = true)]
async fn each_backend_is_recognised_and_listed_as_its_kind() {
    let stage = Stage::new(vec![auto(1), auto(2)]);
    ollama(&stage, 1, "llama3");
    vllm(&stage, 2, "Qwen/Qwen3-8B");

    stage.start().await;
    seconds(20).await;

    assert_eq!((stage.kind(0).as_deref(), stage.kind(1).as_deref()), (Some("ollama"), Some("vllm")));
    assert_eq!((stage.models(0), stage.models(1)), (vec!["llama3".into()], vec!["Qwen/Qwen3-8B".into()]));
    assert!(stage.net.asked(2, "/health").len() >= 3, "checked at the health path of its kind");
    assert_eq!(stage.net.asked(2, "/").len(), 1, "recognised once");
}

#[tokio::test(start_paused = true)]
async fn an_unrecognised_backend_is_alive_says_why_and_is_recognised_later() {
    let stage = Stage::new(vec![auto(1)]);
    stage.net.serve(1, "/somewhere", Reply::status(200));

    stage.start().await;
    assert_eq!((stage.status(0), stage.kind(0)), (Status::Healthy, None));
    assert!(stage.listing_error(0).contains("set the endpoint's `type`"), "{}", stage.listing_error(0));
    ollama(&stage, 1, "llama3");
    seconds(6).await;

    assert_eq!(stage.kind(0).as_deref(), Some("ollama"));
    assert_eq!(stage.models(0), ["llama3"]);
    assert!(stage.listing_error(0).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_answers_with_refusals_only_is_not_routable() {
    let stage = Stage::new(vec![auto(1)]);
    for path in stage.profiles.detection_plan() {
        stage.net.serve(1, path, Reply::status(401));
    }

    stage.start().await;

    assert_eq!(stage.status(0), Status::ConfigError);
}

#[tokio::test(start_paused = true)]
async fn an_explicit_health_path_decides_for_an_unrecognised_backend() {
    let mut explicit = auto(1);
    explicit.health = Some(explicit.base.target("/alive").unwrap());
    let stage = Stage::new(vec![explicit]);
    stage.net.serve(1, "/alive", Reply::status(500));

    stage.start().await;

    assert_eq!(stage.status(0), Status::Unhealthy);
    assert!(stage.reason(0).contains("/alive answered 500"));
}

#[tokio::test(start_paused = true)]
async fn another_backend_at_the_same_place_is_recognised_when_it_comes_up() {
    let stage = Stage::new(vec![auto(1)]);
    ollama(&stage, 1, "llama3");
    stage.start().await;

    stage.net.down(1, Failure::Refused);
    seconds(10).await;
    stage.net.replace(1);
    vllm(&stage, 1, "Qwen/Qwen3-8B");
    seconds(30).await;

    assert_eq!(stage.kind(0).as_deref(), Some("vllm"));
    assert_eq!(stage.models(0), ["Qwen/Qwen3-8B"]);
}

#[tokio::test(start_paused = true)]
async fn a_recognised_backend_that_fails_its_health_path_does_not_flap() {
    let stage = Stage::new(vec![auto(1)]);
    vllm(&stage, 1, "Qwen/Qwen3-8B");
    stage.net.serve(1, "/health", Reply::status(503));

    stage.start().await;
    for _ in 0..60 {
        assert_eq!(stage.status(0), Status::Unhealthy);
        seconds(1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_kind_is_published_even_if_the_listing_fails() {
    let stage = Stage::new(vec![auto(1)]);
    ollama(&stage, 1, "llama3");
    stage.net.serve(1, LISTING, Reply::status(500));

    stage.start().await;

    assert_eq!(stage.kind(0).as_deref(), Some("ollama"));
}

#[tokio::test(start_paused = true)]
async fn a_known_kind_is_kept_while_the_backend_is_loading() {
    let stage = Stage::new(vec![auto(1)]);
    vllm(&stage, 1, "Qwen/Qwen3-8B");
    stage.start().await;

    stage.net.serve(1, "/health", Reply::status(503));
    stage.net.serve(1, OPENAI_LISTING, Reply::status(503));
    seconds(6).await;

    for _ in 0..60 {
        assert_eq!(stage.status(0), Status::Unhealthy);
        seconds(1).await;
    }
    assert_eq!(stage.kind(0).as_deref(), Some("vllm"));
}
