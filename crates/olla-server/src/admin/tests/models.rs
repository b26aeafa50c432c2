//! What is told of models, and of the requests for them.

use super::*;

#[tokio::test]
async fn models_are_merged_by_name_and_grouped_by_family() {
    let stage = Stage::settled();
    let model = |name: &str, family: Option<&str>| {
        let mut model = Model::named(name);
        model.family = family.map(Into::into);
        model
    };
    let mut big = model("big", Some("llama"));
    (big.used_for, big.context_length, big.size_bytes) = (Some(ModelUse::Text), Some(128_000), Some(1536));
    big.quantization = Some("BF16".into());
    stage.publish("spare", None, vec![model("big", None), model("plain", None)]);
    stage.publish("gpu", None, vec![big, model("small", Some("llama"))]);

    let document = stage.document("/internal/status/models?detailed=true&group=family").await;

    assert_eq!(document["models_by_family"], json!({"llama": ["big", "small"], "unknown": ["plain"]}));
    assert_eq!(
        [&document["total_models"], &document["total_families"], &document["total_endpoints"]],
        [3, 2, 2]
    );
    assert_eq!(document["model_groups"][1]["family"], "unknown", "the unknown family comes last");
    assert_eq!(document["model_groups"][0]["endpoints"], json!(["gpu", "spare"]));
    let big = entry(&document["recent_models"], "big");
    assert_eq!((&big["endpoints"], &big["size"]), (&json!(["spare", "gpu"]), &json!("1.50 KB")));
    assert_eq!(big["capabilities"], json!(["text_generation", "chat", "long_context", "high_precision"]));
    assert_eq!(big["type"], "llm");
}

#[tokio::test]
async fn a_model_tells_all_other_names_that_any_endpoint_has_for_it() {
    let stage = Stage::settled();
    let model = |name: &str| {
        let mut model = Model::named(name);
        model.digest = Some("d1gest".into());
        model
    };
    stage.publish("spare", None, vec![model("llama3:8b"), model("llama3:latest")]);
    stage.publish("gpu", None, vec![model("my-llama"), Model::named("other")]);

    let document = stage.document("/internal/status/models").await;

    let aliases = |name| entry(&document["recent_models"], name)["aliases"].clone();
    assert_eq!(aliases("my-llama"), json!(["llama3:8b", "llama3:latest"]));
    assert_eq!(aliases("llama3:8b"), json!(["llama3:latest", "my-llama"]));
    assert_eq!(aliases("other"), Value::Null);
}

#[tokio::test]
async fn at_most_ten_models_are_recent_and_groups_come_on_request() {
    let stage = Stage::settled();
    stage.publish("gpu", None, (0..12).map(|n| Model::named(format!("m{n:02}"))).collect());
    stage.publish("spare", None, vec![Model::named("z-newest")]);
    stage.endpoint("gpu").live.checkup().listed_at = Some(SystemTime::UNIX_EPOCH);

    let document = stage.document("/internal/status/models?detailed=true").await;

    let recent = names(&document["recent_models"]);
    assert_eq!((recent.len(), &recent[..2]), (10, &["z-newest", "m00"][..]));
    assert_eq!(document.get("model_groups"), None);
}

#[tokio::test]
async fn model_statistics_are_summed_over_endpoints_and_sorted_by_use() {
    let stage = Stage::settled();
    for name in ["gpu", "spare"] {
        stage.publish(name, None, vec![Model::named("a"), Model::named("b"), Model::named("unused")]);
    }
    stage.count("gpu", 0, Outcome::Success, 100);
    for (endpoint, outcome, ms) in
        [("gpu", Outcome::Success, 100), ("spare", Outcome::Success, 300), ("spare", Outcome::Failure, 1)]
    {
        stage.count(endpoint, 1, outcome, ms);
    }

    let document = stage.document("/internal/stats/models").await;

    assert_eq!(names(&document["models"]), ["b", "a"], "models nobody asked for are left out");
    let b = &document["models"][0];
    assert_eq!(
        [&b["total_requests"], &b["successful_requests"], &b["failed_requests"], &b["average_latency_ms"]],
        [3, 2, 1, 200]
    );
    assert_eq!((&b["success_rate"], &b["total_traffic"]), (&json!("66.7%"), &json!("3.00 KB")));
    assert_eq!(b["p95_latency_ms"], 300, "from both endpoints, and never above the longest request");
    assert_eq!(b.get("endpoint_breakdown"), None);
    assert_eq!(document["endpoints"], json!({}));
    let summary = &document["summary"];
    assert_eq!((&summary["most_popular_model"], &summary["least_popular_model"]), (&json!("b"), &json!("a")));
    assert_eq!([&summary["total_models"], &summary["active_models"], &summary["total_requests"]], [2, 2, 4]);
}

#[tokio::test]
async fn model_statistics_are_broken_down_on_request() {
    let stage = Stage::settled();
    stage.publish("gpu", None, vec![Model::named("a")]);
    stage.publish("spare", None, vec![Model::named("a")]);
    stage.count("gpu", 0, Outcome::Success, 100);

    let document = stage.document("/internal/stats/models?include_endpoints=true&include_summary=true").await;

    let breakdown = &document["models"][0]["endpoint_breakdown"];
    assert_eq!((&breakdown["gpu"]["request_count"], breakdown.get("spare")), (&json!(1), None));
    assert_eq!(document["endpoints"]["gpu"]["success_rate"], 100.0);
    assert_eq!(document["endpoints"]["dead"]["last_used"], "never");
}
