//! Each request leaves exactly one record, and every counter comes from it.

use http::{Method, StatusCode};
use olla_core::{Failure, Outcome};

use crate::support::{Backend, Plan, Stage, answer, chat, get, ok, post};

#[tokio::test]
async fn a_success_is_recorded_with_all_it_was() {
    let backend = Backend::answering(ok("12345")).await;
    let stage = Stage::over(&backend);

    let told = stage.ask(post("/olla/vllm/v1/completions?x=1", r#"{"model":"M"}"#)).await;

    let note = stage.journal.only().await;
    assert_eq!(Some(&*note.id), told.header("x-olla-request-id"));
    assert_eq!((&*note.target, note.model.as_deref()), ("/olla/vllm/v1/completions?x=1", Some("M")));
    assert_eq!((note.outcome, note.status, note.error), (Outcome::Success, Some(StatusCode::OK), None));
    assert_eq!((note.bytes_in, note.bytes_out, note.has_first_byte), (13, 5, true));
    assert_eq!(note.attempts, [("a".into(), None)]);
}

#[tokio::test]
async fn the_record_is_made_when_the_body_ends_and_not_before() {
    let backend = Backend::answering(ok("12345")).await;
    let stage = Stage::over(&backend);

    let response = stage.open(chat()).await;
    assert!(stage.journal.is_empty().await);
    assert_eq!(stage.in_flight(), 1);
    http_body_util::BodyExt::collect(response.into_body()).await.unwrap();

    assert_eq!(stage.journal.only().await.outcome, Outcome::Success);
    assert_eq!(stage.in_flight(), 0);
}

#[tokio::test]
async fn responses_without_a_body_finish_their_record() {
    for (method, response) in [
        (Method::GET, "HTTP/1.1 204 No Content\r\n\r\n".to_owned()),
        (Method::GET, "HTTP/1.1 304 Not Modified\r\netag: x\r\ncontent-length: 10\r\n\r\n".into()),
        (Method::GET, ok("")),
        (Method::HEAD, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n".into()),
        (Method::HEAD, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".into()),
    ] {
        let backend = Backend::answering(&*response).await;
        let stage = Stage::over(&backend);
        let request = || {
            let mut request = get("/olla/vllm/health");
            request.method_mut().clone_from(&method);
            request
        };

        // The body is not even looked at.
        let opened = stage.open(request()).await;

        let note = stage.journal.only().await;
        assert_eq!(
            (note.outcome, note.bytes_out, note.has_first_byte),
            (Outcome::Success, 0, false),
            "{response}"
        );
        assert_eq!(stage.in_flight(), 0);
        drop(opened);
        stage.ask(request()).await;
        assert_eq!(backend.connections(), 1, "its connection is free again");
    }
}

#[tokio::test]
async fn head_keeps_the_length_that_a_get_would_have() {
    let backend = Backend::answering("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n").await;
    let stage = Stage::over(&backend);
    let mut wire = stage.wire().await;

    for _ in 0..2 {
        wire.send("HEAD /olla/vllm/health HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let head = wire.head().await;
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("content-length: 10\r\n"), "{head}");
    }

    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn refusals_are_recorded_too() {
    for (request, code, status, outcome) in [
        (get("/nothing"), "unknown_path", 404, Outcome::Success),
        (get("/v1/%2e%2e"), "bad_path", 400, Outcome::Success),
        (post("/v1/completions", r#"{"model":"x"}"#), "model_not_found", 404, Outcome::Success),
        (chat(), "connection_refused", 502, Outcome::Failure),
    ] {
        let backend = Backend::refusing();
        let stage = Stage::over(&backend);

        stage.ask(request).await;

        let note = stage.journal.only().await;
        assert_eq!((note.error, note.status.unwrap().as_u16(), note.outcome), (Some(code), status, outcome));
    }
}

#[tokio::test]
async fn totals_count_each_request_once_for_its_endpoint_and_model() {
    let (first, second) =
        (Backend::answering(answer("503 Busy", "", "no")).await, Backend::answering(ok("12345")).await);
    let stage = Plan::over(&[&first, &second]).start();

    for _ in 0..3 {
        stage.ask(chat()).await;
    }

    for (position, successes, failures, bytes) in [(0, 0, 3, 0), (1, 3, 0, 15)] {
        let endpoint = stage.endpoint(position);
        for view in [endpoint.live.totals().view(), endpoint.model_live[0].totals().view()] {
            assert_eq!((view.requests, view.successes, view.failures), (3, successes, failures));
            assert_eq!((view.bytes, view.cancelled), (bytes, 0));
        }
    }
}

#[tokio::test]
async fn a_server_error_of_the_backend_is_its_failure() {
    let backend = Backend::answering(answer("500 Oops", "", "no")).await;
    let stage = Stage::over(&backend);

    let told = stage.ask(chat()).await;

    assert_eq!((told.status, told.text()), (StatusCode::INTERNAL_SERVER_ERROR, "no"));
    assert_eq!(stage.journal.only().await.outcome, Outcome::Failure);
    assert_eq!(stage.endpoint(0).live.totals().view().failures, 1);
}

#[tokio::test]
async fn a_clients_error_is_not_the_backends_failure() {
    let backend = Backend::answering(answer("400 Bad Request", "", "no")).await;
    let stage = Stage::over(&backend);

    stage.ask(chat()).await;

    assert_eq!(stage.journal.only().await.outcome, Outcome::Success);
    assert_eq!(stage.endpoint(0).live.totals().view().failures, 0);
}

#[tokio::test]
async fn a_broken_answer_is_one_failure_with_the_bytes_that_came() {
    let backend = Backend::answering_once("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345").await;
    let stage = Stage::over(&backend);

    let told = stage.ask(chat()).await;

    assert_eq!(told.body, Err(Failure::Truncated));
    let note = stage.journal.only().await;
    assert_eq!((note.outcome, note.bytes_out, note.has_first_byte), (Outcome::Failure, 5, true));
    let view = stage.endpoint(0).live.totals().view();
    assert_eq!((view.requests, view.failures, view.bytes), (1, 1, 5));
}

#[tokio::test]
async fn a_model_counts_as_loaded_when_it_has_run_and_not_when_it_was_described_or_refused() {
    let backend = Backend::answering(ok("{}")).await;
    let refusing = Backend::answering(answer("404 Not Found", "", "{}")).await;
    let mut plan = Plan::over(&[&backend, &refusing]);
    plan.kind(0, "ollama");
    plan.models(1, &["other"]);
    let stage = plan.start();
    let loaded = |endpoint: usize| stage.endpoint(endpoint).model_live[0].loaded();
    (0..2).for_each(|n| stage.endpoint(n).model_live[0].set_cold());

    assert_eq!(stage.ask(post("/olla/ollama/api/show", r#"{"model":"m"}"#)).await.status, 200);
    assert_eq!(loaded(0), Some(false), "its description is read from the disk");
    assert_eq!(stage.ask(post("/v1/chat/completions", r#"{"model":"other"}"#)).await.status, 404);
    assert_eq!(loaded(1), Some(false), "a refusal needs no model");
    assert_eq!(stage.ask(chat()).await.status, 200);
    assert_eq!(loaded(0), Some(true));
}
