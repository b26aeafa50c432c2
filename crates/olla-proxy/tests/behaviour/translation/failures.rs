//! What fails: who is asked next, and what the client is told.

use super::*;

#[tokio::test]
async fn a_request_fails_over_from_a_native_backend_to_a_translated_one_and_back() {
    let failing = answer("503 Service Unavailable", "", "no");
    for native_first in [true, false] {
        let bad = Backend::answering(failing.clone()).await;
        let good = Backend::answering(ok(if native_first { CHAT_ANSWER } else { MESSAGE })).await;
        let mut plan = Plan::over(&[&bad, &good]);
        plan.kind(if native_first { 1 } else { 0 }, "lmdeploy");
        let stage = plan.start();

        let told = stage.ask(message(&json!({}))).await;

        assert_eq!(told.json()["content"][0]["text"], "hello", "{told:?}");
        let mode = if native_first { "translation" } else { "passthrough" };
        assert_eq!((told.header("x-olla-mode"), told.header("x-olla-endpoint")), (Some(mode), Some("b")));
        let paths = [bad.heard_one().line, good.heard_one().line];
        let (messages, chat) = ("POST /v1/messages HTTP/1.1", "POST /v1/chat/completions HTTP/1.1");
        assert_eq!(paths, if native_first { [messages, chat] } else { [chat, messages] });
    }
}

#[tokio::test]
async fn the_response_time_lasts_until_the_error_that_the_client_gets_is_there() {
    stop_the_clock();
    let backend = Backend::scripted(|mut conn| async move {
        conn.request().await;
        conn.send("HTTP/1.1 400 Bad Request\r\ncontent-length: 4\r\n\r\n").await;
        conn.report();
        conn.cue().await;
        conn.send("oops").await;
    })
    .await;
    let stage = over_chat(&[&backend]).start();

    let speaking = async {
        backend.reported().await;
        pass(millis(3000)).await;
        backend.cue();
    };
    let (told, ()) = tokio::join!(stage.ask(message(&json!({}))), speaking);

    assert_eq!((told.status.as_u16(), told.header("x-olla-response-time")), (400, Some("3.000s")));
    tokio::time::resume();
}

#[tokio::test]
async fn an_error_keeps_its_status_and_its_words() {
    for (status, lines, body, expected) in [
        (
            "400 Bad Request",
            "",
            r#"{"error":{"message":"bad schema"}}"#,
            (400, "invalid_request_error", "bad schema"),
        ),
        ("404 Not Found", "", r#"{"detail":"no such"}"#, (404, "not_found_error", "no such")),
        (
            "429 Too Many Requests",
            "retry-after: 7\r\n",
            r#"{"error":"slow down"}"#,
            (429, "rate_limit_error", "slow down"),
        ),
        ("500 Internal Server Error", "", "oops", (500, "api_error", "oops")),
    ] {
        let backend = Backend::answering(answer(status, lines, body)).await;
        let stage = over_chat(&[&backend]).start();

        let told = stage.ask(message(&json!({"stream": true}))).await;

        let (code, kind, message) = expected;
        assert_eq!(error(&told), (code, kind.to_owned(), message.to_owned()));
        assert_eq!(told.header("retry-after"), lines.strip_prefix("retry-after: ").map(str::trim));
        assert_eq!(told.header("content-type"), Some("application/json"));
    }
}

#[tokio::test]
async fn a_backend_that_refuses_our_key_is_no_fault_of_the_client() {
    let refusing =
        answer("401 Unauthorized", "", r#"{"error":{"message":"Incorrect API key provided: sk-ours"}}"#);
    let backend = Backend::answering(refusing).await;
    let stage = over_chat(&[&backend]).start();

    let (status, kind, message) = error(&stage.ask(message(&json!({}))).await);

    assert_eq!((status, &*kind), (502, "api_error"));
    assert!(message.contains("check its `auth`") && !message.contains("sk-ours"), "{message}");
}

#[tokio::test]
async fn an_answer_that_is_none_moves_on_and_is_a_502_at_last() {
    let strange = Backend::answering(ok("[]")).await;
    let good = Backend::answering(ok(CHAT_ANSWER)).await;
    let stage = over_chat(&[&strange, &good]).start();
    assert_eq!(stage.ask(message(&json!({}))).await.header("x-olla-endpoint"), Some("b"));

    let strange = Backend::answering(ok("[]")).await;
    let stage = over_chat(&[&strange]).start();
    let told = stage.ask(message(&json!({}))).await;

    assert_eq!(told.status, StatusCode::BAD_GATEWAY);
    assert_eq!(told.json()["error"]["code"], "unreadable_answer");
}

#[tokio::test]
async fn what_cannot_be_translated_goes_to_a_native_backend_or_is_refused_by_name() {
    let document = json!({"messages": [{"role": "user", "content": [
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}},
    ]}]});
    let (chat, native) = (Backend::answering(ok(CHAT_ANSWER)).await, Backend::answering(ok(MESSAGE)).await);
    let mut plan = Plan::over(&[&chat, &native]);
    plan.kind(0, "lmdeploy");
    let stage = plan.start();
    assert_eq!(stage.ask(message(&document)).await.header("x-olla-endpoint"), Some("b"));
    assert!(chat.heard().is_empty(), "it is not asked at all");

    let stage = over_chat(&[&chat]).start();
    let told = stage.ask(message(&document)).await;

    let (status, kind, text) = error(&told);
    assert_eq!((status, &*kind), (400, "invalid_request_error"));
    assert!(text.starts_with("messages[0].content[0]: "), "{text}");
    let note = stage.journal.only().await;
    assert_eq!((note.error, note.attempts.len()), (Some("not_translatable"), 0));
    assert_eq!(stage.in_flight(), 0);
}
