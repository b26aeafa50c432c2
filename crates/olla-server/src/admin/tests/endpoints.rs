//! What is told of each endpoint, and in which order.

use super::*;

#[tokio::test]
async fn endpoints_are_sorted_by_priority_then_usability_then_name() {
    let stage = Stage::settled();

    for path in ["/internal/status", "/internal/status/endpoints"] {
        assert_eq!(names(&stage.document(path).await["endpoints"]), ["spare", "dead", "gpu"], "{path}");
    }
}

#[tokio::test]
async fn an_endpoint_tells_its_kind_models_and_why_it_is_not_used() {
    let stage = Stage::settled();
    stage.publish("gpu", Some("lm_studio"), vec![Model::named("a"), Model::named("b")]);
    stage.endpoint("dead").live.checkup().listing_error = Some("the answer is not JSON".into());

    let document = stage.document("/internal/status/endpoints").await;

    let gpu = entry(&document["endpoints"], "gpu");
    assert_eq!((&gpu["type"], &gpu["kind"]), (&json!("lm-studio"), &json!("lm-studio")));
    assert_eq!((&gpu["model_count"], &gpu["models_count"]), (&json!(2), &json!(2)));
    assert_eq!((&gpu["url"], &gpu["response_time_ms"]), (&json!("http://gpu:11434"), &json!(3)));
    assert_eq!((gpu.get("reason"), gpu.get("issues")), (None, None));
    let dead = entry(&document["endpoints"], "dead");
    assert_eq!((&dead["type"], &dead["issues"]), (&json!("auto"), &json!("unavailable")));
    assert_eq!(dead["reason"], "the connection was refused");
    assert_eq!(dead["listing_error"], "the answer is not JSON");
    assert_eq!(
        [&document["total_count"], &document["healthy_count"], &document["routable_count"]],
        [3, 2, 2]
    );
}

#[tokio::test]
async fn an_unchecked_endpoint_says_what_it_waits_for() {
    let document = Stage::new().document("/internal/status/endpoints").await;

    let gpu = entry(&document["endpoints"], "gpu");
    assert_eq!((&gpu["status"], &gpu["health_check"]), (&json!("unknown"), &json!("")));
    assert_eq!(gpu["reason"], "waiting for its first health check");
}

#[tokio::test]
async fn a_refresh_tells_what_each_endpoint_answered() {
    let answer = Stage::settled().send(Method::POST, "/internal/discovery/refresh", &[]).await;

    let document = answer.json();
    assert_eq!([&document["refreshed"], &document["failed"]], [1, 1]);
    assert_eq!(
        document["endpoints"],
        json!([
            {"name": "gpu", "status": "ok", "models_count": 4},
            {"name": "spare", "status": "failed", "error": "the connection was refused"},
        ])
    );
}
