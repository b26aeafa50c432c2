//! Each fault, byte for byte.

use std::time::{Duration, Instant};

use olla_sim::{Armed, Engine, Fault, Framed, Kind, Scope};

use crate::client::{CHAT, CHAT_STREAM, End, Raw, get, in_time, plain, post, request, start};

const PATH: &str = "/v1/chat/completions";

/// Sends one chat request to an engine with this fault, and reads to the end of the connection.
async fn drained(fault: impl Into<Armed>, body: &str) -> (String, End) {
    let engine = plain().await;
    engine.set_fault(fault);
    let mut raw = Raw::connect(&engine).await;
    raw.send(&request("POST", PATH, body)).await;
    raw.drain().await
}

/// The bytes after the head.
fn body_of(wire: &str) -> &str {
    wire.split_once("\r\n\r\n").expect("a head").1
}

#[tokio::test]
async fn reset_before_head_sends_nothing_and_resets() {
    assert_eq!(drained(Fault::ResetBeforeHead, CHAT).await, (String::new(), End::Reset));
}

#[tokio::test]
async fn a_fault_before_the_head_does_not_wait_for_the_first_token() {
    let engine =
        start(Engine::builder("sim-a").ttft(Duration::from_secs(3600)).fault(Fault::ResetBeforeHead)).await;
    let mut raw = Raw::connect(&engine).await;
    raw.send(&request("POST", PATH, CHAT)).await;

    assert_eq!(raw.drain().await, (String::new(), End::Reset));
}

#[tokio::test]
async fn close_before_head_sends_nothing_and_closes() {
    assert_eq!(drained(Fault::CloseBeforeHead, CHAT).await, (String::new(), End::Closed));
}

#[tokio::test]
async fn reset_after_sends_so_many_bytes_of_the_body_and_resets() {
    let (wire, end) = drained(Fault::ResetAfter { bytes: 7 }, CHAT).await;

    assert!(wire.starts_with("HTTP/1.1 200 OK\r\n"), "{wire}");
    assert_eq!((body_of(&wire), end), ("{\"id\":\"", End::Reset));
}

#[tokio::test]
async fn close_after_cuts_a_body_of_known_length_short() {
    let (wire, end) = drained(Fault::CloseAfter { bytes: 10, framed: None }, CHAT).await;

    assert!(wire.contains("content-length: ") && !wire.contains("content-length: 10\r\n"), "{wire}");
    assert_eq!((body_of(&wire).len(), end), (10, End::Closed));
}

#[tokio::test]
async fn close_after_cuts_a_chunked_body_short() {
    let (wire, end) = drained(Fault::CloseAfter { bytes: 4, framed: Some(Framed::Chunked) }, CHAT).await;

    assert!(wire.contains("transfer-encoding: chunked"), "{wire}");
    assert_eq!((body_of(&wire), end), ("4\r\n{\"id\r\n", End::Closed));
}

#[tokio::test]
async fn close_after_can_announce_the_length_of_a_stream() {
    let fault = Fault::CloseAfter { bytes: 6, framed: Some(Framed::ContentLength) };

    let (wire, end) = drained(fault, CHAT_STREAM).await;

    assert!(wire.contains("content-length: ") && wire.contains("text/event-stream"), "{wire}");
    assert_eq!((body_of(&wire), end), ("data: ", End::Closed));
}

#[tokio::test]
async fn a_cut_beyond_the_end_of_the_body_still_leaves_it_incomplete() {
    let (stream, _) = drained(Fault::CloseAfter { bytes: 1_000_000, framed: None }, CHAT_STREAM).await;
    let (whole, _) = drained(Fault::CloseAfter { bytes: 1_000_000, framed: None }, CHAT).await;

    assert!(stream.contains("[DONE]") && !stream.ends_with("0\r\n\r\n"), "{stream}");
    let announced = format!("content-length: {}\r\n", body_of(&whole).len() + 1);
    assert!(whole.contains(&announced), "one byte is missing: {whole}");
}

#[tokio::test]
async fn hang_before_head_says_nothing_until_the_client_leaves() {
    let engine = plain().await;
    engine.set_fault(Fault::HangBeforeHead);
    let mut raw = Raw::connect(&engine).await;
    raw.send(&request("POST", PATH, CHAT)).await;
    in_time(engine.wait_received(1)).await;

    assert_eq!(engine.stats().in_flight, 1);
    drop(raw);
    in_time(engine.wait_abandoned(1)).await;
    assert_eq!(engine.stats().in_flight, 0);
}

