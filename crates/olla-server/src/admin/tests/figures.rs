//! Counters, rates, and what is concluded from them.

use super::*;

#[tokio::test]
async fn counters_are_shown_for_people_and_as_numbers() {
    let stage = Stage::settled();
    stage.publish("gpu", None, vec![Model::named("a")]);
    stage.count("gpu", 0, Outcome::Success, 1200);
    stage.count("gpu", 0, Outcome::Failure, 1);

    let document = stage.document("/internal/status").await;

    let gpu = entry(&document["endpoints"], "gpu");
    assert_eq!((&gpu["avg_latency"], &gpu["avg_latency_ms"]), (&json!("1.2s"), &json!(1200)));
    assert_eq!((&gpu["success_rate"], &gpu["success_rate_percent"]), (&json!("50.0%"), &json!(50.0)));
    assert_eq!((&gpu["traffic"], &gpu["traffic_bytes"]), (&json!("2.00 KB"), &json!(2048)));
    assert_eq!((&gpu["requests"], &gpu["consecutive_failures"]), (&json!(2), &json!(1)));
    let system = &document["system"];
    assert_eq!((&system["total_requests"], &system["total_failures"]), (&json!(2), &json!(1)));
    assert_eq!((&system["status"], &system["endpoints_up"]), (&json!("critical"), &json!("2/3")));
    assert_eq!((&system["uptime"], &system["uptime_seconds"]), (&json!("2m"), &json!(125)));
}

#[tokio::test]
async fn without_traffic_rates_are_not_made_up() {
    let document = Stage::settled().document("/internal/status").await;

    let system = &document["system"];
    assert_eq!((&system["success_rate"], &system["has_traffic"]), (&json!("N/A"), &json!(false)));
    assert_eq!((system.get("success_rate_percent"), system.get("avg_latency_ms")), (None, None));
    let spare = entry(&document["endpoints"], "spare");
    assert_eq!((&spare["success_rate"], &spare["next_check"]), (&json!("0%"), &json!("unknown")));
    assert_eq!(spare["models"], json!({"last_updated": "0001-01-01T00:00:00Z", "count": 0}));
}

#[tokio::test]
async fn refusals_are_violations_and_not_requests() {
    let stage = Stage::settled();
    for (code, client) in [("rate_limited", Some([10, 0, 0, 1].into())), ("body_too_large", None)] {
        let mut record = record();
        (record.error, record.client, record.outcome) = (Some(code), client, Outcome::Failure);
        stage.stats.record(&record);
    }

    let document = stage.document("/internal/status").await;

    assert_eq!(
        document["security"],
        json!({"status": "normal", "blocked_ips": 1, "violations": {"rate_limits": 1, "size_limits": 1}})
    );
    let system = &document["system"];
    assert_eq!(
        [&system["security_violations"], &system["total_refused"], &system["total_requests"]],
        [2, 2, 0]
    );
    assert_eq!(system["refused"], json!({"body_too_large": 1, "rate_limited": 1}));
}

#[tokio::test]
async fn repeated_failures_and_a_demotion_become_issues() {
    let stage = Stage::settled();
    stage.publish("gpu", None, vec![Model::named("a")]);
    for _ in 0..11 {
        stage.count("gpu", 0, Outcome::Failure, 1);
    }
    stage.endpoint("spare").live.demote(Failure::Refused);

    let status = stage.document("/internal/status").await;
    let endpoints = stage.document("/internal/status/endpoints").await;

    assert_eq!(entry(&status["endpoints"], "gpu")["issues"], "consecutive failures, low success rate");
    assert_eq!(entry(&status["endpoints"], "spare")["issues"], "unavailable");
    assert_eq!(entry(&endpoints["endpoints"], "gpu")["issues"], "unstable");
    let reason = entry(&endpoints["endpoints"], "spare")["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("refused"), "{reason}");
}
