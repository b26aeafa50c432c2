//! Who is asked, in which format, where, under which name and with whose key.

use super::*;

#[tokio::test]
async fn a_backend_that_only_chats_answers_a_message() {
    let backend = Backend::answering(answer(
        "200 OK",
        "content-type: application/json\r\nserver: x\r\nopenai-processing-ms: 5\r\n",
        CHAT_ANSWER,
    ))
    .await;
    let stage = over_chat(&[&backend]).start();
    let mut request = message(&json!({"top_k": 5, "metadata": {"user_id": "u".repeat(65)}}));
    *request.uri_mut() = format!("{MESSAGES}?beta=true").parse().unwrap();
    for (name, value) in [
        ("x-api-key", "sk-client"),
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", "x"),
        ("accept-encoding", "gzip, br"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }

    let told = stage.ask(request).await;

    assert_eq!(told.status, StatusCode::OK, "{told:?}");
    let body = told.json();
    assert_eq!((&body["type"], &body["model"]), (&json!("message"), &json!("m")));
    assert_eq!(body["content"], json!([{"type": "text", "text": "hello"}]));
    assert_eq!(told.header("content-type"), Some("application/json"));
    assert_eq!(told.header("content-length"), Some(&*told.text().len().to_string()));
    assert_eq!(told.header("x-olla-mode"), Some("translation"));
    assert!(told.header("x-olla-translation-dropped").is_some_and(|dropped| dropped.contains("metadata")));
    assert_eq!(told.header("request-id"), told.header("x-olla-request-id"));
    assert_eq!((told.header("server"), told.header("openai-processing-ms")), (None, None));
    let heard = backend.heard_one();
    assert_eq!(heard.line, "POST /v1/chat/completions HTTP/1.1");
    let said: Value = serde_json::from_str(&heard.body).unwrap();
    assert_eq!(said["messages"], json!([{"role": "user", "content": "Hi"}]));
    assert_eq!(heard.header("content-type"), Some("application/json"));
    assert_eq!(heard.header("accept-encoding"), Some("identity"));
    for name in ["x-api-key", "authorization", "anthropic-version", "anthropic-beta"] {
        assert_eq!(heard.header(name), None, "{name}");
    }
    let note = stage.journal.only().await;
    assert_eq!(note.outcome, Outcome::Success);
    let formats = note.formats.unwrap();
    assert_eq!((formats.client, formats.backend, formats.streams), ("messages", Some("chat"), false));
    assert_eq!(note.bytes_out as usize, told.text().len(), "what the client got is counted");
}

#[tokio::test]
async fn a_backend_that_speaks_messages_gets_every_byte() {
    let backend = Backend::answering(ok(MESSAGE)).await;
    let stage = Stage::over(&backend);
    let body = "{ \"model\":\"m\", \"max_tokens\" : 0,\"messages\":[ ], \"unknown\":1.50 }";

    let told = stage.ask(post("/olla/anthropic/v1/messages?beta=true", body)).await;

    assert_eq!(told.text(), MESSAGE);
    assert_eq!(told.header("x-olla-mode"), Some("passthrough"));
    for (target, mode) in [("/v1/responses", Some("passthrough")), ("/v1/chat/completions", None)] {
        let told = Stage::over(&Backend::answering(ok(MESSAGE)).await).ask(post(target, body)).await;
        assert_eq!(told.header("x-olla-mode"), mode, "{target}");
    }
    let heard = backend.heard_one();
    assert_eq!((&*heard.line, &*heard.body), ("POST /v1/messages?beta=true HTTP/1.1", body));
    assert!(stage.journal.only().await.formats.is_some_and(|formats| formats.is_passed_on()));
}

#[tokio::test]
async fn the_root_and_the_prefix_of_a_kind_translate_too() {
    let backend = Backend::answering(ok(CHAT_ANSWER)).await;
    let stage = over_chat(&[&backend]).start();

    for target in ["/v1/messages", "/olla/proxy/v1/messages", "/olla/lmdeploy/v1/messages"] {
        let mut request = message(&json!({}));
        *request.uri_mut() = target.parse().unwrap();
        assert_eq!(stage.ask(request).await.json()["type"], "message", "{target}");
    }
}

#[tokio::test]
async fn a_model_gets_the_name_that_the_backend_knows() {
    let backend = Backend::answering(ok(CHAT_ANSWER)).await;
    let mut plan = over_chat(&[&backend]);
    plan.models(0, &["real/model"]);
    plan.aliases = vec![("claude-local", &["real/model"])];
    let stage = plan.start();

    let told = stage.ask(message(&json!({"model": "claude-local"}))).await;

    let said: Value = serde_json::from_str(&backend.heard_one().body).unwrap();
    assert_eq!(said["model"], "real/model");
    assert_eq!(told.json()["model"], "claude-local", "the client sees the name it asked for");
}

#[tokio::test]
async fn the_length_has_the_name_that_the_model_behind_an_alias_wants() {
    for (alias, models, named, other) in [
        ("claude-local", &["openai/gpt-5"], "max_completion_tokens", "max_tokens"),
        ("gpt-5", &["qwen3:8b"], "max_tokens", "max_completion_tokens"),
    ] {
        let backend = Backend::answering(ok(CHAT_ANSWER)).await;
        let mut plan = over_chat(&[&backend]);
        plan.models(0, models);
        plan.aliases = vec![(alias, models)];
        let stage = plan.start();

        stage.ask(message(&json!({"model": alias}))).await;

        let said: Value = serde_json::from_str(&backend.heard_one().body).unwrap();
        assert_eq!((&said["model"], &said[named], said.get(other)), (&json!(models[0]), &json!(9), None));
    }
}

#[tokio::test]
async fn a_key_that_is_passed_on_goes_where_the_backend_looks_for_it() {
    let refusing = answer("401 Unauthorized", "", r#"{"error":{"message":"no such key"}}"#);
    let backend = Backend::answering(refusing).await;
    let mut plan = over_chat(&[&backend]);
    plan.specs[0].forward_credentials = true;
    let stage = plan.start();
    let mut request = message(&json!({}));
    request.headers_mut().insert("x-api-key", "sk-client".parse().unwrap());

    let (status, kind, _) = error(&stage.ask(request).await);

    assert_eq!((status, &*kind), (401, "authentication_error"), "the key was the client's");
    let heard = backend.heard_one();
    assert_eq!((heard.header("authorization"), heard.header("x-api-key")), (Some("Bearer sk-client"), None));
}

#[tokio::test]
async fn a_client_that_chats_is_answered_by_a_backend_that_speaks_only_messages() {
    let backend = Backend::answering(ok(MESSAGE)).await;
    let mut plan = Plan::over(&[&backend]);
    plan.kind(0, "anthropic");
    let stage = plan.start();

    let body = json!({"model": "m", "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Hi"}]});
    let told = stage.ask(post("/v1/chat/completions", &body.to_string())).await;

    assert_eq!(told.json()["choices"][0]["message"]["content"], "hello", "{told:?}");
    assert_eq!(told.header("x-olla-mode"), Some("translation"));
    let heard = backend.heard_one();
    assert_eq!(heard.line, "POST /v1/messages HTTP/1.1");
    assert_eq!(heard.header("anthropic-version"), Some("2023-06-01"));
}

