//! A backend that answers, but with a status that says "not now".

use http::StatusCode;
use olla_core::{Failure, Outcome, Status};

use crate::support::{Backend, Plan, answer, chat, ok, post};

async fn busy(text: &str) -> Backend {
    Backend::answering(answer("503 Service Unavailable", "retry-after: 7\r\nx-busy: yes\r\n", text)).await
}

#[tokio::test]
async fn each_overload_status_moves_on() {
    for status in ["429 Too Many Requests", "502 Bad Gateway", "503 Busy", "504 Gateway Timeout"] {
        let (first, second) =
            (Backend::answering(answer(status, "", "no")).await, Backend::answering(ok("{}")).await);
        let stage = Plan::over(&[&first, &second]).start();

        let told = stage.ask(chat()).await;

        assert_eq!((told.status, told.text()), (StatusCode::OK, "{}"), "{status}");
        let note = stage.journal.only().await;
        let code = status[..3].parse().unwrap();
        assert_eq!(note.attempts, [("a".into(), Some(Failure::Status(code))), ("b".into(), None)]);
        assert_eq!(stage.status(0), Status::Healthy, "an answer is no reason to leave the rotation");
        assert_eq!(stage.in_flight(), 0);
    }
}

#[tokio::test]
async fn when_all_are_overloaded_the_last_answer_passes_through() {
    let (first, second) = (busy("first").await, busy("second").await);
    let stage = Plan::over(&[&first, &second]).start();

    let told = stage.ask(chat()).await;

    assert_eq!((told.status, told.text()), (StatusCode::SERVICE_UNAVAILABLE, "second"));
    assert_eq!((told.header("retry-after"), told.header("x-busy")), (Some("7"), Some("yes")));
    assert_eq!(told.header("x-olla-endpoint"), Some("b"));
    let note = stage.journal.only().await;
    assert_eq!((note.outcome, note.status), (Outcome::Failure, Some(StatusCode::SERVICE_UNAVAILABLE)));
    assert_eq!(stage.in_flight(), 0);
}

#[tokio::test]
async fn when_nobody_does_better_the_client_gets_the_best_answer_and_when_to_come_back() {
    let refusing = |status: &'static str, lines: &'static str| async move {
        Backend::answering(answer(status, lines, status)).await
    };
    for (first, second, best, retry_after) in [
        (("429 x", ""), ("503 x", ""), "429 x", Some("1")),
        (("503 x", ""), ("502 x", ""), "503 x", Some("1")),
        (("502 x", ""), ("504 x", ""), "504 x", None),
        (("429 x", "retry-after: 30\r\n"), ("502 x", ""), "429 x", Some("30")),
        (("429 x", "retry-after: 30\r\n"), ("429 x", "retry-after-ms: 20000\r\n"), "429 x", Some("20")),
    ] {
        let backends = [refusing(first.0, first.1).await, refusing(second.0, second.1).await];
        let stage = Plan::over(&[&backends[0], &backends[1]]).start();

        let told = stage.ask(chat()).await;

        assert_eq!((told.text(), told.header("retry-after")), (best, retry_after), "{first:?} {second:?}");
        assert_eq!(told.status.as_u16().to_string(), best[..3]);
        assert_eq!(stage.journal.only().await.attempts.len(), 2);
    }
}

#[tokio::test]
async fn no_attempt_begins_after_the_deadline_for_retries() {
    let slow = Backend::scripted(|mut conn| async move {
        conn.request().await;
        tokio::time::sleep(crate::support::millis(30)).await;
        conn.send(&answer("503 x", "", "late")).await;
    })
    .await;
    let other = Backend::answering(ok("{}")).await;
    let mut plan = Plan::over(&[&slow, &other]);
    plan.settings.retry.deadline = crate::support::millis(10);
    let stage = plan.start();

    let told = stage.ask(chat()).await;

    assert_eq!((told.status, told.text()), (StatusCode::SERVICE_UNAVAILABLE, "late"));
    assert!(other.heard().is_empty());
}

#[tokio::test]
async fn an_overloaded_answer_is_better_than_none() {
    let (first, second) = (busy("busy").await, Backend::refusing());
    let stage = Plan::over(&[&first, &second]).start();

    let told = stage.ask(chat()).await;

    assert_eq!((told.status, told.text()), (StatusCode::SERVICE_UNAVAILABLE, "busy"));
    assert_eq!(told.header("x-olla-endpoint"), Some("a"));
    stage.journal.only().await;
    let totals = |position: usize| stage.endpoint(position).live.totals().view();
    assert_eq!((totals(0).failures, totals(1).failures), (1, 1));
    assert_eq!((totals(0).bytes, totals(1).bytes), (4, 0), "bytes belong to whoever sent them");
}

#[tokio::test]
async fn answers_that_are_the_clients_business_are_final() {
    for status in
        ["400 Bad Request", "401 Unauthorized", "404 Not Found", "422 No", "500 Internal Server Error"]
    {
        let (first, second) =
            (Backend::answering(answer(status, "", "reason")).await, Backend::answering(ok("{}")).await);
        let stage = Plan::over(&[&first, &second]).start();

        let told = stage.ask(chat()).await;

        assert_eq!(told.status.as_u16().to_string(), status[..3]);
        assert_eq!(told.text(), "reason");
        assert!(second.heard().is_empty(), "{status}");
    }
}

#[tokio::test]
async fn statuses_that_move_on_can_be_chosen() {
    let (first, second) = (busy("busy").await, Backend::answering(ok("{}")).await);
    let mut plan = Plan::over(&[&first, &second]);
    plan.settings.retry.on_status = vec![StatusCode::INTERNAL_SERVER_ERROR];
    let stage = plan.start();

    assert_eq!(stage.ask(chat()).await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn what_is_not_idempotent_is_answered_by_the_first() {
    let (first, second) = (busy("busy").await, Backend::answering(ok("{}")).await);
    let mut plan = Plan::over(&[&first, &second]);
    for spec in &mut plan.specs {
        spec.allow_paths = olla_core::PathRules::parse(["/admin"]).unwrap().into();
    }
    let stage = plan.start();

    let told = stage.ask(post("/olla/vllm/admin", "{}")).await;

    assert_eq!((told.status, told.text()), (StatusCode::SERVICE_UNAVAILABLE, "busy"));
    assert!(second.heard().is_empty());
}
