use std::{
    future::poll_fn,
    io::{self, Read, Write as _},
    mem::MaybeUninit,
    net,
    time::Duration,
};

use futures_util::FutureExt;
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::{
        JoinHandle,
        coop::{consume_budget, has_budget_remaining},
        spawn_blocking, yield_now,
    },
    time::{sleep, timeout},
};

use super::*;
use crate::http1::{Direct, LONGEST_COPIED};

/// Returns both ends of a connection, the client's of which does not wait; with batches, from now on.
async fn batched() -> (net::TcpStream, Direct, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_nonblocking(true).unwrap();
    let batches = tokio::spawn(Batches::new());
    yield_now().await;
    (client, Direct::new(listener.accept().await.unwrap().0), batches)
}

/// Returns what has arrived by now.
fn arrived(mut client: &net::TcpStream) -> Vec<u8> {
    let mut bytes = vec![];
    if let Err(error) = client.read_to_end(&mut bytes) {
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
    bytes
}

fn is_silent(client: &net::TcpStream) -> bool {
    client.peek(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// Hands a buffer over, or writes it where it is not taken.
async fn hand(server: &mut Direct, bytes: &[u8]) -> io::Result<()> {
    let mut buffer = bytes.to_vec();
    poll_fn(|cx| Pin::new(&mut *server).poll_take(cx, &mut buffer)).await?;
    server.write_all(&buffer).await
}

/// Writes until the socket takes no more, and returns what it has taken.
async fn fill(server: &mut Direct) -> Vec<u8> {
    SockRef::from(server.get_ref()).set_send_buffer_size(8 * 1024).unwrap();
    let mut sent = vec![];
    let piece: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
    // Whatever is longer than what is copied is written at once.
    while let Ok(taken) = timeout(Duration::from_millis(50), server.write(&piece)).await {
        sent.extend_from_slice(&piece[..taken.unwrap()]);
    }
    sent
}

#[tokio::test]
async fn small_writes_wait_until_everybody_has_had_a_turn() {
    let (client, mut server, _batches) = batched().await;

    hand(&mut server, b"small").await.unwrap();
    assert!(is_silent(&client) && !server.is_settled());
    yield_now().await;
    assert_eq!(arrived(&client), b"small");
    assert!(server.is_settled());

    let large = vec![b'x'; LONGEST_COPIED + 1];
    hand(&mut server, &large).await.unwrap();
    assert_eq!(arrived(&client), large);
}

#[tokio::test]
async fn what_is_written_by_one_stays_in_order() {
    let (client, mut server, _batches) = batched().await;
    let large = "y".repeat(LONGEST_COPIED + 1);

    for piece in ["one ", "two ", &large, " three", ""] {
        hand(&mut server, piece.as_bytes()).await.unwrap();
    }
    server.shutdown().await.unwrap();

    assert_eq!(arrived(&client), format!("one two {large} three").into_bytes());
}

#[tokio::test]
async fn a_batch_that_is_large_enough_waits_no_longer() {
    let mut all = vec![];
    for _ in 0..LARGEST_BATCH {
        all.push(batched().await);
    }

    let first = all[0].0.try_clone().unwrap();
    for (_, server, _) in &mut all {
        assert!(is_silent(&first));
        hand(server, b"small").await.unwrap();
    }

    assert!(all.iter().all(|(client, _, _)| arrived(client) == b"small"));
}

#[tokio::test]
async fn nothing_waits_where_nobody_sends_batches() {
    let (client, mut server, batches) = batched().await;
    hand(&mut server, b"held").await.unwrap();
    batches.abort();
    yield_now().await;
    assert_eq!(arrived(&client), b"held", "the last batch is sent");

    hand(&mut server, b"more").await.unwrap();

    assert_eq!(arrived(&client), b"more");
}

#[tokio::test]
async fn whoever_reads_slowly_gets_all_though_nobody_waits_for_that() {
    for leaves in [true, false] {
        let (client, mut server, _batches) = batched().await;
        let mut expected = fill(&mut server).await;

        hand(&mut server, b"the end").await.unwrap();
        expected.extend_from_slice(b"the end");
        yield_now().await;
        assert!(!server.is_settled());
        let kept = (!leaves).then_some(server);
        let reading = spawn_blocking(move || {
            client.set_nonblocking(false).unwrap();
            let mut bytes = vec![0; expected.len()];
            (&client).read_exact(&mut bytes).unwrap();
            assert!(bytes == expected);
            client
        });

        let client = reading.await.unwrap();
        match kept {
            Some(mut server) => {
                hand(&mut server, b"more").await.unwrap();
                server.shutdown().await.unwrap();
                assert_eq!(arrived(&client), b"more");
            }
            None => assert!(!is_silent(&client), "it is closed"),
        }
    }
}

#[tokio::test]
async fn what_follows_waits_for_room() {
    let (_client, mut server, _batches) = batched().await;
    fill(&mut server).await;
    hand(&mut server, b"rest").await.unwrap();
    yield_now().await;

    for piece in [&b"small"[..], &[b'x'; LONGEST_COPIED + 1]] {
        let written = timeout(Duration::from_millis(20), hand(&mut server, piece)).await;
        assert!(written.is_err());
    }
    assert!(timeout(Duration::from_millis(20), server.shutdown()).await.is_err());
}

#[tokio::test]
async fn a_write_that_fails_later_ends_the_answer_too() {
    let (client, mut server, _batches) = batched().await;
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    hand(&mut server, b"into the void").await.unwrap();
    assert!(!server.has_sent_nothing());

    drop(client);
    yield_now().await;

    assert!(server.has_sent_nothing() && !server.is_settled());
    assert!(!server.read(&mut [0]).await.is_ok_and(|read| read > 0));
    assert!(hand(&mut server, b"more").await.is_err());
}

/// Has a connection waited for by somebody who is not there any more.
fn wait(server: &mut Direct) {
    assert!(server.read(&mut [0]).now_or_never().is_none());
}

/// Reads as many bytes as there are to be, in small pieces.
async fn read(server: &mut Direct, bytes: usize) -> Vec<u8> {
    let mut all = vec![];
    while all.len() < bytes {
        let mut some = [0; 7];
        let read = timeout(Duration::from_secs(10), server.read(&mut some)).await.unwrap().unwrap();
        assert!(read > 0, "the end comes after {} bytes", all.len());
        all.extend_from_slice(&some[..read]);
    }
    all
}

/// Waits until what has been said is received for whoever has waited.
async fn received(server: &Direct) {
    let is_received = async {
        while server.is_silent() || SockRef::from(server.get_ref()).peek(&mut [MaybeUninit::uninit()]).is_ok()
        {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(10), is_received).await.unwrap();
}

#[tokio::test]
async fn what_is_waited_for_is_received_before_it_is_read() {
    let (client, mut server, _batches) = batched().await;
    wait(&mut server);
    (&client).write_all(b"one and ").unwrap();
    received(&server).await;
    assert!(server.has_begun());
    (&client).write_all(b"two").unwrap();

    assert_eq!(read(&mut server, 11).await, b"one and two");
    assert!(server.is_silent() && !server.has_begun());
}

#[tokio::test]
async fn what_is_longer_than_is_received_at_a_time_arrives_whole_and_so_does_the_end() {
    let (client, mut server, _batches) = batched().await;
    let said: Vec<u8> = (0..20_000_u32).map(|n| (n % 251) as u8).collect();
    for length in [1, 2 * 1024, said.len()] {
        wait(&mut server);
        (&client).write_all(&said[..length]).unwrap();
        assert!(read(&mut server, length).await == said[..length]);
    }

    wait(&mut server);
    drop(client);

    let end = timeout(Duration::from_secs(10), server.read(&mut [0])).await.unwrap();
    assert_eq!(end.unwrap(), 0);
}

#[tokio::test]
async fn who_waits_hears_of_a_failure() {
    let (client, mut server, _batches) = batched().await;
    wait(&mut server);
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);

    let failed = timeout(Duration::from_secs(10), server.read(&mut [0])).await.unwrap();

    assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert!(!server.is_silent());
}

#[tokio::test]
async fn more_than_a_batch_is_received_in_several() {
    let mut all = vec![];
    for _ in 0..3 * LARGEST_BATCH {
        let (client, mut server, _) = batched().await;
        wait(&mut server);
        all.push((client, server));
    }
    for (client, _) in &mut all {
        client.write_all(b"x").unwrap();
    }

    for (_, server) in &mut all {
        assert_eq!(read(server, 1).await, b"x");
    }
}

#[tokio::test]
async fn who_waits_receives_when_nobody_does_it_for_all_any_more() {
    let (client, mut server, batches) = batched().await;
    wait(&mut server);
    let reading = tokio::spawn(async move { read(&mut server, 1).await });
    yield_now().await;

    batches.abort();
    yield_now().await;
    (&client).write_all(b"x").unwrap();

    assert_eq!(reading.await.unwrap(), b"x");
}

#[tokio::test]
async fn who_is_woken_for_nothing_is_woken_again() {
    let (client, mut server, _batches) = batched().await;
    wait(&mut server);
    (&client).write_all(b"stolen").unwrap();
    let stolen = SockRef::from(server.get_ref()).recv(&mut [MaybeUninit::uninit(); 16]);
    assert_eq!(stolen.unwrap(), 6);

    let reading = tokio::spawn(async move { read(&mut server, 4).await });
    sleep(Duration::from_millis(20)).await;
    (&client).write_all(b"kept").unwrap();

    assert_eq!(reading.await.unwrap(), b"kept");
}

#[tokio::test]
async fn a_connection_that_is_let_go_of_is_closed_though_it_was_waited_for() {
    for is_tired in [false, true] {
        let (client, mut server, _batches) = batched().await;
        wait(&mut server);

        while is_tired && has_budget_remaining() {
            let _ = consume_budget().now_or_never();
        }
        drop(server);

        assert!(!is_silent(&client));
    }
}
