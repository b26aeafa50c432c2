//! `previous_response_id`: who can go on from which response, and at which backend.

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header::AUTHORIZATION};
use http_body_util::Full;
use olla_core::Status;
use serde_json::{Value, json};

use crate::support::{Backend, Plan, Stage, Told, answer, get, ok, post};

const CHAT_ANSWER: &str = r#"{"choices":[{"message":{"content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#;
const CHAT_STREAM: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"hello\"}}]}\n\n\
                           data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
const RESPONSE: &str = r#"{"id":"resp_native","object":"response","output":[]}"#;

/// A stage with these backends, each of a kind: `lmdeploy` only chats, `vllm` has Responses of its own.
fn over(backends: &[(&Backend, &str)]) -> Plan {
    let mut plan = Plan::over(&backends.iter().map(|(backend, _)| *backend).collect::<Vec<_>>());
    for (position, (_, kind)) in backends.iter().enumerate() {
        plan.kind(position, kind);
    }
    plan
}

fn ask(input: &str, fields: &Value) -> Request<Full<Bytes>> {
    let mut body = json!({"model": "m", "input": input});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    post("/v1/responses", &body.to_string())
}

fn going_on(input: &str, id: &str) -> Request<Full<Bytes>> {
    ask(input, &json!({"previous_response_id": id}))
}

fn id(told: &Told) -> String {
    assert_eq!(told.status, StatusCode::OK, "{told:?}");
    told.json()["id"].as_str().unwrap().to_owned()
}

fn refusal(told: &Told) -> (u16, Value, String) {
    let error = &told.json()["error"];
    (told.status.as_u16(), error["code"].clone(), error["message"].as_str().unwrap().to_owned())
}

/// What a backend that chats has been told, in the words of each message.
fn conversation(body: &str) -> Vec<(String, String)> {
    let body: Value = serde_json::from_str(body).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let messages = body["messages"].as_array().unwrap().iter();
    messages.map(|message| (text(&message["role"]), text(&message["content"]))).collect()
}

fn said(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(role, text)| ((*role).to_owned(), (*text).to_owned())).collect()
}

#[tokio::test]
async fn a_request_goes_on_from_a_translated_response() {
    let backend = Backend::answering(ok(CHAT_ANSWER)).await;
    let stage = over(&[(&backend, "lmdeploy")]).start();

    let first = stage.ask(ask("one", &json!({"instructions": "be brief"}))).await;
    let second = stage.ask(going_on("two", &id(&first))).await;
    let third = stage.ask(going_on("three", &id(&second))).await;
    let other = stage.ask(going_on("instead", &id(&first))).await;

    let hello = ("assistant", "hello");
    let heard: Vec<_> = backend.heard().iter().map(|heard| conversation(&heard.body)).collect();
    assert_eq!(heard[0], said(&[("system", "be brief"), ("user", "one")]));
    assert_eq!(heard[1], said(&[("user", "one"), hello, ("user", "two")]), "instructions are not kept");
    assert_eq!(heard[2], said(&[("user", "one"), hello, ("user", "two"), hello, ("user", "three")]));
    assert_eq!(heard[3], said(&[("user", "one"), hello, ("user", "instead")]));
    assert_eq!(third.json()["previous_response_id"], json!(id(&second)));
    assert_eq!((&first.json()["store"], other.status), (&json!(true), StatusCode::OK));
}

/// Says "one", reads the answer as a stream, and says "two" after it.
async fn go_on_from_a_stream(stage: &Stage) {
    let first = stage.ask(ask("one", &json!({"stream": true}))).await;
    let event = first.text().lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let event: Value = serde_json::from_str(event).unwrap();
    stage.ask(going_on("two", event["response"]["id"].as_str().unwrap())).await;
}

#[tokio::test]
async fn a_request_goes_on_from_a_stream() {
    let stream = answer("200 OK", "content-type: text/event-stream\r\n", CHAT_STREAM);
    let backend = Backend::answering(stream).await;
    let stage = over(&[(&backend, "lmdeploy")]).start();

    go_on_from_a_stream(&stage).await;

    let heard = conversation(&backend.heard()[1].body);
    assert_eq!(heard, said(&[("user", "one"), ("assistant", "hello"), ("user", "two")]));
}

