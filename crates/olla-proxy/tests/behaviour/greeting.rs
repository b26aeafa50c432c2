//! Those who open a base URL, or a path that is for posting only, learn where they are.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;

use crate::support::{Backend, Plan, Stage, ok};

fn request(method: &str, target: &str) -> Request<Full<Bytes>> {
    Request::builder().method(method).uri(target).body(Full::default()).unwrap()
}

#[tokio::test]
async fn a_base_url_says_what_is_there() {
    let backend = Backend::answering(ok("{}")).await;
    let stage = Stage::over(&backend);

    for target in ["/", "/v1", "/olla", "/olla/proxy", "/olla/anthropic", "/olla/openai/", "/olla/vllm/v1"] {
        let told = stage.ask(request("GET", target)).await;
        assert_eq!(
            (told.status, told.header("content-type")),
            (StatusCode::OK, Some("text/plain; charset=utf-8"))
        );
        assert!(told.text().starts_with("Olla is running."), "{target}: {}", told.text());
        assert_eq!(told.text().lines().count(), 1);

        let told = stage.ask(request("HEAD", target)).await;
        assert_eq!((told.status, told.text()), (StatusCode::OK, ""), "{target}");
    }
    assert_eq!(stage.ask(request("GET", "/olla/nobody")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(stage.ask(request("POST", "/")).await.status, StatusCode::NOT_FOUND);
    assert!(backend.heard().is_empty());
}

#[tokio::test]
async fn a_backend_that_has_something_at_its_root_is_asked() {
    let backend = Backend::answering(ok("mine")).await;
    let mut plan = Plan::over(&[&backend]);
    plan.specs[0].allow_paths = olla_core::PathRules::parse(["/"]).unwrap().into();
    let stage = plan.start();

    assert_eq!(stage.ask(request("GET", "/olla/vllm/")).await.text(), "mine");
}

#[tokio::test]
async fn conversations_are_posted() {
    let backend = Backend::answering(ok("{}")).await;
    let stage = Stage::over(&backend);

    for (target, kind) in [
        ("/v1/messages", "/error/type"),
        ("/olla/anthropic/v1/messages", "/error/type"),
        ("/v1/chat/completions", "/error/code"),
        ("/v1/responses", "/error/code"),
        ("/olla/ollama/api/chat", "/error"),
    ] {
        for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
            let told = stage.ask(request(method, target)).await;

            assert_eq!(told.status, StatusCode::METHOD_NOT_ALLOWED, "{target}");
            assert_eq!(told.header("allow"), Some("POST"));
            assert!(told.json().pointer(kind).is_some_and(serde_json::Value::is_string), "{}", told.text());
        }
    }
    assert!(backend.heard().is_empty());
}
