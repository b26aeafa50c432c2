//! Many endpoints that are alike: each choice is among a few of them, and no request suffers from that.

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use olla_balancer::{Balancer, Candidate, Hint, Pick, Strategy, Tried};
use olla_core::{BaseUrl, EndpointSpec, Glob, InFlight, KeySource, Model, Status, Version};
use olla_profiles::Profiles;
use olla_proxy::{Proxy, Sticky};

use crate::support::{Backend, MODEL, Plan, Stage, chat, ok, post, soon};

const MANY: usize = 40;

/// The endpoint that differs where one does: `e23`.
const ONE: usize = 23;

/// Plans many endpoints that are alike: `e0`, `e1`, …, all of them this backend.
fn plan(backend: &Backend) -> Plan {
    let mut plan = Plan::over(&[backend]);
    let kind = plan.specs[0].kind;
    let spec = |n: usize| {
        let mut spec = EndpointSpec::new(format!("e{n}"), BaseUrl::parse(&backend.url()).unwrap());
        spec.kind = kind;
        spec
    };
    plan.specs = (0..MANY).map(spec).collect();
    plan.models = vec![vec![Model::named(MODEL)]; MANY];
    plan.settings.balancer = Balancer::LeastConnections;
    plan
}

async fn endpoint_of(stage: &Stage) -> String {
    let told = stage.ask(chat()).await;
    assert_eq!(told.status, StatusCode::OK, "{told:?}");
    told.header("x-olla-endpoint").unwrap().to_owned()
}

/// Asks often enough to tell a rule from chance.
async fn endpoints_of(stage: &Stage) -> Vec<String> {
    let mut endpoints = vec![];
    for _ in 0..30 {
        endpoints.push(endpoint_of(stage).await);
    }
    endpoints.sort_unstable();
    endpoints.dedup();
    endpoints
}

/// Notes how many candidates it is shown, and chooses as another.
#[derive(Debug)]
struct Watching {
    choices: Option<usize>,
    at_first: Option<usize>,
    shown: Mutex<Vec<usize>>,
}

impl Strategy for Watching {
    fn name(&self) -> &'static str {
        "watching"
    }

    fn choices(&self) -> usize {
        self.choices.unwrap_or(usize::MAX)
    }

    fn choices_at_first(&self) -> usize {
        self.at_first.unwrap_or(self.choices())
    }

    fn pick(&self, candidates: &[Candidate<'_>], tried: &Tried, hint: &Hint) -> Option<Pick> {
        self.shown.lock().unwrap().push(candidates.len());
        Balancer::LeastConnections.pick(candidates, tried, hint)
    }
}

/// Lets a strategy choose that is content with so many, and returns it.
fn watch(stage: &mut Stage, choices: Option<usize>) -> Arc<Watching> {
    watch_at_first(stage, choices, None)
}

/// The same for one that looks for an idle one among so many at first.
fn watch_at_first(stage: &mut Stage, choices: Option<usize>, at_first: Option<usize>) -> Arc<Watching> {
    let watching = Arc::new(Watching { choices, at_first, shown: Mutex::default() });
    let proxy = Proxy::builder(Arc::clone(&stage.fleet), Arc::new(Profiles::builtin()));
    stage.proxy = proxy.strategy(Arc::clone(&watching) as _).build();
    watching
}

impl Watching {
    fn shown(&self) -> Vec<usize> {
        std::mem::take(&mut self.shown.lock().unwrap())
    }
}

#[tokio::test]
async fn a_strategy_is_shown_as_many_as_it_is_content_with() {
    let backend = Backend::answering(ok("{}")).await;
    let mut stage = plan(&backend).start();

    for (choices, shown) in [(None, MANY), (Some(8), 8), (Some(3), 3), (Some(0), 2), (Some(MANY), MANY)] {
        let watching = watch(&mut stage, choices);
        endpoint_of(&stage).await;
        assert_eq!(watching.shown(), [shown], "{choices:?}");
    }
}

#[tokio::test]
async fn a_few_are_enough_if_one_of_them_is_idle_and_the_others_drawn_are_others() {
    let backend = Backend::answering(ok("{}")).await;
    let mut stage = plan(&backend).start();
    let watching = watch_at_first(&mut stage, Some(8), Some(3));

    endpoint_of(&stage).await;
    assert_eq!(watching.shown(), [3]);

    let mut busy: Vec<_> = (0..MANY).map(|number| enter(&stage, number)).collect();
    endpoint_of(&stage).await;
    assert_eq!(watching.shown(), [8], "none of those drawn first has nothing to do");

    // One of them at least is among all but one.
    busy.truncate(MANY - 8);
    let shown_all = watch_at_first(&mut stage, Some(MANY - 1), Some(3));
    for _ in 0..10 {
        let chosen: usize = endpoint_of(&stage).await[1..].parse().unwrap();
        assert!(chosen >= MANY - 8, "{chosen} is busy");
    }
    assert!(shown_all.shown().iter().all(|shown| [3, MANY - 1].contains(shown)));
}

