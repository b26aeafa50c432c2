//! The load generator against engines that behave and engines that do not.

use std::time::Duration;

use olla_sim::load::{self, Cancels, Limit, Plan, Report};
use olla_sim::{Engine, Fault, Framed};

use crate::client::{in_time, plain, start};

fn plan(engine: &Engine, requests: u64, stream: bool) -> Plan {
    Plan {
        addr: engine.addr(),
        host: engine.addr().to_string(),
        target: "/v1/chat/completions".to_owned(),
        headers: vec![("x-test".to_owned(), "1".to_owned())],
        body: load::chat_body("sim-model", 300, stream),
        connections: 4,
        limit: Limit::Requests(requests),
        rate: None,
        timeout: Duration::from_secs(10),
        cancels: None,
    }
}

async fn failures(fault: Fault, stream: bool) -> Report {
    let engine = plain().await;
    engine.set_fault(fault);
    in_time(load::run(plan(&engine, 4, stream))).await
}

#[tokio::test]
async fn every_request_to_a_good_engine_succeeds_on_kept_connections() {
    let engine = plain().await;

    let report = in_time(load::run(plan(&engine, 200, false))).await;

    assert_eq!(
        (report.requests, report.ok, report.statuses[&200], report.engines["sim-a"]),
        (200, 200, 200, 200)
    );
    assert!(report.errors.is_empty() && report.rps > 0.0 && report.latency_ms.p50 > 0.0, "{report:?}");
    assert_eq!((engine.stats().received, engine.stats().connections), (200, 4));
    assert_eq!(engine.received()[0].header("x-test"), Some("1"));
}

#[tokio::test]
async fn streams_are_read_to_their_end_mark_and_timed() {
    let engine =
        start(Engine::builder("sim-a").ttft(Duration::from_millis(20)).tokens_per_second(200.0)).await;

    let report = in_time(load::run(plan(&engine, 8, true))).await;

    assert_eq!((report.ok, report.errors.len()), (8, 0));
    assert!(report.ttft_ms.p50 >= 19.0 && report.inter_chunk_ms.max >= 4.0, "{report:?}");
    assert!(report.latency_ms.p50 > report.ttft_ms.p50, "{report:?}");
}

#[tokio::test]
async fn each_way_to_fail_is_told_apart() {
    let error = async |fault, stream| failures(fault, stream).await.errors.into_iter().collect::<Vec<_>>();
    let status = Fault::Status { status: 503, headers: [].into(), body: None };

    assert_eq!(error(status, false).await, [("status", 4)]);
    assert_eq!(error(Fault::CloseBeforeHead, false).await, [("closed_before_head", 4)]);
    assert_eq!(error(Fault::CloseAfter { bytes: 9, framed: None }, false).await, [("truncated", 4)]);
    let chunked = Fault::CloseAfter { bytes: 9, framed: Some(Framed::Chunked) };
    assert_eq!(error(chunked, true).await, [("truncated", 4)]);
    assert_eq!(error(Fault::MalformedHead, false).await, [("malformed", 4)]);
    assert_eq!(error(Fault::MalformedChunk { bytes: 9 }, true).await, [("malformed", 4)]);
    assert_eq!(error(Fault::StreamError { after_events: 3 }, true).await, [("no_end_mark", 4)]);
}

#[tokio::test]
async fn a_failure_before_the_body_is_told_from_one_within_it() {
    let begun = async |fault| failures(fault, true).await.begun;

    assert_eq!(begun(Fault::ResetBeforeHead).await, 0);
    assert_eq!(begun(Fault::CloseAfter { bytes: 0, framed: None }).await, 0);
    assert_eq!(begun(Fault::CloseAfter { bytes: 9, framed: None }).await, 4);
}

#[tokio::test]
async fn requests_that_the_client_leaves_are_abandoned_and_no_failures() {
    let engine = start(Engine::builder("sim-a").ttft(Duration::from_secs(3600))).await;
    let cancels = Some(Cancels { percent: 100, within: Duration::from_millis(20) });

    let report = in_time(load::run(Plan { cancels, ..plan(&engine, 8, true) })).await;

    assert_eq!((report.requests, report.ok, report.cancelled), (8, 0, 8));
    assert!(report.errors.is_empty(), "{report:?}");
    let over = async {
        while engine.stats().open > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    in_time(over).await;
    assert_eq!(engine.stats().in_flight, 0);
}

#[tokio::test]
async fn nobody_listening_is_a_connect_error() {
    let engine = plain().await;
    engine.refuse(None).await;

    let report = in_time(load::run(plan(&engine, 3, false))).await;

    assert_eq!((report.ok, report.errors["connect"]), (0, 3));
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_a_timeout() {
    let engine = plain().await;
    engine.set_fault(Fault::HangBeforeHead);
    let plan = Plan { timeout: Duration::from_millis(30), ..plan(&engine, 2, false) };

    let report = in_time(load::run(plan)).await;

    assert_eq!(report.errors["timeout"], 2);
    in_time(engine.wait_abandoned(2)).await;
}

#[tokio::test]
async fn an_open_loop_keeps_its_rate_and_its_time() {
    let engine = plain().await;
    let plan =
        Plan { rate: Some(200.0), limit: Limit::Time(Duration::from_millis(250)), ..plan(&engine, 0, false) };

    let report = in_time(load::run(plan)).await;

    assert_eq!((report.requests, report.ok), (50, 50));
}

#[tokio::test]
async fn an_open_loop_charges_a_slow_server_for_the_queue_it_makes() {
    let engine = start(Engine::builder("sim-a").ttft(Duration::from_millis(40))).await;
    let plan = Plan { connections: 1, rate: Some(1000.0), ..plan(&engine, 5, false) };

    let report = in_time(load::run(plan)).await;

    assert!(report.latency_ms.max > 150.0, "the last of five waited for the others: {report:?}");
}
