//! Which backends a path is meant for, and the path under which they get it.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use olla_core::{BaseUrl, PathRules, Status};

use crate::support::{Backend, Plan, Stage, get, ok};

/// `a` is vLLM, `b` is Ollama.
async fn two_kinds() -> (Stage, [Backend; 2]) {
    let backends = [Backend::answering(ok("{}")).await, Backend::answering(ok("{}")).await];
    let mut plan = Plan::over(&[&backends[0], &backends[1]]);
    plan.kind(1, "ollama");
    (plan.start(), backends)
}

fn ask_for(target: &str) -> Request<Full<Bytes>> {
    crate::support::post(target, r#"{"model":"m"}"#)
}

#[tokio::test]
async fn a_prefix_reaches_its_kind_only() {
    let (stage, _backends) = two_kinds().await;

    for (target, endpoint, kind) in [
        ("/olla/vllm/v1/chat/completions", "a", "vllm"),
        ("/olla/ollama/v1/chat/completions", "b", "ollama"),
        ("/olla/proxy/v1/chat/completions", "a", "vllm"),
        ("/v1/chat/completions", "a", "vllm"),
        ("/olla/proxy/api/chat", "b", "ollama"),
    ] {
        let told = stage.ask(ask_for(target)).await;

        assert_eq!(
            (told.status, told.header("x-olla-endpoint")),
            (StatusCode::OK, Some(endpoint)),
            "{target}"
        );
        assert_eq!(told.header("x-olla-backend-type"), Some(kind));
    }
}

#[tokio::test]
async fn the_openai_prefix_reaches_every_kind_that_speaks_openai() {
    let (stage, _backends) = two_kinds().await;
    assert_eq!(stage.ask(ask_for("/olla/openai/v1/completions")).await.header("x-olla-endpoint"), Some("a"));

    stage.endpoint(0).live.set_status(Status::Offline);

    let told = stage.ask(ask_for("/olla/openai/v1/completions")).await;
    assert_eq!((told.status, told.header("x-olla-endpoint")), (StatusCode::OK, Some("b")));
}

#[tokio::test]
async fn a_kind_without_a_usable_backend_says_so() {
    let (stage, _backends) = two_kinds().await;
    stage.endpoint(1).live.set_status(Status::Offline);

    for target in ["/olla/ollama/v1/completions", "/olla/litellm/v1/completions"] {
        let told = stage.ask(ask_for(target)).await;

        assert_eq!(told.status, StatusCode::NOT_FOUND);
        assert_eq!(told.json()["error"]["code"], "kind_unavailable");
    }
}

#[tokio::test]
async fn without_any_usable_backend_the_client_may_come_back() {
    let (stage, _backends) = two_kinds().await;
    for position in 0..2 {
        stage.endpoint(position).live.set_status(Status::Offline);
    }

    let told = stage.ask(crate::support::post("/v1/completions", "{}")).await;

    assert_eq!(told.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        (told.json()["error"]["code"].as_str(), told.header("retry-after")),
        (Some("no_endpoint"), Some("1"))
    );
}

#[tokio::test]
async fn paths_that_are_not_allowed_stay_here_until_the_endpoint_allows_them() {
    let backend = Backend::answering(ok("{}")).await;
    let stage = |allowed: &[&str]| {
        let mut plan = Plan::over(&[&backend]);
        plan.kind(0, "litellm");
        plan.specs[0].allow_paths = PathRules::parse(allowed.iter().copied()).unwrap().into();
        plan.start()
    };

    for path in ["/key/generate", "/user/new", "/spend/logs", "/v1/chat/completions/"] {
        let told = stage(&[]).ask(ask_for(&format!("/olla/litellm{path}"))).await;
        assert_eq!(told.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(told.json()["error"]["code"], "path_not_allowed");
    }
    assert_eq!(backend.connections(), 0);

    let mut delete = ask_for("/olla/litellm/key/sk-1?force=true");
    *delete.method_mut() = http::Method::DELETE;
    let told = stage(&["/key/*"]).ask(delete).await;
    assert_eq!(told.status, StatusCode::OK);
    let heard = backend.heard_one();
    assert_eq!((&*heard.line, &*heard.body), ("DELETE /key/sk-1?force=true HTTP/1.1", r#"{"model":"m"}"#));
}

#[tokio::test]
async fn unknown_paths_and_prefixes_are_not_found() {
    let (stage, _backends) = two_kinds().await;

    for (target, code) in [
        ("/nothing", "unknown_path"),
        ("/olla/nothing/v1/models", "unknown_prefix"),
        ("/ollama", "unknown_path"),
    ] {
        let told = stage.ask(get(target)).await;

        assert_eq!(
            (told.status, told.json()["error"]["code"].as_str()),
            (StatusCode::NOT_FOUND, Some(code)),
            "{target}"
        );
    }
}

#[tokio::test]
async fn dot_segments_in_any_spelling_are_refused() {
    let (stage, backends) = two_kinds().await;

    for target in [
        "/v1/../admin",
        "/olla/vllm/v1/./models",
        "/olla/vllm/v1/%2e%2e/admin",
        "/olla/vllm/v1/.%2E/admin",
        "/olla/vllm/v1%2f..%2fadmin",
        "/olla/../internal/status",
    ] {
        let told = stage.ask(get(target)).await;

        assert_eq!(
            (told.status, told.json()["error"]["code"].as_str()),
            (StatusCode::BAD_REQUEST, Some("bad_path")),
            "{target}"
        );
    }
    assert!(backends.iter().all(|backend| backend.connections() == 0));
}

#[tokio::test]
async fn path_and_query_reach_the_backend_byte_for_byte() {
    let backend = Backend::answering(ok("{}")).await;
    let mut plan = Plan::over(&[&backend]);
    plan.specs[0].allow_paths = PathRules::parse(["/files/*"]).unwrap().into();
    let stage = plan.start();
    let target = "/files/a%2Fb%20c/%E2%82%ac/~x;y=1?q=%20+&&a=b%26c&empty=&=&%zz";

    stage.ask(get(&format!("/olla/vllm{target}"))).await;

    assert_eq!(backend.heard_one().line, format!("GET {target} HTTP/1.1"));
}

#[tokio::test]
async fn the_base_path_of_an_endpoint_comes_first() {
    for (base, preserve, path, expected) in [
        ("/v1", false, "/v1/chat/completions?a=b", "/v1/chat/completions?a=b"),
        ("/v1", true, "/v1/chat/completions", "/v1/v1/chat/completions"),
        (
            "/engines/llama.cpp/",
            false,
            "/v1/chat/completions?a=b",
            "/engines/llama.cpp/v1/chat/completions?a=b",
        ),
        ("", false, "/v1/chat/completions", "/v1/chat/completions"),
    ] {
        let backend = Backend::answering(ok("{}")).await;
        let mut plan = Plan::over(&[&backend]);
        plan.specs[0].base = BaseUrl::parse(&format!("{}{base}", backend.url())).unwrap();
        plan.specs[0].preserve_path = preserve;

        plan.start().ask(ask_for(&format!("/olla/vllm{path}"))).await;

        assert_eq!(backend.heard_one().line, format!("POST {expected} HTTP/1.1"), "{base}");
    }
}

#[tokio::test]
async fn a_kind_with_its_openai_surface_elsewhere_gets_requests_there() {
    let backend = Backend::answering(ok("{}")).await;
    let mut plan = Plan::over(&[&backend]);
    plan.kind(0, "docker-model-runner");

    plan.start().ask(ask_for("/v1/chat/completions?x=%20")).await;

    assert_eq!(backend.heard_one().line, "POST /engines/v1/chat/completions?x=%20 HTTP/1.1");
}

#[tokio::test]
async fn methods_that_change_things_take_an_endpoint_that_allows_the_path() {
    let backend = Backend::answering(ok("{}")).await;
    let mut plan = Plan::over(&[&backend]);
    plan.specs[0].allow_paths = Arc::new(PathRules::parse(["/v1/files/*"]).unwrap());
    let stage = plan.start();
    let ask = async |method: Method, path: &str| {
        let request = Request::builder().method(method).uri(path).body(Full::<Bytes>::default()).unwrap();
        stage.ask(request).await
    };

    let refused = ask(Method::DELETE, "/v1/embeddings").await;
    assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(refused.header("allow"), Some("GET, HEAD, POST, OPTIONS"));
    assert_eq!(ask(Method::TRACE, "/v1/files/1").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(ask(Method::DELETE, "/v1/files/1").await.status, StatusCode::OK);

    assert!(backend.heard_one().line.starts_with("DELETE /v1/files/1 "));
}
