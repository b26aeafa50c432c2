//! The model is found in every kind of body, and nothing but its name ever changes.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;

use crate::support::{Backend, Plan, Stage, ok};

const TRANSCRIPTIONS: &str = "/v1/audio/transcriptions";
const MULTIPART: &str = "multipart/form-data; boundary=\"X y\"";
const URLENCODED: &str = "application/x-www-form-urlencoded";

/// Backend `a` with the model `whisper-1`, `b` with `org/Whisper v3`, and the alias `ears` for the latter.
async fn stage() -> (Stage, [Backend; 2]) {
    let backends = [Backend::answering(ok("{}")).await, Backend::answering(ok("{}")).await];
    let mut plan = Plan::over(&[&backends[0], &backends[1]]);
    plan.models(0, &["whisper-1"]);
    plan.models(1, &["org/Whisper v3"]);
    plan.aliases = vec![("ears", &["org/Whisper v3"])];
    (plan.start(), backends)
}

fn post(target: &str, content_type: Option<&str>, body: &str) -> Request<Full<Bytes>> {
    let mut request = Request::post(target).header("host", "olla.test");
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    request.body(Full::from(body.to_owned())).unwrap()
}

/// A transcription request as clients send it, with much in the file that looks like a form.
fn transcription(model: &str) -> String {
    let file =
        "RIFF\0\u{1}\r\n--X\r\n--X yz\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nno\r\n--X y-";
    format!(
        "a preamble\r\n\
         --X y\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\
         Content-Type: audio/wav\r\n\r\n{file}\r\n\
         --X y\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n{model}\r\n\
         --X y\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\nears\r\n\
         --X y--\r\nan epilogue"
    )
}

#[tokio::test]
async fn a_transcription_goes_where_its_model_is() {
    let (stage, backends) = stage().await;

    let told = stage.ask(post(TRANSCRIPTIONS, Some(MULTIPART), &transcription("org/Whisper v3"))).await;

    assert_eq!((told.status, told.header("x-olla-endpoint")), (StatusCode::OK, Some("b")));
    assert_eq!(told.header("x-olla-model"), Some("org/Whisper v3"));
    assert_eq!(backends[1].heard_one().body, transcription("org/Whisper v3"));
    assert_eq!(backends[1].heard_one().header("content-type"), Some(MULTIPART));
}

#[tokio::test]
async fn an_alias_in_a_form_becomes_plain_text_and_nothing_else_changes() {
    let (stage, backends) = stage().await;
    let expected = transcription("org/Whisper v3");

    let told = stage.ask(post(TRANSCRIPTIONS, Some(MULTIPART), &transcription("ears"))).await;

    assert_eq!(told.header("x-olla-routing-strategy"), Some("alias"));
    assert_eq!(backends[1].heard_one().body, expected);
    assert_eq!(backends[1].heard_one().header("content-length"), Some(&*expected.len().to_string()));
}

#[tokio::test]
async fn a_form_cut_anywhere_is_the_same_form() {
    let (stage, backends) = stage().await;
    let mut wire = stage.wire().await;
    let head = format!("POST {TRANSCRIPTIONS} HTTP/1.1\r\nhost: x\r\ncontent-type: {MULTIPART}\r\n");

    wire.send(&format!("{head}transfer-encoding: chunked\r\n\r\n")).await;
    for chunk in transcription("EARS").as_bytes().chunks(3) {
        let text = std::str::from_utf8(chunk).unwrap();
        wire.send(&format!("{:x}\r\n{text}\r\n", chunk.len())).await;
    }
    wire.send("0\r\n\r\n").await;

    assert!(wire.head().await.starts_with("HTTP/1.1 200"));
    assert_eq!(backends[1].heard_one().body, transcription("org/Whisper v3"));
}

#[tokio::test]
async fn a_model_in_a_form_that_nobody_has_is_not_found() {
    let (stage, backends) = stage().await;

    let told = stage.ask(post(TRANSCRIPTIONS, Some(MULTIPART), &transcription("nope"))).await;

    assert_eq!(told.status, StatusCode::NOT_FOUND);
    assert_eq!(told.json()["error"]["code"], "model_not_found");
    assert!(backends.iter().all(|backend| backend.connections() == 0));
}

#[tokio::test]
async fn a_name_in_a_urlencoded_form_is_read_and_written_percent_encoded() {
    let (stage, backends) = stage().await;

    let same =
        stage.ask(post("/v1/completions", Some(URLENCODED), "n=1&model=org%2FWhisper+v3&prompt=a+b")).await;
    assert_eq!(same.header("x-olla-model"), Some("org/Whisper v3"));
    stage.ask(post("/v1/completions", Some(URLENCODED), "n=%31&model=%65ars&prompt=model+ears")).await;

    let heard = backends[1].heard();
    assert_eq!(heard[0].body, "n=1&model=org%2FWhisper+v3&prompt=a+b");
    assert_eq!(heard[1].body, "n=%31&model=org%2FWhisper%20v3&prompt=model+ears");
}

#[tokio::test]
async fn json_is_found_under_any_type_and_under_none() {
    let (stage, backends) = stage().await;

    for content_type in [None, Some("text/plain"), Some(URLENCODED), Some(MULTIPART)] {
        let told = stage.ask(post("/v1/completions", content_type, r#"{"model":"ears"}"#)).await;

        assert_eq!(told.header("x-olla-endpoint"), Some("b"), "{content_type:?}");
    }
    assert!(backends[1].heard().iter().all(|heard| heard.body == r#"{"model":"org/Whisper v3"}"#));
}

#[tokio::test]
async fn a_name_between_blanks_reaches_the_backend_without_them() {
    let (stage, backends) = stage().await;

    let told = stage.ask(post("/v1/completions", None, r#"{"model": " whisper-1\t", "n": 1}"#)).await;

    assert_eq!(told.header("x-olla-endpoint"), Some("a"));
    assert_eq!(backends[0].heard_one().body, r#"{"model": "whisper-1", "n": 1}"#);
}

#[tokio::test]
async fn a_body_that_is_none_of_these_has_no_model() {
    let (stage, _backends) = stage().await;

    for content_type in [None, Some("text/plain"), Some("multipart/form-data")] {
        for body in [&*transcription("nope"), "model=nope"] {
            let told = stage.ask(post("/v1/completions", content_type, body)).await;

            assert_eq!((told.status, told.header("x-olla-model")), (StatusCode::OK, None));
        }
    }
}
