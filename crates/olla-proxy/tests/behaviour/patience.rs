//! Slow is not dead: a model that has to be loaded is waited for, and a backend that hangs is found by what is
//! usual there. The clock stands still, and moves when a test says so.

use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use olla_core::{Failure, Residency, Status};
use tokio::{
    task::{JoinHandle, yield_now},
    time::Instant,
};
use tower::ServiceExt;

use crate::support::{Backend, Plan, Stage, ok, pass, post, stop_the_clock};

const STREAM: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 14\r\n\r\ndata: [DONE]\n\n";

/// Returns whether a request ends without any more time passing.
async fn ends(asked: &JoinHandle<(StatusCode, String)>) -> bool {
    for _ in 0..1_000_000 {
        if asked.is_finished() {
            return true;
        }
        yield_now().await;
    }
    false
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn ask(stage: &Stage, request: Request<Full<bytes::Bytes>>) -> JoinHandle<(StatusCode, String)> {
    let proxy = stage.proxy.clone();
    tokio::spawn(async move {
        let Ok(response) = proxy.oneshot(request).await;
        let (head, body) = response.into_parts();
        body.collect().await.unwrap();
        let endpoint = head.headers.get("x-olla-endpoint").map(|name| name.to_str().unwrap().to_owned());
        (head.status, endpoint.unwrap_or_default())
    })
}

fn stream() -> Request<Full<bytes::Bytes>> {
    post("/v1/chat/completions", r#"{"model":"m","stream":true,"messages":[]}"#)
}

/// A backend that answers each request on a cue, and reports when it has one.
async fn prompted(response: &'static str) -> Backend {
    Backend::scripted(move |mut conn| async move {
        while conn.request().await.is_some() {
            conn.report();
            conn.cue().await;
            conn.send(response).await;
        }
    })
    .await
}

/// Lets the backend `a` serve ten streams, each of which takes so long to begin.
async fn learn(stage: &Stage, backend: &Backend, takes: Duration) {
    for _ in 0..10 {
        let asked = ask(stage, stream());
        backend.reported().await;
        pass(takes).await;
        backend.cue();
        assert_eq!(asked.await.unwrap(), (StatusCode::OK, "a".into()));
    }
}

#[tokio::test]
async fn a_cold_load_of_ninety_seconds_survives() {
    let whole: &'static str = Box::leak(ok("{}").into_boxed_str());
    for (response, is_stream) in [(STREAM, true), (whole, false)] {
        stop_the_clock();
        let (slow, other) = (prompted(response).await, Backend::answering(ok("{}")).await);
        let stage = Plan::over(&[&slow, &other]).start();
        // It has always been quick while the model was loaded.
        learn(&stage, &slow, Duration::from_millis(10)).await;
        stage.endpoint(0).model_live[0].set_cold();

        let asked = ask(&stage, if is_stream { stream() } else { crate::support::chat() });
        slow.reported().await;
        pass(secs(90)).await;
        assert!(!asked.is_finished(), "it is waited for");
        slow.cue();

        assert_eq!(asked.await.unwrap(), (StatusCode::OK, "a".into()));
        assert!(other.heard().is_empty());
        tokio::time::resume();
    }
}

#[tokio::test]
async fn what_a_load_took_or_was_never_seen_is_no_measure_for_others() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: hello\n\n";
    stop_the_clock();
    // Its head comes at once, and its output too late to be held for.
    let early = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.send(HEAD).await;
        conn.report();
        conn.cue().await;
        conn.send("data: [DONE]\n\n").await;
    })
    .await;
    let (loading, other) = (prompted(STREAM).await, Backend::answering(STREAM).await);
    for (backend, is_cold) in [(&early, false), (&loading, true)] {
        let stage = Plan::over(&[backend, &other]).start();
        let model = std::sync::Arc::clone(&stage.endpoint(0).model_live[0]);
        for _ in 0..10 {
            if is_cold {
                model.set_cold();
            }
            let asked = ask(&stage, stream());
            backend.reported().await;
            pass(Duration::from_millis(1)).await;
            pass(secs(20)).await;
            model.set_loaded(Residency::default());
            backend.cue();
            assert_eq!(asked.await.unwrap().0, StatusCode::OK);
        }

        assert_eq!(model.slowest_start(0, 1), None, "cold: {is_cold}");
    }
}

