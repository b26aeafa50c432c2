//! A backend is taken out of service, and put back, while requests go on.

use http::Request;
use olla_sim::Kind;

use crate::{
    client::{Body, chat},
    engines::{self, MODEL, engine, entry},
    olla::{Olla, Setup},
};

async fn change(olla: &Olla, path: &str, header: Option<(&str, &str)>) -> crate::client::Answer {
    let mut request = Request::post(path);
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    olla.send(request.body(Body::default()).unwrap()).await
}

#[tokio::test]
async fn a_drained_backend_gets_nothing_until_it_is_resumed() {
    let (a, b) =
        (engines::start(engine("a", Kind::Vllm)).await, engines::start(engine("b", Kind::Vllm)).await);
    let config = format!(
        "proxy: {{load_balancer: round-robin}}\nendpoints:\n{}{}",
        entry("gpu a", &a, "vllm"),
        entry("b", &b, "vllm")
    );
    let olla = Setup::config(&config).start().await;
    olla.ready().await;

    let refused =
        change(&olla, "/internal/endpoints/gpu%20a/drain", Some(("x-forwarded-for", "10.1.1.1"))).await;
    assert_eq!((refused.status, &*refused.error_code()), (403, "local_callers_only"));
    let drained = change(&olla, "/internal/endpoints/gpu%20a/drain", None).await;
    assert_eq!((drained.status, &drained.json()["draining"]), (200, &true.into()));

    for _ in 0..4 {
        let answer = olla.post("/v1/chat/completions", &chat(MODEL)).await;
        assert_eq!((answer.status, answer.header("x-olla-endpoint")), (200, "b"));
    }
    let entry = olla.endpoint("gpu a").await;
    assert_eq!(
        (&entry["draining"], &entry["routable"], &entry["status"]),
        (&true.into(), &false.into(), &"healthy".into())
    );

    change(&olla, "/internal/endpoints/gpu%20a/resume", None).await;
    let mut served = vec![];
    for _ in 0..4 {
        let answer = olla.post("/v1/chat/completions", &chat(MODEL)).await;
        served.push(answer.header("x-olla-endpoint").to_owned());
    }
    assert_eq!(served.iter().filter(|name| *name == "gpu a").count(), 2, "{served:?}");
}
