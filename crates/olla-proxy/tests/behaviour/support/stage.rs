//! A fleet, the proxy over it, and requests to it.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, LazyLock},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use olla_balancer::Balancer;
use olla_core::{
    Alias, AliasOrder, Aliases, BaseUrl, Endpoint, EndpointSpec, Failure, FleetCell, Model, Status,
};
use olla_profiles::Profiles;
use olla_proxy::{Body, ClientAddr, Proxy, RateLimits, Rates, Rediscover, Settings, TrustedProxies};
use tokio::net::{TcpListener, TcpStream};
use tower::{ServiceBuilder, ServiceExt};

use super::{Backend, Journal, Wire, soon};

/// The model that every backend has unless a plan says otherwise.
pub(crate) const MODEL: &str = "m";

/// What is to be on the stage; change it before it starts.
pub(crate) struct Plan {
    pub(crate) specs: Vec<EndpointSpec>,
    /// For each endpoint.
    pub(crate) models: Vec<Vec<Model>>,
    pub(crate) aliases: Vec<(&'static str, &'static [&'static str])>,
    pub(crate) alias_order: AliasOrder,
    pub(crate) settings: Settings,
    pub(crate) rates: Option<Rates>,
    /// Whether the client of the tests, 192.0.2.1, is a proxy that is believed.
    pub(crate) trusted: bool,
    /// What lists the models anew; it is told of the fleet before the first request.
    pub(crate) rediscover: Option<fn(Arc<FleetCell>) -> Rediscover>,
}

/// A proxy over a fleet, and what it records.
pub(crate) struct Stage {
    pub(crate) fleet: Arc<FleetCell>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) proxy: Proxy,
}

/// A response whose body has been read.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Result<String, Failure>,
}

// === impl Plan ===

impl Plan {
    /// Plans endpoints `a`, `b`, … of kind vLLM, tried in this order.
    pub(crate) fn over(backends: &[&Backend]) -> Self {
        let urls: Vec<_> = backends.iter().map(|b| b.url()).collect();
        Self::over_urls(&urls.iter().map(|url| &**url).collect::<Vec<_>>())
    }

    pub(crate) fn over_urls(urls: &[&str]) -> Self {
        let kind = profiles().resolve("vllm");
        let specs: Vec<_> = ('a'..='z')
            .zip(urls)
            .map(|(name, url)| {
                let mut spec = EndpointSpec::new(name.to_string(), BaseUrl::parse(url).unwrap());
                spec.kind = kind;
                spec.priority = 200 - u32::from(name);
                spec
            })
            .collect();
        let mut settings = Settings::default();
        settings.balancer = Balancer::Priority;
        let models = vec![vec![Model::named(MODEL)]; specs.len()];
        Self {
            specs,
            models,
            aliases: vec![],
            alias_order: AliasOrder::default(),
            settings,
            rates: None,
            trusted: false,
            rediscover: None,
        }
    }

    /// Makes an endpoint one of another kind.
    pub(crate) fn kind(&mut self, endpoint: usize, kind: &str) {
        self.specs[endpoint].kind = Some(profiles().resolve(kind).unwrap());
    }

    pub(crate) fn models(&mut self, endpoint: usize, names: &[&str]) {
        self.models[endpoint] = names.iter().map(|name| Model::named(*name)).collect();
    }

    /// Sets the stage; every endpoint is healthy.
    pub(crate) fn start(self) -> Stage {
        let order = self.alias_order;
        let alias = |(name, targets): (_, &[&'static str])| {
            (Box::from(name), Alias::of(targets.iter().copied(), order))
        };
        let aliases = self.aliases.into_iter().map(alias);
        let fleet = Arc::new(FleetCell::new(self.specs, Aliases::new(aliases)));
        for (endpoint, models) in fleet.load().endpoints().iter().zip(self.models) {
            fleet.publish_models(endpoint.id, None, models);
            endpoint.live.set_status(Status::Healthy);
            endpoint.live.checkup().settled = true;
        }
        let journal = Arc::new(Journal::new());
        let mut proxy = Proxy::builder(Arc::clone(&fleet), profiles())
            .settings(self.settings)
            .recorder(Arc::clone(&journal) as _);
        if let Some(limits) = self.rates.and_then(RateLimits::new) {
            proxy = proxy.rate_limits(Arc::new(limits));
        }
        if self.trusted {
            let network = "192.0.2.0/24".parse().unwrap();
            proxy = proxy.trusted_proxies(TrustedProxies::new(vec![network]));
        }
        if let Some(rediscover) = self.rediscover {
            proxy = proxy.rediscover(rediscover(Arc::clone(&fleet)));
        }
        Stage { fleet, journal, proxy: proxy.build() }
    }
}

// === impl Stage ===

impl Stage {
    /// Sets a stage with this backend only.
    pub(crate) fn over(backend: &Backend) -> Self {
        Plan::over(&[backend]).start()
    }

