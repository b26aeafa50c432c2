//! What is asked about listed models, how often, and what an answer or its absence changes.

use std::time::Duration;

use http::header::CONTENT_TYPE;
use olla_core::{EndpointSpec, Failure, Glob, Model};
use olla_health::MonitorSettings;
use olla_profiles::Profiles;

use crate::{
    journal::Journal,
    network::Reply,
    stage::{HEALTH, LISTING, Stage, listing, seconds, spec},
};

/// The question of the kind that most tests use.
const SHOW: &str = "/api/show";

const MINUTE: Duration = Duration::from_secs(60);

/// Lists every minute.
fn stage(specs: Vec<EndpointSpec>) -> Stage {
    Stage::with(specs, MonitorSettings { interval: MINUTE, ..Default::default() })
}

fn capable(words: &[&str]) -> Reply {
    Reply::ok(&format!(r#"{{"capabilities":{words:?},"model_info":{{"x.context_length":8192}}}}"#))
}

fn with_digests(models: &[(&str, &str)]) -> Reply {
    let entry = |(name, digest): &(&str, &str)| format!(r#"{{"name":"{name}","digest":"{digest}"}}"#);
    Reply::ok(&format!(r#"{{"models":[{}]}}"#, models.iter().map(entry).collect::<Vec<_>>().join(",")))
}

fn model(stage: &Stage, name: &str) -> Model {
    Model::clone(&stage.cell.load().lookup(name)[0].model)
}

#[tokio::test(start_paused = true)]
async fn each_model_is_asked_about_once() {
    let stage = stage(vec![spec(1)]);
    stage.healthy(1, &["a", "b"]);
    stage.net.serve(1, SHOW, capable(&["completion", "tools"]));

    stage.start().await;
    seconds(200).await;

    let asked = stage.net.asked(1, SHOW);
    let mut posted: Vec<_> = asked.iter().map(|asked| &*asked.posted).collect();
    posted.sort_unstable();
    assert_eq!(posted, [r#"{"model":"a"}"#, r#"{"model":"b"}"#]);
    assert_eq!(asked[0].headers[CONTENT_TYPE], "application/json");
    assert!(stage.net.asked(1, LISTING).len() >= 3);
    let a = model(&stage, "a");
    assert_eq!((a.abilities.tools, a.abilities.images), (Some(true), Some(false)));
    assert_eq!(a.reported.context_length, Some(8192));
}

#[tokio::test(start_paused = true)]
async fn a_model_that_is_new_or_replaced_is_asked_about_again() {
    let stage = stage(vec![spec(1)]);
    stage.healthy(1, &[]);
    stage.net.serve(1, LISTING, with_digests(&[("a", "1"), ("b", "1")]));
    stage.net.serve(1, SHOW, capable(&["completion", "vision"]));
    stage.start().await;
    assert_eq!(stage.net.asked(1, SHOW).len(), 2);

    stage.net.serve(1, LISTING, with_digests(&[("a", "2"), ("b", "1"), ("c", "1")]));
    stage.net.serve(1, SHOW, capable(&["completion"]));
    seconds(61).await;

    assert_eq!(stage.net.asked(1, SHOW).len(), 4);
    let images = ["a", "b", "c"].map(|name| model(&stage, name).abilities.images);
    assert_eq!(images, [Some(false), Some(true), Some(false)]);
}

#[tokio::test(start_paused = true)]
async fn what_was_told_of_a_replaced_model_is_not_told_of_its_successor() {
    let stage = stage(vec![spec(1)]);
    stage.healthy(1, &[]);
    stage.net.serve(1, LISTING, with_digests(&[("a", "1")]));
    stage.net.serve(1, SHOW, capable(&["completion"]));
    stage.start().await;
    assert_eq!(model(&stage, "a").abilities.images, Some(false));

    stage.net.serve(1, LISTING, with_digests(&[("a", "2")]));
    stage.net.serve(1, SHOW, Reply::status(500));
    seconds(61).await;

    assert_eq!(model(&stage, "a").digest.as_deref(), Some("2"));
    assert_eq!(model(&stage, "a").abilities.images, None);
}

#[tokio::test(start_paused = true)]
async fn a_failed_question_fails_no_listing_and_is_asked_again_with_the_next_one() {
    let journal = Journal::open();
    for failure in [Reply::status(404), Reply::ok("<html>"), Reply::Fails(Failure::Truncated), Reply::Hangs] {
        let stage = stage(vec![spec(1)]);
        stage.healthy(1, &["a"]);
        stage.net.serve(1, SHOW, failure);

        stage.start().await;
        assert_eq!(stage.models(0), ["a"]);
        assert_eq!(stage.listing_error(0), "");
        assert_eq!(model(&stage, "a").abilities.tools, None);

        stage.net.serve(1, SHOW, capable(&["tools"]));
        seconds(61).await;
        assert_eq!(model(&stage, "a").abilities.tools, Some(true));
    }
    assert!(journal.lines("details are not told").iter().all(|line| line.starts_with("DEBUG")));
    assert!(!journal.lines("details are not told").is_empty());
}

#[tokio::test(start_paused = true)]
async fn models_are_used_before_all_questions_are_answered() {
    let stage = stage(vec![spec(1)]);
    stage.healthy(1, &["a"]);
    stage.net.serve(1, SHOW, Reply::Hangs);

    stage.monitor.watch_new();
    seconds(1).await;

    assert_eq!(stage.models(0), ["a"]);
    assert!(!stage.cell.load().is_settled(), "it may still be told what they can do");
    seconds(31).await;
    assert!(stage.cell.load().is_settled(), "but not for ever");
}

#[tokio::test(start_paused = true)]
async fn no_endpoint_is_asked_more_than_four_questions_at_a_time() {
    let names: Vec<_> = (10..30).map(|n| format!("m{n}")).collect();
    let names: Vec<_> = names.iter().map(|name| &**name).collect();
    let stage = stage(vec![spec(1)]);
    stage.healthy(1, &names);
    stage.net.serve(1, SHOW, capable(&["tools"]).after(Duration::from_millis(100)));

    stage.start().await;

    assert_eq!((stage.net.asked(1, SHOW).len(), stage.net.peak(1, SHOW)), (20, 4));
}

#[tokio::test(start_paused = true)]
async fn models_that_the_filter_refuses_are_not_asked_about() {
    let mut filtered = spec(1);
    filtered.filter.exclude = vec![Glob::parse("b*").unwrap()];
    let stage = stage(vec![filtered]);
    stage.healthy(1, &["a", "b"]);
    stage.net.serve(1, SHOW, capable(&["tools"]));

    stage.start().await;

    assert_eq!(stage.net.asked(1, SHOW).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_answer_about_all_models_is_matched_by_name_and_asked_for_with_every_listing() {
    let mut gateway = spec(1);
    gateway.kind = Profiles::builtin().resolve("litellm");
    let stage = stage(vec![gateway]);
    let list = r#"{"data":[{"id":"a"},{"id":"b"},{"id":"c"}]}"#;
    let info = r#"{"data":[{"model_name":"a","model_info":{"supports_vision":true}},
        {"model_name":"b","model_info":{"supports_vision":false,"mode":"chat"}}]}"#;
    stage.net.serve(1, "/health/liveliness", Reply::ok(r#""I'm alive!""#));
    stage.net.serve(1, "/v1/models?return_wildcard_routes=true", Reply::ok(list));
    stage.net.serve(1, "/model/info", Reply::ok(info));

    stage.start().await;
    let images = || ["a", "b", "c"].map(|name| model(&stage, name).abilities.images);
    assert_eq!(images(), [Some(true), Some(false), None]);

    stage.net.serve(1, "/model/info", Reply::status(401));
    seconds(61).await;
    assert_eq!(stage.net.asked(1, "/model/info").len(), 2);
    assert_eq!(images(), [Some(true), Some(false), None], "what was told holds until something else is");
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_name_a_model_by_a_name_that_its_list_implies() {
    let mut runner = spec(1);
    runner.kind = Profiles::builtin().resolve("dmr");
    let stage = stage(vec![runner]);
    let own =
        r#"[{"id":"sha256:1","tags":["ai/m:latest"],"config":{"format":"gguf","parameters":"3.21 B"}}]"#;
    stage.net.serve(1, "/engines/v1/models", Reply::ok(r#"{"data":[{"id":"ai/m"},{"id":"ai/n"}]}"#));
    stage.net.serve(1, "/models", Reply::ok(own));

    stage.start().await;

    let sizes = ["ai/m", "ai/n"].map(|name| model(&stage, name).parameter_size);
    assert_eq!(sizes, [Some("3.2b".into()), None]);
    assert_eq!(model(&stage, "ai/m").digest.as_deref(), Some("sha256:1"));
}

#[tokio::test(start_paused = true)]
async fn an_answer_about_the_only_model_is_not_asked_for_where_there_are_several() {
    let mut server = spec(1);
    server.kind = Profiles::builtin().resolve("llamacpp");
    let stage = stage(vec![server]);
    stage.net.serve(1, "/health", Reply::ok("{}"));
    stage.net.serve(1, "/v1/models", Reply::ok(r#"{"data":[{"id":"a"}]}"#));
    let props = r#"{"default_generation_settings":{"n_ctx":512},"modalities":{"vision":false}}"#;
    stage.net.serve(1, "/props", Reply::ok(props));

    stage.start().await;
    let a = model(&stage, "a");
    assert_eq!((a.context_length, a.abilities.images), (Some(512), Some(false)));

    stage.net.serve(1, "/v1/models", Reply::ok(r#"{"data":[{"id":"a"},{"id":"b"}]}"#));
    seconds(61).await;
    assert_eq!(stage.net.asked(1, "/props").len(), 3, "once for the model, and for the version each time");
    assert_eq!(model(&stage, "a").context_length, None);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_model_is_gone_after_one_refresh_and_forgotten() {
    let stage = stage(vec![spec(1)]);
    stage.healthy(1, &["a", "b"]);
    stage.net.serve(1, SHOW, capable(&["tools"]));
    stage.start().await;

    stage.net.serve(1, LISTING, listing(&["b"]));
    stage.monitor.refresh().await;
    assert_eq!(stage.models(0), ["b"]);

    stage.net.serve(1, LISTING, listing(&["a", "b"]));
    stage.monitor.refresh().await;
    assert_eq!(stage.net.asked(1, SHOW).len(), 3, "it may be another one");
    assert_eq!(stage.net.asked(1, HEALTH).len(), 1);
}
