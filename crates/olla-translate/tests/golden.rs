//! Golden transcripts: what is sent to a backend for a request, and what a client gets for an answer.
//!
//! Each file in `golden/` holds one. With `OLLA_BLESS=1` the results are written into the files, to be read
//! before they are committed.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where an assumption fails")]

#[path = "golden/answers.rs"]
mod answers;
#[path = "golden/fidelity.rs"]
mod fidelity;
#[path = "golden/transcript.rs"]
mod transcript;

use std::fs;

use bytes::BytesMut;
use olla_translate::{Format, Outcome};
use serde_json::{Value, json};

use transcript::{Direction, directions, is_blessing};

#[test]
fn requests_are_translated_as_recorded() {
    for direction in directions() {
        for (path, mut case) in direction.json_files("requests") {
            let told = direction.plan(&case);
            let result = match &told {
                Ok(request) => {
                    let mut result =
                        json!({ "backend": serde_json::from_slice::<Value>(&request.body).unwrap() });
                    if !request.dropped.is_empty() {
                        result["dropped"] = request.dropped.iter().collect();
                    }
                    result
                }
                Err(error) => json!({ "refused": error.to_string() }),
            };
            check(&path, &mut case, &["backend", "dropped", "refused"], &result);
        }
    }
}

#[test]
fn whole_answers_are_translated_as_recorded() {
    for direction in directions() {
        for (path, mut case) in direction.json_files("answers") {
            let result = match direction.response(&case).whole(case["backend"].to_string().as_bytes()) {
                Ok(body) => json!({ "client": serde_json::from_slice::<Value>(&body).unwrap() }),
                Err(error) => json!({ "error": error.to_string(), "status": error.status() }),
            };
            check(&path, &mut case, &["client", "error", "status"], &result);
        }
    }
}

#[test]
fn streams_are_translated_as_recorded_however_they_are_cut() {
    for direction in directions() {
        for (path, text) in direction.files("streams", "txt") {
            let (case, stream, expected) = transcript::stream_parts(&text);

            let whole = direction.stream(&case, &[stream.as_bytes()]);
            if is_blessing() {
                fs::write(&path, transcript::stream_file(&case, &stream, &whole)).unwrap();
            } else {
                assert_eq!(whole, expected, "{}", path.display());
            }

            let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
            assert_eq!(direction.stream(&case, &bytes), whole, "byte by byte: {}", path.display());
            for at in (0..stream.len()).step_by(7) {
                let (head, tail) = stream.as_bytes().split_at(at);
                assert_eq!(direction.stream(&case, &[head, tail]), whole, "cut at {at}: {}", path.display());
            }
        }
    }
}

#[test]
fn a_stream_that_is_cut_off_never_looks_complete() {
    for direction in directions() {
        for (path, text) in direction.files("streams", "txt") {
            let (case, stream, _) = transcript::stream_parts(&text);
            for at in (0..stream.len()).step_by(5) {
                let mut translator = direction.response(&case).stream();
                let mut out = BytesMut::new();
                translator.feed(&stream.as_bytes()[..at], &mut out);
                let reason_told = translator_knows_the_end(direction, &stream[..at]);
                translator.finish(&mut out);

                let complete = translator.outcome() == Outcome::Complete;
                assert!(!complete || reason_told, "cut at {at}: {}", path.display());
                let text = String::from_utf8(out.to_vec()).unwrap();
                let end = match direction.client {
                    Format::Messages => &["event: message_stop"][..],
                    Format::Chat => &["[DONE]"],
                    Format::OllamaChat | Format::OllamaGenerate => &["\"done\":true"],
                    _ => &["event: response.completed", "event: response.incomplete"],
                };
                assert_eq!(
                    end.iter().any(|end| text.contains(end)),
                    complete,
                    "cut at {at}: {}\n{text}",
                    path.display()
                );
            }
        }
    }
}

/// The reason for the end counts as the end: some servers send nothing after it.
fn translator_knows_the_end(direction: Direction, stream: &str) -> bool {
    let stream = stream.replace(": ", ":");
    match direction.backend {
        Format::Messages => stream.contains("\"stop_reason\":\"") || stream.contains("message_stop"),
        _ => stream.contains("\"finish_reason\":\"") || stream.contains("[DONE]"),
    }
}

/// Compares what came out with what the file says, or writes it there.
fn check(path: &std::path::Path, case: &mut Value, keys: &[&str], result: &Value) {
    if is_blessing() {
        let fields = case.as_object_mut().unwrap();
        for key in keys {
            fields.shift_remove(*key);
        }
        for (key, value) in result.as_object().unwrap() {
            fields.insert(key.clone(), value.clone());
        }
        fs::write(path, serde_json::to_string_pretty(case).unwrap() + "\n").unwrap();
        return;
    }
    for key in keys {
        assert_eq!(case.get(*key), result.get(*key), "{key} of {}", path.display());
    }
}
