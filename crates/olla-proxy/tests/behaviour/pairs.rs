//! An alias stands for pairs of endpoint and model, tried in an order.

use http::StatusCode;
use olla_core::{AliasOrder, Status};

use crate::support::{Backend, Plan, answer, ok, post};

/// Answers 429 for the model `first` and 200 for any other.
async fn limited() -> Backend {
    Backend::scripted(|mut conn| async move {
        while let Some(heard) = conn.request().await {
            let limited = heard.body.contains("first");
            conn.send(&if limited { answer("429 x", "", "{}") } else { ok("{}") }).await;
        }
    })
    .await
}

fn bodies(backend: &Backend) -> Vec<String> {
    backend
        .heard()
        .into_iter()
        .map(|heard| heard.body.replace(r#"{"model":""#, "").replace("\"}", ""))
        .collect()
}

#[tokio::test]
async fn a_rate_limit_on_one_pair_moves_to_the_next_model_of_the_same_endpoint() {
    let backend = limited().await;
    let mut plan = Plan::over(&[&backend]);
    plan.models(0, &["first", "second"]);
    plan.aliases = vec![("Smart", &["first", "second"])];

    let told = plan.start().ask(post("/v1/completions", r#"{"model":"Smart"}"#)).await;

    assert_eq!(told.status, StatusCode::OK);
    assert_eq!(bodies(&backend), ["first", "second"]);
    assert_eq!(told.header("x-olla-routing-reason"), Some(r#"alias "Smart" resolved to 1 endpoint(s)"#));
}

#[tokio::test]
async fn a_model_that_an_alias_names_twice_is_asked_once() {
    let backend = limited().await;
    let mut plan = Plan::over(&[&backend]);
    plan.models(0, &["first", "second"]);
    plan.aliases = vec![("smart", &["first", "FIRST", "second", "first"])];

    let told = plan.start().ask(post("/v1/completions", r#"{"model":"smart"}"#)).await;

    assert_eq!(told.status, StatusCode::OK);
    assert_eq!(bodies(&backend), ["first", "second"]);
}

/// Asks for an alias of `first` and `second` while both endpoints have both, endpoint `a` being preferred by
/// the balancer, and every answer is 429: shows the whole order.
async fn order_of_pairs(order: AliasOrder) -> Vec<(char, String)> {
    let backends = [
        Backend::answering(answer("429 x", "", "{}")).await,
        Backend::answering(answer("429 x", "", "{}")).await,
    ];
    let mut plan = Plan::over(&[&backends[0], &backends[1]]);
    plan.models(0, &["first", "second"]);
    plan.models(1, &["first", "second"]);
    plan.aliases = vec![("any", &["first", "second"])];
    plan.alias_order = order;
    let stage = plan.start();

    stage.ask(post("/v1/completions", r#"{"model":"any"}"#)).await;

    let attempts = stage.journal.only().await.attempts;
    let mut heard = backends.map(|backend| bodies(&backend).into_iter());
    let next = |name: String| {
        let body = heard[usize::from(name == "b")].next().unwrap();
        (name.chars().next().unwrap(), body)
    };
    attempts.into_iter().map(|(endpoint, _)| endpoint).map(next).collect()
}

#[tokio::test]
async fn each_order_of_an_alias_is_kept() {
    let pairs = |text: &str| -> Vec<(char, String)> {
        text.split(' ').map(|pair| (pair.chars().next().unwrap(), pair[2..].to_owned())).collect()
    };
    // The balancer of these tests prefers `a`.
    for (order, expected) in [
        (AliasOrder::BestOfEach, "a:first b:first a:second b:second"),
        (AliasOrder::InOrder, "a:first b:first a:second b:second"),
        (AliasOrder::Equal, "a:first a:second b:first b:second"),
    ] {
        assert_eq!(order_of_pairs(order).await, pairs(expected), "{order:?}");
    }
}

#[tokio::test]
async fn best_of_each_shares_between_endpoints_with_different_models_and_in_order_does_not() {
    for (order, expected) in [(AliasOrder::BestOfEach, "a"), (AliasOrder::InOrder, "b")] {
        let backends = [Backend::answering(ok("{}")).await, Backend::answering(ok("{}")).await];
        let mut plan = Plan::over(&[&backends[0], &backends[1]]);
        plan.models(0, &["second"]);
        plan.models(1, &["first"]);
        plan.aliases = vec![("any", &["first", "second"])];
        plan.alias_order = order;

        let told = plan.start().ask(post("/v1/completions", r#"{"model":"any"}"#)).await;

        assert_eq!(told.header("x-olla-endpoint"), Some(expected), "{order:?}");
    }
}

#[tokio::test]
async fn an_alias_whose_endpoints_are_all_down_is_unavailable_and_not_unknown() {
    let backend = Backend::answering(ok("{}")).await;
    let other = Backend::answering(ok("{}")).await;
    let mut plan = Plan::over(&[&backend, &other]);
    plan.models(0, &["first"]);
    plan.models(1, &["another"]);
    plan.aliases = vec![("any", &["first"])];
    let stage = plan.start();
    stage.endpoint(0).live.set_status(Status::Offline);

    let told = stage.ask(post("/v1/completions", r#"{"model":"any"}"#)).await;

    assert_eq!(told.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(told.json()["error"]["code"], "model_unavailable");
}