#[tokio::test]
async fn a_backend_that_hangs_is_found_within_three_times_its_usual_and_not_before_the_floor() {
    for (usual, found_after) in [(secs(4), secs(12)), (secs(1), secs(10))] {
        stop_the_clock();
        let (moody, other) = (prompted(STREAM).await, Backend::answering(STREAM).await);
        let stage = Plan::over(&[&moody, &other]).start();
        stage.endpoint(0).model_live[0].set_loaded(Residency::default());
        learn(&stage, &moody, usual).await;

        let (began, asked) = (Instant::now(), ask(&stage, stream()));
        moody.reported().await;
        while other.heard().is_empty() {
            pass(Duration::from_millis(100)).await;
            assert!(began.elapsed() < secs(60));
        }
        let took = began.elapsed();

        assert_eq!(asked.await.unwrap(), (StatusCode::OK, "b".into()));
        assert!(took >= found_after && took <= found_after + Duration::from_millis(300), "{took:?}");
        let live = stage.endpoint(0).live.clone();
        assert_eq!((live.status(), live.outlier().failures_in_a_row()), (Status::Healthy, 1));
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_late_stream_is_waited_for_where_nobody_else_could_be_asked() {
    stop_the_clock();
    let (slow, other) = (prompted(STREAM).await, Backend::answering(STREAM).await);
    let stage = Plan::over(&[&slow, &other]).start();
    learn(&stage, &slow, secs(1)).await;
    stage.endpoint(1).live.set_status(Status::Offline);

    let asked = ask(&stage, stream());
    slow.reported().await;
    pass(secs(10)).await;
    pass(secs(60)).await;
    assert!(!asked.is_finished());
    slow.cue();

    assert_eq!(asked.await.unwrap(), (StatusCode::OK, "a".into()));
}

#[tokio::test]
async fn a_request_that_has_to_wait_for_others_is_not_taken_for_lost() {
    stop_the_clock();
    let (slow, other) = (prompted(STREAM).await, Backend::answering(STREAM).await);
    let stage = Plan::over(&[&slow, &other]).start();
    learn(&stage, &slow, secs(1)).await;

    // The backend serves one at a time: the second begins when the first has ended, a minute later.
    let _first = ask(&stage, stream());
    slow.reported().await;
    let second = ask(&stage, stream());
    slow.reported().await;
    pass(secs(9)).await;
    slow.cue();
    pass(secs(50)).await;

    assert!(!second.is_finished(), "never before had it two at a time");
    slow.cue();
    assert_eq!(second.await.unwrap(), (StatusCode::OK, "a".into()));
}

#[tokio::test]
async fn a_connection_is_waited_for_no_longer_once_its_endpoint_is_found_to_be_down() {
    stop_the_clock();
    // It accepts connections and says nothing to a TLS handshake.
    let mute = Backend::scripted(|mut conn| async move {
        conn.report();
        conn.closed().await;
        conn.report();
    })
    .await;
    let other = Backend::answering(ok("{}")).await;
    let stage = Plan::over_urls(&[&mute.url().replace("http:", "https:"), &other.url()]).start();

    let asked = ask(&stage, crate::support::chat());
    mute.reported().await;
    pass(secs(5)).await;
    assert!(!asked.is_finished(), "it may be slow");
    stage.endpoint(0).live.set_status(Status::Offline);
    pass(secs(2)).await;

    mute.reported().await;
    assert_eq!(asked.await.unwrap(), (StatusCode::OK, "b".into()));
    assert_eq!(stage.journal.only().await.attempts[0], ("a".into(), Some(Failure::Unreachable)));
}

#[tokio::test]
async fn requests_at_a_backend_that_is_found_to_hang_follow_the_first() {
    stop_the_clock();
    let (moody, other) = (prompted(STREAM).await, Backend::answering(STREAM).await);
    let mut plan = Plan::over(&[&moody, &other]);
    plan.settings.ejection.consecutive_failures = 1;
    let stage = plan.start();
    learn(&stage, &moody, secs(1)).await;

    let asked: Vec<_> = (0..3).map(|_| ask(&stage, stream())).collect();
    for _ in 0..3 {
        moody.reported().await;
    }
    // The first one is late after ten seconds; of the others, which came into a crowd, nothing is known.
    for _ in 0..22 {
        pass(secs(1)).await;
    }

    for asked in asked {
        assert!(ends(&asked).await, "within two looks");
        assert_eq!(asked.await.unwrap(), (StatusCode::OK, "b".into()));
    }
    assert_eq!(stage.endpoint(0).live.checkup().ejected_for, Some(Failure::SlowStart));
}
