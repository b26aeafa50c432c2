//! The admin API over a fleet that the test has set up.

mod drain;
mod explain;
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
    let id = http::HeaderValue::from_static("req_1");
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

#[tokio::test]
async fn is_alive_before_anything_is_known_and_ready_after_the_first_checks() {
    let starting = Stage::new();
    starting.endpoint("gpu").live.checkup().settled = true;

    assert_eq!(starting.document("/internal/health").await, json!({"status": "healthy"}));
    let answer = starting.get("/internal/ready").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        answer.json(),
        json!({"status": "starting", "reason": "waiting for the first check of: dead, spare"})
    );
    assert_eq!(
        Stage::settled().document("/internal/ready").await,
        json!({"status": "ready", "endpoints_routable": 2, "endpoints_total": 3})
    );
}

#[tokio::test]
async fn is_not_ready_while_it_stops() {
    let stage = Stage::settled();

    stage.drain.store(true, Relaxed);

    let answer = stage.get("/internal/ready").await;
    assert_eq!(
        (answer.status, answer.json()),
        (StatusCode::SERVICE_UNAVAILABLE, json!({"status": "stopping"}))
    );
}

#[tokio::test]
async fn endpoints_are_sorted_by_priority_then_usability_then_name() {
    let stage = Stage::settled();

    for path in ["/internal/status", "/internal/status/endpoints"] {
        assert_eq!(names(&stage.document(path).await["endpoints"]), ["spare", "dead", "gpu"], "{path}");
    }
}

#[tokio::test]
async fn an_endpoint_tells_its_kind_models_and_why_it_is_not_used() {
    let stage = Stage::settled();
    stage.publish("gpu", Some("lm_studio"), vec![Model::named("a"), Model::named("b")]);
    stage.endpoint("dead").live.checkup().listing_error = Some("the answer is not JSON".into());

    let document = stage.document("/internal/status/endpoints").await;

    let gpu = entry(&document["endpoints"], "gpu");
    assert_eq!((&gpu["type"], &gpu["kind"]), (&json!("lm-studio"), &json!("lm-studio")));
    assert_eq!((&gpu["model_count"], &gpu["models_count"]), (&json!(2), &json!(2)));
    assert_eq!((&gpu["url"], &gpu["response_time_ms"]), (&json!("http://gpu:11434"), &json!(3)));
    assert_eq!((gpu.get("reason"), gpu.get("issues")), (None, None));
    let dead = entry(&document["endpoints"], "dead");
    assert_eq!((&dead["type"], &dead["issues"]), (&json!("auto"), &json!("unavailable")));
    assert_eq!(dead["reason"], "the connection was refused");
    assert_eq!(dead["listing_error"], "the answer is not JSON");
    assert_eq!(
        [&document["total_count"], &document["healthy_count"], &document["routable_count"]],
        [3, 2, 2]
    );
}

#[tokio::test]
async fn an_unchecked_endpoint_says_what_it_waits_for() {
    let document = Stage::new().document("/internal/status/endpoints").await;

    let gpu = entry(&document["endpoints"], "gpu");
    assert_eq!((&gpu["status"], &gpu["health_check"]), (&json!("unknown"), &json!("")));
    assert_eq!(gpu["reason"], "waiting for its first health check");
}

#[tokio::test]
async fn counters_are_shown_for_people_and_as_numbers() {
    let stage = Stage::settled();
    stage.publish("gpu", None, vec![Model::named("a")]);
    stage.count("gpu", 0, Outcome::Success, 1200);
    stage.count("gpu", 0, Outcome::Failure, 1);

    let document = stage.document("/internal/status").await;

    let gpu = entry(&document["endpoints"], "gpu");
    assert_eq!((&gpu["avg_latency"], &gpu["avg_latency_ms"]), (&json!("1.2s"), &json!(1200)));
    assert_eq!((&gpu["success_rate"], &gpu["success_rate_percent"]), (&json!("50.0%"), &json!(50.0)));
    assert_eq!((&gpu["traffic"], &gpu["traffic_bytes"]), (&json!("2.00 KB"), &json!(2048)));
    assert_eq!((&gpu["requests"], &gpu["consecutive_failures"]), (&json!(2), &json!(1)));
    let system = &document["system"];
    assert_eq!((&system["total_requests"], &system["total_failures"]), (&json!(2), &json!(1)));
    assert_eq!((&system["status"], &system["endpoints_up"]), (&json!("critical"), &json!("2/3")));
    assert_eq!((&system["uptime"], &system["uptime_seconds"]), (&json!("2m"), &json!(125)));
}

