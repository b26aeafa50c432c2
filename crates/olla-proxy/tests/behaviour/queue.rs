//! Requests wait where every backend that could serve them has as many as it may have: first come, first served,
//! not too many, not for too long.

use std::{num::NonZeroU32, sync::Arc};

use http::StatusCode;
use olla_balancer::Balancer;
use olla_core::{EjectionRules, Failure, Outcome, Status};

use crate::support::{Backend, Plan, Stage, answer, chat, millis, ok, post, soon};

/// A backend that answers each request on a cue, and reports when it has one.
async fn slow() -> Backend {
    Backend::scripted(|mut conn| async move {
        while conn.request().await.is_some() {
            conn.report();
            conn.cue().await;
            conn.send(&ok("{}")).await;
        }
    })
    .await
}

/// A plan in which each endpoint takes one request at a time.
fn one_each(backends: &[&Backend]) -> Plan {
    let mut plan = Plan::over(backends);
    plan.specs.iter_mut().for_each(|spec| spec.max_concurrent = NonZeroU32::new(1));
    plan
}

/// Returns when so many requests wait.
async fn waiting(stage: &Stage, count: usize) {
    let there = async {
        while stage.proxy.waiting() != count {
            tokio::task::yield_now().await;
        }
    };
    soon(there).await;
}

/// Sends a request that can be told from others.
fn numbered(stage: &Arc<Stage>, number: usize) -> tokio::task::JoinHandle<Option<String>> {
    let stage = Arc::clone(stage);
    tokio::spawn(async move {
        let body = format!(r#"{{"model":"m","n":{number}}}"#);
        let told = stage.ask(post("/v1/completions", &body)).await;
        assert_eq!(told.status, StatusCode::OK, "{number}");
        told.header("x-olla-endpoint").map(str::to_owned)
    })
}

fn order(backend: &Backend) -> Vec<usize> {
    let number = |body: &str| serde_json::from_str::<serde_json::Value>(body).unwrap()["n"].as_u64().unwrap();
    backend.heard().iter().map(|heard| usize::try_from(number(&heard.body)).unwrap()).collect()
}

#[tokio::test]
async fn requests_are_served_in_the_order_in_which_they_came() {
    let backend = slow().await;
    let stage = Arc::new(one_each(&[&backend]).start());
    let mut asked = vec![];
    for n in 0..6 {
        asked.push(numbered(&stage, n));
        if n == 0 {
            backend.reported().await;
        } else {
            waiting(&stage, n).await;
        }
    }
    assert_eq!((stage.endpoint(0).live.in_flight(), stage.endpoint(0).live.waiting()), (1, 5));

    for n in 1..6 {
        backend.cue();
        backend.reported().await;
        // A newcomer goes to the end of the line.
        asked.push(numbered(&stage, n + 5));
        waiting(&stage, 5).await;
    }
    for _ in 0..5 {
        backend.cue();
        backend.reported().await;
    }
    backend.cue();

    for asked in asked {
        soon(asked).await.unwrap();
    }
    assert_eq!(order(&backend), (0..11).collect::<Vec<_>>());
    assert_eq!((stage.in_flight(), stage.proxy.waiting()), (0, 0));
}

#[tokio::test]
async fn the_first_backend_with_room_is_taken() {
    let backends = [slow().await, slow().await];
    let stage = Arc::new(one_each(&[&backends[0], &backends[1]]).start());
    let first = numbered(&stage, 0);
    backends[0].reported().await;
    let second = numbered(&stage, 1);
    backends[1].reported().await;
    let third = numbered(&stage, 2);
    waiting(&stage, 1).await;

    backends[1].cue();
    backends[1].reported().await;
    backends.iter().for_each(Backend::cue);

    let ends = [soon(first).await, soon(second).await, soon(third).await].map(|end| end.unwrap().unwrap());
    assert_eq!(ends, ["a", "b", "b"]);
}

#[tokio::test]
async fn more_than_may_wait_are_refused_at_once() {
    let backend = slow().await;
    let mut plan = one_each(&[&backend]);
    plan.settings.queue.max_waiting = 1;
    let stage = Arc::new(plan.start());
    let first = numbered(&stage, 0);
    backend.reported().await;
    let second = numbered(&stage, 1);
    waiting(&stage, 1).await;

    let refused = stage.ask(chat()).await;

    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, Some("1")));
    assert_eq!(refused.json()["error"]["code"], "endpoints_busy");
    let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("1 requests wait already (proxy.queue.max_waiting)"), "{message}");
    backend.cue();
    backend.reported().await;
    backend.cue();
    soon(first).await.unwrap();
    soon(second).await.unwrap();
}

