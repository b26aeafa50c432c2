//! `olla-server demo`: the main job on a machine without any LLM.

use http::Request;
use http_body_util::BodyExt;

use crate::{
    client::{self, chat},
    olla::{Olla, Setup},
};

async fn demo() -> Olla {
    Setup::nothing().arguments(&["demo", "--port", "0"]).start_on_its_own_port().await
}

/// Turns a printed command into the request that curl would send.
fn pasted(olla: &Olla, line: &str) -> Request<client::Body> {
    let (_, command) = line.split_once("curl ").expect("a command");
    let url = format!("http://localhost:{}", olla.address().port());
    let (_, rest) = command.split_once(&url).expect("the address of this server");
    let path = rest.split(' ').next().unwrap();
    let body = rest.split_once("-d '").and_then(|(_, body)| body.strip_suffix('\'')).expect("a body");
    let (_, header) = rest.split_once("-H '").expect("a header");
    let (name, value) = header.split_once('\'').unwrap().0.split_once(": ").unwrap();
    Request::post(path).header(name, value).body(body.to_owned().into()).unwrap()
}

#[tokio::test]
async fn the_printed_commands_work() {
    let olla = demo().await;

    for (command, ending) in [("curl http", "}"), ("curl -N http", "data: [DONE]\n\n")] {
        let line = olla.log().text(|line| line.trim().starts_with(command) && line.contains("-d '")).await;
        let answer = olla.send(pasted(&olla, &line)).await;

        assert_eq!(answer.status, 200, "{line}");
        assert!(answer.text().trim_start().ends_with(ending), "{line}: {}", answer.text());
    }
    for command in ["/v1/models", "/internal/status/endpoints"] {
        let line = olla.log().text(|line| line.trim().starts_with("curl") && line.ends_with(command)).await;

        assert!(line.contains(&format!("http://localhost:{}/", olla.address().port())), "{line}");
        assert_eq!(olla.get(command).await.status, 200);
    }
}

#[tokio::test]
async fn both_engines_serve_the_model_that_both_have() {
    let olla = demo().await;
    olla.ready().await;
    let listing = olla.get("/v1/models").await.json();
    let model = "llama3.2:3b";
    assert!(listing["data"].as_array().unwrap().iter().any(|entry| entry["id"] == model));

    // Two at a time: the first is still answered when the second is balanced.
    let request =
        || client::open(olla.address(), client::post("/v1/chat/completions", &client::streamed_chat(model)));
    let (one, other) = tokio::join!(request(), request());

    let mut names = [&one, &other].map(|r| client::header_of(r.headers(), "x-olla-endpoint"));
    names.sort_unstable();
    assert_eq!(names, ["sim-a", "sim-b"]);
    for response in [one, other] {
        assert!(response.into_body().collect().await.is_ok());
    }
    assert_eq!(olla.post("/v1/chat/completions", &chat("qwen3:8b")).await.header("x-olla-endpoint"), "sim-a");
}
