use std::{
    future::poll_fn,
    io::{self, Write as _},
    mem::MaybeUninit,
    pin::Pin,
    time::Duration,
};

use futures_util::FutureExt;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt, ReadBuf},
    task::{
        JoinSet,
        coop::{consume_budget, has_budget_remaining},
        yield_now,
    },
    time::{sleep, timeout},
};

use super::{batched, is_silent};
use crate::http1::{
    Direct, LARGEST_BATCH, LONGEST_BATCHED,
    tests::{runtime_of_one_thread, woken},
};

/// Has a connection waited for by somebody who is not there any more.
fn wait(server: &mut Direct) {
    assert!(server.read(&mut [0]).now_or_never().is_none());
}

/// Reads as many bytes as there are to be, in small pieces.
async fn read(server: &mut Direct, bytes: usize) -> Vec<u8> {
    let mut all = vec![];
    while all.len() < bytes {
        let mut some = [0; 7];
        let read = woken(server.read(&mut some)).await.unwrap();
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
async fn who_has_a_turn_before_the_batch_finds_what_is_there() {
    let (client, mut server, _batches) = batched().await;
    wait(&mut server);
    (&client).write_all(b"xy").unwrap();
    // Both are ready then, and this goes first.
    yield_now().await;

    for _ in 0..2 {
        assert_eq!(server.read(&mut [0]).now_or_never().unwrap().unwrap(), 1);
    }
    wait(&mut server);
    (&client).write_all(b"z").unwrap();
    assert_eq!(read(&mut server, 1).await, b"z");
}

#[test]
fn who_waits_in_another_runtime_receives_for_itself() {
    let (one, other) = (runtime_of_one_thread(), runtime_of_one_thread());
    let (client, mut server, _batches) = one.block_on(batched());
    let reading = one.spawn(async move { read(&mut server, 1).await });
    one.block_on(yield_now());
    let _batches = other.block_on(batched());

    (&client).write_all(b"x").unwrap();

    assert_eq!(one.block_on(reading).unwrap(), b"x");
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

    let end = woken(server.read(&mut [0])).await;
    assert_eq!(end.unwrap(), 0);
}

#[tokio::test]
async fn whoever_has_room_for_it_receives_it_in_one_piece() {
    for room in [5_000, LONGEST_BATCHED, LONGEST_BATCHED + 1] {
        let (client, mut server, batches) = batched().await;
        wait(&mut server);
        let reading = tokio::spawn(async move {
            let mut bytes = vec![0; room];
            woken(server.read(&mut bytes)).await.unwrap()
        });
        yield_now().await;

        (&client).write_all(&[b'x'; 5_000]).unwrap();

        assert_eq!(reading.await.unwrap(), 5_000);
        batches.abort();
    }
}

#[tokio::test]
async fn who_has_little_room_again_is_woken() {
    let (client, mut server, _batches) = batched().await;
    wait(&mut server);
    assert!(server.read(&mut [0; LONGEST_BATCHED + 1]).now_or_never().is_none());
    let reading = tokio::spawn(async move { read(&mut server, 1).await });
    yield_now().await;

    (&client).write_all(b"x").unwrap();

    assert_eq!(reading.await.unwrap(), b"x");
}

#[tokio::test]
async fn who_waits_hears_of_a_failure() {
    let (client, mut server, _batches) = batched().await;
    wait(&mut server);
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);

    let failed = woken(server.read(&mut [0])).await;

    assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert!(!server.is_silent());
}

#[tokio::test]
async fn more_than_a_batch_is_received_in_several() {
    let (mut clients, mut all) = (vec![], JoinSet::new());
    for _ in 0..3 * LARGEST_BATCH {
        let (client, mut server, _) = batched().await;
        clients.push(client);
        all.spawn(async move { read(&mut server, 1).await });
    }
    yield_now().await;
    for client in &mut clients {
        client.write_all(b"x").unwrap();
    }

    assert!(all.join_all().await.iter().all(|read| read == b"x"));
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
    // A task that has used up its turn is not listened for, but woken for another.
    let mut is_first = true;
    let reading = poll_fn(move |cx| {
        while is_first && has_budget_remaining() {
            let _ = consume_budget().now_or_never();
        }
        is_first = false;
        Pin::new(&mut server).poll_read(cx, &mut ReadBuf::new(&mut [0]))
    });
    let reading = tokio::spawn(reading);
    sleep(Duration::from_millis(20)).await;

    (&client).write_all(b"x").unwrap();

    assert!(woken(reading).await.unwrap().is_ok());
}

#[tokio::test]
async fn a_connection_that_is_let_go_of_is_closed_though_it_was_waited_for() {
    for (is_tired, wants_much) in [(false, false), (true, false), (true, true)] {
        let (client, mut server, _batches) = batched().await;
        wait(&mut server);

        while is_tired && has_budget_remaining() {
            let _ = consume_budget().now_or_never();
        }
        if wants_much {
            assert!(server.read(&mut [0; LONGEST_BATCHED + 1]).now_or_never().is_none());
        }
        drop(server);

        assert!(!is_silent(&client));
    }
}
