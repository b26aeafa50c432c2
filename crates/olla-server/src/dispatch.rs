//! Sends a request to the admin API or to the proxy, and survives a panic in either.

use std::{
    convert::Infallible,
    fmt,
    net::{IpAddr, Ipv4Addr},
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::Router;
use futures_util::{
    FutureExt, TryFutureExt,
    future::{CatchUnwind, MapOk},
};
use http::{HeaderValue, Request, Response, StatusCode, Version, header, request};
use olla_proxy::{Answered, ClientAddr, Proxy, RateLimits};
use serde_json::json;
use tower::Service;
use tower_http::cors::{Cors, CorsLayer};
use tracing::error;

use crate::{
    body::{RequestBody, ResponseBody},
    listen::Busy,
};

/// The service behind every connection of one worker.
#[derive(Clone)]
pub(crate) struct Dispatch(Edge);

#[derive(Clone)]
enum Edge {
    Plain(Routes),
    Cors(Box<Cors<Routes>>),
}

/// Chooses between the admin API and the proxy.
#[derive(Clone)]
pub(crate) struct Routes {
    pub(crate) proxy: Proxy,
    pub(crate) admin: Router,
    /// Limits requests for `/internal/health` that do not come from this machine.
    pub(crate) health_limits: Option<Arc<RateLimits>>,
}

/// The response to come; until its body has ended, a connection that is held counts as busy.
pub(crate) struct Dispatching {
    routed: Routed,
    busy: Option<Busy>,
}

enum Routed {
    Plain(Answering),
    // alloc: browsers only.
    Cors(Pin<Box<<Cors<Routes> as Service<Request<RequestBody>>>::Future>>),
}

/// A future of [`Routes`].
pub(crate) enum Answering {
    Proxy(CatchUnwind<AssertUnwindSafe<olla_proxy::Answering>>),
    Admin(Pin<Box<dyn Future<Output = Response<ResponseBody>> + Send>>),
    Done(Option<Response<ResponseBody>>),
}

/// A request that has been received, or is being.
type Received = (Box<request::Parts>, RequestBody);

const HEALTH: &str = "/internal/health";

// === impl Dispatch ===

impl Dispatch {
    /// Puts the routes behind cross-origin rules, where there are any.
    pub(crate) fn new(routes: Routes, cors: Option<&CorsLayer>) -> Self {
        Self(match cors {
            Some(layer) => Edge::Cors(Box::new(tower::Layer::layer(layer, routes))),
            None => Edge::Plain(routes),
        })
    }

    /// Starts answering a request.
    pub(crate) fn call(&self, request: Received, client: IpAddr) -> Dispatching {
        let routed = match &self.0 {
            Edge::Plain(routes) => Routed::Plain(routes.answer(request, client)),
            Edge::Cors(cors) => Routed::Cors(Box::pin(cors.clone().call(whole(request, client)))),
        };
        Dispatching { routed, busy: None }
    }
}

impl fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dispatch")
    }
}

// === impl Routes ===

impl Routes {
    fn answer(&self, request: Received, client: IpAddr) -> Answering {
        let head = &*request.0;
        if let Some(refused) = without_host(head) {
            return Answering::Done(Some(refused));
        }
        let path = head.uri.path();
        if !path.starts_with("/internal") && path != "/version" {
            return Answering::Proxy(
                AssertUnwindSafe(self.proxy.answer(Some(client), request)).catch_unwind(),
            );
        }
        if let Some(refused) = self.over_limit(path, client) {
            return Answering::Done(Some(refused));
        }
        let (mut admin, request) = (self.admin.clone(), whole(request, client));
        Answering::Admin(Box::pin(async move {
            let answer =
                AssertUnwindSafe(admin.call(request.map(axum::body::Body::new))).catch_unwind().await;
            match answer {
                Ok(Ok(response)) => response.map(ResponseBody::from),
                Ok(Err(never)) => match never {},
                Err(_) => panicked(),
            }
        }))
    }

