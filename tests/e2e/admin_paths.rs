//! Administrative paths of a backend stay closed until the operator opens them.

use std::collections::BTreeMap;

use http::{Method, Request};
use olla_sim::{Engine, Fault, Kind, Scope};

use crate::{
    engines::{self, engine, entry_with},
    olla::{Olla, Setup},
};

const BODY: &str = r#"{"models": ["gpt-4o"],  "duration":"30d"}"#;

async fn gateway(more: &str) -> (Olla, Engine) {
    let done = Fault::Status { status: 201, headers: BTreeMap::new(), body: Some("done".into()) };
    let engine = engine("sim", Kind::LiteLlm).fault(done.on(Scope::Path("/key/".into())));
    let engine = engines::start(engine).await;
    let config = format!("endpoints:\n{}", entry_with("gateway", &engine, "litellm", more));
    let olla = Setup::config(&config).start().await;
    olla.ready().await;
    (olla, engine)
}

fn request(method: &Method, path: &str) -> Request<crate::client::Body> {
    Request::builder().method(method).uri(path).body(BODY.into()).unwrap()
}

#[tokio::test]
async fn administrative_paths_are_refused() {
    let (olla, engine) = gateway("").await;

    for path in ["/key/generate", "/user/new", "/team/list", "/spend/logs", "/model/new"] {
        let answer = olla.send(request(&Method::POST, &format!("/olla/litellm{path}"))).await;

        assert_eq!((answer.status, &*answer.error_code()), (404, "path_not_allowed"), "{path}");
        assert!(engine.received().iter().all(|received| received.path() != path));
    }
}

#[tokio::test]
async fn a_path_that_the_operator_allows_is_forwarded_with_method_and_body() {
    let (olla, engine) = gateway(", allow_paths: ['/key/*']").await;

    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
        engine.forget();
        let answer = olla.send(request(&method, "/olla/litellm/key/generate?n=1")).await;

        assert_eq!((answer.status, answer.text()), (201, "done"), "{method}");
        let received = engine.received();
        let received = received.iter().find(|r| r.path() == "/key/generate").expect("it arrived");
        assert_eq!((&*received.method, &*received.target), (method.as_str(), "/key/generate?n=1"));
        assert_eq!(&received.body[..], BODY.as_bytes());
    }
    assert_eq!(olla.get("/olla/litellm/user/info").await.error_code(), "path_not_allowed");
}
