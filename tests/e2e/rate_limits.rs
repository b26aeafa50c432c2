//! Clients that ask too often are told when to come back.

use crate::{
    client::Answer,
    olla::{Olla, Setup},
};

const BURST: usize = 3;

async fn serving(limits: &str) -> Olla {
    let config =
        format!("server: {{rate_limits: {{{limits}, burst_size: {BURST}}}}}\ndiscovery: {{local: false}}\n");
    Setup::config(&config).start().await
}

/// Asks until the burst is used up, and once more.
async fn one_too_many(olla: &Olla) -> Answer {
    for n in 0..BURST {
        let answer = olla.get("/v1/models").await;
        assert_eq!(answer.status, 200, "request {n}");
    }
    olla.get("/v1/models").await
}

fn assert_refused(answer: &Answer, limit: &str) {
    assert_eq!((answer.status, &*answer.error_code()), (429, "rate_limited"));
    let seconds: u64 = answer.header("retry-after").parse().expect("seconds");
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_eq!(answer.header("x-ratelimit-limit"), limit);
    assert_eq!(answer.header("x-ratelimit-remaining"), "0");
    assert!(answer.header("x-ratelimit-reset").parse::<u64>().is_ok());
}

#[tokio::test]
async fn a_client_over_its_limit_is_refused() {
    let olla = serving("per_ip_requests_per_minute: 2").await;

    assert_refused(&one_too_many(&olla).await, "2");

    assert_eq!(olla.get("/internal/health").await.status, 200, "health checks are not counted");
}

#[tokio::test]
async fn the_limit_of_all_clients_holds_without_one_for_each() {
    let olla = serving("per_ip_requests_per_minute: 0, global_requests_per_minute: 2").await;

    assert_refused(&one_too_many(&olla).await, "2");
}

#[tokio::test]
async fn without_limits_nobody_is_refused() {
    let olla = serving("per_ip_requests_per_minute: 0, global_requests_per_minute: 0").await;

    let answer = one_too_many(&olla).await;

    assert_eq!((answer.status, answer.header("x-ratelimit-limit")), (200, ""));
}