#[tokio::test]
async fn a_whole_answer_told_as_a_stream_is_kept_too() {
    let backend = Backend::answering(ok(CHAT_ANSWER)).await;
    let stage = over(&[(&backend, "lmdeploy")]).start();

    go_on_from_a_stream(&stage).await;

    let heard = conversation(&backend.heard()[1].body);
    assert_eq!(heard, said(&[("user", "one"), ("assistant", "hello"), ("user", "two")]));
}

#[tokio::test]
async fn what_is_not_kept_is_not_found_and_the_error_is_that_of_the_api() {
    let backend = Backend::answering(ok(CHAT_ANSWER)).await;
    let stage = over(&[(&backend, "lmdeploy")]).start();

    let unkept = stage.ask(ask("one", &json!({"store": false}))).await;
    assert_eq!(unkept.json()["store"], json!(false));

    for unknown in [id(&unkept), "resp_of_yesterday".to_owned()] {
        let told = stage.ask(going_on("two", &unknown)).await;
        assert_eq!(told.json()["error"]["param"], json!("previous_response_id"));
        let (status, code, message) = refusal(&told);
        assert_eq!((status, code), (400, json!("previous_response_not_found")));
        assert!(
            message.starts_with(&format!("Previous response with id '{unknown}' not found.")),
            "{message}"
        );
        assert!(
            message.contains("for 24h after their last use (translators.responses.store_ttl)"),
            "{message}"
        );
    }
    assert_eq!(backend.heard().len(), 1);
}

#[tokio::test]
async fn keeping_can_be_turned_off() {
    let backend = Backend::answering(ok(CHAT_ANSWER)).await;
    let mut plan = over(&[(&backend, "lmdeploy")]);
    plan.settings.responses.store = false;
    let stage = plan.start();

    let first = stage.ask(ask("one", &json!({}))).await;
    let (status, code, message) = refusal(&stage.ask(going_on("two", &id(&first))).await);

    assert_eq!((status, code), (400, json!("previous_response_not_found")));
    assert!(message.contains("Olla keeps no responses (translators.responses.store)"), "{message}");
    assert_eq!(first.json()["store"], json!(false));
}

#[tokio::test]
async fn a_response_is_for_those_with_the_same_credentials() {
    let backend = Backend::answering(ok(CHAT_ANSWER)).await;
    let stage = over(&[(&backend, "lmdeploy")]).start();
    let with = |mut request: Request<Full<Bytes>>, key: &'static str| {
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static(key));
        request
    };

    let mine = id(&stage.ask(with(ask("one", &json!({})), "Bearer me")).await);

    assert_eq!(stage.ask(with(going_on("two", &mine), "Bearer you")).await.status, 400);
    assert_eq!(stage.ask(going_on("two", &mine)).await.status, 400);
    assert_eq!(stage.ask(with(going_on("two", &mine), "Bearer me")).await.status, 200);
}

#[tokio::test]
async fn a_kept_response_can_be_read_and_deleted_by_its_owner() {
    let backend = Backend::answering(ok(CHAT_ANSWER)).await;
    let stage = over(&[(&backend, "lmdeploy")]).start();
    let first = stage.ask(ask("one", &json!({}))).await;
    let path = format!("/v1/responses/{}", id(&first));
    let request = |method: &str, key: Option<&'static str>| {
        let mut request = Request::builder().method(method).uri(&path).body(Full::default()).unwrap();
        request.headers_mut().extend(key.map(|key| (AUTHORIZATION, HeaderValue::from_static(key))));
        request
    };

    assert_eq!(stage.ask(request("GET", None)).await.json(), first.json());
    assert_eq!(stage.ask(request("GET", Some("Bearer you"))).await.status, 404);
    assert_eq!(stage.ask(request("DELETE", Some("Bearer you"))).await.status, 404);
    let deleted = json!({"id": id(&first), "object": "response", "deleted": true});
    assert_eq!(stage.ask(request("DELETE", None)).await.json(), deleted);

    for method in ["GET", "DELETE"] {
        let told = stage.ask(request(method, None)).await;
        let message = format!("Response with id '{}' not found.", id(&first));
        assert_eq!(refusal(&told), (404, json!("response_not_found"), message));
        assert_eq!(told.json()["error"]["type"], json!("invalid_request_error"));
    }
    assert_eq!(
        refusal(&stage.ask(going_on("two", &id(&first))).await).1,
        json!("previous_response_not_found")
    );
    assert_eq!(backend.heard().len(), 1);
}

