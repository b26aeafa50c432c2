//! What requests have taught of the endpoints is told.

use olla_core::EjectionRules;

use super::*;

const RULES: EjectionRules =
    EjectionRules { consecutive_failures: 2, min_success_percent: 50, min_requests: 20 };

#[tokio::test]
async fn an_ejected_endpoint_says_why_and_when_a_request_will_try_it() {
    let stage = Stage::settled();
    let live = Arc::clone(&stage.endpoint("gpu").live);
    for _ in 0..2 {
        live.request_failed(Failure::Status(503), olla_proxy::clock::now(), &RULES);
    }

    let document = stage.document("/internal/status/endpoints").await;

    let gpu = entry(&document["endpoints"], "gpu");
    assert_eq!((&gpu["status"], &gpu["standing"]), (&json!("healthy"), &json!("ejected")));
    assert_eq!((&gpu["failures_in_a_row"], &gpu["issues"]), (&json!(2), &json!("ejected")));
    let reason = gpu["reason"].as_str().unwrap();
    assert!(reason.contains("the backend answered 503"), "{reason}");
    assert!(gpu["ejected_until"].as_str() > document["timestamp"].as_str(), "{gpu}");
    let spare = entry(&document["endpoints"], "spare");
    assert_eq!((&spare["standing"], spare.get("ejected_until")), (&json!("good"), None));
}

#[tokio::test]
async fn a_model_that_its_backend_wants_spared_is_told_with_the_time() {
    let stage = Stage::settled();
    stage.publish("gpu", None, vec![Model::named("a"), Model::named("b")]);
    let until = olla_proxy::clock::now().after(Duration::from_secs(30));
    stage.endpoint("gpu").model_live[1].set_aside(until);

    let document = stage.document("/internal/status/endpoints").await;

    let gpu = entry(&document["endpoints"], "gpu");
    let [aside] = &gpu["set_aside"].as_array().unwrap()[..] else { panic!("not one: {gpu}") };
    assert_eq!(aside["model"], "b");
    assert!(aside["aside_until"].as_str() > document["timestamp"].as_str());
    assert_eq!(entry(&document["endpoints"], "spare").get("set_aside"), None);
}
