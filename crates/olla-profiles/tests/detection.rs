//! Recognising kinds by what their servers answer.

#![expect(clippy::unwrap_used, reason = "a test stops where an assumption fails")]

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use olla_profiles::{Observed, Profiles};

struct Answer {
    path: &'static str,
    status: u16,
    header: Option<(&'static str, &'static str)>,
    body: &'static str,
}

fn ok(path: &'static str, body: &'static str) -> Answer {
    Answer { path, status: 200, header: None, body }
}

/// Recognises a server that gives these answers and 404 to every other path of the plan.
fn recognise(answers: &[Answer]) -> Option<String> {
    let profiles = Profiles::builtin();
    let plan = profiles.detection_plan();
    let headers: Vec<HeaderMap> = plan
        .iter()
        .map(|path| {
            let header = answers.iter().find(|a| a.path == *path).and_then(|a| a.header);
            let pair = |(k, v)| {
                (HeaderName::from_static(k), HeaderValue::from_static(v)) as (HeaderName, HeaderValue)
            };
            header.map(pair).into_iter().collect()
        })
        .collect();
    let observed: Vec<_> = plan
        .iter()
        .zip(&headers)
        .map(|(path, headers)| {
            let answer = answers.iter().find(|a| a.path == *path);
            Observed {
                path,
                status: StatusCode::from_u16(answer.map_or(404, |a| a.status)).unwrap(),
                headers,
                body: answer.map_or("", |a| a.body).as_bytes(),
            }
        })
        .collect();
    let id = profiles.recognise(&observed)?;
    Some(profiles.get(id).unwrap().name.to_string())
}

#[track_caller]
fn assert_recognised(kind: &str, answers: &[Answer]) {
    assert_eq!(recognise(answers).as_deref(), Some(kind));
}

#[test]
fn the_plan_is_short_and_has_no_path_twice() {
    let profiles = Profiles::builtin();

    let plan = profiles.detection_plan();

    assert!(plan.len() <= 8, "{plan:?}");
    assert!(plan.iter().enumerate().all(|(n, path)| !plan[..n].contains(path)), "{plan:?}");
}

#[test]
fn no_path_of_the_plan_is_costly_for_any_kind() {
    let profiles = Profiles::builtin();

    for path in profiles.detection_plan() {
        let costly: Vec<_> = profiles.iter().filter(|p| p.costly_health(path).is_some()).collect();
        assert!(costly.is_empty(), "{path} is costly on {}", costly[0].name);
    }
}

#[test]
fn each_kind_is_recognised_by_its_own_answers() {
    assert_recognised(
        "ollama",
        &[ok("/", "Ollama is running"), ok("/v1/models", r#"{"object":"list","data":null}"#)],
    );
    assert_recognised(
        "lm-studio",
        &[ok("/api/v0/models", r#"{"object":"list","data":[]}"#), ok("/v1/models", r#"{"data":[]}"#)],
    );
    for kind in ["vllm", "vllm-mlx", "sglang", "lmdeploy", "omlx", "llamacpp"] {
        let body = format!(r#"{{"object":"list","data":[{{"id":"m","owned_by":"{kind}"}}]}}"#);
        assert_recognised(kind, &[ok("/v1/models", body.leak())]);
    }
    assert_recognised(
        "litellm",
        &[
            ok("/health/liveliness", "\"I'm alive!\""),
            ok("/v1/models", r#"{"data":[{"id":"gpt-4","owned_by":"openai"}]}"#),
        ],
    );
    assert_recognised("docker-model-runner", &[ok("/engines/v1/models", r#"{"object":"list","data":null}"#)]);
    assert_recognised(
        "omlx",
        &[ok("/v1/models", r#"{"data":[]}"#), ok("/v1/models/status", r#"{"models":[]}"#)],
    );
    assert_recognised("openai-compatible", &[ok("/v1/models", r#"{"object":"list","data":[]}"#)]);
}

#[test]
fn llama_cpp_is_known_by_its_server_header_even_with_another_owner() {
    assert_recognised(
        "llamacpp",
        &[Answer {
            path: "/v1/models",
            status: 200,
            header: Some(("server", "Llama.cpp")),
            body: r#"{"models":[],"data":[{"id":"m","owned_by":"me"}]}"#,
        }],
    );
}

#[test]
fn litellm_with_a_key_missing_is_still_recognised() {
    let listing = Answer {
        path: "/v1/models",
        status: 500,
        header: None,
        body: r#"{"error":{"message":"No connected db."}}"#,
    };

    assert_recognised("litellm", &[ok("/health/liveliness", "\"I'm alive!\""), listing]);
}

#[test]
fn an_imitator_of_other_kinds_is_recognised_as_itself() {
    assert_recognised(
        "lemonade",
        &[
            ok("/", "Ollama is running"),
            ok("/api/v0/models", r#"{"data":[{"id":"m"}]}"#),
            ok("/api/v1/models", r#"{"data":[{"id":"m","owned_by":"lemonade"}]}"#),
            ok("/v1/models", r#"{"data":[{"id":"m","owned_by":"lemonade"}]}"#),
        ],
    );
    assert_recognised("lemonade", &[ok("/api/v1/health", r#"{"status":"ok","model_loaded":null}"#)]);
}

#[test]
fn a_server_that_answers_200_to_everything_with_an_error_is_not_recognised() {
    let error = r#"{"error":"Unexpected endpoint or method."}"#;
    let profiles = Profiles::builtin();
    let answers: Vec<_> =
        profiles.detection_plan().iter().map(|path| ok(path.to_string().leak(), error)).collect();

    assert_eq!(recognise(&answers), None);
}

#[test]
fn an_error_status_is_no_sign() {
    let refused = Answer { path: "/v1/models", status: 401, header: None, body: r#"{"data":[]}"# };

    assert_eq!(recognise(&[refused]), None);
}
