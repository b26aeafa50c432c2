//! Start with nothing: backends are found on their usual ports and recognised by their answers.

use std::{collections::BTreeMap, net::Ipv4Addr};

use olla_sim::{Engine, Kind};
use serde_json::Value;

use crate::{
    client::chat,
    engines::{self, MODEL, engine, entry},
    olla::Setup,
};

/// The default ports of the shipped profiles.
const USUAL_PORTS: [u16; 9] = [11434, 1234, 30000, 8080, 4000, 23333, 12434, 13305, 8001];

async fn on_a_usual_port() -> Engine {
    for port in USUAL_PORTS {
        let builder = engine("found", Kind::Ollama);
        if let Ok(engine) = builder.start((Ipv4Addr::LOCALHOST, port).into()).await {
            return engine;
        }
    }
    panic!("every usual port is in use: {USUAL_PORTS:?}");
}

#[tokio::test]
async fn finds_a_backend_on_a_usual_port_and_serves_it() {
    let engine = on_a_usual_port().await;
    let name = format!("ollama-{}", engine.addr().port());

    let olla = Setup::nothing().start().await;

    let found =
        olla.log().json(|line| line["message"] == "found a local backend" && line["endpoint"] == *name).await;
    assert_eq!((&found["url"], &found["kind"]), (&engine.url().into(), &"ollama".into()));
    olla.endpoint_when(&name, |entry| entry["models_count"] == 1).await;
    let answer = olla.post("/olla/ollama/v1/chat/completions", &chat(MODEL)).await;
    assert_eq!((answer.status, answer.header("x-olla-endpoint")), (200, &*name), "{answer:?}");
}

#[tokio::test]
async fn says_where_it_looks_when_nothing_is_there() {
    let profile = "name: lonely\nrouting: {prefixes: [lonely]}\napi: {paths: [/]}\n\
                   listing: {models: data, fields: {name: id}}\ndetection: {default_ports: [9]}\n";
    let setup = Setup::nothing().file("config/profiles/lonely.yaml", profile);

    let olla = setup.variable("OLLA_PROXY_PROFILE_FILTER_INCLUDE", "lonely").start().await;

    let says_so =
        |line: &Value| line["message"].as_str().is_some_and(|message| message.contains("no backend"));
    let told = olla.log().json(says_so).await;
    assert_eq!(told["level"], "WARN");
    assert!(told["message"].as_str().is_some_and(|message| message.contains("(9)")), "{told}");
    assert_eq!(olla.get("/internal/ready").await.json()["endpoints_total"], 0);
}

#[tokio::test]
async fn recognises_every_kind() {
    let mut engines = BTreeMap::new();
    let mut config = "endpoints:\n".to_owned();
    for kind in Kind::ALL {
        let engine = engines::start(engine("sim", kind).models([format!("model-of-{kind}")])).await;
        config += &entry(kind.name(), &engine, "auto");
        engines.insert(kind.name(), engine);
    }

    let olla = Setup::config(&config).start().await;
    olla.ready().await;

    for kind in Kind::ALL {
        let canonical = if kind == Kind::OpenAi { "openai-compatible" } else { kind.name() };
        let entry = olla.endpoint_when(kind.name(), |entry| entry["models_count"] == 1).await;
        assert_eq!((&entry["type"], &entry["status"]), (&canonical.into(), &"healthy".into()), "{entry}");
        let path = match kind {
            Kind::DockerModelRunner => "/olla/proxy/engines/v1/chat/completions",
            Kind::Lemonade => "/olla/proxy/api/v1/chat/completions",
            _ => "/olla/proxy/v1/chat/completions",
        };
        let answer = olla.post(path, &chat(&format!("model-of-{kind}"))).await;
        assert_eq!((answer.status, answer.header("x-olla-backend-type")), (200, canonical), "{answer:?}");
    }
}
