//! Requests for a model that nobody is known to have make the backends list their models anew.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use http::StatusCode;
use olla_core::{FleetCell, Model};
use olla_proxy::{Fallback, Rediscover, Routing};
use tokio::sync::Notify;

use crate::support::{Backend, Plan, Stage, chat, ok};

const LIMIT: Duration = Duration::from_secs(2);

async fn stage(rediscover: fn(Arc<FleetCell>) -> Rediscover, fallback: Fallback) -> (Stage, Backend) {
    let backend = Backend::answering(ok("{}")).await;
    let mut plan = Plan::over(&[&backend]);
    plan.models(0, &["other"]);
    plan.settings.routing = Routing::Discovery { fallback, refresh: Some(LIMIT) };
    plan.rediscover = Some(rediscover);
    (plan.start(), backend)
}

fn finds_the_model(fleet: Arc<FleetCell>) -> Rediscover {
    Arc::new(move || {
        let fleet = Arc::clone(&fleet);
        Box::pin(async move {
            let id = fleet.load().endpoints()[0].id;
            fleet.publish_models(id, None, vec![Model::named("m")]);
            true
        })
    })
}

fn finds_nothing(_: Arc<FleetCell>) -> Rediscover {
    Arc::new(|| Box::pin(async { true }))
}

fn fails(_: Arc<FleetCell>) -> Rediscover {
    Arc::new(|| Box::pin(async { false }))
}

fn hangs(_: Arc<FleetCell>) -> Rediscover {
    Arc::new(|| Box::pin(std::future::pending()))
}

#[tokio::test]
async fn a_model_that_has_just_appeared_is_served_at_once() {
    let (stage, _backend) = stage(finds_the_model, Fallback::Nowhere).await;

    let first = stage.ask(chat()).await;
    let second = stage.ask(chat()).await;

    let reason = "x-olla-routing-reason";
    assert_eq!((first.status, first.header(reason)), (StatusCode::OK, Some("model_found_after_discovery")));
    assert_eq!((second.status, second.header(reason)), (StatusCode::OK, Some("model_found_no_refresh")));
    assert_eq!(first.header("x-olla-routing-strategy"), Some("discovery"));
}

#[tokio::test]
async fn every_end_of_a_fruitless_listing_has_its_reason() {
    type Lists = fn(Arc<FleetCell>) -> Rediscover;
    let cases: [(Lists, Fallback, StatusCode, &str); 4] = [
        (
            finds_nothing,
            Fallback::Nowhere,
            StatusCode::SERVICE_UNAVAILABLE,
            "model_unavailable_after_discovery",
        ),
        (finds_nothing, Fallback::All, StatusCode::OK, "all_healthy_after_discovery"),
        (
            fails,
            Fallback::CompatibleOnly,
            StatusCode::SERVICE_UNAVAILABLE,
            "discovery_failed_compatible_only",
        ),
        (fails, Fallback::All, StatusCode::OK, "discovery_failed_all_fallback"),
    ];
    for (lists, fallback, status, reason) in cases {
        let (stage, _backend) = stage(lists, fallback).await;

        let told = stage.ask(chat()).await;

        assert_eq!((told.status, told.header("x-olla-routing-reason")), (status, Some(reason)));
    }
}

#[tokio::test(start_paused = true)]
async fn listings_that_hang_are_waited_for_no_longer_than_the_limit() {
    let backend = Backend::refusing();
    let mut plan = Plan::over(&[&backend]);
    plan.models(0, &["other"]);
    plan.settings.routing = Routing::Discovery { fallback: Fallback::Nowhere, refresh: Some(LIMIT) };
    plan.rediscover = Some(hangs);
    let stage = plan.start();
    let started = tokio::time::Instant::now();

    let told = stage.ask(chat()).await;

    assert_eq!(told.header("x-olla-routing-reason"), Some("discovery_failed_no_fallback"));
    assert_eq!(started.elapsed().as_secs(), LIMIT.as_secs());
}

static LISTINGS: AtomicUsize = AtomicUsize::new(0);
static GO_ON: Notify = Notify::const_new();

#[tokio::test]
async fn requests_that_miss_together_share_one_listing() {
    let counts: fn(Arc<FleetCell>) -> Rediscover = |_| {
        Arc::new(|| {
            Box::pin(async {
                LISTINGS.fetch_add(1, Relaxed);
                GO_ON.notified().await;
                true
            })
        })
    };
    let (stage, _backend) = stage(counts, Fallback::Nowhere).await;

    let misses = futures_util::future::join_all((0..20).map(|_| stage.ask(chat())));
    let release = async {
        while LISTINGS.load(Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        GO_ON.notify_one();
    };
    let (told, ()) = tokio::join!(misses, release);

    assert!(told.iter().all(|told| told.status == StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(LISTINGS.load(Relaxed), 1);
}
