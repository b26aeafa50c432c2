//! A request goes only to models that can serve it, where that is known.

use http::StatusCode;
use olla_core::Model;

use crate::support::{Backend, Plan, Stage, ok, post};

const IMAGE: &str = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]}"#;
const TOOLS: &str = r#"{"model":"m","messages":[],"tools":[{"type":"function"}]}"#;

/// Endpoints `a` and `b`, each with a model `m` as changed.
async fn stage(change: [fn(&mut Model); 2]) -> Stage {
    let backends = [Backend::answering(ok("{}")).await, Backend::answering(ok("{}")).await];
    let mut plan = Plan::over(&[&backends[0], &backends[1]]);
    for (models, change) in plan.models.iter_mut().zip(change) {
        change(&mut models[0]);
    }
    let stage = plan.start();
    // They answer for as long as the test runs.
    std::mem::forget(backends);
    stage
}

fn nothing_known(_: &mut Model) {}

async fn endpoint_of(stage: &Stage, path: &str, body: &str) -> Option<String> {
    stage.ask(post(path, body)).await.header("x-olla-endpoint").map(str::to_owned)
}

#[tokio::test]
async fn images_tools_and_embeddings_go_where_they_are_understood() {
    let lacks_all = |model: &mut Model| {
        (model.abilities.images, model.abilities.tools, model.abilities.embeddings) =
            (Some(false), Some(false), Some(false));
    };
    let stage = stage([lacks_all, nothing_known]).await;

    for (path, body, expected) in [
        ("/v1/chat/completions", r#"{"model":"m","messages":[]}"#, "a"),
        ("/v1/chat/completions", IMAGE, "b"),
        ("/v1/chat/completions", TOOLS, "b"),
        ("/v1/embeddings", r#"{"model":"m","input":"x"}"#, "b"),
        ("/v1/responses", r#"{"model":"m","input":"x"}"#, "a"),
    ] {
        assert_eq!(endpoint_of(&stage, path, body).await.as_deref(), Some(expected), "{path} {body}");
    }
}

#[tokio::test]
async fn a_request_that_no_model_can_serve_is_told_what_is_missing() {
    let blind: fn(&mut Model) = |model| model.abilities.images = Some(false);
    let stage = stage([blind, blind]).await;

    let told = stage.ask(post("/v1/chat/completions", IMAGE)).await;

    assert_eq!(told.status, StatusCode::BAD_REQUEST);
    assert_eq!(told.json()["error"]["code"], "model_lacks_capability");
    assert!(told.text().contains("does not understand images"), "{}", told.text());
}

#[tokio::test]
async fn a_long_prompt_goes_to_the_longer_context_and_is_refused_where_none_is_long_enough() {
    let short = |model: &mut Model| {
        (model.context_length, model.reported.context_length) = (Some(4096), Some(4096));
    };
    let long = |model: &mut Model| {
        (model.context_length, model.reported.context_length) = (Some(8192), Some(8192));
    };
    let stage = stage([short, long]).await;
    let prompt = |bytes: usize| {
        let text = "word ".repeat(bytes / 5);
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{text}"}}]}}"#)
    };

    for (bytes, expected) in [(100, "a"), (20_000, "b"), (30_000, "b")] {
        let endpoint = endpoint_of(&stage, "/v1/chat/completions", &prompt(bytes)).await;
        assert_eq!(endpoint.as_deref(), Some(expected), "{bytes} bytes");
    }
    let told = stage.ask(post("/v1/chat/completions", &prompt(60_000))).await;

    assert_eq!(told.status, StatusCode::BAD_REQUEST);
    assert_eq!(told.json()["error"]["code"], "context_length_exceeded");
    assert!(told.text().contains("4096 tokens"), "{}", told.text());
}

#[tokio::test]
async fn a_capable_endpoint_that_is_down_makes_the_request_unavailable_and_not_wrong() {
    let blind = |model: &mut Model| model.abilities.images = Some(false);
    let stage = stage([blind, nothing_known]).await;
    stage.endpoint(1).live.set_status(olla_core::Status::Offline);

    let told = stage.ask(post("/v1/chat/completions", IMAGE)).await;

    assert_eq!(told.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(told.json()["error"]["code"], "model_unavailable");
}
