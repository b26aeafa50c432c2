//! What is said of a request that is only thought of.

use std::{sync::mpsc, thread, time::Duration};

use olla_proxy::{Question, Verdict};

use crate::support::{Backend, Plan};

/// Explaining takes microseconds, or hangs.
const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn an_endpoint_without_any_model_is_explained_like_others() {
    let backends = [Backend::refusing(), Backend::refusing()];
    let mut plan = Plan::over(&backends.each_ref());
    plan.models(1, &[]);
    let proxy = plan.start().proxy;
    let question = Question {
        method: http::Method::POST,
        target: "/v1/chat/completions".parse().unwrap(),
        model: Some("m".into()),
        needs: Default::default(),
    };
    let (tell, told) = mpsc::channel();

    thread::spawn(move || {
        // Nobody listens any more only where the test has failed already.
        let _ = tell.send(proxy.explain(&question));
    });

    let explanation = told.recv_timeout(PATIENCE).expect("no lock is taken twice");
    let without = &explanation.considered[1];
    assert_eq!((without.verdict, &*without.why), (Verdict::NotNow, "its models have not been listed yet"));
}
