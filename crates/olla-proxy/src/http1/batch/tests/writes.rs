use std::{
    future::poll_fn,
    io::{self, Read as _},
    pin::Pin,
    task::Poll,
    thread,
    time::Duration,
};

use futures_util::FutureExt;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf},
    runtime::Handle,
    task::{spawn_blocking, yield_now},
    time::{sleep, timeout},
};

use super::{arrived, batched, connected, is_silent};
use crate::http1::{
    Batches, Direct, LARGEST_BATCH, LONGEST_BATCHED, TakesBuffers,
    tests::{runtime_of_one_thread, woken},
};

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
    // Whatever is longer than what waits is written at once.
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

    let large = vec![b'x'; LONGEST_BATCHED + 1];
    hand(&mut server, &large).await.unwrap();
    assert_eq!(arrived(&client), large);
}

#[tokio::test]
async fn what_is_written_by_one_stays_in_order() {
    let (client, mut server, _batches) = batched().await;
    let large = "y".repeat(LONGEST_BATCHED + 1);

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
    let (client, mut server, _batches) = batched().await;
    let mut expected = fill(&mut server).await;

    hand(&mut server, b"the end").await.unwrap();
    expected.extend_from_slice(b"the end");
    yield_now().await;
    assert!(!server.is_settled());
    let reading = spawn_blocking(move || {
        client.set_nonblocking(false).unwrap();
        let mut bytes = vec![0; expected.len()];
        (&client).read_exact(&mut bytes).unwrap();
        assert!(bytes == expected);
        client
    });

    let client = reading.await.unwrap();
    hand(&mut server, b"more").await.unwrap();
    server.shutdown().await.unwrap();
    assert_eq!(arrived(&client), b"more");
}

#[tokio::test]
async fn a_connection_that_is_let_go_of_ends_at_once_and_does_not_look_complete() {
    for (is_behind, reads) in [(true, true), (true, false), (false, false)] {
        let (mut client, mut server, batches) = batched().await;
        fill(&mut server).await;
        hand(&mut server, b"the end").await.unwrap();
        if is_behind {
            yield_now().await;
        }

        drop(server);
        if reads {
            let more = client.read_to_end(&mut vec![]).unwrap_err();
            assert_eq!(more.kind(), io::ErrorKind::WouldBlock, "it has not ended");
        }
        sleep(Duration::from_millis(20)).await;

        assert_eq!(Handle::current().metrics().num_alive_tasks(), 1, "nobody but the batches");
        let broken = client.read_to_end(&mut vec![]).unwrap_err();
        assert_eq!(broken.kind(), io::ErrorKind::ConnectionReset);
        batches.abort();
        yield_now().await;
    }
}

#[tokio::test]
async fn one_task_sees_to_a_rest_however_often_there_is_one() {
    let (client, mut server, _batches) = batched().await;
    fill(&mut server).await;

    for _ in 0..5 {
        let flooding = async {
            loop {
                hand(&mut server, &[b'x'; LONGEST_BATCHED]).await.unwrap();
            }
        };
        let reading = async {
            while arrived(&client).is_empty() {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let (flooded, ()) = tokio::join!(timeout(Duration::from_millis(50), flooding), reading);
        assert!(flooded.is_err());

        assert_eq!(Handle::current().metrics().num_alive_tasks(), 2, "the batches, and one for the rest");
    }
}

#[tokio::test]
async fn who_reads_hears_that_what_it_has_written_is_not_taken() {
    let (_client, mut server, _batches) = batched().await;
    fill(&mut server).await;
    let mut polls = 0;
    let reading = poll_fn(|cx| {
        polls += 1;
        let mut byte = [0];
        let read = Pin::new(&mut server).poll_read(cx, &mut ReadBuf::new(&mut byte));
        assert!(read.is_pending());
        if polls == 1 {
            assert!(Pin::new(&mut server).poll_take(cx, &mut b"more".to_vec()).is_ready());
        }
        if server.is_behind() { Poll::Ready(()) } else { Poll::Pending }
    });

    woken(reading).await;
}

#[test]
fn a_write_does_not_wait_for_another_runtime() {
    let (one, other) = (runtime_of_one_thread(), runtime_of_one_thread());
    let _batched = one.block_on(batched());

    other.block_on(async {
        let (client, mut server) = connected().await;
        hand(&mut server, b"at once").await.unwrap();
        assert_eq!(arrived(&client), b"at once");

        tokio::spawn(Batches::new());
        yield_now().await;
        hand(&mut server, b"later").await.unwrap();
        assert!(is_silent(&client));
        yield_now().await;
        assert_eq!(arrived(&client), b"later");
    });
}

#[tokio::test]
async fn who_writes_in_another_thread_waits_for_the_batch_of_the_first() {
    let (client, mut server, _batches) = batched().await;
    hand(&mut server, b"one ").await.unwrap();

    let writes = |server: &mut Direct| server.write(b"two").now_or_never().is_some();
    let has_written = thread::scope(|scope| scope.spawn(|| writes(&mut server)).join().unwrap());
    assert!(!has_written);
    yield_now().await;

    assert!(writes(&mut server));
    assert_eq!(arrived(&client), b"one two");
}

#[tokio::test]
async fn a_client_that_has_broken_off_is_no_riddle_to_who_says_that_this_was_all() {
    let (client, mut server, _batches) = batched().await;
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    sleep(Duration::from_millis(5)).await;

    assert!(server.shutdown().await.is_ok());
}

#[tokio::test]
async fn what_follows_waits_for_room() {
    let (_client, mut server, _batches) = batched().await;
    fill(&mut server).await;
    hand(&mut server, b"rest").await.unwrap();
    yield_now().await;

    for piece in [&b"small"[..], &[b'x'; LONGEST_BATCHED + 1]] {
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
