//! Streams: turned back event by event, with signs of life, and an honest end.

use super::*;

fn kinds(stream: &str) -> Vec<&str> {
    stream.lines().filter_map(|line| line.strip_prefix("event: ")).collect()
}

#[tokio::test]
async fn a_stream_is_turned_back_event_by_event() {
    let backend = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").await;
        conn.send(WORD).await;
        conn.cue().await;
        conn.send(END).await;
    })
    .await;
    let stage = over_chat(&[&backend]).start();

    let response = stage.open(message(&json!({"stream": true}))).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let mut seen = String::new();
    while !seen.contains("well") {
        let frame = soon(body.frame()).await.unwrap().unwrap().into_data().unwrap();
        seen.push_str(std::str::from_utf8(&frame).unwrap());
    }
    backend.cue();
    let rest = soon(body.collect()).await.unwrap().to_bytes();

    assert_eq!(kinds(&seen), ["message_start", "ping", "content_block_start", "content_block_delta"]);
    let rest = String::from_utf8(rest.to_vec()).unwrap();
    assert_eq!(kinds(&rest), ["content_block_stop", "message_delta", "message_stop"]);
    let said: Value = serde_json::from_str(&backend.heard_one().body).unwrap();
    assert_eq!(said["stream_options"], json!({"include_usage": true}));
    assert_eq!(stage.journal.only().await.outcome, Outcome::Success);
    assert_eq!(stage.in_flight(), 0);
}

#[tokio::test]
async fn a_stream_that_breaks_off_says_so_and_is_aborted() {
    let backend = Backend::streaming(&[WORD], false).await;
    let stage = over_chat(&[&backend]).start();

    let mut body = stage.open(message(&json!({"stream": true}))).await.into_body();
    let (mut seen, mut end) = (String::new(), None);
    while let Some(frame) = soon(body.frame()).await {
        match frame {
            Ok(frame) => seen.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap()),
            Err(failure) => end = Some(failure),
        }
    }

    assert_eq!(kinds(&seen).last(), Some(&"error"), "{seen}");
    assert!(!seen.contains("message_stop"));
    assert_eq!(end, Some(Failure::Truncated));
    let note = stage.journal.only().await;
    assert_eq!((note.outcome, note.error), (Outcome::Failure, Some("truncated")));
}

#[tokio::test]
async fn a_stream_that_fails_before_its_first_output_moves_on() {
    let failing = Backend::streaming(&[ERROR], true).await;
    let good = Backend::streaming(&[WORD, END], true).await;
    let stage = over_chat(&[&failing, &good]).start();

    let told = stage.ask(message(&json!({"stream": true}))).await;

    assert_eq!(told.header("x-olla-endpoint"), Some("b"));
    assert_eq!(kinds(told.text()).first(), Some(&"message_start"));
    assert_eq!(kinds(told.text()).last(), Some(&"message_stop"));
}

#[tokio::test]
async fn an_error_within_a_stream_ends_it_and_counts() {
    let backend = Backend::streaming(&[WORD, ERROR], true).await;
    let stage = over_chat(&[&backend]).start();

    let told = stage.ask(message(&json!({"stream": true}))).await;

    assert_eq!(kinds(told.text()).last(), Some(&"error"));
    assert!(told.text().contains("out of memory"));
    let note = stage.journal.only().await;
    assert_eq!((note.outcome, note.error), (Outcome::Failure, Some("error_in_stream")));
}

#[tokio::test]
async fn a_client_that_waits_hears_a_sign_of_life() {
    let backend = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").await;
        conn.cue().await;
        conn.send(&[WORD, END].concat()).await;
    })
    .await;
    let stage = over_chat(&[&backend]).start();
    let mut body = stage.open(message(&json!({"stream": true}))).await.into_body();
    let mut next = async || {
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        String::from_utf8(frame.to_vec()).unwrap()
    };
    assert_eq!(
        kinds(&next().await),
        ["message_start", "ping"],
        "at once, and before the backend has said a word"
    );

    tokio::time::pause();
    assert_eq!([next().await, next().await].map(|event| kinds(&event).concat()), ["ping", "ping"]);
    tokio::time::resume();
    backend.cue();

    assert!(next().await.contains("content_block_start"));
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_backend() {
    let backend = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").await;
        conn.send(WORD).await;
        conn.closed().await;
        conn.report();
    })
    .await;
    let stage = over_chat(&[&backend]).start();

    drop(stage.open(message(&json!({"stream": true}))).await);

    backend.reported().await;
    assert_eq!(stage.journal.only().await.outcome, Outcome::Cancelled);
}

#[tokio::test]
async fn a_whole_answer_becomes_a_stream_for_a_client_that_wants_one() {
    let backend = Backend::answering(ok(CHAT_ANSWER)).await;
    let stage = over_chat(&[&backend]).start();

    let told = stage.ask(message(&json!({"stream": true}))).await;

    assert_eq!(told.header("content-type"), Some("text/event-stream"));
    assert_eq!(kinds(told.text()).last(), Some(&"message_stop"));
    assert!(told.text().contains("hello"));
}

#[tokio::test]
async fn a_backend_that_falls_silent_within_a_stream_is_given_up() {
    let backend = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").await;
        conn.send(WORD).await;
        conn.closed().await;
    })
    .await;
    let mut plan = over_chat(&[&backend]);
    plan.settings.timeouts.stall = millis(200);
    let stage = plan.start();

    let told = stage.ask(message(&json!({"stream": true}))).await;

    assert_eq!(told.body, Err(Failure::Stall));
    let note = stage.journal.only().await;
    assert_eq!((note.outcome, note.error), (Outcome::Failure, Some("stalled")));
    assert_eq!(note.formats.map(|formats: Formats| formats.streams), Some(true));
}
