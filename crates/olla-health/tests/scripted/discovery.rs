//! When models are listed, and what a listing changes.

use std::time::Duration;

use olla_core::{Failure, Glob, Model, Status, Version};
use olla_health::{ListingFailure, MonitorSettings};
use olla_profiles::Profiles;

use crate::{
    journal::Journal,
    network::Reply,
    stage::{HEALTH, LISTING, Stage, listing, millis, seconds, spec},
};

#[tokio::test(start_paused = true)]
async fn models_are_listed_right_after_the_first_good_check_and_settle_the_endpoint() {
    let stage = Stage::new(vec![spec(1)]);
    stage.healthy(1, &["llama3"]);
    stage.net.serve(1, LISTING, listing(&["llama3"]).after(Duration::from_secs(3)));

    stage.monitor.watch_new();
    seconds(2).await;
    assert_eq!(stage.status(0), Status::Healthy);
    assert!(!stage.cell.load().is_settled(), "the listing is under way");
    seconds(2).await;

    assert!(stage.cell.load().is_settled());
    assert_eq!(stage.models(0), ["llama3"]);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_down_is_settled_by_its_check() {
    let stage = Stage::new(vec![spec(1)]);

    stage.monitor.watch_new();
    millis(1).await;

    assert!(stage.cell.load().is_settled());
    assert_eq!(stage.status(0), Status::Offline);
    assert!(stage.net.asked(1, LISTING).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_failed_first_listing_settles_the_endpoint_before_it_is_tried_again() {
    let stage = Stage::new(vec![spec(1)]);
    stage.net.serve(1, HEALTH, Reply::status(200));

    stage.start().await;

    assert_eq!(stage.net.asked(1, LISTING).len(), 1);
    assert_eq!(stage.status(0), Status::Healthy);
}

#[tokio::test(start_paused = true)]
async fn listings_keep_their_interval() {
    let settings = MonitorSettings { interval: Duration::from_secs(60), ..Default::default() };
    let stage = Stage::with(vec![spec(1)], settings);
    stage.healthy(1, &[]);

    stage.start().await;
    seconds(200).await;

    let gaps = stage.net.gaps(1, LISTING);
    assert!(gaps.len() == 3 && gaps.iter().all(|gap| (gap - 60.0).abs() < 0.1), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn recovery_lists_at_once() {
    let stage = Stage::new(vec![spec(1)]);
    stage.healthy(1, &["old"]);
    stage.start().await;
    stage.net.down(1, Failure::Refused);
    seconds(10).await;
    assert_eq!(stage.status(0), Status::Offline);
    assert_eq!(stage.models(0), ["old"], "the list is kept while the endpoint is down");

    stage.healthy(1, &["new"]);
    seconds(15).await;

    let back = stage.net.asked(1, HEALTH).iter().map(|a| a.at).filter(|at| at.as_secs() >= 10).min();
    let listed = stage.net.asked(1, LISTING).last().unwrap().at;
    assert!(listed - back.unwrap() < Duration::from_millis(10));
    assert_eq!(stage.models(0), ["new"]);
}

#[tokio::test(start_paused = true)]
async fn models_that_are_no_longer_listed_are_gone_and_an_empty_list_removes_all() {
    let settings = MonitorSettings { interval: Duration::from_secs(60), ..Default::default() };
    let stage = Stage::with(vec![spec(1)], settings);
    stage.healthy(1, &["a", "b"]);
    stage.start().await;
    assert_eq!(stage.models(0), ["a", "b"]);

    stage.healthy(1, &["b"]);
    seconds(61).await;
    assert_eq!(stage.models(0), ["b"]);
    assert!(stage.cell.load().lookup("a").is_empty());

    stage.healthy(1, &[]);
    seconds(61).await;
    assert!(stage.models(0).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_failed_listing_keeps_the_models_and_is_tried_again_ever_more_slowly() {
    let journal = Journal::open();
    let settings = MonitorSettings { interval: Duration::from_secs(60), ..Default::default() };
    let stage = Stage::with(vec![spec(1)], settings);
    stage.healthy(1, &["a"]);
    stage.start().await;

    stage.net.serve(1, LISTING, Reply::status(500));
    seconds(150).await;

    let gaps = stage.net.gaps(1, LISTING);
    for (gap, expected) in gaps.iter().zip([60.0, 1.0, 2.0, 4.0, 30.0, 1.0, 2.0]) {
        assert!((gap - expected).abs() < 0.1, "{gaps:?}");
    }
    assert!(gaps.len() >= 7, "{gaps:?}");
    assert_eq!(stage.models(0), ["a"]);
    assert!(stage.listing_error(0).contains("answered with 500"), "{}", stage.listing_error(0));
    assert_eq!(journal.lines("models cannot be listed").len(), 1);
    stage.healthy(1, &["b"]);
    seconds(60).await;
    assert_eq!(stage.models(0), ["b"], "never given up");
    assert!(stage.listing_error(0).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_failure_concerns_one_endpoint_only() {
    let stage = Stage::new(vec![spec(1), spec(2), spec(3)]);
    for port in [1, 2, 3] {
        stage.healthy(port, &["m"]);
    }
    stage.net.serve(1, LISTING, Reply::Fails(Failure::Truncated));
    stage.net.serve(2, LISTING, Reply::Hangs);

    stage.monitor.watch_new();
    millis(50).await;

    assert_eq!(stage.models(2), ["m"]);
    assert!(stage.listing_error(0).contains("cut short"));
    seconds(31).await;
    assert!(stage.listing_error(1).contains("did not arrive"), "{}", stage.listing_error(1));
}

#[tokio::test(start_paused = true)]
async fn only_a_whole_200_answer_in_the_right_shape_is_a_listing() {
    let long = Reply::Answer { status: 200, headers: vec![], body: "{".into(), cut_off: true };
    let replies = [
        (Reply::status(204), "answered with 204"),
        (Reply::status(302), "redirects are not followed"),
        (Reply::status(401), "`auth`"),
        (long, "longer than 10 MiB"),
        (Reply::ok("<html>"), "not JSON"),
        (Reply::ok(r#"{"data":[]}"#), "models"),
    ];
    for (reply, words) in replies {
        let stage = Stage::new(vec![spec(1)]);
        stage.healthy(1, &[]);
        stage.net.serve(1, LISTING, reply);

        stage.start().await;

        assert!(stage.listing_error(0).contains(words), "{words}: {}", stage.listing_error(0));
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_listings_are_under_way_than_allowed() {
    let settings = MonitorSettings { concurrent_workers: 2, ..Default::default() };
    let stage = Stage::with((1..=4).map(spec).collect(), settings);
    for port in 1..=4 {
        stage.healthy(port, &["m"]);
        stage.net.serve(port, LISTING, listing(&["m"]).after(Duration::from_secs(10)));
    }

    stage.monitor.watch_new();
    seconds(5).await;
    let first: usize = (1..=4).map(|port| stage.net.asked(port, LISTING).len()).sum();
    seconds(10).await;
    let second: usize = (1..=4).map(|port| stage.net.asked(port, LISTING).len()).sum();

    assert_eq!((first, second), (2, 4));
}

#[tokio::test(start_paused = true)]
async fn filters_apply_and_declared_models_stay() {
    let mut filtered = spec(1);
    filtered.filter.include = vec![Glob::parse("llama*").unwrap()];
    filtered.declared_models = vec![Model::named("whisper")].into();
    let stage = Stage::new(vec![filtered]);
    stage.healthy(1, &["llama3", "phi4"]);

    stage.start().await;

    assert_eq!(stage.models(0), ["llama3", "whisper"]);
}

#[tokio::test(start_paused = true)]
async fn without_discovery_only_declared_models_are_used() {
    let mut declaring = spec(1);
    declaring.declared_models = vec![Model::named("whisper")].into();
    let settings = MonitorSettings { discovery_enabled: false, ..Default::default() };
    let stage = Stage::with(vec![declaring], settings);
    stage.healthy(1, &["llama3"]);

    stage.start().await;
    let refreshed = stage.monitor.refresh().await;

    assert_eq!(stage.models(0), ["whisper"]);
    assert!(matches!(refreshed[0].outcome, Err(ListingFailure::Disabled)));
    assert!(stage.net.asked(1, LISTING).is_empty() && stage.listing_error(0).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_refresh_lists_every_endpoint_and_says_what_came_of_it() {
    let stage = Stage::new(vec![spec(1), spec(2), spec(3)]);
    stage.healthy(1, &["a"]);
    stage.healthy(2, &["b"]);
    stage.start().await;
    stage.healthy(1, &["a", "c"]);
    stage.net.serve(2, LISTING, Reply::status(500));
    stage.healthy(3, &["d"]);

    let refreshed = stage.monitor.refresh().await;

    assert_eq!(stage.models(0), ["a", "c"]);
    assert_eq!(&*refreshed[0].endpoint, "e1");
    assert!(matches!(refreshed[0].outcome, Ok(2)));
    assert!(matches!(refreshed[1].outcome, Err(ListingFailure::Refused(_))));
    assert!(matches!(refreshed[2].outcome, Err(ListingFailure::NotRoutable(Status::Offline))));
    millis(300).await;
    assert_eq!(stage.models(2), ["d"], "a refresh checks again what was down");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_within_a_limit_waits_for_no_slow_endpoint_and_keeps_what_others_list() {
    let stage = Stage::new(vec![spec(1), spec(2)]);
    stage.healthy(1, &["a"]);
    stage.healthy(2, &["b"]);
    stage.start().await;
    stage.net.serve(1, LISTING, listing(&["a", "c"]).after(Duration::from_secs(10)));
    stage.healthy(2, &["b", "d"]);
    let started = tokio::time::Instant::now();

    let refreshed = stage.monitor.refresh_within(Duration::from_secs(2)).await;

    assert_eq!(started.elapsed().as_secs(), 2);
    assert!(matches!(refreshed[0].outcome, Err(ListingFailure::Unfinished)));
    assert!(matches!(refreshed[1].outcome, Ok(2)));
    assert_eq!(stage.models(1), ["b", "d"]);
    seconds(9).await;
    assert_eq!(stage.models(0), ["a", "c"], "the slow listing has gone on");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_not_watched_says_so() {
    let stage = Stage::new(vec![spec(1)]);

    let refreshed = stage.monitor.refresh().await;

    assert!(matches!(refreshed[0].outcome, Err(ListingFailure::Unwatched)));
}

#[tokio::test(start_paused = true)]
async fn an_examination_reports_and_changes_nothing() {
    let mut filtered = spec(1);
    filtered.filter.exclude = vec![Glob::parse("b*").unwrap()];
    let stage = Stage::new(vec![filtered, spec(2)]);
    stage.healthy(1, &["a", "b"]);

    let good = stage.monitor.check_once(&stage.endpoint(0).spec).await;
    let bad = stage.monitor.check_once(&stage.endpoint(1).spec).await;

    let names: Vec<_> = good.models.unwrap().unwrap().into_iter().map(|model| model.name).collect();
    assert_eq!((good.status, names), (Status::Healthy, vec!["a".into()]));
    assert!(bad.status == Status::Offline && bad.models.is_none() && bad.reason.is_some());
    assert_eq!(stage.status(0), Status::Unknown);
    assert!(stage.models(0).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_model_url_that_spells_out_the_usual_path_keeps_the_usual_query() {
    let mut gateway = spec(1);
    gateway.kind = Profiles::builtin().resolve("litellm");
    gateway.listing = Some(gateway.base.target("/v1/models").unwrap());
    let stage = Stage::new(vec![gateway]);
    stage.net.serve(1, "/health/liveliness", Reply::ok(r#""I'm alive!""#));
    let wildcard = Reply::ok(r#"{"data":[{"id":"openai/*"}]}"#);
    stage.net.serve(1, "/v1/models?return_wildcard_routes=true", wildcard);

    stage.start().await;

    assert_eq!(stage.models(0), ["openai/*"]);
}

#[tokio::test(start_paused = true)]
async fn the_version_is_asked_for_with_the_models() {
    let stage = Stage::new(vec![spec(1)]);
    stage.healthy(1, &["a"]);
    stage.net.serve(1, "/api/version", Reply::ok(r#"{"version":"0.13.5"}"#));

    stage.start().await;
    assert_eq!(stage.endpoint(0).live.version(), Version::parse("0.13.5"));

    stage.net.serve(1, "/api/version", Reply::status(404));
    stage.monitor.refresh().await;
    assert_eq!(stage.endpoint(0).live.version(), None);
}
