//! What is told of sticky sessions.

use olla_core::{Affinity, AffinityOutcome, KeySource};
use olla_proxy::{Settings, Sticky};

use super::*;

/// A stage with sticky sessions of the defaults.
fn sticky() -> Stage {
    let mut settings = Settings::default();
    settings.sticky = Some(Sticky::default());
    Stage::with(settings)
}

#[tokio::test]
async fn off_is_all_that_is_said_of_sticky_sessions_that_are_off() {
    let document = Stage::new().document("/internal/stats/sticky").await;

    assert_eq!(document, json!({"enabled": false}));
}

#[tokio::test]
async fn hits_and_misses_are_those_of_finished_requests() {
    let stage = sticky();
    for outcome in [AffinityOutcome::Miss, AffinityOutcome::Hit, AffinityOutcome::Repin, AffinityOutcome::Hit]
    {
        let mut record = record();
        record.affinity = Some(Affinity { outcome, source: Some(KeySource::Ip) });
        stage.stats.record(&record);
    }

    let document = stage.document("/internal/stats/sticky").await;

    assert_eq!(
        document,
        json!({
            "enabled": true, "active_sessions": 0, "insertions": 0, "hits": 3, "misses": 1, "evictions": 0,
            "max_sessions": 10_000, "idle_ttl_seconds": 600,
        })
    );
}

#[tokio::test]
async fn an_explanation_leaves_room_for_sessions() {
    let stage = sticky();
    for name in ["gpu", "spare"] {
        stage.publish(name, Some("ollama"), vec![Model::named("llama")]);
        stage.endpoint(name).live.set_status(Status::Healthy);
    }

    let document = stage.document("/internal/explain?model=llama").await;

    assert_eq!(
        document["summary"],
        "POST /v1/chat/completions for \"llama\" goes to gpu or spare, as least-connections decides unless a \
         session is at home with one of them."
    );
}
