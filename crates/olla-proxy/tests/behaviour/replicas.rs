//! Many endpoints that are alike: each choice is among a few of them, and no request suffers from that.

mod conversations;

use std::{
    collections::BTreeSet,
    num::NonZeroU32,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use http::StatusCode;
use olla_balancer::{Balancer, Candidate, Hint, Pick, Strategy, Tried};
use olla_core::{BaseUrl, EndpointSpec, Glob, InFlight, Model, Status, Version};
use olla_profiles::Profiles;
use olla_proxy::Proxy;

use crate::support::{Backend, MODEL, Plan, Stage, chat, ok, pass, post, soon, stop_the_clock};

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

/// Gives an endpoint one more request to do.
fn enter(stage: &Stage, number: usize) -> InFlight {
    stage.endpoint(number).live.try_enter().unwrap()
}

async fn endpoint_of(stage: &Stage) -> String {
    let told = stage.ask(chat()).await;
    assert_eq!(told.status, StatusCode::OK, "{told:?}");
    told.header("x-olla-endpoint").unwrap().to_owned()
}

/// Returns who answers when a stage is asked so often at one moment.
async fn asked(stage: &Stage, times: usize) -> Vec<String> {
    let mut endpoints = vec![];
    for _ in 0..times {
        endpoints.push(endpoint_of(stage).await);
    }
    endpoints
}

/// Asks often enough to tell a rule from chance.
async fn endpoints_of(stage: &Stage) -> Vec<String> {
    let mut endpoints = asked(stage, 30).await;
    endpoints.sort_unstable();
    endpoints.dedup();
    endpoints
}

/// Notes how many candidates it is shown, and chooses as another.
#[derive(Debug)]
struct Watching {
    choices: Option<usize>,
    takes_any_free: bool,
    shown: Mutex<Vec<usize>>,
}

impl Strategy for Watching {
    fn name(&self) -> &'static str {
        "watching"
    }

    fn choices(&self) -> usize {
        self.choices.unwrap_or(usize::MAX)
    }

    fn takes_any_free(&self) -> bool {
        self.takes_any_free
    }

    fn pick(&self, candidates: &[Candidate<'_>], tried: &Tried, hint: &Hint) -> Option<Pick> {
        self.shown.lock().unwrap().push(candidates.len());
        Balancer::LeastConnections.pick(candidates, tried, hint)
    }
}

/// Lets a strategy choose that is content with so many, and returns it.
fn watch(stage: &mut Stage, choices: Option<usize>) -> Arc<Watching> {
    watch_as(stage, Watching { choices, takes_any_free: false, shown: Mutex::default() })
}

/// The same for one that takes anyone who is free.
fn watch_taking_any_free(stage: &mut Stage, choices: usize) -> Arc<Watching> {
    watch_as(stage, Watching { choices: Some(choices), takes_any_free: true, shown: Mutex::default() })
}

fn watch_as(stage: &mut Stage, watching: Watching) -> Arc<Watching> {
    let watching = Arc::new(watching);
    let proxy = Proxy::builder(Arc::clone(&stage.fleet), Arc::new(Profiles::builtin()));
    stage.proxy = proxy.strategy(Arc::clone(&watching) as _).build();
    watching
}

impl Watching {
    fn shown(&self) -> Vec<usize> {
        std::mem::take(&mut self.shown.lock().unwrap())
    }
}

fn distinct(endpoints: &[String]) -> BTreeSet<&str> {
    endpoints.iter().map(|endpoint| &**endpoint).collect()
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
async fn the_next_one_that_is_free_is_taken() {
    let backend = Backend::answering(ok("{}")).await;
    let mut stage = plan(&backend).start();
    let watching = watch_taking_any_free(&mut stage, 8);

    endpoint_of(&stage).await;
    let _busy: Vec<_> = (0..MANY).filter(|n| n % 2 == 0).map(|number| enter(&stage, number)).collect();
    for _ in 0..MANY {
        let chosen: usize = endpoint_of(&stage).await[1..].parse().unwrap();
        assert!(chosen % 2 == 1, "{chosen} is busy");
    }
    assert_eq!(watching.shown(), [0; 0], "the strategy need not be asked");

    let mut busy: Vec<_> = (0..MANY).map(|number| enter(&stage, number)).collect();
    endpoint_of(&stage).await;
    assert_eq!(watching.shown(), [8], "all that come next have something to do");

    // One of them at least is among all but one.
    busy.truncate(MANY - 8);
    watch_taking_any_free(&mut stage, MANY - 1);
    for _ in 0..20 {
        let chosen: usize = endpoint_of(&stage).await[1..].parse().unwrap();
        assert!(chosen >= MANY - 8, "{chosen} is busy");
    }
}

#[tokio::test]
async fn a_stream_that_fails_before_its_first_output_moves_on_from_one_that_was_free() {
    const GOOD: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"well\"}}]}\n\ndata: [DONE]\n\n";
    const BAD: &str = "data: {\"error\":{\"message\":\"out of memory\"}}\n\n";
    let answered = Arc::new(AtomicUsize::new(0));
    let backend = Backend::scripted(move |mut conn| {
        let answered = Arc::clone(&answered);
        async move {
            while conn.request().await.is_some() {
                let events = if answered.fetch_add(1, Relaxed) == 0 { BAD } else { GOOD };
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length:";
                conn.send(&format!("{head} {}\r\n\r\n{events}", events.len())).await;
            }
        }
    })
    .await;
    let stage = plan(&backend).start();

    let told = stage.ask(post("/v1/chat/completions", r#"{"model":"m","stream":true,"messages":[]}"#)).await;

    assert_eq!(told.text(), GOOD);
    assert_eq!(stage.journal.only().await.attempts.len(), 2);
}

#[tokio::test]
async fn a_worker_goes_round_a_few_for_a_moment_and_others_round_others() {
    stop_the_clock();
    let backend = Backend::answering(ok("{}")).await;
    let mut stage = plan(&backend).start();
    watch_taking_any_free(&mut stage, 8);

    let first = asked(&stage, 16).await;
    assert_eq!((&first[..8], distinct(&first).len()), (&first[8..], 8));
    pass(Duration::from_millis(128)).await;
    let later = asked(&stage, 16).await;
    assert!(
        distinct(&later).len() == 8 && distinct(&later).is_disjoint(&distinct(&first)),
        "{first:?}, {later:?}"
    );
    // Each of the other workers begins where the one before it goes next.
    stage.proxy = stage.proxy.worker().worker();
    let of_another = asked(&stage, 16).await;
    assert!(distinct(&of_another).is_disjoint(&distinct(&later)), "{later:?}, {of_another:?}");
}

#[tokio::test]
async fn whoever_has_more_to_do_looks_among_more() {
    const BUSY: usize = 9;
    stop_the_clock();
    let answered = Arc::new(AtomicUsize::new(0));
    let backend = Backend::scripted(move |mut conn| {
        let answered = Arc::clone(&answered);
        async move {
            while conn.request().await.is_some() {
                conn.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{").await;
                if answered.fetch_add(1, Relaxed) < BUSY {
                    conn.cue().await;
                }
                conn.send("}").await;
            }
        }
    })
    .await;
    let mut stage = plan(&backend).start();
    watch_taking_any_free(&mut stage, 8);

    let mut open = vec![];
    for _ in 0..BUSY {
        open.push(stage.open(chat()).await);
    }

    // Two for each of those, and two for whoever asks: twenty, of which eleven are free. The others come one after the other,
    // and for each three of them somebody else is drawn.
    let answered = asked(&stage, 28).await;
    let again = answered.iter().zip(&answered[14..]).filter(|(first, again)| first == again).count();
    assert!(again >= 11, "{answered:?}");
}

#[tokio::test]
async fn all_are_shown_after_a_failure() {
    let mut stage = plan(&Backend::refusing()).start();
    let watching = watch_taking_any_free(&mut stage, 8);

    stage.ask(chat()).await;

    let shown = watching.shown();
    assert!(shown.len() > 1 && shown.iter().all(|shown| *shown == MANY), "{shown:?}");
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
