//! A backend kind that nobody has heard of: one YAML file, no Rust.

use std::collections::BTreeMap;

use olla_sim::{Armed, Fault, Kind, Scope};

use crate::{
    client::chat,
    engines::{self, engine, entry},
    olla::Setup,
};

const PROFILE: &str = "
name: newkind
display_name: New Kind
routing: {prefixes: [newkind, nk]}
api:
  openai_compatible: true
  model_discovery_path: /catalog
  health_check_path: /alive
  paths: [/alive, /v1/chat/completions]
listing:
  models: catalog.entries
  fields: {name: tag, context_length: window}
detection:
  rank: 50
  signatures:
    - {path: /alive, body_contains: newkind lives}
";

fn page(path: &str, body: &str) -> Armed {
    let headers = BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]);
    Fault::Status { status: 200, headers, body: Some(body.to_owned()) }.on(Scope::Path(path.to_owned()))
}

#[tokio::test]
async fn a_kind_is_added_by_a_file_alone() {
    let engine = engine("sim", Kind::OpenAi).models(["fresh-1"]);
    let engine =
        engine.fault(page("/catalog", r#"{"catalog":{"entries":[{"tag":"fresh-1","window":4242}]}}"#));
    let engine = engines::start(engine.fault(page("/alive", r#"{"say":"newkind lives"}"#))).await;
    let config = format!("endpoints:\n{}", entry("one", &engine, "auto"));
    let setup = Setup::config(&config).file("config/profiles/newkind.yaml", PROFILE);

    let olla = setup.start().await;
    olla.ready().await;

    let entry = olla.endpoint_when("one", |entry| entry["models_count"] == 1).await;
    assert_eq!((&entry["type"], &entry["status"]), (&"newkind".into(), &"healthy".into()), "{entry}");
    for prefix in ["newkind", "nk"] {
        let listing = olla.get(&format!("/olla/{prefix}/v1/models")).await.json();
        assert_eq!(listing["data"][0]["id"], "fresh-1", "{listing}");
        let answer = olla.post(&format!("/olla/{prefix}/v1/chat/completions"), &chat("fresh-1")).await;
        assert_eq!((answer.status, answer.header("x-olla-backend-type")), (200, "newkind"), "{answer:?}");
    }
    assert_eq!(olla.get("/olla/newkind/secret").await.error_code(), "path_not_allowed");
}
