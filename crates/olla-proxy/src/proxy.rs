//! The service: one request in, one response out, never an error.

use std::{
    convert::Infallible,
    fmt,
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::TryFutureExt;
use http::{Request, Response, request};
use http_body::Body as HttpBody;
use olla_balancer::Strategy;
use olla_core::{FleetCell, Recorder};
use olla_profiles::Profiles;
use tower_service::Service;

use crate::{
    Answered, Body, Explanation, Question, RateLimits, Rediscover, SessionsView, Settings, TrustedProxies,
    policy::Crowd,
    rediscovery::Rediscoverer,
    responses::Memory,
    retry::Budget,
    serve::serve,
    shared::{Shared, Worker},
    sticky::Sessions,
    ticket::Books,
    tongues::Tongues,
};

/// The client's address, as the transport knows it. An embedder's listener puts it into the request's
/// extensions; without it, clients share one rate limit and backends are not told who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddr(pub IpAddr);

/// An LLM proxy as a tower service.
///
/// Clones share everything. [`Proxy::worker`] shares everything but the pool of connections, for servers
/// that run one single-threaded runtime on each core.
#[derive(Clone)]
pub struct Proxy(Arc<Worker>);

/// The response to come, never an error.
pub type Responding = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// The same for who writes it.
pub type Answering = Pin<Box<dyn Future<Output = Result<Answered<Body>, Infallible>> + Send>>;

/// Collects the parts of a [`Proxy`].
#[must_use = "call build()"]
pub struct ProxyBuilder {
    fleet: Arc<FleetCell>,
    profiles: Arc<Profiles>,
    settings: Settings,
    strategy: Option<Arc<dyn Strategy>>,
    recorders: Vec<Arc<dyn Recorder>>,
    rate_limits: Option<Arc<RateLimits>>,
    trusted_proxies: TrustedProxies,
    rediscover: Option<Rediscover>,
}

// === impl Proxy ===

impl Proxy {
    /// Starts building a proxy over a fleet whose endpoints are of these kinds.
    pub fn builder(fleet: Arc<FleetCell>, profiles: Arc<Profiles>) -> ProxyBuilder {
        ProxyBuilder {
            fleet,
            profiles,
            settings: Settings::default(),
            strategy: None,
            recorders: Vec::new(),
            rate_limits: None,
            trusted_proxies: TrustedProxies::default(),
            rediscover: None,
        }
    }

    /// Says what would happen to a request now, and why. Nothing is sent.
    #[must_use]
    pub fn explain(&self, question: &Question) -> Explanation {
        question.explain(&self.0.shared)
    }

    /// Returns how many conversations are remembered, or `None` where sticky sessions are off. Not for the path
    /// of a request: it tidies up first.
    #[must_use]
    pub fn sessions(&self) -> Option<SessionsView> {
        self.0.shared.sessions.as_ref().map(Sessions::view)
    }

    /// Returns how many requests wait for a backend to have room.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.shared.waiting.load(Relaxed)
    }

    /// Does what the [`Service`] does for a server that knows the client's address, so that it need not stand in the
    /// request's extensions, and that writes the head of the response itself.
    // alloc: the head goes through several stages, and would be copied for each.
    pub fn answer<B>(&self, client: Option<IpAddr>, (head, body): (Box<request::Parts>, B)) -> Answering
    where
        B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    {
        let worker = Arc::clone(&self.0);
        // alloc: one box per request. The future is too large to be moved, and is made in its box: of what is no larger
        // than a pointer, or the compiler makes it elsewhere first.
        let responding = Box::write(Box::new_uninit(), serve(worker, (head, body), client));
        Box::into_pin(responding)
    }

    /// Returns a proxy with an empty connection pool of its own.
    #[must_use]
    pub fn worker(&self) -> Self {
        Self(Arc::new(self.0.another()))
    }
}

impl<B> Service<Request<B>> for Proxy
where
    B: HttpBody<Data = Bytes> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Responding;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let client = request.extensions().get::<ClientAddr>().map(|addr| addr.0);
        let (head, body) = request.into_parts();
        // alloc: what is boxed can be moved.
        let answering = self.answer(client, (Box::new(head), Box::pin(body)));
        Box::pin(answering.map_ok(Answered::into_response))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("fleet", &self.0.shared.fleet).finish_non_exhaustive()
    }
}

// === impl ProxyBuilder ===

impl ProxyBuilder {
    /// Sets the options. Default: [`Settings::default`].
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Balances with a strategy of the embedder's instead of the one in the settings.
    pub fn strategy(mut self, strategy: Arc<dyn Strategy>) -> Self {
        self.strategy = Some(strategy);
        self
    }

    /// Hands each finished request to this recorder too.
    pub fn recorder(mut self, recorder: Arc<dyn Recorder>) -> Self {
        self.recorders.push(recorder);
        self
    }

    /// Limits the rate of requests. Default: no limit.
    pub fn rate_limits(mut self, limits: Arc<RateLimits>) -> Self {
        self.rate_limits = Some(limits);
        self
    }

    /// Believes these proxies when they say who the client is. Default: nobody.
    pub fn trusted_proxies(mut self, trusted: TrustedProxies) -> Self {
        self.trusted_proxies = trusted;
        self
    }

    /// Asks the backends for their models in this way where [`Routing::Discovery`](crate::Routing) says so.
    /// Default: not at all.
    pub fn rediscover(mut self, rediscover: Rediscover) -> Self {
        self.rediscover = Some(rediscover);
        self
    }

    /// Builds the proxy.
    #[must_use]
    pub fn build(self) -> Proxy {
        let strategy = self.strategy.unwrap_or_else(|| Arc::new(self.settings.balancer));
        let crowd = Arc::new(Crowd::new(self.settings.limits.max_in_flight));
        let budget = Budget::new(self.settings.retry.budget_percent);
        let tongues = Tongues::new(&self.profiles, &self.settings);
        let responses = Memory::of(&self.settings.responses);
        let sessions = self.settings.sticky.clone().map(Sessions::new);
        let shared = Shared {
            fleet: self.fleet,
            profiles: self.profiles,
            tongues,
            settings: self.settings,
            strategy,
            rate_limits: self.rate_limits,
            trusted_proxies: self.trusted_proxies,
            rediscoverer: self.rediscover.map(Rediscoverer::new),
            budget,
            sessions,
            responses,
            waiting: AtomicUsize::new(0),
            // Those of another Olla are to look elsewhere.
            workers: AtomicUsize::new(fastrand::usize(..)),
        };
        Proxy(Arc::new(Worker::new(Arc::new(shared), Books { recorders: self.recorders, crowd })))
    }
}

impl fmt::Debug for ProxyBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}
