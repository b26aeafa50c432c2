use std::{future::poll_fn, pin::pin};

use futures_util::FutureExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::{
        coop::{self, has_budget_remaining},
        yield_now,
    },
};

use super::*;
use crate::http1::{Batches, tests::woken};

/// Tests where everybody receives for itself, and where it is received for all.
async fn both_ways(test: impl AsyncFn()) {
    test().await;
    let batches = tokio::spawn(Batches::new());
    yield_now().await;
    test().await;
    batches.abort();
}

/// Returns both ends of a connection.
async fn connected() -> (TcpStream, Direct) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    (client, Direct::new(listener.accept().await.unwrap().0))
}

/// Reads, and looks several times while there is nothing.
async fn read(stream: &mut Direct) -> Vec<u8> {
    let mut some = [0; 16];
    let reading = poll_fn(|cx| {
        for _ in 0..3 {
            let mut buf = ReadBuf::new(&mut some);
            if Pin::new(&mut *stream).poll_read(cx, &mut buf)?.is_ready() {
                return Poll::Ready(io::Result::Ok(buf.filled().to_vec()));
            }
        }
        Poll::Pending
    });
    woken(reading).await.unwrap()
}

#[tokio::test]
async fn whoever_waits_is_woken_each_time_that_there_is_something() {
    both_ways(async || {
        let (mut client, mut stream) = connected().await;
        for n in 0..100 {
            let talking = async {
                for _ in 0..n % 3 {
                    yield_now().await;
                }
                client.write_all(&[n]).await.unwrap();
            };
            let (read, ()) = tokio::join!(read(&mut stream), talking);
            assert_eq!(read, [n]);
        }
        drop(client);
        assert!(read(&mut stream).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn who_asks_last_is_woken_whoever_has_asked_before() {
    both_ways(async || {
        let (mut client, mut stream) = connected().await;
        let nobody = stream.read_u8().now_or_never();
        assert!(nobody.is_none());

        let talking = async {
            yield_now().await;
            client.write_all(b"x").await.unwrap();
        };
        let both = async { tokio::join!(stream.read_u8(), talking).0 };

        assert_eq!(woken(both).await.unwrap(), b'x');
    })
    .await;
}

#[tokio::test]
async fn another_task_is_woken_once_it_has_the_stream() {
    both_ways(async || {
        let (mut client, mut stream) = connected().await;
        let mut byte = [0];
        let mut nothing = ReadBuf::new(&mut byte);
        let asked = poll_fn(|cx| Poll::Ready(Pin::new(&mut stream).poll_read(cx, &mut nothing))).await;
        assert!(asked.is_pending() && stream.is_silent());

        let reading = tokio::spawn(async move { read(&mut stream).await });
        yield_now().await;
        client.write_all(b"x").await.unwrap();

        assert_eq!(woken(reading).await.unwrap(), b"x");
    })
    .await;
}

#[tokio::test]
async fn whoever_has_used_up_its_turn_hears_of_what_comes_later() {
    both_ways(async || {
        let (mut client, mut stream) = connected().await;
        let mut is_first = true;
        let reading = poll_fn(|cx| {
            while is_first && has_budget_remaining() {
                let _ = pin!(coop::consume_budget()).poll(cx);
            }
            is_first = false;
            let mut byte = [0];
            Pin::new(&mut stream).poll_read(cx, &mut ReadBuf::new(&mut byte))
        });
        let talking = async {
            for _ in 0..10 {
                yield_now().await;
            }
            client.write_all(b"x").await.unwrap();
        };

        let both = async { tokio::join!(reading, talking).0 };
        woken(both).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn silence_ends_with_a_byte_and_with_the_end() {
    both_ways(async || {
        for says in [true, false] {
            let (mut client, stream) = connected().await;
            assert!(stream.is_silent());

            if says {
                client.write_all(b"x").await.unwrap();
            }
            drop(client);
            stream.get_ref().readable().await.unwrap();

            assert!(!stream.is_silent());
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_written_arrives_whole_however_slowly_it_is_read() {
    let (mut client, mut stream) = connected().await;
    let sent: Vec<u8> = (0..8_000_000_u32).map(|n| (n % 251) as u8).collect();

    let writing = async {
        stream.write_all(&sent).await.unwrap();
        drop(stream);
    };
    let mut arrived = vec![];
    let (read, ()) = tokio::join!(client.read_to_end(&mut arrived), writing);

    assert!(read.is_ok() && arrived == sent);
}

#[tokio::test]
async fn who_has_left_is_told_of_as_an_error() {
    let (client, mut stream) = connected().await;
    drop(client);

    let mut failed = Ok(());
    for _ in 0..100 {
        failed = failed.and(stream.write_all(&[0; 1000]).await);
        yield_now().await;
    }

    assert!(failed.is_err());
}
