//! Sticky sessions: a conversation stays with the endpoint that has served it, as long as that one can be used
//! and has not too much to do.

use std::num::NonZeroU32;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use olla_balancer::Balancer;
use olla_core::{Affinity, AffinityOutcome, AliasOrder, KeySource, Status};
use olla_proxy::Sticky;

use crate::support::{Backend, Plan, Stage, Told, answer, chat, get, millis, ok, post, soon};

const ID: &str = "x-olla-session-id";

/// Two backends that take turns, and sticky sessions by these sources.
async fn two(sources: &[KeySource]) -> ([Backend; 2], Plan) {
    let backends = [Backend::answering(ok("{}")).await, Backend::answering(ok("{}")).await];
    let plan = plan(&backends, sources);
    (backends, plan)
}

fn plan(backends: &[Backend; 2], sources: &[KeySource]) -> Plan {
    let mut plan = Plan::over(&[&backends[0], &backends[1]]);
    plan.settings.balancer = Balancer::RoundRobin;
    plan.settings.sticky = Some(Sticky { key_sources: sources.to_vec(), ..Sticky::default() });
    plan
}

fn with(mut request: Request<Full<Bytes>>, name: &'static str, value: &str) -> Request<Full<Bytes>> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

fn of_session(id: &str) -> Request<Full<Bytes>> {
    with(chat(), ID, id)
}

fn saying(system: &str, turns: &[&str]) -> Request<Full<Bytes>> {
    let roles = ["user", "assistant"].iter().cycle();
    let turns = roles.zip(turns).map(|(role, text)| format!(r#",{{"role":"{role}","content":"{text}"}}"#));
    let turns: String = turns.collect();
    let body = format!(r#"{{"messages":[{{"role":"system","content":"{system}"}}{turns}],"model":"m"}}"#);
    post("/v1/chat/completions", &body)
}

/// Returns who answered, and what is said of the session.
fn course(told: &Told) -> (&str, &str) {
    assert_eq!(told.status, StatusCode::OK, "{told:?}");
    (told.header("x-olla-endpoint").unwrap(), told.header("x-olla-sticky-session").unwrap_or("none"))
}

async fn courses<const N: usize>(stage: &Stage, ids: [&str; N]) -> Vec<(String, String)> {
    let mut courses = vec![];
    for id in ids {
        let told = stage.ask(of_session(id)).await;
        let (endpoint, outcome) = course(&told);
        courses.push((endpoint.to_owned(), outcome.to_owned()));
    }
    courses
}

fn pairs<const N: usize>(expected: [(&str, &str); N]) -> Vec<(String, String)> {
    expected.map(|(endpoint, outcome)| (endpoint.to_owned(), outcome.to_owned())).to_vec()
}

#[tokio::test]
async fn a_session_stays_where_it_began_and_others_take_turns() {
    let (_backends, plan) = two(&[KeySource::SessionHeader]).await;
    let stage = plan.start();

    let courses = courses(&stage, ["one", "one", "two", "one", "two", "one"]).await;

    let expected = [("a", "miss"), ("a", "hit"), ("b", "miss"), ("a", "hit"), ("b", "hit"), ("a", "hit")];
    assert_eq!(courses, pairs(expected));
}

#[tokio::test]
async fn without_sticky_sessions_nothing_is_said_of_them() {
    let (_backends, mut plan) = two(&[]).await;
    plan.settings.sticky = None;
    let stage = plan.start();

    let told = stage.ask(of_session("one")).await;

    for header in ["x-olla-sticky-session", "x-olla-sticky-key-source", ID] {
        assert_eq!(told.header(header), None);
    }
    assert_eq!(stage.journal.only().await.affinity, None);
    assert_eq!(stage.proxy.sessions(), None);
}

#[tokio::test]
async fn client_and_record_are_told_the_same() {
    let (backends, plan) = two(&[KeySource::SessionHeader]).await;
    let stage = plan.start();

    let told = stage.ask(of_session("my session")).await;

    assert_eq!(told.header("x-olla-sticky-key-source"), Some("session_header"));
    assert_eq!(told.header(ID), Some("my session"));
    let affinity = Affinity { outcome: AffinityOutcome::Miss, source: Some(KeySource::SessionHeader) };
    assert_eq!(stage.journal.only().await.affinity, Some(affinity));
    assert_eq!(backends[0].heard_one().header(ID), Some("my session"), "another Olla may want to know");
}

#[tokio::test]
async fn the_first_source_that_a_request_has_tells_its_session() {
    let (_backends, plan) = two(&KeySource::ALL).await;
    let stage = plan.start();
    let source = async |request| {
        let told = stage.ask(request).await;
        assert_eq!(
            told.header(ID).is_some(),
            told.header("x-olla-sticky-key-source") == Some("session_header")
        );
        told.header("x-olla-sticky-key-source").unwrap().to_owned()
    };
    let said = || with(saying("s", &["hello"]), "authorization", "Bearer k");

    assert_eq!(source(with(said(), ID, "one")).await, "session_header");
    assert_eq!(source(with(said(), ID, "")).await, "prefix_hash", "an empty header is none");
    assert_eq!(source(with(chat(), "authorization", "Bearer k")).await, "auth_header");
    assert_eq!(source(with(chat(), "x-api-key", "k")).await, "auth_header");
    assert_eq!(source(chat()).await, "ip");
}

#[tokio::test]
async fn what_has_no_key_is_balanced_on_its_own_and_says_so() {
    let (_backends, plan) = two(&[KeySource::AuthHeader, KeySource::PrefixHash]).await;
    let stage = plan.start();

    let told = [stage.ask(of_session("one")).await, stage.ask(of_session("one")).await];

    assert_eq!([course(&told[0]), course(&told[1])], [("a", "disabled"), ("b", "disabled")]);
    assert_eq!(told[0].header("x-olla-sticky-key-source"), None);
    assert_eq!(told[0].header(ID), None, "the header is not what told the session");
    let affinity = Affinity { outcome: AffinityOutcome::Disabled, source: None };
    assert_eq!(stage.journal.next().await.affinity, Some(affinity));
}

#[tokio::test]
async fn a_conversation_is_known_by_its_beginning_however_long_the_common_prompt() {
    let (_backends, plan) = two(&[KeySource::PrefixHash]).await;
    let stage = plan.start();
    let system = "You are a coding agent. ".repeat(500);
    let ask = async |turns: &[&str]| {
        let told = stage.ask(saying(&system, turns)).await;
        let (endpoint, outcome) = course(&told);
        (endpoint.to_owned(), outcome.to_owned())
    };

    let courses = vec![
        ask(&["fix it"]).await,
        ask(&["write it"]).await,
        ask(&["fix it", "how?", "well"]).await,
        ask(&["write it", "why?", "because"]).await,
    ];

    assert_eq!(courses, pairs([("a", "miss"), ("b", "miss"), ("a", "hit"), ("b", "hit")]));
}

#[tokio::test]
async fn each_model_has_sessions_of_its_own_in_any_case() {
    let (_backends, mut plan) = two(&[KeySource::SessionHeader]).await;
    plan.models(0, &["m", "n"]);
    plan.models(1, &["m", "n"]);
    let stage = plan.start();
    let ask = async |model: &str| {
        let request = post("/v1/completions", &format!(r#"{{"model":"{model}"}}"#));
        let told = stage.ask(with(request, ID, "one")).await;
        course(&told).1.to_owned()
    };

    assert_eq!(
        [ask("m").await, ask("n").await, ask("M").await, ask("n").await],
        ["miss", "miss", "hit", "hit"]
    );
}

#[tokio::test]
async fn the_address_is_that_of_the_client_behind_a_trusted_proxy() {
    let (_backends, mut plan) = two(&[KeySource::Ip]).await;
    plan.trusted = true;
    let stage = plan.start();
    let ask = async |client: &str| {
        let told = stage.ask(with(chat(), "x-forwarded-for", client)).await;
        course(&told).1.to_owned()
    };

    let outcomes = [ask("203.0.113.1").await, ask("203.0.113.2").await, ask("203.0.113.1").await];

    assert_eq!(outcomes, ["miss", "miss", "hit"]);
}

#[tokio::test]
async fn who_answers_after_others_have_failed_gets_the_session() {
    let backends = [Backend::answering(answer("503 x", "", "{}")).await, Backend::answering(ok("{}")).await];
    let mut plan = plan(&backends, &[KeySource::SessionHeader]);
    plan.settings.balancer = Balancer::Priority;
    let stage = plan.start();

    let first = courses(&stage, ["one"]).await;

    assert_eq!(stage.journal.next().await.attempts.len(), 2, "`a` was asked first");
    assert_eq!(first, pairs([("b", "miss")]));
    assert_eq!(courses(&stage, ["one"]).await, pairs([("b", "hit")]));
    assert_eq!(stage.journal.next().await.attempts.len(), 1, "although `a` has the higher priority");
}

#[tokio::test]
async fn an_answer_that_is_no_success_is_no_home() {
    let backends = [Backend::answering(answer("400 x", "", "{}")).await, Backend::answering(ok("{}")).await];
    let stage = plan(&backends, &[KeySource::SessionHeader]).start();

    let refused = stage.ask(of_session("one")).await;

    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(refused.header("x-olla-sticky-session"), Some("miss"));
    assert_eq!(courses(&stage, ["one", "one"]).await, pairs([("b", "miss"), ("b", "hit")]));
}

#[tokio::test]
async fn a_stream_that_begins_with_an_error_is_no_home() {
    let error =
        answer("200 OK", "content-type: text/event-stream\r\n", "data: {\"error\":{\"message\":\"x\"}}\n\n");
    let backends = [Backend::answering(&*error).await, Backend::answering(&*error).await];
    let stage = plan(&backends, &[KeySource::SessionHeader]).start();

    for _ in 0..2 {
        assert_eq!(course(&stage.ask(of_session("one")).await).1, "miss", "both were asked in vain");
    }
    assert_eq!(stage.proxy.sessions().unwrap().active, 0);
}

#[tokio::test]
async fn when_nobody_answers_nothing_is_said_and_nothing_remembered() {
    let backends = [Backend::refusing(), Backend::refusing()];
    let stage = plan(&backends, &[KeySource::SessionHeader]).start();

    let told = stage.ask(of_session("one")).await;

    assert_eq!(told.status, StatusCode::BAD_GATEWAY);
    assert_eq!(told.header("x-olla-sticky-session"), None);
    assert_eq!(stage.journal.only().await.affinity, None);
    assert_eq!(stage.proxy.sessions().unwrap().active, 0);
}

#[tokio::test]
async fn a_session_moves_when_its_endpoint_is_down_and_does_not_come_back() {
    let (_backends, plan) = two(&[KeySource::SessionHeader]).await;
    let stage = plan.start();
    assert_eq!(courses(&stage, ["one"]).await, pairs([("a", "miss")]));

    stage.endpoint(0).live.set_status(Status::Offline);
    let moved = courses(&stage, ["one", "one"]).await;
    stage.endpoint(0).live.set_status(Status::Healthy);

    assert_eq!(moved, pairs([("b", "repin"), ("b", "hit")]));
    assert_eq!(courses(&stage, ["one", "one"]).await, pairs([("b", "hit"), ("b", "hit")]));
    assert_eq!(stage.proxy.sessions().unwrap().insertions, 1, "it is the same session");
}

#[tokio::test]
async fn a_session_yields_when_its_endpoint_has_too_much_to_do_and_stays_with_who_took_over() {
    let (_backends, mut plan) = two(&[KeySource::SessionHeader]).await;
    plan.settings.balancer = Balancer::LeastConnections;
    let stage = plan.start();
    assert_eq!(courses(&stage, ["one"]).await, pairs([("a", "miss")]));

    let one = stage.endpoint(0).live.enter();
    let stayed = courses(&stage, ["one"]).await;
    let another = stage.endpoint(0).live.enter();
    let moved = courses(&stage, ["one"]).await;
    drop((one, another));

    assert_eq!(
        stayed,
        pairs([("a", "hit")]),
        "2 requests are less than a quarter more than the mean, rounded up"
    );
    assert_eq!(moved, pairs([("b", "repin")]));
    assert_eq!(
        courses(&stage, ["one"]).await,
        pairs([("b", "hit")]),
        "which has the longest prompt in its cache"
    );
}

#[tokio::test]
async fn without_a_bound_a_session_waits_behind_any_number_of_others() {
    let (_backends, mut plan) = two(&[KeySource::SessionHeader]).await;
    plan.settings.balancer = Balancer::LeastConnections;
    plan.settings.sticky.as_mut().unwrap().max_load_percent = 0;
    let stage = plan.start();
    assert_eq!(courses(&stage, ["one"]).await, pairs([("a", "miss")]));

    let _busy: Vec<_> = (0..100).map(|_| stage.endpoint(0).live.enter()).collect();

    assert_eq!(courses(&stage, ["one"]).await, pairs([("a", "hit")]));
}

#[tokio::test]
async fn a_full_endpoint_keeps_no_session() {
    let (_backends, mut plan) = two(&[KeySource::SessionHeader]).await;
    plan.specs[0].max_concurrent = NonZeroU32::new(1);
    let stage = plan.start();
    assert_eq!(courses(&stage, ["one"]).await, pairs([("a", "miss")]));

    let _held = stage.endpoint(0).live.enter();

    assert_eq!(courses(&stage, ["one"]).await, pairs([("b", "repin")]));
}

#[tokio::test]
async fn an_alias_keeps_a_session_with_one_of_the_models_of_an_endpoint() {
    let backend = Backend::answering(ok("{}")).await;
    let mut plan = Plan::over(&[&backend]);
    plan.models(0, &["x", "y"]);
    plan.aliases = vec![("both", &["x", "y"])];
    plan.alias_order = AliasOrder::Equal;
    plan.settings.balancer = Balancer::RoundRobin;
    plan.settings.sticky = Some(Sticky::default());
    let stage = plan.start();

    for id in ["one", "two", "one", "one", "two", "one"] {
        let told = stage.ask(with(post("/v1/completions", r#"{"model":"both"}"#), ID, id)).await;
        assert_eq!(told.status, StatusCode::OK);
    }

    let heard = backend.heard();
    let of = |id: &str| {
        let bodies = heard.iter().filter(|heard| heard.header(ID) == Some(id)).map(|heard| &*heard.body);
        bodies.collect::<Vec<_>>()
    };
    assert_eq!(of("one"), [of("one")[0]; 4]);
    assert_eq!(of("two"), [of("two")[0]; 2]);
}

#[tokio::test]
async fn all_workers_know_of_a_session() {
    let (_backends, plan) = two(&[KeySource::SessionHeader]).await;
    let stage = plan.start();
    let worker =
        Stage { proxy: stage.proxy.worker(), fleet: stage.fleet.clone(), journal: stage.journal.clone() };

    assert_eq!(courses(&stage, ["one"]).await, pairs([("a", "miss")]));
    assert_eq!(courses(&worker, ["one"]).await, pairs([("a", "hit")]));
}

#[tokio::test]
async fn the_session_that_has_been_idle_for_the_longest_makes_room() {
    let (_backends, mut plan) = two(&[KeySource::SessionHeader]).await;
    plan.settings.sticky.as_mut().unwrap().max_sessions = 2;
    let stage = plan.start();

    courses(&stage, ["one", "two"]).await;
    // The cache orders in batches; looking at it ends one.
    assert_eq!(stage.proxy.sessions().unwrap().active, 2);
    courses(&stage, ["one", "three"]).await;
    let view = stage.proxy.sessions().unwrap();

    assert_eq!((view.active, view.insertions, view.evictions, view.max_sessions), (2, 3, 1, 2));
    let outcomes = courses(&stage, ["one", "three", "two"]).await.into_iter().map(|(_, outcome)| outcome);
    assert_eq!(outcomes.collect::<Vec<_>>(), ["hit", "hit", "miss"]);
}

#[tokio::test]
async fn an_idle_session_is_forgotten() {
    let (_backends, mut plan) = two(&[KeySource::SessionHeader]).await;
    plan.settings.sticky.as_mut().unwrap().idle_ttl = millis(20);
    let stage = plan.start();
    courses(&stage, ["one"]).await;

    let forgotten = async {
        while stage.proxy.sessions().unwrap().active > 0 {
            tokio::time::sleep(millis(5)).await;
        }
    };
    soon(forgotten).await;

    assert_eq!(courses(&stage, ["one"]).await[0].1, "miss");
    assert_eq!(stage.proxy.sessions().unwrap().insertions, 2);
}

#[tokio::test]
async fn requests_without_a_body_have_sessions_too() {
    let (_backends, plan) = two(&[KeySource::SessionHeader, KeySource::PrefixHash]).await;
    let stage = plan.start();
    let ask = || with(get("/olla/proxy/health"), ID, "one");

    let told = [stage.ask(ask()).await, stage.ask(ask()).await, stage.ask(get("/olla/proxy/health")).await];

    assert_eq!(told.each_ref().map(course), [("a", "miss"), ("a", "hit"), ("b", "disabled")]);
}
