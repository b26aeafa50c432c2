//! Rules of the operator: which endpoint a model goes to rather, less gladly or never, and how many
//! requests an endpoint gets at a time.

use std::num::NonZeroU32;

use http::StatusCode;
use olla_core::{Glob, ModelFilter, Status};
use olla_proxy::{Fallback, Routing};

use crate::support::{Backend, Plan, Stage, chat, ok, post, soon};

fn globs(patterns: &[&str]) -> Vec<Glob> {
    patterns.iter().map(|pattern| Glob::parse(pattern).unwrap()).collect()
}

async fn two() -> ([Backend; 2], Plan) {
    let backends = [Backend::answering(ok("{}")).await, Backend::answering(ok("{}")).await];
    let plan = Plan::over(&[&backends[0], &backends[1]]);
    (backends, plan)
}

async fn endpoint_of(stage: &Stage) -> Option<String> {
    stage.ask(chat()).await.header("x-olla-endpoint").map(str::to_owned)
}

#[tokio::test]
async fn a_preferred_endpoint_comes_first_and_others_when_it_is_down() {
    let (_backends, mut plan) = two().await;
    plan.specs[1].placement.prefer = globs(&["m*"]);
    let stage = plan.start();

    assert_eq!(endpoint_of(&stage).await.as_deref(), Some("b"), "although `a` has the higher priority");
    stage.endpoint(1).live.set_status(Status::Offline);
    assert_eq!(endpoint_of(&stage).await.as_deref(), Some("a"));
}

#[tokio::test]
async fn an_avoided_endpoint_comes_last() {
    let (_backends, mut plan) = two().await;
    plan.specs[0].placement.avoid = globs(&["m"]);
    let stage = plan.start();

    assert_eq!(endpoint_of(&stage).await.as_deref(), Some("b"));
    stage.endpoint(1).live.set_status(Status::Offline);
    assert_eq!(endpoint_of(&stage).await.as_deref(), Some("a"));
}

#[tokio::test]
async fn never_holds_for_listed_models_for_patterns_and_for_every_fallback() {
    let (_backends, mut plan) = two().await;
    plan.specs[0].placement.never = globs(&["openai/gpt-5*"]);
    plan.models(0, &["openai/*"]);
    plan.settings.routing = Routing::Optimistic(Fallback::All);
    let stage = plan.start();
    let ask = |model: &str| stage.ask(post("/v1/completions", &format!(r#"{{"model":"{model}"}}"#)));

    assert_eq!(ask("openai/gpt-4o").await.header("x-olla-endpoint"), Some("a"));
    assert_eq!(ask("openai/gpt-5-mini").await.header("x-olla-endpoint"), Some("b"), "by the fallback");
    stage.endpoint(1).live.set_status(Status::Offline);
    let told = ask("openai/gpt-5-mini").await;

    assert_eq!(told.status, StatusCode::SERVICE_UNAVAILABLE, "and not to `a`");
}

#[tokio::test]
async fn who_asks_for_a_model_that_rules_keep_away_everywhere_is_told_so() {
    let (_backends, mut plan) = two().await;
    plan.specs[0].placement.never = globs(&["secret"]);
    plan.models(0, &["secret"]);
    let stage = plan.start();

    let told = stage.ask(post("/v1/completions", r#"{"model":"secret"}"#)).await;

    assert_eq!(
        (told.status, told.header("x-olla-routing-reason")),
        (StatusCode::NOT_FOUND, Some("model_not_found"))
    );
    assert!(told.text().contains("`models.never`"), "it is in the list of models: {}", told.text());
}

#[tokio::test]
async fn a_filter_holds_for_what_a_pattern_stands_for_and_for_every_fallback() {
    let (_backends, mut plan) = two().await;
    plan.specs[0].filter = ModelFilter { include: vec![], exclude: globs(&["openai/gpt-5*"]) };
    plan.specs[1].filter = ModelFilter { include: globs(&["m"]), exclude: vec![] };
    plan.models(0, &["openai/*"]);
    plan.settings.routing = Routing::Optimistic(Fallback::All);
    let stage = plan.start();
    let ask = |model: &str| stage.ask(post("/v1/completions", &format!(r#"{{"model":"{model}"}}"#)));

    assert_eq!(ask("openai/gpt-4o").await.header("x-olla-endpoint"), Some("a"));
    assert_eq!(ask("other").await.header("x-olla-endpoint"), Some("a"), "the only one that may have it");
    assert_eq!(ask("openai/gpt-5-mini").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn what_is_over_the_limit_of_one_endpoint_goes_to_the_next_and_over_all_limits_is_told_where_nobody_waits()
 {
    let hold = || {
        Backend::scripted(|mut conn| async move {
            while conn.request().await.is_some() {
                conn.report();
                conn.cue().await;
                conn.send(&ok("{}")).await;
            }
        })
    };
    let backends = [hold().await, hold().await];
    let mut plan = Plan::over(&[&backends[0], &backends[1]]);
    for spec in &mut plan.specs {
        spec.max_concurrent = NonZeroU32::new(1);
    }
    plan.settings.queue.max_waiting = 0;
    let stage = plan.start();

    let first = stage.open(chat());
    let second = stage.open(chat());
    let refused = async {
        for backend in &backends {
            soon(backend.reported()).await;
        }
        let refused = stage.ask(chat()).await;
        backends.iter().for_each(Backend::cue);
        refused
    };
    let (first, second, refused) = tokio::join!(first, second, refused);

    let names = [&first, &second].map(|r| r.headers()["x-olla-endpoint"].to_str().unwrap().to_owned());
    assert_eq!(names, ["a", "b"]);
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.json()["error"]["code"], "endpoints_busy");
    assert_eq!(refused.header("retry-after"), Some("1"));
    drop((first, second));
    assert_eq!(stage.in_flight(), 0);
}
