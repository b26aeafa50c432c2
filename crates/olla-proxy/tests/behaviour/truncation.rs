//! A response that breaks off must never look complete to the client.

use http::StatusCode;
use olla_core::{Failure, Outcome, Status};

use crate::support::{Backend, Ending, Note, Stage, chat, post};

/// Lets the client read everything over a real connection.
async fn read(response: &'static str) -> (String, Ending, Note) {
    let backend = Backend::answering_once(response).await;
    let stage = Stage::over(&backend);
    let mut wire = stage.wire().await;
    wire.chat().await;
    let head = wire.head().await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let (body, ending) = wire.rest().await;
    let note = stage.journal.only().await;
    assert_eq!(stage.in_flight(), 0);
    (body, ending, note)
}

fn assert_broken(note: &Note) {
    assert_failed(note, Failure::Truncated);
}

fn assert_failed(note: &Note, failure: Failure) {
    assert_eq!(note.attempts, [("a".into(), Some(failure))]);
    assert_eq!((note.outcome, note.error), (Outcome::Failure, Some(failure.as_str())));
    assert_eq!(note.status, Some(StatusCode::OK), "what the client was told at first");
}

#[tokio::test]
async fn a_body_shorter_than_its_length_stays_short() {
    let (body, _, note) = read("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345").await;

    assert!(body.len() < 10 && "12345".starts_with(&body), "{body:?}");
    assert_broken(&note);
}

#[tokio::test]
async fn a_chunked_body_without_its_last_chunk_gets_none() {
    let (body, _, note) = read("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n").await;

    assert!(!body.contains("\r\n0\r\n") && !body.starts_with("0\r\n"), "{body:?}");
    assert_broken(&note);
}

#[tokio::test]
async fn a_malformed_chunk_is_not_an_end() {
    let (body, _, note) =
        read("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\nwhat\r\nnow\r\n").await;

    assert!(!body.contains("\r\n0\r\n"), "{body:?}");
    assert_broken(&note);
}

#[tokio::test]
async fn a_reset_ends_nothing() {
    for framing in ["", "content-length: 10\r\n", "transfer-encoding: chunked\r\n"] {
        let part = if framing.starts_with('t') { "4\r\npart\r\n" } else { "part" };
        let backend = Backend::scripted(move |mut conn| async move {
            conn.request().await;
            conn.send(&format!("HTTP/1.1 200 OK\r\n{framing}\r\n{part}")).await;
            conn.cue().await;
            conn.reset();
        })
        .await;
        let stage = Stage::over(&backend);
        let mut wire = stage.wire().await;
        wire.chat().await;
        wire.until("part").await;

        backend.cue();
        let (rest, _) = wire.rest().await;

        assert!(!rest.contains("0\r\n\r\n"), "{rest:?}");
        assert_failed(&stage.journal.only().await, Failure::ResetInBody);
        assert_eq!(stage.status(0), Status::Healthy, "one broken response does not take an endpoint out");
        assert!(stage.probe_requested(0));
    }
}

#[tokio::test]
async fn an_old_backend_that_breaks_off_is_not_mistaken_for_one_that_ends() {
    // An HTTP/1.0 body ends with its connection; sent on in the same way, no client could tell a reset.
    let backend = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.send("HTTP/1.0 200 OK\r\n\r\npart").await;
        conn.cue().await;
        conn.reset();
    })
    .await;
    let stage = Stage::over(&backend);
    let mut wire = stage.wire().await;
    wire.chat().await;

    let head = wire.head().await;
    wire.until("part").await;
    backend.cue();
    let (rest, _) = wire.rest().await;

    assert!(head.starts_with("HTTP/1.1 200") && head.contains("transfer-encoding: chunked"), "{head}");
    assert!(!rest.contains("0\r\n\r\n"), "{rest:?}");
}

/// Streams `events`, breaks off, and returns what the client got after the response head.
async fn stream(target: &str, content_type: &str, events: &'static str) -> String {
    stream_of("ollama", target, content_type, events, false).await
}

