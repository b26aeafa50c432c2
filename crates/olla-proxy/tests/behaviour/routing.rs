//! Which backend gets a request for a model, and under which name.

use http::StatusCode;
use olla_core::{Failure, Model, Status};
use olla_proxy::{Fallback, Routing};

use crate::support::{Backend, Plan, Stage, millis, ok, pass, post, stop_the_clock};

/// Backends `a` and `b` with these models.
async fn stage(models: [&[&str]; 2], change: impl FnOnce(&mut Plan)) -> (Stage, [Backend; 2]) {
    let backends = [Backend::answering(ok("{}")).await, Backend::answering(ok("{}")).await];
    let mut plan = Plan::over(&[&backends[0], &backends[1]]);
    for (position, names) in models.into_iter().enumerate() {
        plan.models(position, names);
    }
    change(&mut plan);
    (plan.start(), backends)
}

fn ask_for(model: &str) -> http::Request<http_body_util::Full<bytes::Bytes>> {
    post("/v1/chat/completions", &format!(r#"{{"model":"{model}"}}"#))
}

#[tokio::test]
async fn a_request_goes_where_its_model_is() {
    let (stage, backends) = stage([&["one"], &["two"]], |_| {}).await;

    let told = stage.ask(ask_for("two")).await;

    assert_eq!(told.header("x-olla-endpoint"), Some("b"));
    assert_eq!(backends[1].heard_one().body, r#"{"model":"two"}"#);
    assert!(backends[0].heard().is_empty());
}

#[tokio::test]
async fn a_request_without_a_model_goes_anywhere() {
    let (stage, _backends) = stage([&["one"], &["two"]], |_| {}).await;

    let told = stage.ask(post("/v1/chat/completions", "not json")).await;

    assert_eq!((told.status, told.header("x-olla-endpoint")), (StatusCode::OK, Some("a")));
    assert_eq!((told.header("x-olla-model"), told.header("x-olla-routing-decision")), (None, None));
}

#[tokio::test]
async fn names_match_in_any_case_and_the_backend_gets_its_own_spelling() {
    let (stage, backends) = stage([&["Qwen/Qwen3-8B"], &["qwen/qwen3-8b"]], |_| {}).await;

    let told = stage
        .ask(post("/v1/completions", r#"{ "x": "é\u00e9", "model" :  "QWEN/qwen3-8B" , "n":1.0}"#))
        .await;
    stage.endpoint(0).live.set_status(Status::Offline);
    stage.ask(ask_for("Qwen/Qwen3-8B")).await;

    assert_eq!(backends[0].heard_one().body, r#"{ "x": "é\u00e9", "model" :  "Qwen/Qwen3-8B" , "n":1.0}"#);
    assert_eq!(told.header("x-olla-model"), Some("QWEN/qwen3-8B"), "the client's spelling");
    assert_eq!(backends[1].heard_one().body, r#"{"model":"qwen/qwen3-8b"}"#, "one model, spelt in two ways");
}

#[tokio::test]
async fn a_model_of_one_digest_is_asked_for_under_each_backends_name() {
    let (stage, backends) = stage([&[], &[]], |plan| {
        for (models, name) in plan.models.iter_mut().zip(["llama3:8b", "llama3:latest"]) {
            let mut model = Model::named(name);
            model.digest = Some("sha256:365c0bd3c000".into());
            *models = vec![model];
        }
    })
    .await;

    stage.ask(ask_for("llama3:latest")).await;
    stage.endpoint(0).live.set_status(Status::Offline);
    stage.ask(ask_for("llama3:8b")).await;

    assert_eq!(backends[0].heard_one().body, r#"{"model":"llama3:8b"}"#);
    assert_eq!(backends[1].heard_one().body, r#"{"model":"llama3:latest"}"#);
}

#[tokio::test]
async fn an_alias_becomes_what_each_backend_calls_it_and_nothing_else_changes() {
    let (stage, backends) =
        stage([&["big:70b"], &["small/8b"]], |plan| plan.aliases = vec![("Best", &["big:70b", "small/8b"])])
            .await;
    stage.endpoint(0).live.set_status(Status::Offline);

    let told =
        stage.ask(post("/v1/completions", "{\"n\": 1,\r\n \"model\":\"best\",\"model_x\":\"best\"}")).await;

    assert_eq!(backends[1].heard_one().body, "{\"n\": 1,\r\n \"model\":\"small/8b\",\"model_x\":\"best\"}");
    assert_eq!(backends[1].heard_one().header("content-length"), Some("47"));
    assert_eq!(told.header("x-olla-routing-strategy"), Some("alias"));
    assert_eq!(told.header("x-olla-routing-decision"), Some("routed"));
    assert_eq!(told.header("x-olla-routing-reason"), Some(r#"alias "best" resolved to 2 endpoint(s)"#));
    assert_eq!(told.header("x-olla-model"), Some("best"));
}

#[tokio::test]
async fn failover_renames_for_each_backend() {
    let backends = [
        Backend::answering("HTTP/1.1 503 x\r\ncontent-length: 0\r\n\r\n").await,
        Backend::answering(ok("{}")).await,
    ];
    let mut plan = Plan::over(&[&backends[0], &backends[1]]);
    plan.models(0, &["first"]);
    plan.models(1, &["second"]);
    plan.aliases = vec![("any", &["first", "second"])];

    plan.start().ask(ask_for("any")).await;

    assert_eq!(backends[0].heard_one().body, r#"{"model":"first"}"#);
    assert_eq!(backends[1].heard_one().body, r#"{"model":"second"}"#);
}

#[tokio::test]
async fn an_alias_of_nothing_that_is_up_is_an_ordinary_name() {
    let (stage, _backends) =
        stage([&["real"], &["fast"]], |plan| plan.aliases = vec![("fast", &["gone"])]).await;

    let told = stage.ask(ask_for("fast")).await;

    assert_eq!(
        (told.header("x-olla-endpoint"), told.header("x-olla-routing-strategy")),
        (Some("b"), Some("strict"))
    );
}

#[tokio::test]
async fn a_pattern_stands_for_many_names_and_leaves_them_as_they_are() {
    let (stage, backends) = stage([&["openai/*"], &["other"]], |_| {}).await;

    let told = stage.ask(ask_for("openai/gpt-4o")).await;

    assert_eq!(told.status, StatusCode::OK);
    assert_eq!(backends[0].heard_one().body, r#"{"model":"openai/gpt-4o"}"#);
}

#[tokio::test]
async fn a_model_that_nobody_has_is_not_found() {
    for routing in [
        Routing::Strict,
        Routing::Optimistic(Fallback::Nowhere),
        Routing::Optimistic(Fallback::CompatibleOnly),
    ] {
        let (stage, backends) = stage([&["one"], &["two"]], |plan| plan.settings.routing = routing).await;

        let told = stage.ask(ask_for("three")).await;

        assert_eq!(told.status, StatusCode::NOT_FOUND);
        assert_eq!(told.json()["error"]["code"], "model_not_found");
        let strategy = if routing == Routing::Strict { "strict" } else { "optimistic" };
        assert_eq!(told.header("x-olla-routing-strategy"), Some(strategy));
        assert_eq!(told.header("x-olla-routing-decision"), Some("rejected"));
        assert_eq!(told.header("x-olla-routing-reason"), Some("model_not_found"));
        assert_eq!(told.header("x-olla-model"), Some("three"));
        assert!(backends.iter().all(|backend| backend.connections() == 0));
    }
}

#[tokio::test]
async fn a_model_whose_backends_are_down_is_unavailable() {
    for (routing, reason) in [
        (Routing::Strict, "model_unavailable"),
        (Routing::Optimistic(Fallback::Nowhere), "model_unavailable_no_fallback"),
        (Routing::Optimistic(Fallback::CompatibleOnly), "model_unavailable_compatible_only"),
    ] {
        let (stage, _backends) = stage([&["one"], &["two"]], |plan| plan.settings.routing = routing).await;
        stage.endpoint(0).live.set_status(Status::Unhealthy);

        let told = stage.ask(ask_for("one")).await;

        assert_eq!(told.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(told.json()["error"]["code"], "model_unavailable");
        assert_eq!(told.header("x-olla-routing-reason"), Some(reason));
        assert_eq!(told.header("retry-after"), Some("1"));
    }
}

#[tokio::test]
async fn optimistic_routing_tries_those_that_do_not_list_the_model() {
    let (stage, _backends) =
        stage([&["one"], &["two"]], |plan| plan.settings.routing = Routing::Optimistic(Fallback::All)).await;

    let unknown = stage.ask(ask_for("three")).await;
    assert_eq!(
        (unknown.status, unknown.header("x-olla-routing-decision")),
        (StatusCode::OK, Some("fallback"))
    );
    assert_eq!(unknown.header("x-olla-routing-reason"), Some("model_not_found_fallback"));

    stage.endpoint(0).live.set_status(Status::Offline);
    let down = stage.ask(ask_for("one")).await;
    assert_eq!((down.status, down.header("x-olla-endpoint")), (StatusCode::OK, Some("b")));
    assert_eq!(down.header("x-olla-routing-reason"), Some("all_healthy_fallback"));
}

#[tokio::test]
async fn a_model_that_is_no_longer_listed_is_no_longer_routed() {
    let (stage, _backends) = stage([&["one"], &["two"]], |_| {}).await;
    assert_eq!(stage.ask(ask_for("one")).await.status, StatusCode::OK);

    stage.fleet.publish_models(stage.endpoint(0).id, None, vec![]);

    assert_eq!(stage.ask(ask_for("one")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_routing_headers_are_there_when_every_attempt_failed() {
    let (first, second) = (Backend::refusing(), Backend::refusing());
    let stage = Plan::over(&[&first, &second]).start();

    let told = stage.ask(crate::support::chat()).await;

    assert_eq!(told.status, StatusCode::BAD_GATEWAY);
    assert_eq!(told.header("x-olla-routing-decision"), Some("routed"));
    assert_eq!(told.header("x-olla-model"), Some("m"));
    let attempts = stage.journal.only().await.attempts;
    assert!(attempts.iter().all(|(_, failure)| *failure == Some(Failure::Refused)), "{attempts:?}");
}

#[tokio::test]
async fn nothing_is_missing_before_every_endpoint_has_been_checked_once() {
    let (stage, _backends) = stage([&["one"], &["two"]], |_| {}).await;
    let unchecked = stage.endpoint(1);
    unchecked.live.set_status(Status::Unknown);
    unchecked.live.checkup().settled = false;

    tokio::time::pause();
    for target in ["/v1/completions", "/olla/ollama/v1/completions"] {
        let told = stage.ask(post(target, r#"{"model":"three"}"#)).await;

        assert_eq!((told.status, told.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, Some("1")));
        assert_eq!(told.json()["error"]["code"], "no_endpoint");
    }
    tokio::time::resume();
    assert_eq!(stage.ask(ask_for("one")).await.status, StatusCode::OK, "what is known is served");
}

#[tokio::test]
async fn a_request_that_comes_before_the_first_check_has_ended_waits_for_it() {
    let backend = Backend::answering(ok("{}")).await;
    let mut plan = Plan::over(&[&backend]);
    plan.models(0, &[]);
    let stage = plan.start();
    let endpoint = stage.endpoint(0);
    endpoint.live.set_status(Status::Unknown);
    endpoint.live.checkup().settled = false;

    stop_the_clock();
    let asking = stage.ask(ask_for("one"));
    let checking = async {
        endpoint.live.set_status(Status::Healthy);
        pass(millis(100)).await;
        stage.fleet.publish_models(endpoint.id, None, vec![Model::named("one")]);
        pass(millis(100)).await;
    };
    let (told, ()) = tokio::join!(asking, checking);

    assert_eq!(told.status, StatusCode::OK, "{told:?}");
}

#[tokio::test]
async fn a_request_does_not_wait_longer_than_the_first_check_takes() {
    let backend = Backend::refusing();
    let stage = Stage::over(&backend);
    let endpoint = stage.endpoint(0);
    endpoint.live.set_status(Status::Unknown);
    endpoint.live.checkup().settled = false;

    stop_the_clock();
    let asking = stage.ask(ask_for("m"));
    let checking = async {
        endpoint.live.set_status(Status::Offline);
        endpoint.live.checkup().settled = true;
        pass(millis(100)).await;
    };
    let (told, ()) = tokio::join!(asking, checking);

    assert_eq!(told.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn who_asks_for_an_absent_model_is_told_how_many_endpoints_have_never_said_what_they_have() {
    let mut plan = Plan::over_urls(&["http://127.0.0.1:1", "http://127.0.0.1:1"]);
    plan.models(1, &[]);
    let stage = plan.start();
    stage.endpoint(1).live.set_status(Status::Offline);

    let told = stage.ask(post("/v1/completions", r#"{"model":"absent"}"#)).await;

    assert_eq!(told.status, StatusCode::NOT_FOUND);
    assert!(told.text().contains("1 endpoint(s) have not listed theirs yet"), "{}", told.text());
}