#[tokio::test]
async fn passing_on_can_be_turned_off_and_so_can_the_door() {
    let backend = Backend::answering(ok(CHAT_ANSWER)).await;
    let mut plan = Plan::over(&[&backend]);
    plan.settings.anthropic.passthrough = false;
    let stage = plan.start();
    assert_eq!(stage.ask(message(&json!({}))).await.header("x-olla-mode"), Some("translation"));

    let mut plan = over_chat(&[&backend]);
    plan.settings.anthropic.enabled = false;
    let stage = plan.start();
    let told = stage.ask(message(&json!({}))).await;
    assert_eq!((told.status, told.json()["type"].as_str()), (StatusCode::NOT_FOUND, Some("error")));
    let mut root = message(&json!({}));
    *root.uri_mut() = "/v1/messages".parse().unwrap();
    assert_eq!(stage.ask(root).await.json()["error"]["code"], "path_not_allowed");
}

#[tokio::test]
async fn a_message_over_its_own_limit_is_too_large() {
    let backend = Backend::answering(ok(MESSAGE)).await;
    let mut plan = Plan::over(&[&backend]);
    plan.settings.anthropic.max_message_bytes = 100;
    let stage = plan.start();

    let told = stage.ask(message(&json!({"system": "x".repeat(100)}))).await;

    let (status, kind, text) = error(&told);
    assert_eq!((status, &*kind), (413, "request_too_large"));
    assert!(text.contains("translators.anthropic.max_message_size"), "{text}");
}