#[tokio::test]
async fn without_traffic_rates_are_not_made_up() {
    let document = Stage::settled().document("/internal/status").await;

    let system = &document["system"];
    assert_eq!((&system["success_rate"], &system["has_traffic"]), (&json!("N/A"), &json!(false)));
    assert_eq!((system.get("success_rate_percent"), system.get("avg_latency_ms")), (None, None));
    let spare = entry(&document["endpoints"], "spare");
    assert_eq!((&spare["success_rate"], &spare["next_check"]), (&json!("0%"), &json!("unknown")));
    assert_eq!(spare["models"], json!({"last_updated": "0001-01-01T00:00:00Z", "count": 0}));
}

#[tokio::test]
async fn refusals_are_violations_and_not_requests() {
    let stage = Stage::settled();
    for (code, client) in [("rate_limited", Some([10, 0, 0, 1].into())), ("body_too_large", None)] {
        let mut record = record();
        (record.error, record.client, record.outcome) = (Some(code), client, Outcome::Failure);
        stage.stats.record(&record);
    }

    let document = stage.document("/internal/status").await;

    assert_eq!(
        document["security"],
        json!({"status": "normal", "blocked_ips": 1, "violations": {"rate_limits": 1, "size_limits": 1}})
    );
    let system = &document["system"];
    assert_eq!(
        [&system["security_violations"], &system["total_refused"], &system["total_requests"]],
        [2, 2, 0]
    );
    assert_eq!(system["refused"], json!({"body_too_large": 1, "rate_limited": 1}));
}