/// The same with a backend of a kind, which breaks off or ends the body.
async fn stream_of(kind: &str, target: &str, content_type: &str, events: &'static str, ends: bool) -> String {
    let content_type = content_type.to_owned();
    let backend = Backend::scripted(move |mut conn| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\n");
        async move {
            conn.request().await;
            conn.send(&format!("{head}transfer-encoding: chunked\r\n\r\n")).await;
            for event in events.split_inclusive('|') {
                let event = event.trim_end_matches('|');
                conn.send(&format!("{:x}\r\n{event}\r\n", event.len())).await;
            }
            if ends {
                conn.send("0\r\n\r\n").await;
            }
        }
    })
    .await;
    let mut plan = crate::support::Plan::over(&[&backend]);
    plan.kind(0, kind);
    let stage = plan.start();
    let mut wire = stage.wire().await;
    let body = r#"{"model":"m","stream":true}"#;
    wire.send(&format!("POST {target} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
        .await;
    wire.head().await;
    let (body, _) = wire.rest().await;
    assert!(!body.contains("\r\n0\r\n\r\n"), "{body:?}");
    assert_broken(&stage.journal.only().await);
    body
}

#[tokio::test]
async fn a_stream_that_is_as_long_as_it_says_and_lacks_its_end_counts_as_broken() {
    let events = "event: message_start\ndata: {\"type\":\"message_start\"}\n\n";
    for (length, events) in [(events.len(), events), (0, "")] {
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {length}\r\n\r\n");
        let backend = Backend::scripted(move |mut conn| {
            let head = head.clone();
            async move {
                conn.request().await;
                conn.send(&format!("{head}{events}")).await;
                conn.cue().await;
            }
        })
        .await;
        let mut plan = crate::support::Plan::over(&[&backend]);
        plan.kind(0, "vllm");
        let stage = plan.start();

        let mut wire = stage.wire().await;
        let body = r#"{"model":"m"}"#;
        let length = body.len();
        wire.send(&format!(
            "POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
        .await;

        wire.until(if events.is_empty() { "\r\n\r\n" } else { events }).await;
        assert_broken(&stage.journal.only().await);
    }
}

#[tokio::test]
async fn a_stream_of_events_first_says_what_happened() {
    let body = stream("/v1/chat/completions", "text/event-stream", "data: {}\n\n").await;

    let (_, event) = body.split_once("data: {}\n\n\r\n").unwrap();
    let event = event.split_once("\r\n").unwrap().1;
    assert!(event.starts_with(r#"data: {"error":{"message":"the backend's response broke off"#), "{event}");
    assert!(event.ends_with("\n\n\r\n") && event.contains(r#""code":"truncated""#), "{event}");
}

#[tokio::test]
async fn each_dialect_has_its_own_last_word() {
    let body =
        stream("/v1/messages", "text/event-stream; charset=utf-8", "event: ping\ndata: {}\r\n\r\n").await;
    assert!(body.contains("event: error\ndata: {\"type\":\"error\""), "{body}");

    let body = stream("/olla/ollama/api/chat", "application/x-ndjson", "{\"done\":false}\n").await;
    assert!(body.contains("{\"error\":\"the backend's response broke off"), "{body}");
}

#[tokio::test]
async fn a_response_that_breaks_off_fails_in_its_own_words() {
    let begun = "event: response.created\n\
                 data: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\"}}\n\n";
    let body = stream_of("vllm", "/v1/responses", "text/event-stream", begun, false).await;

    assert!(body.contains("event: response.failed\ndata: {") && body.contains("\"id\":\"resp_1\""), "{body}");
    assert!(!body.contains("data: {\"error\""), "{body}");
}

#[tokio::test]
async fn a_stream_that_ends_without_the_end_of_its_format_has_broken_off() {
    let message = "event: message_start\ndata: {\"type\":\"message_start\"}\n\n";
    for (target, events, word) in [
        ("/v1/messages", message, "event: error\ndata: {\"type\":\"error\""),
        ("/v1/messages", "", "event: error\ndata: {\"type\":\"error\""),
        ("/v1/responses", "data: {\"type\":\"response.created\"}\n\n", "event: response.failed"),
    ] {
        let body = stream_of("vllm", target, "text/event-stream", events, true).await;

        assert!(body.contains(word), "{target}: {body}");
    }
}

#[tokio::test]
async fn a_stream_that_has_come_to_its_end_is_complete_and_so_is_one_whose_end_is_not_sure() {
    for (target, event) in [
        ("/v1/messages", "data: {\"type\":\"message_stop\"}\n\n"),
        ("/v1/messages", "event: error\ndata: {\"type\":\"error\",\"error\":{\"message\":\"x\"}}\n\n"),
        ("/v1/responses", "data: {\"type\":\"response.completed\"}\n\n"),
        ("/v1/chat/completions", "data: {\"choices\":[]}\n\n"),
    ] {
        let stream = crate::support::answer("200 OK", "content-type: text/event-stream\r\n", event);
        let chunked = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n\
             {:x}\r\n{event}\r\n0\r\n\r\n",
            event.len()
        );
        for response in [stream, chunked] {
            let backend = Backend::answering(response).await;

            let told = Stage::over(&backend).ask(post(target, r#"{"model":"m","stream":true}"#)).await;

            assert_eq!(told.body.as_deref(), Ok(event));
        }
    }
}

#[tokio::test]
async fn a_boundary_counts_although_it_arrives_in_pieces() {
    let body = stream("/v1/chat/completions", "text/event-stream", "data: {}\n|\n").await;

    assert!(body.contains(r#"data: {"error""#), "{body}");
}

#[tokio::test]
async fn nothing_is_added_in_the_middle_of_an_event() {
    for (target, content_type, events) in [
        ("/v1/chat/completions", "text/event-stream", "data: {\"half"),
        ("/v1/chat/completions", "text/event-stream", "data: {}\n"),
        ("/v1/chat/completions", "text/event-stream", "data: {}\n\n|data: {\"a\":1}\n"),
        ("/olla/ollama/api/chat", "application/x-ndjson", "{\"done\":fal"),
        ("/v1/chat/completions", "text/plain", "data: {}\n\n"),
    ] {
        let body = stream(target, content_type, events).await;

        assert!(!body.contains("error"), "{content_type} {events:?}: {body}");
    }
}

#[tokio::test]
async fn a_length_that_contradicts_the_chunks_is_not_passed_on() {
    let chunked = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n\
                   a\r\n0123456789\r\n0\r\n\r\n";
    let backend = Backend::answering(chunked).await;

    let told = Stage::over(&backend).ask(chat()).await;

    assert_eq!(told.headers.get("content-length"), None);
    assert_eq!(told.body.as_deref(), Ok("0123456789"));
}