    fn over_limit(&self, path: &str, client: IpAddr) -> Option<Response<ResponseBody>> {
        let limits = self.health_limits.as_ref().filter(|_| path == HEALTH && !client.is_loopback())?;
        let wait = limits.check(client).err()?;
        let mut response = problem(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "too many health checks");
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
        Some(response)
    }
}

/// Returns a request as others take it, with who sent it.
fn whole((head, body): Received, client: IpAddr) -> Request<RequestBody> {
    let mut request = Request::from_parts(*head, body);
    request.extensions_mut().insert(ClientAddr(client));
    request
}

/// Refuses a request of HTTP/1.1 that does not say which host it is for, or says so twice (RFC 9112 §3.2).
fn without_host(head: &request::Parts) -> Option<Response<ResponseBody>> {
    let hosts = head.headers.get_all(header::HOST).iter().count();
    if hosts == 1 || (hosts == 0 && head.version != Version::HTTP_11) {
        return None;
    }
    let message = "HTTP/1.1 requires one Host header";
    let mut refused = problem(StatusCode::BAD_REQUEST, "host_missing", message);
    if head.version <= Version::HTTP_11 {
        // Who sends that may mean something else by what follows, too.
        refused.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Some(refused)
}

impl Service<Request<RequestBody>> for Routes {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = MapOk<Answering, fn(Answered<ResponseBody>) -> Response<ResponseBody>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        // The layer in front hands over nothing but the request.
        let client = request.extensions().get::<ClientAddr>().map(|addr| addr.0);
        let client = client.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let (head, body) = request.into_parts();
        self.answer((Box::new(head), body), client).map_ok(Answered::into_response)
    }
}

// === impl Answering ===

impl Future for Answering {
    type Output = Result<Answered<ResponseBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(match self.get_mut() {
            Self::Proxy(future) => match ready!(Pin::new(future).poll(cx)) {
                Ok(Ok(answered)) => answered.map(ResponseBody::from),
                Ok(Err(never)) => match never {},
                Err(_) => panicked().into(),
            },
            Self::Admin(future) => ready!(future.as_mut().poll(cx)).into(),
            Self::Done(response) => response.take().unwrap_or_else(panicked).into(),
        }))
    }
}

// === impl Dispatching ===

impl Dispatching {
    /// Keeps a connection busy.
    pub(crate) fn holding(self, busy: Busy) -> Self {
        Self { busy: Some(busy), ..self }
    }

    /// Answers what never came to be a request.
    pub(crate) fn refused(status: StatusCode, code: &str, message: &str) -> Self {
        Self { routed: Routed::Plain(Answering::Done(Some(problem(status, code, message)))), busy: None }
    }
}

impl Future for Dispatching {
    type Output = Result<Answered<ResponseBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answered = match &mut self.routed {
            Routed::Plain(future) => Pin::new(future).poll(cx),
            Routed::Cors(future) => future.as_mut().poll(cx).map_ok(Answered::from),
        };
        let Ok(answered) = ready!(answered);
        Poll::Ready(Ok(match self.busy.take() {
            Some(busy) => answered.map(|body| body.hold(busy)),
            None => answered,
        }))
    }
}

/// The panic hook has logged what happened; the connection lives on.
fn panicked() -> Response<ResponseBody> {
    error!("a request handler panicked; please report the lines above");
    problem(StatusCode::INTERNAL_SERVER_ERROR, "internal", "an internal error; the log has details")
}

fn problem(status: StatusCode, code: &str, message: &str) -> Response<ResponseBody> {
    let kind = match status {
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        status if status.is_client_error() => "invalid_request_error",
        _ => "server_error",
    };
    let document = json!({ "error": { "message": message, "type": kind, "param": null, "code": code } });
    let mut response = Response::new(ResponseBody::from(axum::body::Body::from(document.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