#[tokio::test]
async fn hang_after_sends_the_beginning_of_a_stream_and_stops() {
    let engine = plain().await;
    engine.set_fault(Fault::HangAfter { bytes: 5 });
    let mut raw = Raw::connect(&engine).await;
    raw.send(&request("POST", PATH, CHAT_STREAM)).await;

    let wire = raw.take_through("5\r\ndata:\r\n").await;

    assert!(wire.starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(engine.stats().in_flight, 1);
    drop(raw);
    in_time(engine.wait_abandoned(1)).await;
}

#[tokio::test]
async fn a_status_is_answered_with_its_headers_and_body() {
    let engine = plain().await;
    let headers = [("x-why".to_owned(), "test".to_owned())].into();
    engine.set_fault(Fault::Status { status: 503, headers, body: Some("busy".into()) });

    let answer = post(&engine, PATH, CHAT).await;

    assert_eq!((answer.status, answer.body.as_str()), (503, "busy"));
    assert!(answer.head.contains("x-why: test\r\n"), "{}", answer.head);
}

#[tokio::test]
async fn a_status_without_a_body_is_an_error_in_the_callers_dialect() {
    let engine = start(Engine::builder("sim-a").kind(Kind::Ollama)).await;
    engine.set_fault(Fault::Status { status: 500, headers: [].into(), body: None });

    let openai = post(&engine, PATH, CHAT).await.json();
    let anthropic = post(&engine, "/v1/messages", CHAT).await.json();
    let ollama = post(&engine, "/api/chat", CHAT).await.json();

    assert!(openai["error"]["message"].is_string(), "{openai}");
    assert_eq!(anthropic["type"], "error", "{anthropic}");
    assert!(ollama["error"].is_string(), "{ollama}");
}

#[tokio::test]
async fn slow_drip_takes_the_time_that_its_rate_says() {
    let engine = plain().await;
    engine.set_fault(Fault::SlowDrip { bytes_per_second: 2000.try_into().unwrap() });
    let begin = Instant::now();

    let answer = post(&engine, PATH, CHAT).await;

    let bytes = answer.head.len() + answer.body.len();
    let least = Duration::from_secs_f64(bytes as f64 / 2000.0 * 0.8);
    assert!(begin.elapsed() >= least, "{bytes} bytes in {:?}", begin.elapsed());
    assert_eq!(answer.json()["object"], "chat.completion");
}

#[tokio::test]
async fn a_malformed_head_is_no_http() {
    let (wire, end) = drained(Fault::MalformedHead, CHAT).await;

    assert!(!wire.is_empty() && !wire.starts_with("HTTP/1."), "{wire}");
    assert_eq!(end, End::Closed);
}

#[tokio::test]
async fn a_malformed_chunk_follows_good_ones() {
    let (wire, end) = drained(Fault::MalformedChunk { bytes: 4 }, CHAT).await;

    assert_eq!((body_of(&wire), end), ("4\r\n{\"id\r\nnot-a-size\r\noops\r\n", End::Closed));
}

#[tokio::test]
async fn an_oversize_head_is_a_good_answer_behind_too_much_head() {
    let engine = plain().await;
    engine.set_fault(Fault::OversizeHead { bytes: 100_000 });

    let answer = post(&engine, PATH, CHAT).await;

    assert_eq!(answer.status, 200);
    assert!(answer.head.len() > 100_000 && answer.head.contains("x-padding: xxx"));
    assert_eq!(answer.json()["object"], "chat.completion");
}

#[tokio::test]
async fn malformed_trailers_follow_the_whole_body() {
    let (stream, stream_end) = drained(Fault::MalformedTrailers, CHAT_STREAM).await;
    let (whole, whole_end) = drained(Fault::MalformedTrailers, CHAT).await;

    assert!(stream.contains("data: [DONE]\n\n\r\n"), "{stream}");
    for wire in [stream, whole] {
        assert!(wire.contains("transfer-encoding: chunked"), "{wire}");
        assert!(wire.ends_with("\r\n0\r\nno trailer\r\n\r\n"), "{wire}");
    }
    assert_eq!((stream_end, whole_end), (End::Closed, End::Closed));
}

#[tokio::test]
async fn an_engine_that_lies_on_health_fails_inference_only() {
    let engine = start(Engine::builder("sim-a").kind(Kind::Vllm)).await;
    engine.set_fault(Fault::LieOnHealth);

    assert_eq!(get(&engine, "/health").await.status, 200);
    assert_eq!(get(&engine, "/v1/models").await.status, 200);
    assert_eq!(post(&engine, PATH, CHAT).await.status, 500);
}

#[tokio::test]
async fn rate_limited_says_when_to_come_back() {
    let engine = plain().await;
    engine.set_fault(Fault::RateLimited { retry_after_secs: 7 }.times(1));

    let limited = post(&engine, PATH, CHAT).await;
    let after = post(&engine, PATH, CHAT).await;

    assert_eq!(limited.status, 429);
    assert!(limited.head.contains("retry-after: 7\r\n"), "{}", limited.head);
    assert_eq!(after.status, 200);
}

#[tokio::test]
async fn a_stream_error_comes_after_good_events_in_every_dialect() {
    let engine = start(Engine::builder("sim-a").kind(Kind::Ollama)).await;
    engine.set_fault(Fault::StreamError { after_events: 2 });

    let openai = post(&engine, PATH, CHAT_STREAM).await;
    let anthropic = post(&engine, "/v1/messages", CHAT_STREAM).await;
    let ollama = post(&engine, "/api/chat", CHAT_STREAM).await;

    assert_eq!((openai.status, openai.events().len()), (200, 3));
    assert!(openai.events()[2].1.starts_with(r#"{"error":"#) && !openai.body.contains("[DONE]"));
    assert_eq!((anthropic.events().len(), anthropic.events()[2].0), (3, Some("error")));
    assert_eq!(ollama.body.lines().count(), 3);
    assert!(ollama.body.lines().nth(2).unwrap().starts_with(r#"{"error":"#), "{}", ollama.body);
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_time() {
    let engine = plain().await;
    engine.set_fault(Fault::IdleClose { after_ms: 20 });
    let mut raw = Raw::connect(&engine).await;

    let answer = raw.exchange("POST", PATH, CHAT).await;

    assert!(!answer.head.contains("connection: close"));
    assert_eq!(raw.drain().await, (String::new(), End::Closed));
}

#[tokio::test]
async fn connection_close_is_announced_and_done() {
    let (wire, end) = drained(Fault::ConnectionClose, CHAT).await;

    assert!(wire.contains("connection: close\r\n") && wire.ends_with('}'), "{wire}");
    assert_eq!(end, End::Closed);
}

#[tokio::test]
async fn a_fault_on_reused_connections_spares_the_first_request() {
    let engine = plain().await;
    engine.set_fault(Fault::ResetBeforeHead.on(Scope::Reused));
    let mut raw = Raw::connect(&engine).await;

    assert_eq!(raw.exchange("POST", PATH, CHAT).await.status, 200);
    raw.send(&request("POST", PATH, CHAT)).await;

    assert_eq!(raw.drain().await, (String::new(), End::Reset));
    assert_eq!(post(&engine, PATH, CHAT).await.status, 200);
}

#[tokio::test]
async fn a_fault_on_a_path_spares_other_paths() {
    let engine = plain().await;
    engine.set_faults(vec![
        Fault::Status { status: 418, headers: [].into(), body: None }.on(Scope::Path("/v1/models".into())),
        Fault::Status { status: 503, headers: [].into(), body: None }.on(Scope::Inference),
    ]);

    assert_eq!(get(&engine, "/v1/models").await.status, 418);
    assert_eq!(post(&engine, PATH, CHAT).await.status, 503);
    assert_eq!(get(&engine, "/else").await.status, 404);
}

#[tokio::test]
async fn faults_are_set_listed_and_removed_over_http() {
    let engine = plain().await;
    let mut raw = Raw::connect(&engine).await;
    let fault = r#"{"fault":{"status":{"status":502}},"scope":"inference"}"#;

    let set = raw.exchange("PUT", "/sim/fault", fault).await;
    assert_eq!((set.status, set.json()[0]["scope"].as_str()), (200, Some("inference")));
    assert_eq!(raw.exchange("POST", PATH, CHAT).await.status, 502);
    assert_eq!(raw.exchange("GET", "/sim/fault", "").await.json().as_array().unwrap().len(), 1);

    assert_eq!(raw.exchange("DELETE", "/sim/fault", "").await.body, "[]");
    assert_eq!(raw.exchange("POST", PATH, CHAT).await.status, 200);
}

#[tokio::test]
async fn a_list_of_faults_is_accepted_and_a_misspelt_one_is_not() {
    let engine = plain().await;
    let mut raw = Raw::connect(&engine).await;
    let list = r#"[{"fault":"malformed_head","count":1},{"fault":"hang_before_head","scope":"health"}]"#;

    assert_eq!(raw.exchange("PUT", "/sim/fault", list).await.json().as_array().unwrap().len(), 2);
    let wrong = raw.exchange("PUT", "/sim/fault", r#"{"fault":"reset_befor_head"}"#).await;

    let bare = raw.exchange("PUT", "/sim/fault", "close_before_head").await;

    assert_eq!((wrong.status, bare.status), (400, 200));
    assert!(wrong.body.contains("reset_before_head"), "names the known ones: {}", wrong.body);
}

#[tokio::test]
async fn an_identical_request_meets_a_fault_that_was_set_in_between() {
    let engine = plain().await;
    let mut raw = Raw::connect(&engine).await;
    for _ in 0..2 {
        assert_eq!(raw.exchange("POST", PATH, CHAT).await.status, 200);
    }

    engine.set_fault(Fault::Status { status: 500, headers: [].into(), body: None });

    assert_eq!(raw.exchange("POST", PATH, CHAT).await.status, 500);
    assert_eq!(engine.stats().faulted, 1);
}
