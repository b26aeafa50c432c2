//! When an endpoint is asked what it has in memory, and what is made of the answer.

use std::time::Duration;

use olla_core::{Failure, Residency};
use olla_health::MonitorSettings;
use olla_profiles::Profiles;

use crate::{
    network::Reply,
    stage::{HEALTH, LISTING, Stage, listing, millis, seconds, spec},
};

const PS: &str = "/api/ps";

fn loaded(stage: &Stage) -> Vec<Option<bool>> {
    stage.endpoint(0).model_live.iter().map(|live| live.loaded()).collect()
}

fn running(models: &[&str]) -> Reply {
    let entry = |name: &&str| format!(r#"{{"name":"{name}","size":200,"size_vram":100}}"#);
    Reply::ok(&format!(r#"{{"models":[{}]}}"#, models.iter().map(entry).collect::<Vec<_>>().join(",")))
}

#[tokio::test(start_paused = true)]
async fn what_is_loaded_is_known_with_the_first_listing() {
    let stage = Stage::new(vec![spec(1)]);
    stage.healthy(1, &["a:latest", "b"]);
    stage.net.serve(1, PS, running(&["a"]));

    stage.start().await;

    assert_eq!(loaded(&stage), [Some(true), Some(false)], "a is a:latest");
    let mut expected = Residency::default();
    (expected.size_bytes, expected.vram_bytes) = (Some(200), Some(100));
    assert_eq!(stage.endpoint(0).model_live[0].residency(), Some(expected));
}

#[tokio::test(start_paused = true)]
async fn it_is_asked_again_after_every_good_check() {
    let stage = Stage::new(vec![spec(1)]);
    stage.healthy(1, &["a", "b"]);
    stage.net.serve(1, PS, running(&["a"]));
    stage.start().await;

    stage.net.serve(1, PS, running(&["b"]));
    seconds(7).await;

    assert_eq!(loaded(&stage), [Some(false), Some(true)]);
    seconds(23).await;
    let (checks, asked) = (stage.net.asked(1, HEALTH).len(), stage.net.asked(1, PS).len());
    assert!(checks >= 5 && asked == checks + 1, "{checks} checks and a listing, asked {asked} times");
    assert_eq!(stage.net.asked(1, LISTING).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_nobody_knows() {
    for failure in [Reply::status(404), Reply::ok("{}"), Reply::Fails(Failure::Truncated), Reply::Hangs] {
        let stage = Stage::new(vec![spec(1)]);
        stage.healthy(1, &["a"]);
        stage.net.serve(1, PS, running(&["a"]));
        stage.start().await;
        assert_eq!(loaded(&stage), [Some(true)]);

        stage.net.serve(1, PS, failure);
        seconds(8).await;

        assert_eq!(loaded(&stage), [None]);
        assert!(stage.status(0).is_routable());
    }
}

#[tokio::test(start_paused = true)]
async fn of_an_endpoint_that_is_down_nobody_knows() {
    let stage = Stage::new(vec![spec(1)]);
    stage.healthy(1, &["a"]);
    stage.net.serve(1, PS, running(&["a"]));
    stage.start().await;

    stage.net.down(1, Failure::Refused);
    seconds(6).await;
    assert_eq!(loaded(&stage), [None]);

    stage.net.up(1);
    seconds(15).await;
    assert_eq!(loaded(&stage), [Some(true)]);
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_does_not_delay_a_check_that_traffic_asks_for() {
    let stage = Stage::new(vec![spec(1)]);
    stage.healthy(1, &["a"]);
    stage.start().await;
    stage.net.serve(1, PS, Reply::Hangs);
    let checks = || stage.net.asked(1, HEALTH).len();
    let before = checks();
    while checks() == before {
        millis(10).await;
    }

    stage.endpoint(0).live.request_probe();
    millis(500).await;

    assert_eq!(checks(), before + 2);
}

#[tokio::test(start_paused = true)]
async fn a_model_list_that_tells_it_is_not_asked_for_twice() {
    let mut server = spec(1);
    server.kind = Profiles::builtin().resolve("lm-studio");
    server.check_interval = Duration::from_secs(600);
    let list = |state: &str| {
        Reply::ok(&format!(
            r#"{{"data":[{{"id":"a","state":"{state}","loaded_context_length":4096}},{{"id":"b"}}]}}"#
        ))
    };
    let settings = MonitorSettings { interval: Duration::from_secs(60), ..Default::default() };
    let stage = Stage::with(vec![server], settings);
    stage.net.serve(1, "/v1/models", Reply::ok("{}"));
    stage.net.serve(1, "/api/v0/models", list("loaded"));
    stage.start().await;
    assert_eq!(loaded(&stage), [Some(true), Some(false)]);
    assert_eq!(stage.endpoint(0).model_live[0].residency().unwrap().context_length, Some(4096));
    let at_start = stage.net.asked(1, "/api/v0/models").len();

    stage.net.serve(1, "/api/v0/models", list("not-loaded"));
    seconds(61).await;

    assert_eq!(loaded(&stage), [Some(false), Some(false)]);
    assert_eq!(stage.net.asked(1, "/api/v0/models").len(), at_start + 1);
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_does_not_tell_is_not_asked() {
    let mut server = spec(1);
    server.kind = Profiles::builtin().resolve("vllm");
    let stage = Stage::new(vec![server]);
    stage.net.serve(1, "/health", Reply::ok(""));
    stage.net.serve(1, "/v1/models", Reply::ok(r#"{"data":[{"id":"a"}]}"#));

    stage.start().await;
    seconds(12).await;

    assert_eq!(loaded(&stage), [None]);
    let known = ["/health", "/v1/models", "/version"].map(|path| stage.net.asked(1, path).len());
    assert_eq!(stage.net.count(1), known.iter().sum::<usize>());
}

#[tokio::test(start_paused = true)]
async fn a_model_that_appears_is_known_at_once() {
    let stage = Stage::new(vec![spec(1)]);
    stage.healthy(1, &["a"]);
    stage.net.serve(1, PS, running(&["b"]));
    stage.start().await;

    stage.net.serve(1, LISTING, listing(&["a", "b"]));
    stage.monitor.refresh().await;

    assert_eq!(loaded(&stage), [Some(false), Some(true)]);
}
