//! Clients of Ollama over backends of every kind: who is asked, how, and what Olla answers in the place of an Ollama.

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Backend, Plan, Stage, answer, get, ok, post};

const CHAT_ANSWER: &str = r#"{"choices":[{"message":{"content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#;
const VECTORS: &str = r#"{"object":"list","data":[{"index":1,"embedding":[0.5]},{"index":0,"embedding":[0.25]}],"usage":{"prompt_tokens":4}}"#;

/// An endpoint of each of these kinds, in this order.
fn over(backends: &[(&Backend, &str)]) -> Plan {
    let mut plan = Plan::over(&backends.iter().map(|(backend, _)| *backend).collect::<Vec<_>>());
    for (position, (_, kind)) in backends.iter().enumerate() {
        plan.kind(position, kind);
    }
    plan
}

fn hello(fields: &Value) -> String {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body.to_string()
}

#[tokio::test]
async fn durations_are_measured_for_answers_of_backends_that_tell_none() {
    let whole = Backend::answering(ok(CHAT_ANSWER)).await;
    let stream = "data: {\"choices\":[{\"delta\":{\"content\":\"hello\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let streaming = Backend::answering(answer("200 OK", "content-type: text/event-stream\r\n", stream)).await;

    for (backend, body) in [(&whole, hello(&json!({"stream": false}))), (&streaming, hello(&json!({})))] {
        let told = over(&[(backend, "vllm")]).start().ask(post("/olla/proxy/api/chat", &body)).await;

        let last: Value = serde_json::from_str(told.text().lines().last().unwrap()).unwrap();
        assert_eq!((&last["done"], &last["done_reason"]), (&json!(true), &json!("stop")));
        assert!(last["total_duration"].as_u64().is_some_and(|nanos| nanos > 0), "{last}");
    }
}

#[tokio::test]
async fn texts_are_embedded_by_a_backend_that_takes_them_in_other_words() {
    let backend = Backend::answering(ok(VECTORS)).await;
    let stage = over(&[(&backend, "vllm")]).start();
    let body = json!({"model": "m", "input": ["a", "b"], "truncate": true, "dimensions": 1}).to_string();

    let told = stage.ask(post("/olla/proxy/api/embed", &body)).await;

    let answer = told.json();
    assert_eq!((&answer["model"], &answer["embeddings"]), (&json!("m"), &json!([[0.25], [0.5]])), "{told:?}");
    assert_eq!(answer["prompt_eval_count"], 4);
    assert!(answer["total_duration"].as_u64().is_some_and(|nanos| nanos > 0), "{answer}");
    assert_eq!(told.header("x-olla-mode"), Some("translation"));
    assert_eq!(told.header("x-olla-translation-dropped"), Some("truncate"));
    let heard = backend.heard_one();
    assert_eq!(heard.line, "POST /v1/embeddings HTTP/1.1");
    let sent: Value = serde_json::from_str(&heard.body).unwrap();
    let expected = json!({"model": "m", "input": ["a", "b"], "dimensions": 1, "encoding_format": "float"});
    assert_eq!(sent, expected);
    let formats = stage.journal.only().await.formats.unwrap();
    assert_eq!((formats.client, formats.backend), ("ollama_embed", Some("embeddings")));
}

