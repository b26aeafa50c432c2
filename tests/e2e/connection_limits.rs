//! Only so many clients are connected at a time; others wait until one has left.

use olla_sim::Kind;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    engines::{self, engine, entry},
    olla::{PATIENCE, Setup},
};

async fn connect(address: std::net::SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /internal/health HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    stream
}

async fn answered(stream: &mut TcpStream) -> bool {
    let mut first = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut first)).await.expect("an answer").unwrap();
    &first == b"HTTP/1.1 200"
}

#[tokio::test]
async fn a_client_beyond_the_limit_is_served_when_another_has_left() {
    let engine = engines::start(engine("sim", Kind::Vllm)).await;
    let limits = "server: {limits: {max_connections: 2}}\n";
    let config = format!("{limits}endpoints:\n{}", entry("one", &engine, "vllm"));
    let olla = Setup::config(&config).start().await;
    olla.ready().await;
    let (mut first, mut second) = (connect(olla.address()).await, connect(olla.address()).await);
    assert!(answered(&mut first).await && answered(&mut second).await);

    let mut third = connect(olla.address()).await;
    first.write_all(b"GET /internal/health HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    let mut rest = vec![0; 4096];
    timeout(PATIENCE, first.read(&mut rest)).await.expect("those who are in are served").unwrap();
    assert!(third.try_read(&mut rest).is_err(), "nothing yet");
    drop(first);

    assert!(answered(&mut third).await);
}

/// To make room for more open files, the kernel keeps a process of several threads waiting for milliseconds, and all who
/// connect to it meanwhile.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn there_is_room_for_many_open_files_before_anybody_connects() {
    let olla = Setup::nothing().start().await;

    let status = std::fs::read_to_string(format!("/proc/{}/status", olla.pid())).unwrap();
    let room = status.lines().find_map(|line| line.strip_prefix("FDSize:")).unwrap();

    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum.unwrap_or(u64::MAX);
    assert!(room.trim().parse::<u64>().unwrap() >= limit.min(32_768), "{room} of {limit}");
}
