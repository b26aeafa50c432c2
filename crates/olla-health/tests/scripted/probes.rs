//! When endpoints are checked, and what a check changes.

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, header};
use olla_core::{Failure, Status};

use crate::{
    journal::Journal,
    network::Reply,
    stage::{HEALTH, LISTING, Stage, millis, seconds, spec},
};

#[tokio::test(start_paused = true)]
async fn checks_begin_at_once_and_keep_the_interval() {
    let stage = Stage::new(vec![spec(1)]);
    stage.healthy(1, &[]);

    stage.start().await;
    seconds(120).await;

    assert!(stage.net.asked(1, HEALTH)[0].at < Duration::from_millis(10));
    let gaps = stage.net.gaps(1, HEALTH);
    assert!(gaps.len() >= 20 && gaps.iter().all(|gap| (4.49..=5.51).contains(gap)), "{gaps:?}");
    assert!(gaps.windows(2).any(|pair| pair[0] != pair[1]), "no jitter: {gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_is_down_is_checked_more_rarely_but_every_30_seconds() {
    let stage = Stage::new(vec![spec(1)]);
    stage.net.serve(1, HEALTH, Reply::status(503));

    stage.start().await;
    seconds(300).await;

    let gaps = stage.net.gaps(1, HEALTH);
    for (gap, nominal) in gaps.iter().zip([5.0, 10.0, 20.0, 30.0, 30.0, 30.0]) {
        assert!((gap / nominal - 1.0).abs() < 0.101 && *gap <= 30.01, "{gaps:?}");
    }
    assert!(gaps.len() >= 9, "{gaps:?}");
    assert_eq!(stage.endpoint(0).live.checkup().failed_checks as usize, gaps.len() + 1);
}

#[tokio::test(start_paused = true)]
async fn a_note_tells_when_the_check_was_and_when_the_next_is_due() {
    let stage = Stage::new(vec![spec(1)]);
    stage.healthy(1, &[]);
    stage.net.serve(1, HEALTH, Reply::status(200).after(Duration::from_millis(300)));

    stage.start().await;

    let note = stage.endpoint(0).live.checkup().clone();
    let ahead = note.next_check.unwrap().duration_since(note.checked_at.unwrap()).unwrap();
    assert!((4.1..=5.3).contains(&ahead.as_secs_f64()), "{ahead:?}");
    assert!((300..310).contains(&note.check_latency.unwrap().as_millis()));
    assert!(note.listed_at.is_some() && note.reason.is_none() && note.failed_checks == 0);
}

#[tokio::test(start_paused = true)]
async fn one_broken_connection_is_forgiven_while_healthy() {
    let journal = Journal::open();
    let stage = Stage::new(vec![spec(1)]);
    stage.healthy(1, &[]);
    stage.start().await;

    stage.net.once(1, HEALTH, Reply::Fails(Failure::ResetBeforeHead));
    seconds(6).await;

    assert_eq!(stage.net.asked(1, HEALTH).len(), 3, "first check, broken check, second try");
    assert_eq!(stage.status(0), Status::Healthy);
    assert_eq!(journal.lines("health changed").len(), 1, "unknown to healthy");
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_is_not_forgiven_where_nothing_is_in_use() {
    let stage = Stage::new(vec![spec(1)]);
    stage.net.down(1, Failure::ResetBeforeHead);

    stage.start().await;

    assert_eq!(stage.net.asked(1, HEALTH).len(), 1);
    assert_eq!(stage.status(0), Status::Offline);
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_is_believed_at_once() {
    let stage = Stage::new(vec![spec(1)]);
    stage.healthy(1, &[]);
    stage.start().await;

    stage.net.once(1, HEALTH, Reply::Fails(Failure::Refused));
    seconds(6).await;

    assert_eq!(stage.net.asked(1, HEALTH).len(), 2);
    assert_eq!(stage.status(0), Status::Offline);
    assert!(stage.reason(0).contains("is the backend running"), "{}", stage.reason(0));
}

#[tokio::test(start_paused = true)]
async fn an_answer_after_the_check_timeout_is_no_answer() {
    let stage = Stage::new(vec![spec(1)]);
    stage.net.serve(1, HEALTH, Reply::Hangs);

    stage.start().await;

    assert_eq!(stage.status(0), Status::Offline);
    assert!(stage.reason(0).contains("no answer within 2s"), "{}", stage.reason(0));
}

#[tokio::test(start_paused = true)]
async fn a_slow_good_answer_makes_the_endpoint_busy_and_routable() {
    let mut patient = spec(1);
    patient.check_interval = Duration::from_secs(60);
    patient.check_timeout = Duration::from_secs(30);
    let stage = Stage::new(vec![patient]);
    stage.healthy(1, &["llama3"]);
    stage.net.serve(1, HEALTH, Reply::status(200).after(Duration::from_secs(11)));

    stage.start().await;

    assert_eq!(stage.status(0), Status::Busy);
    assert_eq!(stage.models(0), ["llama3"]);
}

#[tokio::test(start_paused = true)]
async fn a_rate_limited_backend_is_left_alone_until_it_said() {
    let stage = Stage::new(vec![spec(1)]);
    stage.healthy(1, &[]);
    stage.net.once(1, HEALTH, Reply::status(429).with_header("retry-after", "40"));

    stage.start().await;
    assert_eq!(stage.status(0), Status::RateLimited);
    stage.endpoint(0).live.request_probe();
    seconds(39).await;
    assert_eq!(stage.net.asked(1, HEALTH).len(), 1);
    seconds(2).await;

    assert_eq!(stage.net.asked(1, HEALTH).len(), 2);
    assert_eq!(stage.status(0), Status::Healthy);
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_a_configuration_error_in_words() {
    let stage = Stage::new(vec![spec(1)]);
    stage.net.serve(1, HEALTH, Reply::status(401));

    stage.start().await;

    assert_eq!(stage.status(0), Status::ConfigError);
    assert!(stage.reason(0).contains("answered 401") && stage.reason(0).contains("`auth`"));
}

#[tokio::test(start_paused = true)]
async fn probes_and_listings_carry_the_headers_of_the_endpoint() {
    let mut guarded = spec(1);
    guarded.headers = Arc::from([
        (header::AUTHORIZATION, HeaderValue::from_static("Bearer k")),
        (header::ACCEPT, HeaderValue::from_static("application/x-own")),
    ]);
    let settings = olla_health::MonitorSettings { version: "9.9".into(), ..Default::default() };
    let stage = Stage::with(vec![guarded], settings);
    stage.healthy(1, &[]);

    stage.start().await;

    let probe = &stage.net.asked(1, HEALTH)[0].headers;
    let listing = &stage.net.asked(1, LISTING)[0].headers;
    assert_eq!(probe[header::USER_AGENT], "olla-HealthChecker/9.9");
    assert_eq!(listing[header::USER_AGENT], "olla-Discovery/9.9");
    for headers in [probe, listing] {
        assert_eq!(headers[header::AUTHORIZATION], "Bearer k");
        assert_eq!(headers[header::ACCEPT], "application/x-own");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_request_brings_a_check_at_once() {
    let mut rare = spec(1);
    rare.check_interval = Duration::from_secs(3600);
    let stage = Stage::new(vec![rare]);
    stage.healthy(1, &[]);
    stage.start().await;
    seconds(60).await;

    stage.endpoint(0).live.demote(Failure::ResetBeforeHead);
    assert_eq!(stage.status(0), Status::Offline);
    millis(300).await;

    assert_eq!(stage.net.asked(1, HEALTH).len(), 2);
    assert_eq!(stage.status(0), Status::Healthy);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_passes_checks_and_fails_requests_is_not_flooded() {
    let stage = Stage::new(vec![spec(1)]);
    stage.healthy(1, &[]);
    stage.start().await;
    let (probes, listings) = (stage.net.asked(1, HEALTH).len(), stage.net.asked(1, LISTING).len());

    for _ in 0..400 {
        stage.endpoint(0).live.demote(Failure::ResetBeforeHead);
        millis(10).await;
    }

    let probes = stage.net.asked(1, HEALTH).len() - probes;
    let listings = stage.net.asked(1, LISTING).len() - listings;
    assert!((10..=17).contains(&probes), "{probes} probes in 4 s");
    assert!((2..=5).contains(&listings), "{listings} listings in 4 s");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_is_never_checked_twice_at_a_time() {
    let stage = Stage::new(vec![spec(1)]);
    stage.healthy(1, &[]);
    stage.net.serve(1, HEALTH, Reply::status(200).after(Duration::from_millis(1500)));
    stage.start().await;

    for _ in 0..100 {
        stage.endpoint(0).live.demote(Failure::HeadTimeout);
        millis(100).await;
    }

    assert!(stage.net.asked(1, HEALTH).len() >= 5);
    assert_eq!(stage.net.peak(1, HEALTH), 1);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_began_before_a_request_failed_does_not_overrule_it() {
    let stage = Stage::new(vec![spec(1)]);
    stage.healthy(1, &[]);
    stage.start().await;
    stage.net.once(1, HEALTH, Reply::status(200).after(Duration::from_millis(1900)));
    while stage.net.asked(1, HEALTH).len() < 2 {
        millis(10).await;
    }

    stage.net.serve(1, HEALTH, Reply::status(500));
    stage.endpoint(0).live.demote(Failure::ResetBeforeHead);

    for _ in 0..400 {
        assert!(!stage.status(0).is_routable());
        millis(10).await;
    }
    assert_eq!(stage.status(0), Status::Unhealthy);
}

#[tokio::test(start_paused = true)]
async fn each_transition_is_one_log_line() {
    let journal = Journal::open();
    let stage = Stage::new(vec![spec(1)]);
    stage.healthy(1, &[]);

    stage.start().await;
    seconds(60).await;
    stage.net.down(1, Failure::Refused);
    seconds(60).await;
    stage.net.up(1);
    seconds(60).await;

    let lines = journal.lines("health changed");
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[0].contains("INFO") && lines[0].contains("from=unknown to=healthy"));
    assert!(lines[1].contains("WARN") && lines[1].contains("from=healthy to=offline"));
    assert!(lines[1].contains("e1") && lines[1].contains("refused"));
    assert!(lines[2].contains("from=offline to=healthy"));
}

#[tokio::test(start_paused = true)]
async fn a_hanging_backend_delays_nobody_else() {
    let stage = Stage::new(vec![spec(1), spec(2), spec(3)]);
    stage.net.serve(1, HEALTH, Reply::Hangs);
    stage.healthy(2, &["llama3"]);
    stage.healthy(3, &[]);

    stage.monitor.watch_new();
    millis(50).await;

    assert_eq!((stage.status(1), stage.status(2)), (Status::Healthy, Status::Healthy));
    assert_eq!(stage.models(1), ["llama3"]);
    seconds(60).await;
    assert!(stage.net.gaps(2, HEALTH).iter().all(|gap| *gap <= 5.51));
}

#[tokio::test(start_paused = true)]
async fn endpoints_added_later_are_watched_and_dropping_the_monitor_ends_it_all() {
    let stage = Stage::new(vec![spec(1)]);
    stage.healthy(1, &[]);
    stage.healthy(2, &[]);
    stage.start().await;

    stage.cell.add(spec(2)).unwrap();
    stage.start().await;
    assert_eq!(stage.status(1), Status::Healthy);
    let Stage { net, monitor, .. } = stage;
    drop(monitor);
    let asked = (net.count(1), net.count(2));
    seconds(60).await;

    assert_eq!((net.count(1), net.count(2)), asked);
}

#[tokio::test(start_paused = true)]
async fn many_requests_that_fail_together_do_not_lengthen_the_back_off() {
    let stage = Stage::new(vec![spec(1)]);
    stage.healthy(1, &[]);
    stage.start().await;
    stage.net.serve(1, HEALTH, Reply::status(500));

    for _ in 0..100 {
        stage.endpoint(0).live.demote(Failure::ResetBeforeHead);
        millis(20).await;
    }

    let probes = stage.net.asked(1, HEALTH).len();
    assert!(probes > 3, "traffic asked for several checks: {probes}");
    assert_eq!(stage.endpoint(0).live.checkup().failed_checks, 1);
}
