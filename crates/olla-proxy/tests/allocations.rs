//! How often the proxy asks for memory: held to numbers, so that a careless line on the hot path fails a test.
//!
//! Only the thread that runs the proxy is counted; the engine has threads of its own. Each number is the
//! difference between many and few, so that what is made once (connections, timers) is not in it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot set its stage has failed")]

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use olla_core::{Aliases, BaseUrl, EndpointSpec, FleetCell, Model, Status};
use olla_profiles::Profiles;
use olla_proxy::{ClientAddr, Proxy, RateLimits, Rates};
use olla_sim::Engine;
use tokio::{net::TcpStream, runtime::Runtime};
use tower::ServiceExt;

/// Of one small chat request and its answer, from the service's call to the end of the body.
const PER_REQUEST: u64 = 49;
/// Of one chunk of a stream that arrives by itself.
const PER_CHUNK: u64 = 0;

const MODEL: &str = "m";

struct Stage {
    runtime: Runtime,
    engine: Engine,
    proxy: Proxy,
}

// === impl Stage ===

impl Stage {
    /// One with so many endpoints, all of them the same engine.
    fn of(endpoints: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let engine = Engine::builder("engine").models([MODEL]).record_limit(0).workers(2);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let engine = runtime.block_on(engine.start(address)).unwrap();
        let proxy = proxy_to(&engine.url(), endpoints);
        Self { runtime, engine, proxy }
    }

    /// Counts the allocations of so many requests, one after the other.
    fn count(&self, requests: u64, body: &'static str, sim: &'static str) -> u64 {
        let all = async {
            for _ in 0..requests {
                let response = self.proxy.clone().oneshot(chat(body, sim)).await.unwrap();
                assert_eq!(response.status(), 200);
                let mut answer = response.into_body();
                while let Some(frame) = answer.frame().await {
                    drop(frame.unwrap());
                }
            }
        };
        allocation_counter::measure(|| self.runtime.block_on(all)).count_total
    }

    /// Counts the allocations of one small request, when all connections are there.
    fn per_request(&self, endpoints: u64) -> u64 {
        let enough = 20 * endpoints;
        self.count(enough, SMALL, "{}");
        let counted = || {
            let (requests, few, many) = (100, self.count(10, SMALL, "{}"), self.count(110, SMALL, "{}"));
            (many - few).div_ceil(requests)
        };
        // A connection may be opened still, which is not what a request costs.
        (0..3).map(|_| counted()).min().unwrap_or_default()
    }

    /// The same without the proxy: hyper's client on one connection.
    fn count_bare(&self, requests: u64, body: &'static str, sim: &'static str) -> u64 {
        let all = async {
            let stream = TcpStream::connect(self.engine.addr()).await.unwrap();
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            for _ in 0..requests {
                let mut answer = sender.send_request(chat(body, sim)).await.unwrap().into_body();
                while let Some(frame) = answer.frame().await {
                    drop(frame.unwrap());
                }
                sender.ready().await.unwrap();
            }
        };
        allocation_counter::measure(|| self.runtime.block_on(all)).count_total
    }
}

fn proxy_to(url: &str, endpoints: usize) -> Proxy {
    let spec = |n: usize| {
        let mut spec = EndpointSpec::new(format!("engine-{n}"), BaseUrl::parse(url).unwrap());
        spec.kind = Profiles::builtin().resolve("vllm");
        spec
    };
    let fleet = Arc::new(FleetCell::new((0..endpoints).map(spec).collect(), Aliases::default()));
    for endpoint in fleet.load().endpoints() {
        fleet.publish_models(endpoint.id, None, vec![Model::named(MODEL)]);
        endpoint.live.set_status(Status::Healthy);
        endpoint.live.checkup().settled = true;
    }
    let unmet = 1_000_000_000;
    let rates = Rates { global_per_minute: unmet, per_client_per_minute: unmet, burst: unmet };
    Proxy::builder(fleet, Arc::new(Profiles::builtin()))
        .rate_limits(Arc::new(RateLimits::new(rates).expect("both are on")))
        .build()
}

/// A request as the server's listener hands it on; what it takes to make one is counted on both sides.
fn chat(body: &'static str, sim: &'static str) -> Request<Full<Bytes>> {
    Request::post("/v1/chat/completions")
        .header("host", "olla.test")
        .header("content-type", "application/json")
        .header("x-sim", sim)
        .extension(ClientAddr(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))))
        .body(Full::from(body))
        .unwrap()
}

const SMALL: &str = r#"{"model":"m","messages":[{"role":"user","content":"hello"}]}"#;
const STREAM: &str = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hello"}]}"#;

#[test]
fn a_small_request_stays_within_its_budget() {
    let stage = Stage::of(1);

    let per_request = stage.per_request(1);
    let (bare_few, bare_many) = (stage.count_bare(10, SMALL, "{}"), stage.count_bare(110, SMALL, "{}"));

    let bare = (bare_many - bare_few).div_ceil(100);
    assert!(
        per_request <= PER_REQUEST,
        "{per_request} allocations a request, {bare} of hyper's client alone"
    );
}

#[test]
fn many_endpoints_that_are_alike_cost_no_more_allocations_than_one() {
    let (one, many) = (Stage::of(1).per_request(1), Stage::of(40).per_request(40));

    assert!(many <= one, "{many} a request with 40 endpoints, {one} with one");
}

#[test]
fn a_chunk_of_a_stream_costs_no_allocation() {
    const SHORT: &str = r#"{"tokens":100,"tokens_per_second":2000}"#;
    const LONG: &str = r#"{"tokens":300,"tokens_per_second":2000}"#;
    let stage = Stage::of(1);
    stage.count(2, STREAM, SHORT);

    let (chunks, few, many) = (200, stage.count(1, STREAM, SHORT), stage.count(1, STREAM, LONG));
    let (bare_few, bare_many) = (stage.count_bare(1, STREAM, SHORT), stage.count_bare(1, STREAM, LONG));

    let per_chunk = many.saturating_sub(few) / chunks;
    let bare = bare_many.saturating_sub(bare_few) / chunks;
    assert_eq!(per_chunk, PER_CHUNK, "allocations a chunk; {bare} of hyper's client alone");
}
