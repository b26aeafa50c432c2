//! Where a request would go: from the server, and from the command line.

use std::net::SocketAddr;

use olla_sim::{Engine, Kind};
use serde_json::Value;

use crate::{
    client::chat,
    engines::{self, MODEL, engine, entry, entry_with},
    olla::{Ended, Olla, Setup},
};

/// Runs `olla-server explain` for a server that is configured as this one is.
async fn explain(server: SocketAddr, arguments: &[&'static str]) -> Ended {
    let setup = Setup::nothing().variable("OLLA_SERVER_PORT", server.port().to_string());
    setup.arguments(&["explain"]).arguments(arguments).run().await
}

async fn document(olla: &Olla, query: &str) -> Value {
    let answer = olla.get(&format!("/internal/explain?{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Returns the verdict on an endpoint, and why.
fn verdict(document: &Value, endpoint: &str) -> (String, String) {
    let rows = document["endpoints"].as_array().unwrap();
    let row = rows.iter().find(|row| row["endpoint"] == endpoint).unwrap();
    let text = |name: &str| row[name].as_str().unwrap().to_owned();
    (text("verdict"), text("why"))
}

/// `one` and `two` have the usual model, `two` has `big` besides, which `never` keeps away from it.
async fn pair(more: &str) -> (Olla, [Engine; 2]) {
    let one = engines::start(engine("one", Kind::Ollama)).await;
    let two = engines::start(engine("two", Kind::Vllm).models([MODEL, "big"])).await;
    let endpoints = [entry("one", &one, "ollama"), entry_with("two", &two, "vllm", more)].concat();
    let config = format!("model_aliases: {{fast: [{MODEL}, big]}}\nendpoints:\n{endpoints}");
    let olla = Setup::config(&config).start().await;
    olla.ready().await;
    (olla, [one, two])
}

#[tokio::test]
async fn a_request_goes_where_the_explanation_says() {
    let (olla, _engines) = pair("").await;

    let told = document(&olla, "model=big").await;

    assert_eq!((&told["decision"], &told["reason"]), (&"routed".into(), &"model_found".into()));
    assert_eq!(verdict(&told, "two").0, "first_choice");
    assert_eq!(verdict(&told, "one"), ("no".into(), "it does not have the model; it has 1 other(s)".into()));
    let served = olla.post("/v1/chat/completions", &chat("big")).await;
    assert_eq!((served.status, served.header("x-olla-endpoint")), (200, "two"));
}

#[tokio::test]
async fn a_refusal_is_foretold_with_its_status_and_code() {
    let (olla, _engines) = pair("").await;

    let told = document(&olla, "model=nobody%2Fhas-it").await;

    let refused = olla.post("/v1/chat/completions", &chat("nobody/has-it")).await;
    assert_eq!(
        (&told["status"], &told["error"]["code"]),
        (&refused.status.into(), &refused.error_code().into())
    );
    assert_eq!(told["error"]["message"], refused.json()["error"]["message"]);
    assert_eq!(told["decision"], refused.header("x-olla-routing-decision"));
}

#[tokio::test]
async fn an_alias_is_explained_with_the_names_that_endpoints_know() {
    let (olla, _engines) = pair("").await;

    let told = document(&olla, "model=fast").await;

    assert_eq!((&told["strategy"], &told["alias_of"]), (&"alias".into(), &vec![MODEL, "big"].into()));
    let pairs: Vec<_> = told["endpoints"].as_array().unwrap().iter().map(|row| &row["model"]).collect();
    assert_eq!(pairs, [MODEL, MODEL, "big"]);
    let summary = told["summary"].as_str().unwrap();
    assert!(summary.contains(&format!("(an alias of \"{MODEL}\" and \"big\")")), "{summary}");
}

#[tokio::test]
async fn an_endpoint_that_is_down_says_why() {
    let (olla, [one, _two]) = pair("").await;

    one.refuse(None).await;
    olla.endpoint_when("one", |entry| entry["status"] == "offline").await;
    let told = document(&olla, &format!("model={MODEL}")).await;

    let (verdict_on_one, why) = verdict(&told, "one");
    assert_eq!(verdict_on_one, "not_now");
    assert!(why.starts_with("offline: ") && why.contains("refused"), "{why}");
    assert_eq!(verdict(&told, "two").0, "first_choice");
}

#[tokio::test]
async fn a_rule_that_keeps_a_model_away_is_named() {
    let (olla, _engines) = pair(", models: {never: ['big']}").await;

    let told = document(&olla, "model=big").await;

    let (verdict_on_two, why) = verdict(&told, "two");
    assert_eq!(verdict_on_two, "no");
    assert!(why.contains("`models.never`"), "{why}");
    assert_eq!(olla.post("/v1/chat/completions", &chat("big")).await.status, 404);
}

#[tokio::test]
async fn the_command_prints_the_answer_and_its_exit_code_tells_whether_a_request_would_be_served() {
    let (olla, [one, _two]) = pair("").await;
    one.refuse(None).await;
    olla.endpoint_when("one", |entry| entry["status"] == "offline").await;

    let served = explain(olla.address(), &["big"]).await;
    let refused = explain(olla.address(), &["absent", "--path", "/olla/ollama/api/chat", "--images"]).await;

    assert_eq!((served.code, &*served.stderr), (Some(0), ""), "{served:?}");
    let lines: Vec<_> = served.stdout.lines().collect();
    assert_eq!(
        lines,
        [
            "POST /v1/chat/completions for \"big\" goes to two.",
            "",
            "first choice  two  big  healthy, 0 in flight",
            "no            one       it does not have the model; it has 1 other(s)",
        ]
    );
    assert_eq!((refused.code, &*refused.stderr), (Some(1), ""), "{refused:?}");
    let sentence = "POST /olla/ollama/api/chat for \"absent\" with images is refused with 404 ";
    assert!(refused.stdout.starts_with(sentence), "{refused:?}");
}

#[tokio::test]
async fn the_command_says_what_to_do_when_nobody_answers() {
    // Nothing listens on port 1.
    let ended = explain(SocketAddr::from(([127, 0, 0, 1], 1)), &["big"]).await;

    assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{ended:?}");
    for part in
        ["http://localhost:1: no server answers: ", "refused", "start one with `olla-server`", "--url"]
    {
        assert!(ended.stderr.contains(part), "{part}: {ended:?}");
    }
}

#[tokio::test]
async fn the_command_knows_a_server_that_cannot_explain() {
    let stranger = engines::start(engine("stranger", Kind::Vllm)).await;
    let port = stranger.addr().port().to_string();

    let ended =
        Setup::nothing().variable("OLLA_SERVER_PORT", port).arguments(&["explain", MODEL]).run().await;

    assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{ended:?}");
    assert!(ended.stderr.contains("(status 404") && ended.stderr.contains("--url"), "{ended:?}");
}
