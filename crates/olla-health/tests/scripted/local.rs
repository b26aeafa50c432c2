//! The search for backends on this machine.

use std::{sync::Arc, time::Duration};

use olla_core::Status;
use olla_health::LocalSearch;

use crate::{
    journal::Journal,
    network::{Network, Reply},
    stage::{Stage, auto, listing, seconds, spec},
};

const PORT: u16 = 11434;

fn ollama(net: &Network, host: &str) {
    net.serve_on(host, PORT, "/", Reply::ok("Ollama is running"));
    net.serve_on(host, PORT, "/api/version", Reply::ok(r#"{"version":"0.12.0"}"#));
    net.serve_on(host, PORT, "/api/tags", listing(&["llama3"]));
}

fn search(stage: &Stage, own_ports: &[u16]) -> LocalSearch<Network> {
    LocalSearch::new(Arc::clone(&stage.monitor), own_ports)
}

fn names(stage: &Stage) -> Vec<String> {
    stage.cell.load().endpoints().iter().map(|e| e.spec.name.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_backend_is_found_added_once_watched_and_told() {
    let journal = Journal::open();
    let stage = Stage::new(vec![]);
    let searching = tokio::spawn(search(&stage, &[]).run());
    seconds(15).await;
    assert!(names(&stage).is_empty());

    ollama(&stage.net, "127.0.0.1");
    seconds(60).await;

    assert_eq!(names(&stage), ["ollama-11434"]);
    assert_eq!((stage.status(0), stage.models(0)), (Status::Healthy, vec!["llama3".into()]));
    assert_eq!(journal.lines("found a local backend").len(), 1);
    searching.abort();
}

#[tokio::test(start_paused = true)]
async fn one_round_returns_what_it_added() {
    let stage = Stage::new(vec![]);
    ollama(&stage.net, "127.0.0.1");
    let mut search = search(&stage, &[]);

    let first = search.look().await;
    let second = search.look().await;

    assert_eq!(first, ["ollama-11434".into()]);
    assert!(second.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_listens_on_ipv6_only_is_found() {
    let stage = Stage::new(vec![]);
    ollama(&stage.net, "::1");

    search(&stage, &[]).look().await;

    assert_eq!(names(&stage), ["ollama-11434"]);
    assert_eq!(stage.endpoint(0).spec.base.to_string(), "http://[::1]:11434");
}

#[tokio::test(start_paused = true)]
async fn our_own_port_and_configured_endpoints_are_left_alone() {
    let own = Stage::new(vec![]);
    ollama(&own.net, "127.0.0.1");
    let configured = Stage::new(vec![spec(PORT)]);
    ollama(&configured.net, "127.0.0.1");

    search(&own, &[PORT]).look().await;
    search(&configured, &[]).look().await;

    assert_eq!((names(&own).len(), own.net.count(PORT)), (0, 0));
    assert_eq!((names(&configured).len(), configured.net.count(PORT)), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_configured_endpoint_on_another_machine_does_not_hide_a_local_port() {
    let mut remote = auto(1);
    remote.base = olla_core::BaseUrl::parse("http://gpu-1:11434").unwrap();
    let stage = Stage::new(vec![remote]);
    ollama(&stage.net, "127.0.0.1");

    search(&stage, &[]).look().await;

    assert_eq!(names(&stage), ["e1", "ollama-11434"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_no_backend_is_not_added_and_rarely_asked() {
    let stage = Stage::new(vec![]);
    stage.net.serve(PORT, "/", Reply::ok("my web shop"));
    let searching = tokio::spawn(search(&stage, &[]).run());

    seconds(59).await;

    let asked = stage.net.asked(PORT, "/");
    assert!(names(&stage).is_empty());
    assert_eq!(asked.len(), 2, "every half minute");
    assert!(asked[1].at - asked[0].at >= Duration::from_secs(30));
    searching.abort();
}