    /// Sends a request from 192.0.2.1 and returns the response with its body still open.
    pub(crate) async fn open(&self, mut request: Request<Full<Bytes>>) -> http::Response<Body> {
        if request.extensions().get::<ClientAddr>().is_none() {
            request.extensions_mut().insert(ClientAddr(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))));
        }
        let Ok(response) = soon(self.proxy.clone().oneshot(request)).await;
        response
    }

    /// Sends a request and reads the response.
    pub(crate) async fn ask(&self, request: Request<Full<Bytes>>) -> Told {
        let (head, body) = self.open(request).await.into_parts();
        let body = soon(body.collect()).await;
        let body = body.map(|b| String::from_utf8(b.to_bytes().to_vec()).unwrap());
        Told { status: head.status, headers: head.headers, body }
    }

    /// Serves HTTP/1.1 on a port of its own and connects a client to it.
    pub(crate) async fn wire(&self) -> Wire {
        Wire::to(self.listen().await).await
    }

    /// Serves HTTP/1.1 on a port of its own.
    pub(crate) async fn listen(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let proxy = self.proxy.clone();
        tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let tell = move |mut request: Request<hyper::body::Incoming>| {
                    request.extensions_mut().insert(ClientAddr(peer.ip()));
                    request
                };
                let service = ServiceBuilder::new().map_request(tell).service(proxy.clone());
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
                tokio::spawn(connection);
            }
        });
        address
    }

    /// Serves HTTP/2 on a port of its own and connects a client to it.
    pub(crate) async fn http2(&self) -> http2::SendRequest<Full<Bytes>> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let service = TowerToHyperService::new(self.proxy.clone());
        tokio::spawn(
            hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(accepted), service),
        );
        let (client, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        client
    }

    pub(crate) fn endpoint(&self, position: usize) -> Arc<Endpoint> {
        Arc::clone(&self.fleet.load().endpoints()[position])
    }

    pub(crate) fn status(&self, position: usize) -> Status {
        self.endpoint(position).live.status()
    }

    /// Returns whether a probe has been asked for since the last call.
    pub(crate) fn probe_requested(&self, position: usize) -> bool {
        let live = &self.endpoint(position).live;
        live.poll_probe_requested(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    /// Returns the requests in flight at all endpoints.
    pub(crate) fn in_flight(&self) -> u32 {
        self.fleet.load().endpoints().iter().map(|e| e.live.in_flight()).sum()
    }
}

// === impl Told ===

impl Told {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        self.body.as_ref().unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(self.text()).unwrap()
    }
}

/// The kinds of backends, read once for all tests.
fn profiles() -> Arc<Profiles> {
    static PROFILES: LazyLock<Arc<Profiles>> = LazyLock::new(|| Arc::new(Profiles::builtin()));
    Arc::clone(&PROFILES)
}

/// A chat request for [`MODEL`].
pub(crate) fn chat() -> Request<Full<Bytes>> {
    post("/v1/chat/completions", r#"{"model":"m","messages":[]}"#)
}

pub(crate) fn post(target: &str, body: &str) -> Request<Full<Bytes>> {
    Request::post(target)
        .header("host", "olla.test")
        .header("content-type", "application/json")
        .body(Full::from(body.to_owned()))
        .unwrap()
}

pub(crate) fn get(target: &str) -> Request<Full<Bytes>> {
    Request::get(target).header("host", "olla.test").body(Full::default()).unwrap()
}
