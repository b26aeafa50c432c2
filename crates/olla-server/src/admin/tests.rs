//! The admin API over a fleet that the test has set up.

mod drain;
mod endpoints;
mod explain;
mod figures;
mod models;
mod process;
mod readiness;
mod requests;
mod standing;
mod sticky;

use std::time::Duration;

use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use olla_core::{BaseUrl, EndpointSpec, Failure, Model, ModelUse, Outcome, Recorder, RequestRecord, Status};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;

/// A fleet of three: `gpu` (healthy), `spare` (healthy, preferred) and `dead` (offline, preferred).
struct Stage {
    fleet: Arc<FleetCell>,
    stats: Arc<Stats>,
    drain: Arc<AtomicBool>,
    router: Router,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

// === impl Stage ===

impl Stage {
    fn new() -> Self {
        Self::with(olla_proxy::Settings::default())
    }

    /// With other settings of the proxy.
    fn with(settings: olla_proxy::Settings) -> Self {
        let spec = |name: &str, priority| {
            let base = BaseUrl::parse(&format!("http://{name}:11434")).unwrap();
            let mut spec = EndpointSpec::new(name, base);
            spec.priority = priority;
            spec
        };
        let specs = vec![spec("gpu", 50), spec("dead", 100), spec("spare", 100)];
        let fleet = Arc::new(FleetCell::new(specs, Default::default()));
        let (stats, drain) = (Arc::new(Stats::default()), Arc::new(AtomicBool::new(false)));
        let profiles = Arc::new(Profiles::builtin());
        let admin = Admin {
            fleet: Arc::clone(&fleet),
            proxy: Proxy::builder(Arc::clone(&fleet), Arc::clone(&profiles)).settings(settings).build(),
            profiles,
            stats: Arc::clone(&stats),
            balancer: "least-connections",
            product: Identity { version: "1.2.3", commit: Some("abc"), built: None },
            started: SystemTime::now() - Duration::from_secs(125),
            refresh: Arc::new(|| Box::pin(async { refreshed() })),
            drain: Arc::clone(&drain),
        };
        Self { fleet, stats, drain, router: admin.router() }
    }

    /// As after a first check of every endpoint.
    fn settled() -> Self {
        let stage = Self::new();
        for name in ["gpu", "spare", "dead"] {
            let live = Arc::clone(&stage.endpoint(name).live);
            live.set_status(if name == "dead" { Status::Offline } else { Status::Healthy });
            let mut checkup = live.checkup();
            checkup.settled = true;
            checkup.checked_at = Some(SystemTime::now());
            checkup.check_latency = Some(Duration::from_millis(3));
        }
        stage.endpoint("dead").live.checkup().reason = Some("the connection was refused".into());
        stage
    }

    fn endpoint(&self, name: &str) -> Arc<olla_core::Endpoint> {
        let fleet = self.fleet.load();
        Arc::clone(fleet.endpoints().iter().find(|e| &*e.spec.name == name).unwrap())
    }

    fn publish(&self, name: &str, kind: Option<&str>, models: Vec<Model>) {
        let kind = kind.and_then(|kind| Profiles::builtin().resolve(kind));
        self.fleet.publish_models(self.endpoint(name).id, kind, models);
        self.endpoint(name).live.checkup().listed_at = Some(SystemTime::now());
    }

    /// Counts a request for a model (by position) as the proxy does.
    fn count(&self, name: &str, model: usize, outcome: Outcome, ms: u64) {
        let endpoint = self.endpoint(name);
        let took = Duration::from_millis(ms);
        let mut record = record();
        let live = Some(Arc::clone(&endpoint.model_live[model]));
        record.attempts.push(olla_core::Attempt::new(endpoint, live, took));
        (record.outcome, record.duration, record.bytes_out) = (outcome, took, 1024);
        record.count();
        self.stats.record(&record);
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: head.status, headers: head.headers, body }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[]).await
    }

    async fn document(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK);
        answer.json()
    }
}

// === impl Answer ===

impl Answer {
    fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

fn record() -> RequestRecord {
    let id = "req_1".into();
    RequestRecord::start(id, Method::POST, http::Uri::default(), None, SystemTime::now())
}

fn refreshed() -> Vec<Refreshed> {
    let one = |endpoint: &str, models| Refreshed { endpoint: endpoint.into(), models };
    vec![one("spare", Err("the connection was refused".into())), one("gpu", Ok(4))]
}

fn names(entries: &Value) -> Vec<&str> {
    entries.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap()).collect()
}

fn entry<'a>(entries: &'a Value, name: &str) -> &'a Value {
    entries.as_array().unwrap().iter().find(|entry| entry["name"] == name).unwrap()
}