#[tokio::test]
async fn nobody_waits_for_longer_than_is_allowed() {
    let backend = slow().await;
    let mut plan = one_each(&[&backend]);
    plan.settings.queue.timeout = millis(50);
    let stage = Arc::new(plan.start());
    let _first = numbered(&stage, 0);
    backend.reported().await;

    let refused = stage.ask(chat()).await;

    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, Some("1")));
    let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("none had room within 50ms (proxy.queue.timeout)"), "{message}");
    assert_eq!((stage.endpoint(0).live.waiting(), backend.heard().len()), (0, 1));
    let note = stage.journal.only().await;
    assert!(note.attempts.is_empty() && note.outcome == Outcome::Failure);
}

#[tokio::test]
async fn a_client_that_leaves_the_line_is_never_sent_and_the_next_moves_up() {
    let backend = slow().await;
    let stage = Arc::new(one_each(&[&backend]).start());
    let first = numbered(&stage, 0);
    backend.reported().await;
    let mut wire = stage.wire().await;
    wire.chat().await;
    waiting(&stage, 1).await;
    let third = numbered(&stage, 2);
    waiting(&stage, 2).await;

    wire.leave();

    waiting(&stage, 1).await;
    let note = stage.journal.only().await;
    assert_eq!((note.outcome, note.attempts.len(), note.status), (Outcome::Cancelled, 0, None));
    backend.cue();
    backend.reported().await;
    backend.cue();
    soon(first).await.unwrap();
    soon(third).await.unwrap();
    assert_eq!(order(&backend), [0, 2]);
}

#[tokio::test]
async fn a_full_backend_that_is_well_is_waited_for_rather_than_trying_one_that_is_ejected() {
    let backends = [slow().await, slow().await];
    let stage = Arc::new(one_each(&[&backends[0], &backends[1]]).start());
    let rules = EjectionRules { consecutive_failures: 1, ..EjectionRules::default() };
    stage.endpoint(1).live.request_failed(Failure::Stall, olla_proxy::clock::now(), &rules);
    let first = numbered(&stage, 0);
    backends[0].reported().await;

    let second = numbered(&stage, 1);
    waiting(&stage, 1).await;
    backends[0].cue();
    backends[0].reported().await;
    backends[0].cue();

    soon(first).await.unwrap();
    assert_eq!(soon(second).await.unwrap().as_deref(), Some("a"));
    assert!(backends[1].heard().is_empty());
}

#[tokio::test]
async fn a_backend_that_comes_back_takes_who_waits() {
    let backends = [slow().await, slow().await];
    let stage = Arc::new(one_each(&[&backends[0], &backends[1]]).start());
    stage.endpoint(1).live.set_status(Status::Offline);
    let _first = numbered(&stage, 0);
    backends[0].reported().await;
    let second = numbered(&stage, 1);
    waiting(&stage, 1).await;

    stage.endpoint(1).live.set_status(Status::Healthy);

    backends[1].reported().await;
    backends[1].cue();
    assert_eq!(soon(second).await.unwrap().as_deref(), Some("b"));
}

#[tokio::test]
async fn a_poor_answer_at_hand_keeps_nobody_out_while_its_request_waits() {
    // Each refuses its first request, which then has to wait for the other.
    let refusing = || {
        Backend::scripted(|mut conn| async move {
            conn.request().await;
            if conn.number > 0 {
                return conn.send(&ok("{}")).await;
            }
            conn.report();
            conn.cue().await;
            conn.send(&answer("503 x", "", "no")).await;
            conn.closed().await;
        })
    };
    let backends = [refusing().await, refusing().await];
    let mut plan = one_each(&[&backends[0], &backends[1]]);
    plan.settings.balancer = Balancer::RoundRobin;
    let stage = plan.start();

    let (first, second) = (stage.ask(chat()), stage.ask(chat()));
    let cues = async {
        for backend in &backends {
            backend.reported().await;
        }
        backends.iter().for_each(Backend::cue);
    };
    let (first, second, ()) = tokio::join!(first, second, cues);

    assert_eq!((first.status, second.status), (StatusCode::OK, StatusCode::OK));
}

#[tokio::test]
async fn workers_on_threads_of_their_own_share_the_line() {
    let backend = slow().await;
    let stage = Arc::new(one_each(&[&backend]).start());
    let first = numbered(&stage, 0);
    backend.reported().await;
    let proxy = stage.proxy.worker();
    let elsewhere = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let response = tower::ServiceExt::oneshot(proxy, chat()).await.unwrap();
            // The connection belongs to this runtime.
            http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes()
        })
    });
    waiting(&stage, 1).await;

    backend.cue();
    backend.reported().await;
    backend.cue();

    soon(first).await.unwrap();
    let ended = tokio::task::spawn_blocking(|| elsewhere.join().unwrap());
    assert_eq!(soon(ended).await.unwrap(), "{}");
}