#[tokio::test]
async fn the_items_that_a_kept_response_was_made_of_can_be_read() {
    let backend = Backend::answering(ok(CHAT_ANSWER)).await;
    let stage = over(&[(&backend, "lmdeploy")]).start();
    let first = id(&stage.ask(ask("one", &json!({}))).await);
    let second = id(&stage.ask(going_on("two", &first)).await);
    let items = async |id: &str, query: &str| {
        let told = stage.ask(get(&format!("/v1/responses/{id}/input_items{query}"))).await;
        let list = told.json();
        let data = list["data"].as_array().unwrap_or_else(|| panic!("{told:?}")).clone();
        let texts = data.iter().map(|item| item["content"][0]["text"].as_str().unwrap().to_owned());
        (texts.collect::<Vec<_>>(), list)
    };

    assert_eq!(items(&first, "").await.0, ["one"]);
    let (texts, list) = items(&second, "?order=asc").await;
    assert_eq!(texts, ["one", "hello", "two"], "what was said before is part of it");
    assert_eq!((&list["object"], &list["has_more"]), (&json!("list"), &json!(false)));
    let (texts, list) = items(&second, "?limit=2").await;
    assert_eq!((texts, &list["has_more"]), (vec!["two".to_owned(), "hello".to_owned()], &json!(true)));
    let after = format!("?limit=100&after={}", list["last_id"].as_str().unwrap());
    assert_eq!(items(&second, &after).await.0, ["one"]);
}

#[tokio::test]
async fn what_makes_no_sense_of_a_page_of_items_is_refused_by_its_name() {
    let backend = Backend::answering(ok(CHAT_ANSWER)).await;
    let stage = over(&[(&backend, "lmdeploy")]).start();
    let path = format!("/v1/responses/{}/input_items", id(&stage.ask(ask("one", &json!({}))).await));

    for (query, param, must) in [
        ("limit=abc", "limit", "a number from 1 to 100"),
        ("limit=0", "limit", "a number from 1 to 100"),
        ("limit=101", "limit", "a number from 1 to 100"),
        ("limit=-1", "limit", "a number from 1 to 100"),
        ("order=sideways", "order", "one of asc, desc"),
        ("order=asc&after=msg_x", "after", "the id of an item of this response"),
    ] {
        let told = stage.ask(get(&format!("{path}?{query}"))).await;

        let (status, code, message) = refusal(&told);
        assert_eq!((status, code), (400, json!("bad_parameter")), "{query}");
        assert!(message.ends_with(&format!("it must be {must}")), "{message}");
        let error = &told.json()["error"];
        assert_eq!((&error["type"], &error["param"]), (&json!("invalid_request_error"), &json!(param)));
    }
    for query in ["", "?limit=1&order=desc&after=&x=y", "?limit=100"] {
        assert_eq!(stage.ask(get(&format!("{path}{query}"))).await.status, 200, "{query}");
    }
    let unknown = stage.ask(get("/v1/responses/resp_x/input_items?limit=0")).await;
    assert_eq!(refusal(&unknown).1, json!("response_not_found"));
}