#[tokio::test]
async fn one_text_is_embedded_as_clients_of_earlier_versions_ask() {
    let backend = Backend::answering(ok(VECTORS)).await;
    let stage = over(&[(&backend, "dmr")]).start();

    let told = stage.ask(post("/olla/proxy/api/embeddings", r#"{"model":"m","prompt":"a"}"#)).await;

    assert_eq!(told.json(), json!({"embedding": [0.25]}));
    assert_eq!(backend.heard_one().line, "POST /engines/v1/embeddings HTTP/1.1");
}

#[tokio::test]
async fn an_error_of_a_backend_that_embeds_is_told_in_ollamas_words() {
    let error = r#"{"error":{"message":"no such dimensions","type":"invalid_request_error"}}"#;
    let backend =
        Backend::answering(answer("400 Bad Request", "content-type: application/json\r\n", error)).await;
    let stage = over(&[(&backend, "vllm")]).start();

    let told = stage.ask(post("/olla/proxy/api/embed", r#"{"model":"m","input":"a"}"#)).await;

    assert_eq!(told.status, StatusCode::BAD_REQUEST);
    assert_eq!(told.json(), json!({"error": "no such dimensions", "code": "backend_error"}));
    let refused = stage.ask(post("/olla/proxy/api/embed", r#"{"input":"a"}"#)).await;
    assert_eq!(
        (refused.status, refused.json()["code"].as_str()),
        (StatusCode::BAD_REQUEST, Some("invalid_request"))
    );
}

#[tokio::test]
async fn a_backend_that_embeds_in_ollamas_words_gets_every_byte() {
    let backend = Backend::answering(ok(r#"{"embeddings":[[1]]}"#)).await;
    let stage = over(&[(&backend, "ollama")]).start();
    let body = r#"{ "model":"m", "input":"a", "keep_alive":"5m" }"#;

    let told = stage.ask(post("/olla/proxy/api/embed", body)).await;

    assert_eq!(told.header("x-olla-mode"), None);
    assert_eq!((&*backend.heard_one().line, &*backend.heard_one().body), ("POST /api/embed HTTP/1.1", body));
}

fn names(list: &Value) -> Vec<&str> {
    list["models"].as_array().unwrap().iter().map(|model| model["name"].as_str().unwrap()).collect()
}

/// An Ollama `a` with `of-a` and `both`, and a vLLM `b` with `of-b` and `both`, which goes first where it may.
fn mixed(ollama: &Backend, vllm: &Backend) -> Plan {
    let mut plan = over(&[(ollama, "ollama"), (vllm, "vllm")]);
    plan.models(0, &["of-a", "both"]);
    plan.models(1, &["of-b", "both"]);
    plan.specs[1].priority = 1000;
    plan
}

async fn endpoint_of(stage: &Stage, target: &str, model: &str) -> Option<String> {
    let told = stage.ask(post(target, &hello(&json!({"model": model, "stream": false})))).await;
    told.header("x-olla-endpoint").map(str::to_owned)
}

#[tokio::test]
async fn servers_of_the_kind_come_first_and_the_others_have_what_these_have_not() {
    let ollama = Backend::answering(ok(r#"{"message":{"content":"x"},"done":true}"#)).await;
    let vllm = Backend::answering(ok(CHAT_ANSWER)).await;
    let stage = mixed(&ollama, &vllm).start();

    for (target, model, endpoint) in [
        ("/olla/ollama/api/chat", "both", "a"),
        ("/olla/ollama/api/chat", "of-a", "a"),
        ("/olla/ollama/api/chat", "of-b", "b"),
        ("/olla/proxy/api/chat", "both", "b"),
    ] {
        assert_eq!(endpoint_of(&stage, target, model).await.as_deref(), Some(endpoint), "{target} {model}");
    }
    let stage = mixed(&Backend::refusing(), &vllm).start();
    assert_eq!(endpoint_of(&stage, "/olla/ollama/api/chat", "both").await.as_deref(), Some("b"));
}

#[tokio::test]
async fn what_is_listed_is_what_can_be_asked_for() {
    let (ollama, vllm) = (Backend::refusing(), Backend::answering(ok(CHAT_ANSWER)).await);
    let mut plan = mixed(&ollama, &vllm);
    plan.aliases = vec![("fast", &["of-b"])];
    let stage = plan.start();

    let tags = stage.ask(get("/olla/ollama/api/tags")).await.json();

    assert_eq!(names(&tags), ["both", "fast", "of-a", "of-b"]);
    // The command line cuts digests.
    let digests = tags["models"].as_array().unwrap().iter().map(|model| model["digest"].as_str().unwrap());
    assert!(digests.clone().all(|digest| digest.len() == 64), "{tags}");
    assert_eq!(endpoint_of(&stage, "/olla/ollama/api/chat", "fast").await.as_deref(), Some("b"));
    let unknown = stage.ask(post("/olla/ollama/api/chat", &hello(&json!({"model": "x"})))).await;
    assert_eq!(
        (unknown.status, unknown.json()["code"].as_str()),
        (StatusCode::NOT_FOUND, Some("model_not_found"))
    );
}

#[tokio::test]
async fn other_paths_of_the_kind_stay_with_its_servers() {
    let (ollama, vllm) = (Backend::refusing(), Backend::answering(ok(CHAT_ANSWER)).await);
    let stage = mixed(&ollama, &vllm).start();

    let told = stage.ask(post("/olla/ollama/v1/chat/completions", &hello(&json!({"model": "of-b"})))).await;

    assert_eq!(
        (told.status, told.json()["error"]["code"].as_str()),
        (StatusCode::NOT_FOUND, Some("model_not_found"))
    );
}

#[tokio::test]
async fn a_model_of_another_server_is_shown_as_far_as_it_is_known() {
    let ollama = Backend::answering(ok(r#"{"capabilities":["completion"]}"#)).await;
    let vllm = Backend::refusing();
    let mut plan = mixed(&ollama, &vllm);
    plan.models[1][0].context_length = Some(4096);
    plan.models[1][0].family = Some("qwen".into());
    plan.models[1][0].abilities.tools = Some(false);
    let stage = plan.start();

    for body in [r#"{"model":"of-b"}"#, r#"{"name":"of-b"}"#] {
        let shown = stage.ask(post("/olla/ollama/api/show", body)).await.json();

        assert_eq!(shown["capabilities"], json!(["completion"]), "{shown}");
        assert_eq!(shown["model_info"]["qwen.context_length"], 4096);
        assert_eq!(
            (&shown["model_info"]["general.architecture"], &shown["details"]["family"]),
            (&json!("qwen"), &json!("qwen"))
        );
    }
    let passed_on = stage.ask(post("/olla/ollama/api/show", r#"{"model":"both"}"#)).await;
    assert_eq!(passed_on.header("x-olla-endpoint"), Some("a"));
    for stage in [stage, over(&[(&vllm, "vllm")]).start()] {
        let unknown = stage.ask(post("/olla/ollama/api/show", r#"{"model":"x"}"#)).await;
        assert_eq!(
            (unknown.status, &unknown.json()["code"]),
            (StatusCode::NOT_FOUND, &json!("model_not_found"))
        );
    }
}

#[tokio::test]
async fn a_model_that_no_ollama_has_needs_no_loading() {
    let (ollama, vllm) = (Backend::answering(ok(r#"{"done":true}"#)).await, Backend::refusing());
    let stage = mixed(&ollama, &vllm).start();

    let told = stage.ask(post("/olla/ollama/api/generate", r#"{"model":"of-b"}"#)).await;

    assert_eq!((told.status, told.json()["done_reason"].as_str()), (StatusCode::OK, Some("load")));
    let told = stage.ask(post("/olla/ollama/api/generate", r#"{"model":"both"}"#)).await;
    assert_eq!(told.header("x-olla-endpoint"), Some("a"), "it may have to be loaded there");
    let told = stage.ask(post("/olla/ollama/api/embed", r#"{"model":"of-b","input":[]}"#)).await;
    assert_eq!(told.json(), json!({"model": "of-b", "embeddings": []}));
}

#[tokio::test]
async fn an_ollama_is_running_wherever_its_clients_look() {
    let vllm = Backend::refusing();
    let mut plan = over(&[(&vllm, "vllm")]);
    plan.settings.ollama.at_root = true;
    let stage = plan.start();

    for prefix in ["", "/olla/ollama"] {
        let told = stage.ask(get(&format!("{prefix}/"))).await;
        assert_eq!((told.status, told.text()), (StatusCode::OK, "Ollama is running"), "{prefix}");
        assert_eq!(told.header("content-type"), Some("text/plain; charset=utf-8"));
        let version = stage.ask(get(&format!("{prefix}/api/version"))).await.json();
        assert!(version["version"].as_str().is_some_and(|version| version.starts_with("0.")), "{version}");
        assert_eq!(names(&stage.ask(get(&format!("{prefix}/api/tags"))).await.json()), ["m"]);
        assert_eq!(stage.ask(get(&format!("{prefix}/api/ps"))).await.json(), json!({"models": []}));
        let refused = stage.ask(post(&format!("{prefix}/api/pull"), r#"{"model":"x"}"#)).await;
        assert_eq!(
            (refused.status, refused.json()["code"].as_str()),
            (StatusCode::NOT_IMPLEMENTED, Some("not_offered"))
        );
    }
}

#[tokio::test]
async fn the_version_of_a_server_of_that_api_is_its_own() {
    let ollama = Backend::answering(ok(r#"{"version":"0.9.9"}"#)).await;
    let stage = mixed(&ollama, &Backend::refusing()).start();

    assert_eq!(stage.ask(get("/olla/ollama/api/version")).await.json()["version"], "0.9.9");
}

#[tokio::test]
async fn where_it_is_turned_off_the_prefix_is_that_of_the_kind() {
    let (ollama, vllm) = (Backend::answering(ok("{}")).await, Backend::answering(ok(CHAT_ANSWER)).await);
    let mut plan = mixed(&ollama, &vllm);
    plan.settings.ollama.enabled = false;
    let stage = plan.start();

    assert_eq!(names(&stage.ask(get("/olla/ollama/api/tags")).await.json()), ["both", "of-a"]);
    for target in ["/olla/ollama/api/chat", "/olla/proxy/api/chat"] {
        let told = stage.ask(post(target, &hello(&json!({"model": "of-b"})))).await;
        assert_eq!(told.status, StatusCode::NOT_FOUND, "{target}");
    }
    let root = stage.ask(post("/api/chat", &hello(&json!({})))).await;
    assert_eq!(root.status, StatusCode::NOT_FOUND);
    assert!(root.json()["error"].as_str().unwrap().contains("translators.ollama.at_root"), "{root:?}");
}

#[tokio::test]
async fn what_only_loads_a_model_is_left_to_the_ollama_that_has_it() {
    let (ollama, vllm) =
        (Backend::answering(ok(r#"{"done":true}"#)).await, Backend::answering(ok("{}")).await);
    let stage = mixed(&ollama, &vllm).start();

    for (path, body) in [
        ("/olla/proxy/api/generate", r#"{"model":"both","prompt":""}"#),
        ("/olla/proxy/api/chat", r#"{"model":"both","messages":[]}"#),
    ] {
        let told = stage.ask(post(path, body)).await;
        assert_eq!((told.status, told.header("x-olla-endpoint")), (StatusCode::OK, Some("a")), "{path}");
    }
    assert_eq!(vllm.heard().len(), 0);
}

#[tokio::test]
async fn without_any_backend_clients_are_told_in_ollamas_words() {
    let stage = Plan::over(&[]).start();

    for path in ["/olla/ollama/api/chat", "/olla/ollama/api/generate", "/olla/ollama/api/embed"] {
        let told = stage.ask(post(path, &hello(&json!({})))).await;

        assert_eq!(told.status, StatusCode::SERVICE_UNAVAILABLE, "{path}: {told:?}");
        assert_eq!(told.header("content-type"), Some("application/json"));
        let error = told.json();
        let fields: Vec<_> = error.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!((fields, &error["code"]), (vec!["error", "code"], &json!("no_endpoint")), "{path}");
        assert!(error["error"].as_str().unwrap().contains("none is configured"), "{error}");
    }
}
