//! Whether Olla is alive, and whether it is ready.

use super::*;

#[tokio::test]
async fn is_alive_before_anything_is_known_and_ready_after_the_first_checks() {
    let starting = Stage::new();
    starting.endpoint("gpu").live.checkup().settled = true;

    assert_eq!(starting.document("/internal/health").await, json!({"status": "healthy"}));
    let answer = starting.get("/internal/ready").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        answer.json(),
        json!({"status": "starting", "reason": "waiting for the first check of: dead, spare"})
    );
    assert_eq!(
        Stage::settled().document("/internal/ready").await,
        json!({"status": "ready", "endpoints_routable": 2, "endpoints_total": 3})
    );
}

#[tokio::test]
async fn is_not_ready_while_it_stops() {
    let stage = Stage::settled();

    stage.drain.store(true, Relaxed);

    let answer = stage.get("/internal/ready").await;
    assert_eq!(
        (answer.status, answer.json()),
        (StatusCode::SERVICE_UNAVAILABLE, json!({"status": "stopping"}))
    );
}
