//! Small writes of one thread, sent one after the other when everybody who was ready has had a turn.
//!
//! To send takes longer than all else that is done for a request, and nearly all of it is the kernel's. Sends in a row
//! find its code in the caches, and whoever is sent several things is woken once for all of them.

use std::{
    cell::RefCell,
    io, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncWrite, DuplexStream};

use super::{LARGEST_BATCH, socket::Socket};

thread_local! {
    // alloc: one for each thread.
    static BATCH: RefCell<Option<Batch>> = const { RefCell::new(None) };
}

/// What waits, and who sees to it that it does not do so for long.
struct Batch {
    writes: Vec<Write>,
    sender: Waker,
}

struct Write {
    socket: Arc<Socket>,
    bytes: Vec<u8>,
}

/// Sends small writes of its thread in batches for as long as it is there. To be spawned in a runtime of one thread;
/// never completes.
///
/// A small buffer that this thread hands to a [`Direct`](super::Direct) waits until this has its turn, which comes after
/// those of all who are ready by then.
#[derive(Debug, Default)]
#[must_use = "it does nothing until it is spawned"]
pub struct WriteBatches(());

/// A socket that a whole buffer can be handed to, so that what waits to be sent is not copied.
pub trait TakesBuffers: AsyncWrite {
    /// Takes a buffer and leaves an empty one, or leaves it as it is, to be written.
    ///
    /// # Errors
    /// Those of the socket.
    fn poll_take(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut Vec<u8>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What is written to a pipe is there at once.
impl TakesBuffers for DuplexStream {}

// === impl WriteBatches ===

impl WriteBatches {
    /// Returns a future to be spawned.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Future for WriteBatches {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        BATCH.with_borrow_mut(|batch| {
            let sender = cx.waker();
            let batch = batch.get_or_insert_with(|| Batch { writes: vec![], sender: sender.clone() });
            batch.sender.clone_from(sender);
            batch.send();
        });
        Poll::Pending
    }
}

impl Drop for WriteBatches {
    fn drop(&mut self) {
        send();
        BATCH.take();
    }
}

/// Has a write wait for others, if there is anybody who will send it. Then the buffer that is left is an empty one.
pub(super) fn take(socket: &Arc<Socket>, bytes: &mut Vec<u8>) {
    BATCH.with_borrow_mut(|batch| {
        let Some(batch) = batch else { return };
        if batch.writes.is_empty() {
            batch.sender.wake_by_ref();
        }
        socket.wait();
        batch.writes.push(Write { socket: Arc::clone(socket), bytes: mem::take(bytes) });
        // The first of more would wait for too long.
        if batch.writes.len() == LARGEST_BATCH {
            batch.send();
        }
    });
}

/// Sends what waits.
pub(super) fn send() {
    BATCH.with_borrow_mut(|batch| batch.iter_mut().for_each(Batch::send));
}

// === impl Batch ===

impl Batch {
    fn send(&mut self) {
        for Write { socket, bytes } in self.writes.drain(..) {
            socket.send_waiting(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        io::{self, Read},
        net,
        time::Duration,
    };

    use socket2::SockRef;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        task::{JoinHandle, spawn_blocking, yield_now},
    };

    use super::*;
    use crate::http1::{Direct, LONGEST_COPIED};

    /// Returns both ends of a connection, the client's of which does not wait; with batches, from now on.
    async fn batched() -> (net::TcpStream, Direct, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_nonblocking(true).unwrap();
        let batches = tokio::spawn(WriteBatches::new());
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
        while let Ok(taken) = tokio::time::timeout(Duration::from_millis(50), server.write(&piece)).await {
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
            let written = tokio::time::timeout(Duration::from_millis(20), hand(&mut server, piece)).await;
            assert!(written.is_err());
        }
        assert!(tokio::time::timeout(Duration::from_millis(20), server.shutdown()).await.is_err());
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
}
