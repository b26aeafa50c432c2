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
use olla_core::{BaseUrl, EndpointId, EndpointSpec, Glob, InFlight, Model, Status, Version};
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
    /// Those that it is shown at first.
    seen: Mutex<BTreeSet<EndpointId>>,
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
        if candidates.len() == self.choices_at_first() {
            self.seen.lock().unwrap().extend(candidates.iter().map(|candidate| candidate.endpoint.id));
        }
        Balancer::LeastConnections.pick(candidates, tried, hint)
    }
}

/// Lets a strategy choose that is content with so many, and returns it.
fn watch(stage: &mut Stage, choices: Option<usize>) -> Arc<Watching> {
    watch_at_first(stage, choices, None)
}

/// The same for one that looks for an idle one among so many at first.
fn watch_at_first(stage: &mut Stage, choices: Option<usize>, at_first: Option<usize>) -> Arc<Watching> {
    let (shown, seen) = Default::default();
    let watching = Arc::new(Watching { choices, at_first, shown, seen });
    let proxy = Proxy::builder(Arc::clone(&stage.fleet), Arc::new(Profiles::builtin()));
    stage.proxy = proxy.strategy(Arc::clone(&watching) as _).build();
    watching
}

impl Watching {
    fn shown(&self) -> Vec<usize> {
        std::mem::take(&mut self.shown.lock().unwrap())
    }

    /// Returns whom it is shown at first when a stage is asked very often at one moment.
    async fn seen(&self, stage: &Stage) -> BTreeSet<EndpointId> {
        self.seen.lock().unwrap().clear();
        for _ in 0..200 {
            endpoint_of(stage).await;
        }
        self.seen.lock().unwrap().clone()
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
async fn an_idle_one_is_looked_for_among_a_few_for_a_moment_and_by_each_worker_among_others() {
    stop_the_clock();
    let backend = Backend::answering(ok("{}")).await;
    let mut stage = plan(&backend).start();
    let watching = watch_at_first(&mut stage, Some(8), Some(3));

    let first = watching.seen(&stage).await;
    assert_eq!(first.len(), 8);
    assert_eq!(watching.seen(&stage).await, first);
    pass(Duration::from_millis(128)).await;
    let later = watching.seen(&stage).await;
    assert!(later.len() == 8 && later.is_disjoint(&first), "{first:?}, {later:?}");
    // Each of the other workers begins where the one before it goes next.
    stage.proxy = stage.proxy.worker().worker();
    let of_another = watching.seen(&stage).await;
    assert!(of_another.len() == 8 && of_another.is_disjoint(&later), "{later:?}, {of_another:?}");
}

#[tokio::test]
async fn whoever_has_more_to_do_looks_among_more() {
    stop_the_clock();
    let answered = Arc::new(AtomicUsize::new(0));
    let backend = Backend::scripted(move |mut conn| {
        let answered = Arc::clone(&answered);
        async move {
            while conn.request().await.is_some() {
                conn.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{").await;
                if answered.fetch_add(1, Relaxed) < 5 {
                    conn.cue().await;
                }
                conn.send("}").await;
            }
        }
    })
    .await;
    let mut stage = plan(&backend).start();
    let watching = watch_at_first(&mut stage, Some(8), Some(3));

    let mut open = vec![];
    for _ in 0..5 {
        open.push(stage.open(chat()).await);
    }

    assert_eq!(watching.seen(&stage).await.len(), 12, "two for each of those, and two for whoever asks");
}

#[tokio::test]
async fn all_are_shown_after_a_failure() {
    let mut stage = plan(&Backend::refusing()).start();
    let watching = watch_at_first(&mut stage, Some(8), Some(3));

    stage.ask(chat()).await;

    let shown = watching.shown();
    assert!(shown.len() > 1 && shown[0] == 3 && shown[1..].iter().all(|shown| *shown == MANY), "{shown:?}");
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
