//! The log: one JSON object a line, one line a request.

use olla_sim::{Fault, Kind, Scope};
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    client::{chat, streamed_chat},
    engines::{self, MODEL, engine, entry, entry_with},
    olla::{Olla, Setup},
};

/// Stops the server and returns everything it wrote.
async fn all_lines(mut olla: Olla) -> Vec<String> {
    olla.signal(Signal::TERM);
    assert_eq!(olla.exit_code().await, Some(0));
    olla.log().end().await;
    olla.log().lines()
}

fn requests(lines: &[String]) -> Vec<Value> {
    let lines =
        lines.iter().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")));
    lines.filter(|line: &Value| line["message"] == "request").collect()
}

#[tokio::test]
async fn every_line_is_json_and_every_request_has_one() {
    let engine = engines::start(engine("sim", Kind::Vllm)).await;
    let olla = Setup::config(&format!("endpoints:\n{}", entry("one", &engine, "vllm"))).start().await;
    olla.ready().await;

    let served = olla.post("/v1/chat/completions?key=hunter2", &streamed_chat(MODEL)).await;
    let refused = olla.post("/v1/chat/completions", &chat("absent")).await;

    assert_eq!((served.status, refused.status), (200, 404));
    let lines = all_lines(olla).await;
    assert!(lines.iter().all(|line| !line.contains("hunter2")), "no secrets");
    let requests = requests(&lines);
    assert_eq!(requests.len(), 2, "{requests:?}");
    let line = &requests[0];
    assert_eq!(
        (&line["level"], &line["status"], &line["attempts"]),
        (&"INFO".into(), &200.into(), &1.into())
    );
    assert_eq!((&line["endpoint"], &line["model"]), (&"one".into(), &MODEL.into()));
    assert_eq!(
        (&line["method"], &line["path"]),
        (&"POST".into(), &"/v1/chat/completions?key=[REDACTED]".into())
    );
    assert_eq!(line["request_id"], served.header("x-olla-request-id"));
    assert_eq!(line["bytes_out"], served.body.len());
    assert_eq!(line["bytes_in"], streamed_chat(MODEL).to_string().len());
    assert!(line["ttft_ms"].is_u64() && line["duration_ms"].is_u64(), "{line}");
    assert_eq!((&requests[1]["status"], &requests[1]["attempts"]), (&404.into(), &0.into()));
}

#[tokio::test]
async fn a_failover_shows_two_attempts() {
    let failing = engine("a", Kind::Vllm).fault(Fault::ResetBeforeHead.on(Scope::Inference));
    let (a, b) = (engines::start(failing).await, engines::start(engine("b", Kind::Vllm)).await);
    let config = format!(
        "proxy: {{load_balancer: priority}}\nendpoints:\n{}{}",
        entry_with("a", &a, "vllm", ", priority: 200"),
        entry_with("b", &b, "vllm", ", priority: 100")
    );
    let olla = Setup::config(&config).start().await;
    olla.ready().await;

    let answer = olla.post("/v1/chat/completions", &chat(MODEL)).await;

    assert_eq!((answer.status, answer.header("x-olla-endpoint")), (200, "b"));
    let requests = requests(&all_lines(olla).await);
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert_eq!((&requests[0]["attempts"], &requests[0]["endpoint"]), (&2.into(), &"b".into()));
}

#[tokio::test]
async fn request_lines_can_be_turned_off() {
    let setup = Setup::config("server: {request_logging: false}\ndiscovery: {local: false}\n");
    let olla = setup.start().await;

    assert_eq!(olla.get("/v1/models").await.status, 200);

    assert_eq!(requests(&all_lines(olla).await), Vec::<Value>::new());
}

#[tokio::test]
async fn lines_can_be_text() {
    let setup = Setup::config("discovery: {local: false}\n").variable("OLLA_LOGGING_FORMAT", "text");
    let olla = setup.start().await;

    assert_eq!(olla.get("/v1/models").await.status, 200);

    let lines = all_lines(olla).await;
    assert!(lines.iter().all(|line| !line.starts_with('{') && !line.contains('\u{1b}')), "{lines:?}");
    assert_eq!(lines.iter().filter(|line| line.contains(" request ")).count(), 1, "{lines:?}");
}