#[tokio::test]
async fn repeated_failures_and_a_demotion_become_issues() {
    let stage = Stage::settled();
    stage.publish("gpu", None, vec![Model::named("a")]);
    for _ in 0..11 {
        stage.count("gpu", 0, Outcome::Failure, 1);
    }
    stage.endpoint("spare").live.demote(Failure::Refused);

    let status = stage.document("/internal/status").await;
    let endpoints = stage.document("/internal/status/endpoints").await;

    assert_eq!(entry(&status["endpoints"], "gpu")["issues"], "consecutive failures, low success rate");
    assert_eq!(entry(&status["endpoints"], "spare")["issues"], "unavailable");
    assert_eq!(entry(&endpoints["endpoints"], "gpu")["issues"], "unstable");
    let reason = entry(&endpoints["endpoints"], "spare")["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("refused"), "{reason}");
}

#[tokio::test]
async fn a_known_tag_is_answered_with_304_until_the_document_changes() {
    let stage = Stage::settled();
    let mut models = vec![];
    for path in ["/internal/status", "/internal/status/endpoints", "/internal/status/models"] {
        let first = stage.get(path).await;
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with("W/\""), "{tag}");
        assert_eq!(
            (first.header("cache-control"), first.header("vary")),
            ("private, no-cache", "accept-encoding")
        );
        stage.endpoint("gpu").live.checkup().checked_at = Some(SystemTime::UNIX_EPOCH);

        let again = stage.send(Method::GET, path, &[("if-none-match", &tag)]).await;
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0), "{path}");
        assert_eq!((again.header("etag"), again.header("vary")), (&*tag, "accept-encoding"));

        models.push(Model::named(path));
        stage.publish("gpu", None, models.clone());
        let changed = stage.send(Method::GET, path, &[("if-none-match", &tag)]).await;
        assert_eq!(changed.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn status_documents_are_compressed_for_those_who_accept_it() {
    let stage = Stage::settled();

    let answer = stage.send(Method::GET, "/internal/status/endpoints", &[("accept-encoding", "gzip")]).await;

    assert_eq!((answer.header("content-encoding"), answer.header("vary")), ("gzip", "accept-encoding"));
    assert_eq!(answer.headers.get_all(header::VARY).iter().count(), 1);
    assert_eq!(answer.body[..2], [0x1f, 0x8b], "the magic number of gzip");
    let plain = stage.get("/internal/status/endpoints").await;
    assert_eq!(plain.header("content-encoding"), "");
    let small = stage.send(Method::GET, "/internal/health", &[("accept-encoding", "gzip")]).await;
    assert_eq!(small.header("content-encoding"), "");
}

#[tokio::test]
async fn models_are_merged_by_name_and_grouped_by_family() {
    let stage = Stage::settled();
    let model = |name: &str, family: Option<&str>| {
        let mut model = Model::named(name);
        model.family = family.map(Into::into);
        model
    };
    let mut big = model("big", Some("llama"));
    (big.used_for, big.context_length, big.size_bytes) = (Some(ModelUse::Text), Some(128_000), Some(1536));
    big.quantization = Some("BF16".into());
    stage.publish("spare", None, vec![model("big", None), model("plain", None)]);
    stage.publish("gpu", None, vec![big, model("small", Some("llama"))]);

    let document = stage.document("/internal/status/models?detailed=true&group=family").await;

    assert_eq!(document["models_by_family"], json!({"llama": ["big", "small"], "unknown": ["plain"]}));
    assert_eq!(
        [&document["total_models"], &document["total_families"], &document["total_endpoints"]],
        [3, 2, 2]
    );
    assert_eq!(document["model_groups"][1]["family"], "unknown", "the unknown family comes last");
    assert_eq!(document["model_groups"][0]["endpoints"], json!(["gpu", "spare"]));
    let big = entry(&document["recent_models"], "big");
    assert_eq!((&big["endpoints"], &big["size"]), (&json!(["spare", "gpu"]), &json!("1.50 KB")));
    assert_eq!(big["capabilities"], json!(["text_generation", "chat", "long_context", "high_precision"]));
    assert_eq!(big["type"], "llm");
}

#[tokio::test]
async fn a_model_tells_all_other_names_that_any_endpoint_has_for_it() {
    let stage = Stage::settled();
    let model = |name: &str| {
        let mut model = Model::named(name);
        model.digest = Some("d1gest".into());
        model
    };
    stage.publish("spare", None, vec![model("llama3:8b"), model("llama3:latest")]);
    stage.publish("gpu", None, vec![model("my-llama"), Model::named("other")]);

    let document = stage.document("/internal/status/models").await;

    let aliases = |name| entry(&document["recent_models"], name)["aliases"].clone();
    assert_eq!(aliases("my-llama"), json!(["llama3:8b", "llama3:latest"]));
    assert_eq!(aliases("llama3:8b"), json!(["llama3:latest", "my-llama"]));
    assert_eq!(aliases("other"), Value::Null);
}

#[tokio::test]
async fn at_most_ten_models_are_recent_and_groups_come_on_request() {
    let stage = Stage::settled();
    stage.publish("gpu", None, (0..12).map(|n| Model::named(format!("m{n:02}"))).collect());
    stage.publish("spare", None, vec![Model::named("z-newest")]);
    stage.endpoint("gpu").live.checkup().listed_at = Some(SystemTime::UNIX_EPOCH);

    let document = stage.document("/internal/status/models?detailed=true").await;

    let recent = names(&document["recent_models"]);
    assert_eq!((recent.len(), &recent[..2]), (10, &["z-newest", "m00"][..]));
    assert_eq!(document.get("model_groups"), None);
}

#[tokio::test]
async fn model_statistics_are_summed_over_endpoints_and_sorted_by_use() {
    let stage = Stage::settled();
    for name in ["gpu", "spare"] {
        stage.publish(name, None, vec![Model::named("a"), Model::named("b"), Model::named("unused")]);
    }
    stage.count("gpu", 0, Outcome::Success, 100);
    for (endpoint, outcome, ms) in
        [("gpu", Outcome::Success, 100), ("spare", Outcome::Success, 300), ("spare", Outcome::Failure, 1)]
    {
        stage.count(endpoint, 1, outcome, ms);
    }

    let document = stage.document("/internal/stats/models").await;

    assert_eq!(names(&document["models"]), ["b", "a"], "models nobody asked for are left out");
    let b = &document["models"][0];
    assert_eq!(
        [&b["total_requests"], &b["successful_requests"], &b["failed_requests"], &b["average_latency_ms"]],
        [3, 2, 1, 200]
    );
    assert_eq!((&b["success_rate"], &b["total_traffic"]), (&json!("66.7%"), &json!("3.00 KB")));
    assert_eq!(b["p95_latency_ms"], 300, "from both endpoints, and never above the longest request");
    assert_eq!(b.get("endpoint_breakdown"), None);
    assert_eq!(document["endpoints"], json!({}));
    let summary = &document["summary"];
    assert_eq!((&summary["most_popular_model"], &summary["least_popular_model"]), (&json!("b"), &json!("a")));
    assert_eq!([&summary["total_models"], &summary["active_models"], &summary["total_requests"]], [2, 2, 4]);
}

#[tokio::test]
async fn model_statistics_are_broken_down_on_request() {
    let stage = Stage::settled();
    stage.publish("gpu", None, vec![Model::named("a")]);
    stage.publish("spare", None, vec![Model::named("a")]);
    stage.count("gpu", 0, Outcome::Success, 100);

    let document = stage.document("/internal/stats/models?include_endpoints=true&include_summary=true").await;

    let breakdown = &document["models"][0]["endpoint_breakdown"];
    assert_eq!((&breakdown["gpu"]["request_count"], breakdown.get("spare")), (&json!(1), None));
    assert_eq!(document["endpoints"]["gpu"]["success_rate"], 100.0);
    assert_eq!(document["endpoints"]["dead"]["last_used"], "never");
}

#[tokio::test]
async fn the_process_and_the_version_are_told() {
    let stage = Stage::settled();

    let process = stage.document("/internal/process").await;
    let version = stage.document("/version").await;

    assert_eq!(process["runtime"]["uptime"], "2m5s");
    assert_eq!((&version["version"], &version["build"]["commit"]), (&json!("1.2.3"), &json!("abc")));
    let backends = version["supported_backends"].as_array().unwrap();
    assert!(backends.contains(&json!("litellm")), "{backends:?}");
}

#[tokio::test]
async fn every_path_that_the_version_lists_exists() {
    let stage = Stage::settled();
    let version = stage.document("/version").await;

    for path in version["api"]["endpoints"].as_object().unwrap().values() {
        let answer = stage.send(Method::PATCH, path.as_str().unwrap(), &[]).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
}

#[tokio::test]
async fn a_refresh_tells_what_each_endpoint_answered() {
    let answer = Stage::settled().send(Method::POST, "/internal/discovery/refresh", &[]).await;

    let document = answer.json();
    assert_eq!([&document["refreshed"], &document["failed"]], [1, 1]);
    assert_eq!(
        document["endpoints"],
        json!([
            {"name": "gpu", "status": "ok", "models_count": 4},
            {"name": "spare", "status": "failed", "error": "the connection was refused"},
        ])
    );
}

#[tokio::test]
async fn other_methods_are_told_which_are_allowed() {
    let stage = Stage::settled();
    let cases = [
        (Method::POST, "/internal/status", "GET,HEAD"),
        (Method::DELETE, "/internal/health", "GET,HEAD"),
        (Method::GET, "/internal/discovery/refresh", "POST"),
    ];

    for (method, path, allowed) in cases {
        let answer = stage.send(method, path, &[]).await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (StatusCode::METHOD_NOT_ALLOWED, allowed),
            "{path}"
        );
        assert_eq!(answer.json()["error"]["code"], "method_not_allowed", "{path}");
    }
}

#[tokio::test]
async fn head_answers_like_get_without_a_body() {
    let stage = Stage::settled();

    for path in ["/internal/health", "/internal/status", "/version"] {
        let answer = stage.send(Method::HEAD, path, &[("accept-encoding", "gzip")]).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0), "{path}");
        assert_eq!(answer.header("content-type"), "application/json", "{path}");
    }
}

#[tokio::test]
async fn an_unknown_path_is_an_error_in_json() {
    let answer = Stage::settled().get("/internal/nothing").await;

    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let error = &answer.json()["error"];
    assert_eq!(error["code"], "unknown_path");
    assert!(error["message"].as_str().unwrap().contains("/internal/nothing"));
}