#[tokio::test]
async fn all_are_shown_where_a_sample_has_nobody_or_one_alone() {
    let backend = Backend::answering(ok("{}")).await;
    let mut stage = plan(&backend).start();
    for n in 0..MANY {
        stage.endpoint(n).live.set_status(if n == ONE { Status::Healthy } else { Status::Offline });
    }

    let watching = watch(&mut stage, Some(8));

    for _ in 0..30 {
        assert_eq!(endpoint_of(&stage).await, "e23");
        assert_eq!(watching.shown().last(), Some(&MANY));
    }
}

#[tokio::test]
async fn a_request_is_served_when_all_but_one_refuse() {
    let (good, refusing) = (Backend::answering(ok("{}")).await, Backend::refusing());
    let mut plan = plan(&refusing);
    plan.specs[ONE].base = BaseUrl::parse(&good.url()).unwrap();
    let stage = plan.start();

    assert_eq!(endpoint_of(&stage).await, "e23");
    assert_eq!(endpoint_of(&stage).await, "e23");
}

#[tokio::test]
async fn the_only_one_with_room_is_found() {
    let backend = Backend::answering(ok("{}")).await;
    let mut plan = plan(&backend);
    plan.specs.iter_mut().for_each(|spec| spec.max_concurrent = NonZeroU32::new(1));
    let stage = plan.start();
    let enter = |n| stage.endpoint(n).live.try_enter().unwrap();
    let _others: Vec<_> = (0..MANY).filter(|n| *n != ONE).map(enter).collect();

    assert_eq!(endpoints_of(&stage).await, ["e23"]);
}

