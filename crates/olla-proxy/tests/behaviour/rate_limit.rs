//! Clients that send more than they may.

use http::StatusCode;
use olla_core::Outcome;
use olla_proxy::{ClientAddr, Rates};

use crate::support::{Backend, Plan, Stage, chat, get, ok};

fn stage(backend: &Backend, global_per_minute: u32, per_client_per_minute: u32, burst: u32) -> Stage {
    let mut plan = Plan::over(&[backend]);
    plan.rates = Some(Rates { global_per_minute, per_client_per_minute, burst });
    plan.start()
}

#[tokio::test]
async fn a_client_over_its_rate_is_told_when_to_come_back() {
    let backend = Backend::answering(ok("{}")).await;
    let stage = stage(&backend, 0, 6, 2);

    for remaining in ["1", "0"] {
        let told = stage.ask(chat()).await;
        assert_eq!((told.status, told.header("x-ratelimit-remaining")), (StatusCode::OK, Some(remaining)));
        assert_eq!(told.header("x-ratelimit-limit"), Some("6"));
        stage.journal.only().await;
    }
    let told = stage.ask(chat()).await;

    assert_eq!(told.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!((told.header("retry-after"), told.header("x-ratelimit-remaining")), (Some("10"), Some("0")));
    assert!(told.header("x-ratelimit-reset").unwrap().parse::<u64>().unwrap() > 1_700_000_000);
    assert_eq!(told.json()["error"]["code"], "rate_limited");
    assert_eq!(told.json()["error"]["type"], "rate_limit_error");
    assert_eq!(backend.heard().len(), 2);
    let note = stage.journal.only().await;
    assert_eq!((note.error, note.status), (Some("rate_limited"), Some(StatusCode::TOO_MANY_REQUESTS)));
    assert!(note.attempts.is_empty());
}

#[tokio::test]
async fn clients_do_not_use_up_each_others_rate() {
    let backend = Backend::answering(ok("{}")).await;
    let stage = stage(&backend, 0, 1, 1);
    let from = |last: u8| {
        let mut request = chat();
        request.extensions_mut().insert(ClientAddr([10, 0, 0, last].into()));
        request
    };

    assert_eq!(stage.ask(from(1)).await.status, StatusCode::OK);
    assert_eq!(stage.ask(from(1)).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(stage.ask(from(2)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn every_answer_of_ours_tells_what_is_left() {
    let backend = Backend::refusing();
    let stage = stage(&backend, 0, 60, 9);

    for (request, status, remaining) in [
        (get("/v1/models"), 200, "8"),
        (get("/nothing"), 404, "7"),
        (crate::support::post("/v1/completions", r#"{"model":"x"}"#), 404, "6"),
        (chat(), 502, "5"),
    ] {
        let told = stage.ask(request).await;

        assert_eq!(told.status, status);
        assert_eq!(told.header("x-ratelimit-remaining"), Some(remaining), "{status}");
        assert_eq!(stage.journal.only().await.outcome == Outcome::Failure, status == 502);
    }
}
