//! The end of a server: what is in flight may finish, within limits.

use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use olla_sim::{Builder, Engine, Fault, Kind, Scope};
use rustix::process::Signal;
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{
    client::{self, Answer, streamed_chat},
    engines::{self, MODEL, engine, entry},
    olla::{Olla, PATIENCE, Setup},
};

const ENDLESS: Fault = Fault::HangAfter { bytes: 300 };

async fn serving(engine: Builder, shutdown_timeout: &str) -> (Olla, Engine) {
    let engine = engines::start(engine).await;
    let config = format!(
        "server: {{shutdown_timeout: {shutdown_timeout}}}\nendpoints:\n{}",
        entry("one", &engine, "vllm")
    );
    let olla = Setup::config(&config).start().await;
    olla.ready().await;
    (olla, engine)
}

async fn streaming(olla: &Olla) -> http::Response<hyper::body::Incoming> {
    let request = client::post("/v1/chat/completions", &streamed_chat(MODEL));
    let mut response = client::open(olla.address(), request).await;
    assert_eq!(response.status(), 200);
    let first = timeout(PATIENCE, response.body_mut().frame()).await.expect("a first event");
    assert!(first.unwrap().is_ok());
    response
}

async fn stopping(olla: &Olla) {
    olla.log().text(|line| line.contains("stopping: ")).await;
}

#[tokio::test]
async fn a_stream_in_flight_ends_regularly_while_new_connections_are_refused() {
    let (mut olla, _engine) =
        serving(engine("sim", Kind::Vllm).tokens(40).tokens_per_second(20.0), "20s").await;
    let stream = streaming(&olla).await;

    olla.signal(Signal::TERM);
    stopping(&olla).await;
    let refused = async {
        while TcpStream::connect(olla.address()).await.is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, refused).await.expect("the port is closed");
    assert_eq!(olla.log().lines().iter().filter(|line| line.contains("\"stopped\"")).count(), 0);
    let rest = Answer::read(stream).await.expect("the whole stream");

    assert!(rest.text().ends_with("data: [DONE]\n\n"), "{}", rest.text());
    assert_eq!(olla.exit_code().await, Some(0));
    olla.log().text(|line| line.contains("\"stopped\"")).await;
}

#[tokio::test]
async fn a_stream_that_takes_too_long_is_cut() {
    let (mut olla, _engine) =
        serving(engine("sim", Kind::Vllm).fault(ENDLESS.on(Scope::Inference)), "300ms").await;
    let stream = streaming(&olla).await;

    olla.signal(Signal::TERM);
    let rest = timeout(PATIENCE, Answer::read(stream)).await.expect("an end");

    assert!(rest.is_err(), "a stream that was cut must not look complete");
    assert_eq!(olla.exit_code().await, Some(0));
    olla.log().text(|line| line.contains("server.shutdown_timeout")).await;
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let (mut olla, _engine) =
        serving(engine("sim", Kind::Vllm).fault(ENDLESS.on(Scope::Inference)), "10m").await;
    let _stream = streaming(&olla).await;

    olla.signal(Signal::TERM);
    stopping(&olla).await;
    let began = Instant::now();
    olla.signal(Signal::TERM);

    assert_eq!(olla.exit_code().await, Some(0));
    assert!(began.elapsed() < Duration::from_secs(5));
    olla.log().text(|line| line.contains("second signal")).await;
}

#[tokio::test]
async fn idle_connections_do_not_hold_it_up() {
    let (mut olla, _engine) = serving(engine("sim", Kind::Vllm), "10m").await;
    let mut connection = client::connect(olla.address()).await;
    let request = http::Request::get("/version").header("host", "localhost").body(client::Body::default());
    let answer = Answer::read(connection.send_request(request.unwrap()).await.unwrap()).await.unwrap();
    assert_eq!(answer.status, 200);

    olla.signal(Signal::TERM);

    assert_eq!(olla.exit_code().await, Some(0));
}
