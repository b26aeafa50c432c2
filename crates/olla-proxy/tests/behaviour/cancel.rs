//! A client that leaves: the backend is told at once, and nobody is blamed.

use http::StatusCode;
use olla_core::{Failure, Outcome, Status};

use crate::support::{Backend, Note, Plan, Stage, chat, soon};

fn assert_cancelled(note: &Note, stage: &Stage) {
    assert_eq!(note.outcome, Outcome::Cancelled, "{note:?}");
    assert_eq!((stage.status(0), stage.in_flight()), (Status::Healthy, 0));
    assert!(!stage.probe_requested(0));
    let totals = stage.endpoint(0).live.totals().view();
    assert_eq!((totals.failures, totals.cancelled), (0, note.attempts.len() as u64));
}

/// A backend that answers with this and then waits; reports that it has a request, and that it is left alone.
async fn waiting(response: &'static str) -> Backend {
    Backend::scripted(move |mut conn| async move {
        conn.request().await;
        conn.send(response).await;
        conn.report();
        conn.closed().await;
        conn.report();
    })
    .await
}

#[tokio::test]
async fn leaving_while_the_body_is_read_reaches_no_backend() {
    let backend = waiting("").await;
    for reset in [false, true] {
        let stage = Stage::over(&backend);
        let mut wire = stage.wire().await;
        // The interim response proves that the proxy is reading the body.
        wire.send("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 100\r\n\r\n").await;
        wire.until("100 Continue\r\n\r\n").await;
        wire.send(r#"{"model":"m","#).await;

        if reset {
            wire.reset();
        } else {
            wire.leave();
        }

        let note = stage.journal.only().await;
        assert!(note.attempts.is_empty());
        assert_cancelled(&note, &stage);
    }
    assert_eq!(backend.connections(), 0);
}

#[tokio::test]
async fn leaving_while_the_head_is_awaited_closes_the_backends_connection() {
    for reset in [false, true] {
        let backend = waiting("").await;
        let stage = Stage::over(&backend);
        let mut wire = stage.wire().await;
        wire.chat().await;
        backend.reported().await;

        if reset {
            wire.reset();
        } else {
            wire.leave();
        }

        backend.reported().await;
        let note = stage.journal.only().await;
        assert_eq!(note.attempts, [("a".into(), Some(Failure::ClientGone))]);
        assert_eq!((note.status, note.error), (None, Some("client_gone")));
        assert_cancelled(&note, &stage);
    }
}

#[tokio::test]
async fn leaving_a_stream_closes_the_backends_connection() {
    for reset in [false, true] {
        let backend = waiting("HTTP/1.1 200 OK\r\n\r\ndata: 1\n\n").await;
        let stage = Stage::over(&backend);
        let mut wire = stage.wire().await;
        wire.chat().await;
        wire.until("data: 1\n\n").await;
        backend.reported().await;

        if reset {
            wire.reset();
        } else {
            wire.leave();
        }

        backend.reported().await;
        let note = stage.journal.only().await;
        assert_eq!(note.attempts, [("a".into(), Some(Failure::ClientGone))]);
        assert_eq!((note.status, note.bytes_out), (Some(StatusCode::OK), 9));
        assert_cancelled(&note, &stage);
    }
}

#[tokio::test]
async fn dropping_the_future_is_leaving() {
    let backend = waiting("").await;
    let stage = Stage::over(&backend);

    tokio::select! {
        _ = stage.open(chat()) => panic!("nobody answered"),
        () = backend.reported() => {}
    }

    backend.reported().await;
    assert_cancelled(&stage.journal.only().await, &stage);
}

#[tokio::test]
async fn dropping_the_response_is_leaving() {
    let backend = waiting("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nH").await;
    let stage = Stage::over(&backend);

    drop(stage.open(chat()).await);

    backend.reported().await;
    backend.reported().await;
    assert_cancelled(&stage.journal.only().await, &stage);
}

#[tokio::test]
async fn leaving_during_the_second_attempt_blames_only_the_first() {
    let (first, second) = (Backend::refusing(), waiting("").await);
    let stage = Plan::over(&[&first, &second]).start();

    tokio::select! {
        _ = stage.open(chat()) => panic!("nobody answered"),
        () = second.reported() => {}
    }

    let note = stage.journal.only().await;
    let failures = [("a".into(), Some(Failure::Refused)), ("b".into(), Some(Failure::ClientGone))];
    assert_eq!((note.outcome, &note.attempts[..]), (Outcome::Cancelled, &failures[..]));
    let totals = |position: usize| stage.endpoint(position).live.totals().view();
    assert_eq!((totals(0).failures, totals(1).failures, totals(1).cancelled), (1, 0, 1));
}

/// Where a request is when its client leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    WaitingForRoom,
    OpeningAConnection,
    WaitingForTheHead,
    WaitingForTheFirstOutput,
    WithinTheStream,
    OnTheSecondAttempt,
}

