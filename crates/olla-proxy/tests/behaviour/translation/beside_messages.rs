//! What clients of Anthropic's dialect ask for beside messages: counts of tokens, and models.

use super::*;

#[tokio::test]
async fn tokens_are_counted_by_a_backend_that_can_and_estimated_elsewhere() {
    let counting = Backend::answering(ok(r#"{"input_tokens":7}"#)).await;
    let unknown = Backend::answering(answer("404 Not Found", "", "404 page not found")).await;
    let count = || {
        let mut request = message(&json!({}));
        *request.uri_mut() = format!("{MESSAGES}/count_tokens").parse().unwrap();
        request
    };

    let told = Stage::over(&counting).ask(count()).await;
    assert_eq!((told.text(), told.header("x-olla-token-count")), (r#"{"input_tokens":7}"#, None));

    for stage in [Stage::over(&unknown), over_chat(&[&unknown]).start()] {
        let told = stage.ask(count()).await;
        assert_eq!((told.status, told.header("x-olla-token-count")), (StatusCode::OK, Some("estimate")));
        assert!(told.json()["input_tokens"].as_u64().is_some_and(|tokens| tokens > 0));
    }

    let mut request = count();
    *request.body_mut() = Full::from(r#"{"model":"other","messages":[]}"#);
    assert_eq!(over_chat(&[&unknown]).start().ask(request).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn models_are_listed_in_pages_for_clients_of_the_dialect() {
    let backend = Backend::answering(ok("{}")).await;
    let mut plan = over_chat(&[&backend]);
    plan.models(0, &["a", "b", "org/c"]);
    plan.aliases = vec![("claude-local", &["a"])];
    let stage = plan.start();

    let page = stage.ask(get("/olla/anthropic/v1/models?limit=2&after_id=a")).await.json();
    let ids: Vec<_> =
        page["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!((ids, &page["has_more"]), (vec!["b", "claude-local"], &json!(true)));
    let one = stage.ask(get("/olla/anthropic/v1/models/org%2Fc")).await.json();
    assert_eq!((&one["type"], &one["id"]), (&json!("model"), &json!("org/c")));
    assert_eq!(error(&stage.ask(get("/olla/anthropic/v1/models/x")).await).1, "not_found_error");
    assert_eq!(stage.ask(get("/olla/anthropic/v1/models?limit=0")).await.status, StatusCode::BAD_REQUEST);

    let mut root = get("/v1/models");
    root.headers_mut().insert("anthropic-version", "2023-06-01".parse().unwrap());
    assert_eq!(stage.ask(root).await.json()["data"][0]["type"], "model");
    assert_eq!(stage.ask(get("/v1/models")).await.json()["data"][0]["object"], "model");
}
