//! `/internal/explain` over a fleet that the test has set up.

use olla_core::Residency;

use super::*;

/// All three have `llama`; `dead` is offline.
fn stage() -> Stage {
    let stage = Stage::settled();
    for name in ["gpu", "spare", "dead"] {
        stage.publish(name, Some("ollama"), vec![Model::named("llama")]);
    }
    stage
}

#[tokio::test]
async fn tells_where_a_request_goes_and_why_not_elsewhere() {
    let document = stage().document("/internal/explain?model=llama").await;

    assert_eq!(
        document["summary"],
        "POST /v1/chat/completions for \"llama\" goes to gpu or spare, as least-connections decides."
    );
    assert_eq!(
        document["request"],
        json!({"method": "POST", "path": "/v1/chat/completions", "model": "llama"})
    );
    assert_eq!(
        [&document["strategy"], &document["decision"], &document["reason"]],
        ["strict", "routed", "model_found"]
    );
    assert_eq!((document.get("status"), document.get("error")), (None, None));
    let first = |name| json!({"endpoint": name, "model": "llama", "verdict": "first_choice", "why": "healthy, 0 in flight"});
    assert_eq!(
        document["endpoints"],
        json!([
            first("gpu"),
            {"endpoint": "dead", "model": "llama", "verdict": "not_now", "why": "offline: the connection was refused"},
            first("spare"),
        ])
    );
}

#[tokio::test]
async fn tells_how_a_request_is_refused() {
    let answer = stage().get("/internal/explain?model=qwen%2Fqwen3&path=/olla/ollama/api/chat").await;

    assert_eq!((answer.status, answer.header("x-olla-routing-decision")), (StatusCode::OK, "rejected"));
    let document = answer.json();
    assert_eq!([&document["decision"], &document["reason"]], ["rejected", "model_not_found"]);
    assert_eq!((&document["status"], &document["error"]["code"]), (&json!(404), &json!("model_not_found")));
    let summary = document["summary"].as_str().unwrap();
    assert!(
        summary.starts_with(
            "POST /olla/ollama/api/chat for \"qwen/qwen3\" is refused with 404 model_not_found: "
        ),
        "{summary}"
    );
    assert_eq!(document["endpoints"][0]["verdict"], "no");
    assert_eq!(document["endpoints"][0]["why"], "it does not have the model; it has 1 other(s)");
}

#[tokio::test]
async fn an_endpoint_that_traffic_took_out_is_a_last_resort() {
    let stage = stage();
    for name in ["gpu", "spare"] {
        stage.endpoint(name).live.demote(Failure::ResetBeforeHead);
    }

    let document = stage.document("/internal/explain?model=llama").await;

    assert_eq!(document["decision"], "routed");
    let summary = document["summary"].as_str().unwrap();
    assert!(summary.ends_with(" goes to gpu or spare as a last resort."), "{summary}");
}

#[tokio::test]
async fn what_a_request_needs_is_held_against_what_a_model_can() {
    let stage = Stage::settled();
    let mut blind = Model::named("llama");
    blind.abilities.images = Some(false);
    stage.publish("gpu", Some("ollama"), vec![blind]);

    let document = stage.document("/internal/explain?model=llama&images=true").await;

    assert_eq!((&document["status"], &document["decision"]), (&json!(400), &json!("rejected")));
    assert_eq!(document["endpoints"][0]["why"], "it does not understand images");
    let summary = document["summary"].as_str().unwrap();
    assert!(summary.contains(" for \"llama\" with images is refused with 400 "), "{summary}");
}

#[tokio::test]
async fn the_text_is_one_sentence_and_a_table_by_verdict() {
    let stage = stage();
    let gpu = stage.endpoint("gpu");
    gpu.model_live[0].set_loaded(Residency::default());

    let answer = stage.send(Method::GET, "/internal/explain?model=llama", &[("accept", "text/plain")]).await;

    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(
        (answer.header("cache-control"), answer.header("x-olla-routing-decision")),
        ("no-store", "routed")
    );
    assert_eq!(
        String::from_utf8(answer.body).unwrap(),
        "\
POST /v1/chat/completions for \"llama\" goes to gpu or spare, as least-connections decides.

first choice  gpu    llama  healthy, 0 in flight, the model is loaded
first choice  spare  llama  healthy, 0 in flight
not now       dead   llama  offline: the connection was refused
"
    );
}

#[tokio::test]
async fn the_text_holds_no_control_characters() {
    let stage = stage();
    stage.publish("gpu", Some("ollama"), vec![Model::named("a\u{1b}[2J")]);

    for model in ["a%1b%5b2J", "b%1b%5b2J"] {
        let answer = stage.get(&format!("/internal/explain?model={model}&format=text")).await;

        let text = String::from_utf8(answer.body).unwrap();
        assert!(text.contains("\\u{1b}[2J"), "{text}");
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }
}

#[tokio::test]
async fn a_question_that_is_not_understood_is_refused() {
    let answer = stage().get("/internal/explain?model=llama&imagse=true&tools=1").await;

    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let error = &answer.json()["error"];
    assert_eq!(error["code"], "bad_request");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("\"imagse\"") && message.contains("tools must be true or false"), "{message}");
}

#[tokio::test]
async fn status_documents_show_what_is_loaded_where_endpoints_tell() {
    let stage = stage();
    stage.publish("gpu", Some("ollama"), vec![Model::named("llama"), Model::named("phi")]);
    stage.endpoint("gpu").model_live[0].set_loaded(Residency::default());
    stage.endpoint("spare").model_live[0].set_cold();

    let endpoints = stage.document("/internal/status/endpoints").await;
    let models = stage.document("/internal/status/models").await;

    let loaded = |name| entry(&endpoints["endpoints"], name).get("loaded_models").cloned();
    assert_eq!(
        [loaded("gpu"), loaded("spare"), loaded("dead")],
        [Some(json!(["llama"])), Some(json!([])), None]
    );
    let models = &models["recent_models"];
    assert_eq!(entry(models, "llama")["loaded_endpoints"], json!(["gpu"]));
    assert_eq!(entry(models, "phi").get("loaded_endpoints"), None);
}