#[derive(Debug, Clone, Copy)]
enum Way {
    Close,
    Reset,
    /// One stream of an HTTP/2 connection, which stays.
    Http2,
}

const ROLE: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n\
                    data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n";
const OUTPUT: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n\
                      data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n";

/// Sets the stage for a phase, with the backend that is left.
async fn stage_for(phase: Phase) -> (Stage, Backend) {
    let left = match phase {
        Phase::OpeningAConnection => {
            // It says nothing to a TLS handshake.
            Backend::scripted(|mut conn| async move {
                conn.report();
                conn.closed().await;
                conn.report();
            })
            .await
        }
        Phase::WaitingForTheFirstOutput => waiting(ROLE).await,
        Phase::WithinTheStream => waiting(OUTPUT).await,
        Phase::WaitingForRoom | Phase::WaitingForTheHead | Phase::OnTheSecondAttempt => waiting("").await,
    };
    let other = Backend::refusing();
    let mut plan = match phase {
        Phase::OpeningAConnection => Plan::over_urls(&[&left.url().replace("http:", "https:")]),
        Phase::OnTheSecondAttempt => Plan::over(&[&other, &left]),
        // With nobody else to ask, no stream is held back.
        Phase::WaitingForTheFirstOutput => Plan::over(&[&left, &other]),
        Phase::WaitingForRoom | Phase::WaitingForTheHead | Phase::WithinTheStream => Plan::over(&[&left]),
    };
    if phase == Phase::WaitingForRoom {
        plan.specs[0].max_concurrent = std::num::NonZeroU32::new(1);
    }
    (plan.start(), left)
}

#[tokio::test]
async fn leaving_cancels_the_request_in_every_phase_and_in_every_way() {
    for phase in [
        Phase::WaitingForRoom,
        Phase::OpeningAConnection,
        Phase::WaitingForTheHead,
        Phase::WaitingForTheFirstOutput,
        Phase::WithinTheStream,
        Phase::OnTheSecondAttempt,
    ] {
        for way in [Way::Close, Way::Reset, Way::Http2] {
            leave(phase, way).await;
        }
    }
}

async fn leave(phase: Phase, way: Way) {
    let (stage, backend) = stage_for(phase).await;
    // Somebody else takes the only room.
    let room = (phase == Phase::WaitingForRoom).then(|| stage.endpoint(0).live.enter());
    let there = async {
        match phase {
            Phase::WaitingForRoom => {
                while stage.proxy.waiting() == 0 {
                    tokio::task::yield_now().await;
                }
            }
            _ => backend.reported().await,
        }
    };

    match way {
        Way::Close | Way::Reset => {
            let mut wire = stage.wire().await;
            wire.chat().await;
            soon(there).await;
            if phase == Phase::WithinTheStream {
                wire.until("content").await;
            }
            if let Way::Close = way { wire.leave() } else { wire.reset() }
        }
        Way::Http2 => {
            let mut client = stage.http2().await;
            let mut request = chat();
            *request.uri_mut() = "http://olla.test/v1/chat/completions".parse().unwrap();
            let asking = client.send_request(request);
            let asked = tokio::spawn(async move {
                let _response = asking.await;
                std::future::pending::<()>().await;
            });
            soon(there).await;
            asked.abort();
            soon(ended(&stage, phase, &backend)).await;
            assert!(!client.is_closed(), "only the one stream is");
            return assert_nobody_is_blamed(&stage, phase, way, room).await;
        }
    }
    soon(ended(&stage, phase, &backend)).await;
    assert_nobody_is_blamed(&stage, phase, way, room).await;
}

/// Returns when the backend, or the line, is left.
async fn ended(stage: &Stage, phase: Phase, backend: &Backend) {
    if phase != Phase::WaitingForRoom {
        return backend.reported().await;
    }
    while stage.proxy.waiting() > 0 {
        tokio::task::yield_now().await;
    }
}

async fn assert_nobody_is_blamed(stage: &Stage, phase: Phase, way: Way, room: Option<olla_core::InFlight>) {
    let note = stage.journal.only().await;
    assert_eq!(note.outcome, Outcome::Cancelled, "{phase:?} {way:?}: {note:?}");
    let made = match phase {
        Phase::WaitingForRoom => 0,
        Phase::OnTheSecondAttempt => 2,
        _ => 1,
    };
    assert_eq!(note.attempts.len(), made, "{phase:?} {way:?}: {note:?}");
    drop(room);
    assert_eq!((stage.in_flight(), stage.proxy.waiting()), (0, 0), "{phase:?} {way:?}");
    let live = &stage.endpoint(made.saturating_sub(1)).live;
    assert_eq!(
        (live.status(), live.outlier().failures_in_a_row()),
        (Status::Healthy, 0),
        "{phase:?} {way:?}"
    );
}