#[tokio::test]
async fn where_all_are_full_a_request_waits_for_all() {
    let backend = Backend::answering(ok("{}")).await;
    let mut plan = plan(&backend);
    plan.specs.iter_mut().for_each(|spec| spec.max_concurrent = NonZeroU32::new(1));
    let stage = Arc::new(plan.start());
    let mut full: Vec<_> = (0..MANY).map(|n| stage.endpoint(n).live.try_enter().unwrap()).collect();

    let asking = Arc::clone(&stage);
    let asked = tokio::spawn(async move { endpoint_of(&asking).await });
    let lines = || (0..MANY).filter(|n| stage.endpoint(*n).live.waiting() == 1).count();
    soon(async {
        while lines() < MANY {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(full.remove(ONE));

    assert_eq!(soon(asked).await.unwrap(), "e23");
}

#[tokio::test]
async fn the_only_one_that_has_the_model_in_memory_is_found() {
    let backend = Backend::answering(ok("{}")).await;
    let stage = plan(&backend).start();
    for n in 0..MANY {
        let live = Arc::clone(&stage.endpoint(n).model_live[0]);
        if n == ONE { live.set_loaded(Default::default()) } else { live.set_cold() }
    }

    assert_eq!(endpoints_of(&stage).await, ["e23"]);
}

#[tokio::test]
async fn one_with_another_priority_or_rule_is_not_like_the_others() {
    let backend = Backend::answering(ok("{}")).await;
    let mut higher = plan(&backend);
    higher.settings.balancer = Balancer::Priority;
    higher.specs[ONE].priority += 1;
    let mut preferred = plan(&backend);
    preferred.specs[ONE].placement.prefer = vec![Glob::parse("m").unwrap()];

    assert_eq!(endpoints_of(&higher.start()).await, ["e23"]);
    assert_eq!(endpoints_of(&preferred.start()).await, ["e23"]);
}

#[tokio::test]
async fn the_only_one_that_is_new_enough_for_the_path_is_found() {
    let backend = Backend::answering(ok("{}")).await;
    let mut plan = plan(&backend);
    plan.settings.anthropic.enabled = false;
    let stage = plan.start();
    for n in 1..MANY {
        stage.endpoint(n).live.set_version(Version::parse("0.10.0"));
    }

    for _ in 0..10 {
        let told = stage.ask(post("/v1/messages", r#"{"model":"m","messages":[]}"#)).await;
        assert_eq!((told.status, told.header("x-olla-endpoint")), (StatusCode::OK, Some("e0")));
    }
}

#[tokio::test]
async fn the_name_that_a_client_writes_is_the_one_that_all_of_them_know() {
    let (good, refusing) = (Backend::answering(ok("{}")).await, Backend::refusing());
    let mut plan = plan(&refusing);
    plan.specs[ONE].base = BaseUrl::parse(&good.url()).unwrap();
    let stage = plan.start();

    let told = stage.ask(post("/v1/completions", r#"{"model":"M"}"#)).await;

    assert_eq!(told.status, StatusCode::OK, "{told:?}");
    assert!(good.heard_one().body.contains(r#""model":"m""#));
}

#[tokio::test]
async fn when_all_are_down_the_answer_says_how_many_they_are() {
    let backend = Backend::answering(ok("{}")).await;
    let stage = plan(&backend).start();
    for n in 0..MANY {
        stage.endpoint(n).live.set_status(Status::Offline);
    }

    let told = stage.ask(chat()).await;

    assert_eq!(told.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(told.text().contains("is on 40 endpoint(s), none of which is available"), "{}", told.text());
}

// === Conversations ===

fn sticky(backend: &Backend) -> Plan {
    let mut plan = plan(backend);
    plan.settings.sticky = Some(Sticky { key_sources: vec![KeySource::SessionHeader], ..Sticky::default() });
    plan
}

/// Says one more thing in a conversation; returns who answered, and whether that was its home.
async fn say(stage: &Stage, id: &str) -> (String, String) {
    let mut request: Request<Full<Bytes>> = chat();
    request.headers_mut().insert("x-olla-session-id", id.parse().unwrap());
    let told = stage.ask(request).await;
    let header = |name| told.header(name).unwrap().to_owned();
    (header("x-olla-endpoint"), header("x-olla-sticky-session"))
}

/// Begins the conversation "one"; returns the number of the endpoint that is its home.
async fn home(stage: &Stage) -> usize {
    say(stage, "one").await.0[1..].parse().unwrap()
}

/// Gives an endpoint one more request to do.
fn enter(stage: &Stage, number: usize) -> InFlight {
    stage.endpoint(number).live.try_enter().unwrap()
}

#[tokio::test]
async fn a_conversation_stays_with_its_endpoint() {
    let backend = Backend::answering(ok("{}")).await;
    let stage = sticky(&backend).start();

    for id in ["one", "two", "three"] {
        let (home, outcome) = say(&stage, id).await;
        assert_eq!(outcome, "miss");
        for _ in 0..10 {
            assert_eq!(say(&stage, id).await, (home.clone(), "hit".to_owned()));
        }
    }
}

#[tokio::test]
async fn a_conversation_leaves_a_home_that_is_busier_than_all_others_and_no_other() {
    let backend = Backend::answering(ok("{}")).await;
    let stage = sticky(&backend).start();
    let home = home(&stage).await;
    let enter = |n| enter(&stage, n);

    let _at_home: Vec<_> = [home; 4].into_iter().map(enter).collect();
    let others: Vec<_> = (0..MANY).filter(|n| *n != home).flat_map(|n| [n; 4]).map(enter).collect();
    assert_eq!(say(&stage, "one").await.1, "hit");
    drop(others);
    let (moved, outcome) = say(&stage, "one").await;

    assert_eq!(outcome, "repin");
    assert_ne!(moved, format!("e{home}"));
}

#[tokio::test]
async fn a_home_is_judged_by_the_load_of_all() {
    let backend = Backend::answering(ok("{}")).await;
    let stage = sticky(&backend).start();
    let home = home(&stage).await;
    let enter = |n| enter(&stage, n);

    // Most have little to do and a few have very much: hardly any sample has the mean of all.
    let _at_home: Vec<_> = [home; 3].into_iter().map(enter).collect();
    let _busy: Vec<_> = (0..MANY).filter(|n| *n != home).take(4).flat_map(|n| [n; 50]).map(enter).collect();

    for _ in 0..20 {
        assert_eq!(say(&stage, "one").await.1, "hit");
    }
}

#[tokio::test]
async fn a_request_goes_on_at_the_endpoint_that_has_made_the_response() {
    let backend = Backend::answering(ok(r#"{"id":"resp_1","object":"response","output":[]}"#)).await;
    let stage = plan(&backend).start();

    let first = stage.ask(post("/v1/responses", r#"{"model":"m","input":"one"}"#)).await;
    let home = first.header("x-olla-endpoint").unwrap();

    for _ in 0..10 {
        let body = r#"{"model":"m","input":"two","previous_response_id":"resp_1"}"#;
        let next = stage.ask(post("/v1/responses", body)).await;
        assert_eq!((next.status, next.header("x-olla-endpoint")), (StatusCode::OK, Some(home)));
    }
}