#[tokio::test]
async fn the_items_of_a_response_are_for_its_owner_and_of_kept_ones_only() {
    let backend = Backend::answering(ok(CHAT_ANSWER)).await;
    let stage = over(&[(&backend, "lmdeploy")]).start();
    let path = format!("/v1/responses/{}/input_items", id(&stage.ask(ask("one", &json!({}))).await));
    let mut other = get(&path);
    other.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer you"));
    let deleting = Request::builder().method("DELETE").uri(&path).body(Full::default()).unwrap();

    for request in [other, get("/v1/responses/resp_of_yesterday/input_items")] {
        let (status, code, _) = refusal(&stage.ask(request).await);
        assert_eq!((status, code), (404, json!("response_not_found")));
    }
    assert!(stage.ask(deleting).await.status.is_client_error());
    assert_eq!(stage.ask(get(&path)).await.status, 200);
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_not_kept() {
    let half = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 1000\r\n\r\n\
                data: {\"choices\":[{\"delta\":{\"content\":\"well\"}}]}\n\n";
    let backend = Backend::scripted(move |mut conn| async move {
        conn.request().await;
        conn.send(half).await;
    })
    .await;
    let stage = over(&[(&backend, "lmdeploy")]).start();

    let response = stage.open(ask("one", &json!({"stream": true}))).await;
    let mut body = response.into_body();
    let mut text = String::new();
    while let Some(Ok(frame)) = http_body_util::BodyExt::frame(&mut body).await {
        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    let event: Value =
        serde_json::from_str(text.lines().find_map(|l| l.strip_prefix("data: ")).unwrap()).unwrap();
    let told = stage.ask(going_on("two", event["response"]["id"].as_str().unwrap())).await;

    assert_eq!(refusal(&told).1, json!("previous_response_not_found"));
}

#[tokio::test]
async fn a_request_goes_on_at_the_backend_that_has_made_the_response() {
    let (a, b) = (Backend::answering(ok(RESPONSE)).await, Backend::answering(ok(RESPONSE)).await);
    let chats = Backend::answering(ok(CHAT_ANSWER)).await;
    let stage = over(&[(&chats, "lmdeploy"), (&a, "vllm"), (&b, "vllm")]).start();
    for down in [0, 1] {
        stage.endpoint(down).live.set_status(Status::Offline);
    }
    let first = stage.ask(ask("one", &json!({}))).await;
    for up in [0, 1] {
        stage.endpoint(up).live.set_status(Status::Healthy);
    }

    let second = stage.ask(going_on("two", &id(&first))).await;

    assert_eq!(second.header("x-olla-endpoint"), Some("c"));
    let heard: Value = serde_json::from_str(&b.heard()[1].body).unwrap();
    assert_eq!(heard, json!({"model": "m", "input": "two", "previous_response_id": "resp_native"}));
    assert_eq!((a.heard().len(), chats.heard().len()), (0, 0));
}

#[tokio::test]
async fn an_unknown_response_may_be_known_to_a_backend_that_has_responses() {
    let (chats, native) = (Backend::answering(ok(CHAT_ANSWER)).await, Backend::answering(ok(RESPONSE)).await);
    let stage = over(&[(&chats, "lmdeploy"), (&native, "vllm")]).start();

    let told = stage.ask(going_on("two", "resp_of_yesterday")).await;

    assert_eq!((told.text(), chats.heard().len()), (RESPONSE, 0));
    let heard: Value = serde_json::from_str(&native.heard_one().body).unwrap();
    assert_eq!(heard["previous_response_id"], json!("resp_of_yesterday"));
}

#[tokio::test]
async fn a_translated_response_can_be_gone_on_from_anywhere() {
    let (chats, native) = (Backend::answering(ok(CHAT_ANSWER)).await, Backend::answering(ok(RESPONSE)).await);
    let stage = over(&[(&chats, "lmdeploy"), (&native, "vllm")]).start();
    let first = stage.ask(ask("one", &json!({}))).await;
    stage.endpoint(0).live.set_status(Status::Offline);

    let second = stage.ask(going_on("two", &id(&first))).await;

    assert_eq!(second.text(), RESPONSE);
    let heard: Value = serde_json::from_str(&native.heard_one().body).unwrap();
    let roles: Vec<_> = heard["input"].as_array().unwrap().iter().map(|item| item["role"].clone()).collect();
    assert_eq!(roles, [json!("user"), json!("assistant"), json!("user")]);
    assert_eq!(heard.get("previous_response_id"), None);
}

#[tokio::test]
async fn passing_on_can_be_turned_off() {
    let native = Backend::answering(ok(CHAT_ANSWER)).await;
    let mut plan = over(&[(&native, "vllm")]);
    plan.settings.responses.passthrough = false;
    let stage = plan.start();

    let told = stage.ask(ask("one", &json!({}))).await;

    assert_eq!(told.json()["object"], json!("response"));
    assert_eq!(native.heard_one().line, "POST /v1/chat/completions HTTP/1.1");
}

#[tokio::test]
async fn a_server_that_is_too_old_for_responses_is_asked_to_chat() {
    let native = Backend::answering(ok(CHAT_ANSWER)).await;
    let stage = Stage::over(&native);
    stage.endpoint(0).live.set_version(olla_core::Version::parse("0.9.2"));

    stage.ask(ask("one", &json!({}))).await;

    assert_eq!(native.heard_one().line, "POST /v1/chat/completions HTTP/1.1");
}
