//! Whatever happens, nothing stays in flight and nothing is counted twice.

use http_body_util::BodyExt;
use olla_core::Status;
use olla_proxy::Settings;
use olla_sim::{Engine, Fault, Kind};
use proptest::prelude::*;

use crate::support::{Plan, Stage, chat, millis, post, soon};

/// What the client does with one request.
#[derive(Debug, Clone, Copy)]
enum Client {
    ReadsAll,
    LeavesBeforeTheHead,
    LeavesAfterTheHead,
    LeavesAfterOneFrame,
}

fn client() -> impl Strategy<Value = Client> {
    prop_oneof![
        Just(Client::ReadsAll),
        Just(Client::LeavesBeforeTheHead),
        Just(Client::LeavesAfterTheHead),
        Just(Client::LeavesAfterOneFrame),
    ]
}

fn fault() -> impl Strategy<Value = Option<Fault>> {
    prop_oneof![
        Just(None),
        Just(None),
        Just(Some(Fault::ResetBeforeHead)),
        Just(Some(Fault::MalformedHead)),
        (0..200_usize).prop_map(|bytes| Some(Fault::ResetAfter { bytes })),
        Just(Some(Fault::CloseAfter { bytes: 20, framed: None })),
        Just(Some(Fault::RateLimited { retry_after_secs: 1 })),
        Just(Some(Fault::LieOnHealth)),
        Just(Some(Fault::HangAfter { bytes: 10 })),
        Just(Some(Fault::HangBeforeHead)),
        Just(Some(Fault::ConnectionClose)),
    ]
}

async fn one(stage: &Stage, client: Client, streams: bool) {
    let request = if streams {
        post("/v1/chat/completions", r#"{"model":"m","stream":true,"messages":[]}"#)
    } else {
        chat()
    };
    if matches!(client, Client::LeavesBeforeTheHead) {
        let mut opening = Box::pin(stage.open(request));
        // One poll: the request is on its way.
        let _ = poll_once(&mut opening).await;
        return;
    }
    let response = stage.open(request).await;
    let mut body = response.into_body();
    match client {
        Client::ReadsAll => drop(soon(body.collect()).await),
        Client::LeavesAfterOneFrame => drop(soon(body.frame()).await),
        Client::LeavesBeforeTheHead | Client::LeavesAfterTheHead => {}
    }
}

/// Polls a future once.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|cx| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_ready()))
        .await
}

async fn run(requests: Vec<(Client, Option<Fault>, bool)>) -> Result<(), TestCaseError> {
    let mut engines = vec![];
    for name in ["sim-a", "sim-b"] {
        let engine = Engine::builder(name).kind(Kind::Vllm).models(["m"]).tokens(4);
        engines.push(engine.start("127.0.0.1:0".parse().unwrap()).await.unwrap());
    }
    let mut plan = Plan::over_urls(&[&engines[0].url(), &engines[1].url()]);
    plan.settings = Settings::default();
    plan.settings.timeouts.first_byte = millis(40);
    plan.settings.timeouts.stall = millis(40);
    let stage = plan.start();
    let count = requests.len();

    for (client, fault, streams) in requests {
        match fault {
            Some(fault) => engines.iter().for_each(|engine| engine.set_fault(fault.clone())),
            None => engines.iter().for_each(Engine::clear_faults),
        }
        // A probe would have found the engines well.
        for n in 0..2 {
            stage.endpoint(n).live.set_status(Status::Healthy);
        }
        let pair = tokio::join!(one(&stage, client, streams), one(&stage, Client::ReadsAll, streams));
        let ((), ()) = pair;
    }

    let mut attempts = 0;
    for _ in 0..2 * count {
        attempts += stage.journal.next().await.attempts.len() as u64;
    }
    prop_assert!(stage.journal.is_empty().await, "one record for each request");
    prop_assert_eq!(stage.in_flight(), 0);
    let counted = |n: usize| {
        let view = stage.endpoint(n).live.totals().view();
        assert_eq!(view.requests, view.successes + view.failures + view.cancelled);
        view.requests
    };
    prop_assert_eq!(counted(0) + counted(1), attempts);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_mix_of_success_error_and_cancel_leaves_nothing_behind(
        requests in prop::collection::vec((client(), fault(), any::<bool>()), 1..10),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(requests))?;
    }
}