#[tokio::test]
async fn a_server_that_is_too_old_to_speak_messages_is_asked_to_chat() {
    let backend = Backend::answering(ok(CHAT_ANSWER)).await;
    let stage = Stage::over(&backend);

    stage.endpoint(0).live.set_version(Version::parse("0.11.0"));
    assert_eq!(stage.ask(message(&json!({}))).await.header("x-olla-mode"), Some("translation"));
    stage.endpoint(0).live.set_version(Version::parse("0.11.1"));
    assert_eq!(stage.ask(message(&json!({}))).await.header("x-olla-mode"), Some("passthrough"));
}

#[tokio::test]
async fn an_effort_reaches_only_endpoints_whose_model_thinks() {
    let unable = Backend::answering(answer("503 Service Unavailable", "", "")).await;
    let able = Backend::answering(ok(CHAT_ANSWER)).await;
    let unknown = Backend::answering(answer("503 Service Unavailable", "", "")).await;
    let mut plan = Plan::over(&[&unable, &unknown, &able]);
    for (position, thinking) in [Some(false), None, Some(true)].into_iter().enumerate() {
        plan.kind(position, "ollama");
        plan.models[position][0].abilities.thinking = thinking;
    }
    let asked = json!({"model": "m", "input": "Hi", "reasoning": {"effort": "high"}}).to_string();

    let told = plan.start().ask(post("/v1/responses", &asked)).await;

    assert_eq!((told.status, told.header("x-olla-endpoint")), (StatusCode::OK, Some("c")));
    assert_eq!(told.header("x-olla-translation-dropped"), None);
    let effort = |backend: &Backend| {
        let body: Value = serde_json::from_str(&backend.heard_one().body).unwrap();
        body.get("reasoning_effort").cloned()
    };
    assert_eq!([&unable, &unknown, &able].map(effort), [None, Some(json!("high")), Some(json!("high"))]);
}

#[tokio::test]
async fn an_effort_that_is_left_out_is_told_and_refuses_nothing() {
    let backend = Backend::answering(ok(CHAT_ANSWER)).await;
    let mut plan = Plan::over(&[&backend]);
    plan.kind(0, "ollama");
    plan.models[0][0].abilities.thinking = Some(false);
    let asked = json!({"model": "m", "input": "Hi", "reasoning": {"effort": "high"}}).to_string();
    let passed_on = json!({"model": "m", "messages": [], "reasoning_effort": "high"}).to_string();
    let stage = plan.start();

    let told = stage.ask(post("/v1/responses", &asked)).await;
    stage.ask(post("/v1/chat/completions", &passed_on)).await;

    assert_eq!(
        (told.status, told.header("x-olla-translation-dropped")),
        (StatusCode::OK, Some("effort (this model does not think)"))
    );
    assert_eq!(backend.heard()[1].body, passed_on, "what needs no translation is left alone");
}
