//! Sticky sessions over two engines: who serves a conversation, and what the statistics say of it.

use http::Request;
use olla_sim::{Engine, Kind};
use serde_json::{Value, json};

use crate::{
    client::{self, Answer, Body},
    engines::{self, MODEL, engine, entry},
    olla::{Olla, Setup},
};

const CHAT: &str = "/v1/chat/completions";

async fn pair(sticky: &str) -> (Olla, [Engine; 2]) {
    let engines =
        [engines::start(engine("one", Kind::Vllm)).await, engines::start(engine("two", Kind::Vllm)).await];
    let endpoints = [entry("one", &engines[0], "vllm"), entry("two", &engines[1], "vllm")].concat();
    let sticky = format!("proxy: {{load_balancer: round-robin, sticky_sessions: {{enabled: true{sticky}}}}}");
    let limits = "server: {rate_limits: {per_ip_requests_per_minute: 0, global_requests_per_minute: 0}}";
    let olla = Setup::config(&format!("{limits}\n{sticky}\nendpoints:\n{endpoints}")).start().await;
    olla.ready().await;
    (olla, engines)
}

fn in_session(id: &str) -> Request<Body> {
    let mut request = client::post(CHAT, &client::chat(MODEL));
    request.headers_mut().insert("x-olla-session-id", id.parse().unwrap());
    request
}

fn course(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, 200, "{answer:?}");
    (answer.header("x-olla-endpoint").to_owned(), answer.header("x-olla-sticky-session").to_owned())
}

async fn statistics(olla: &Olla) -> Value {
    olla.get("/internal/stats/sticky").await.json()
}

#[tokio::test]
async fn a_session_stays_for_twenty_requests_and_moves_once_when_its_engine_is_killed() {
    let (olla, [one, two]) = pair("").await;

    let (home, first) = course(&olla.send(in_session("mine")).await);
    let mut courses = vec![];
    for _ in 0..19 {
        courses.push(course(&olla.send(in_session("mine")).await));
    }
    assert_eq!(first, "miss");
    assert_eq!(courses, vec![(home.clone(), "hit".to_owned()); 19]);

    let (killed, other) = if home == "one" { (one, "two") } else { (two, "one") };
    killed.stop().await;
    let moved = [course(&olla.send(in_session("mine")).await), course(&olla.send(in_session("mine")).await)];

    assert_eq!(moved, [(other.to_owned(), "repin".to_owned()), (other.to_owned(), "hit".to_owned())]);
    let expected = json!({
        "enabled": true, "active_sessions": 1, "insertions": 1, "hits": 21, "misses": 1, "evictions": 0,
        "max_sessions": 10_000, "idle_ttl_seconds": 600,
    });
    assert_eq!(statistics(&olla).await, expected);
}

#[tokio::test]
async fn conversations_under_one_long_system_prompt_are_kept_and_kept_apart() {
    let (olla, [one, two]) = pair(", key_sources: [prefix_hash]").await;
    let system = "You are a coding agent. Be careful. ".repeat(300);
    let ask = async |said: &[String]| {
        let mut messages = vec![json!({"role": "system", "content": system})];
        for (n, text) in said.iter().enumerate() {
            messages.push(json!({"role": if n % 2 == 0 { "user" } else { "assistant" }, "content": text}));
        }
        // The size of what comes first must not matter.
        let tools = json!([{"type": "function", "function": {"name": "f", "description": "x".repeat(said.len() * 999)}}]);
        let answer = olla.post(CHAT, &json!({"tools": tools, "model": MODEL, "messages": messages})).await;
        assert_eq!(answer.header("x-olla-sticky-key-source"), "prefix_hash");
        course(&answer)
    };

    let mut homes = vec![];
    for topic in ["parser", "tests", "docs", "bug"] {
        let mut said = vec![format!("help me with the {topic}")];
        let (home, outcome) = ask(&said).await;
        assert_eq!(outcome, "miss", "{topic}");
        for turn in 0..4 {
            said.extend([format!("answer {turn}"), format!("and then {turn}?")]);
            assert_eq!(ask(&said).await, (home.clone(), "hit".to_owned()), "{topic}, {turn}");
        }
        homes.push(home);
    }

    assert_eq!(homes.iter().filter(|home| *home == "one").count(), 2, "they take turns: {homes:?}");
    let served = |engine: &Engine| engine.received().iter().filter(|r| r.path() == CHAT).count();
    assert_eq!((served(&one), served(&two)), (10, 10));
    let told = statistics(&olla).await;
    assert_eq!((&told["insertions"], &told["misses"], &told["hits"]), (&json!(4), &json!(4), &json!(16)));
}

#[tokio::test]
async fn no_key_of_a_session_is_logged() {
    let (olla, _engines) = pair("").await;
    let mut request = in_session("s3cret-session");
    request.headers_mut().insert("authorization", "Bearer s3cret-key".parse().unwrap());

    assert_eq!(olla.send(request).await.header("x-olla-session-id"), "s3cret-session");
    let line = olla.log().json(|line| line["message"] == "request").await;

    assert_eq!(line["sticky"], "miss");
    assert!(olla.log().lines().iter().all(|line| !line.contains("s3cret")), "{:?}", olla.log().lines());
}
