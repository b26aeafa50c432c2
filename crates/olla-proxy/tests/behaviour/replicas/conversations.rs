//! Conversations stay with their endpoint, of however many that are alike.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use olla_core::KeySource;
use olla_proxy::Sticky;

use super::{MANY, enter, plan};
use crate::support::{Backend, Plan, Stage, chat, ok, post};

fn sticky(backend: &Backend) -> Plan {
    let mut plan = plan(backend);
    plan.settings.sticky = Some(Sticky { key_sources: vec![KeySource::SessionHeader], ..Sticky::default() });
    plan
}

/// Says one more thing in a conversation; returns who answered, and whether that was its home.
async fn say(stage: &Stage, id: &str) -> (String, String) {
    let mut request: Request<Full<Bytes>> = chat();
    request.headers_mut().insert("x-olla-session-id", id.parse().unwrap());
    let told = stage.ask(request).await;
    let header = |name| told.header(name).unwrap().to_owned();
    (header("x-olla-endpoint"), header("x-olla-sticky-session"))
}

/// Begins the conversation "one"; returns the number of the endpoint that is its home.
async fn home(stage: &Stage) -> usize {
    say(stage, "one").await.0[1..].parse().unwrap()
}

#[tokio::test]
async fn a_conversation_stays_with_its_endpoint() {
    let backend = Backend::answering(ok("{}")).await;
    let stage = sticky(&backend).start();

    for id in ["one", "two", "three"] {
        let (home, outcome) = say(&stage, id).await;
        assert_eq!(outcome, "miss");
        for _ in 0..10 {
            assert_eq!(say(&stage, id).await, (home.clone(), "hit".to_owned()));
        }
    }
}

#[tokio::test]
async fn a_conversation_leaves_a_home_that_is_busier_than_all_others_and_no_other() {
    let backend = Backend::answering(ok("{}")).await;
    let stage = sticky(&backend).start();
    let home = home(&stage).await;
    let enter = |n| enter(&stage, n);

    let _at_home: Vec<_> = [home; 4].into_iter().map(enter).collect();
    let others: Vec<_> = (0..MANY).filter(|n| *n != home).flat_map(|n| [n; 4]).map(enter).collect();
    assert_eq!(say(&stage, "one").await.1, "hit");
    drop(others);
    let (moved, outcome) = say(&stage, "one").await;

    assert_eq!(outcome, "repin");
    assert_ne!(moved, format!("e{home}"));
}

#[tokio::test]
async fn a_home_is_judged_by_the_load_of_all() {
    let backend = Backend::answering(ok("{}")).await;
    let stage = sticky(&backend).start();
    let home = home(&stage).await;
    let enter = |n| enter(&stage, n);

    // Most have little to do and a few have very much: hardly any sample has the mean of all.
    let _at_home: Vec<_> = [home; 3].into_iter().map(enter).collect();
    let _busy: Vec<_> = (0..MANY).filter(|n| *n != home).take(4).flat_map(|n| [n; 50]).map(enter).collect();

    for _ in 0..20 {
        assert_eq!(say(&stage, "one").await.1, "hit");
    }
}

#[tokio::test]
async fn a_request_goes_on_at_the_endpoint_that_has_made_the_response() {
    let backend = Backend::answering(ok(r#"{"id":"resp_1","object":"response","output":[]}"#)).await;
    let stage = plan(&backend).start();

    let first = stage.ask(post("/v1/responses", r#"{"model":"m","input":"one"}"#)).await;
    let home = first.header("x-olla-endpoint").unwrap();

    for _ in 0..10 {
        let body = r#"{"model":"m","input":"two","previous_response_id":"resp_1"}"#;
        let next = stage.ask(post("/v1/responses", body)).await;
        assert_eq!((next.status, next.header("x-olla-endpoint")), (StatusCode::OK, Some(home)));
    }
}
