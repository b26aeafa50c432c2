//! A TCP stream that is read and written with fewer detours. The runtime's own takes a lock for each look at a stream that
//! has nothing to say, the C library makes each call one that a thread can be cancelled in, and what is small is received
//! and sent [in batches](super::batch).

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    ptr,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use rustix::net::{Shutdown, shutdown};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
    runtime::{Handle, RuntimeFlavor},
};

use super::{LONGEST_COPIED, TakesBuffers, batch, socket::Socket};

/// A connection.
///
/// A buffer that it has taken is on its way, and nobody has to see to that: it waits in a batch, or for room in the socket.
/// What is written next, and a shutdown, wait until it is with the kernel.
#[derive(Debug)]
pub struct Direct {
    socket: Arc<Socket>,
    /// Wakes the socket.
    bell: Waker,
    /// Whom the socket wakes.
    reader: Option<Identity>,
    /// Whether all that happens to the socket happens in this thread.
    is_local: bool,
}

/// Tells wakers apart. As long as one is kept, no other is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity(usize, usize);

// === impl Direct ===

impl Direct {
    /// Takes a stream of the runtime that this is called in.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        let flavor = Handle::try_current().map(|runtime| runtime.runtime_flavor());
        let is_local = matches!(flavor, Ok(RuntimeFlavor::CurrentThread));
        let socket = Arc::new(Socket::new(stream));
        Self { bell: Arc::clone(&socket).into(), socket, reader: None, is_local }
    }

    /// Returns the stream.
    #[must_use]
    pub fn get_ref(&self) -> &TcpStream {
        self.socket.stream()
    }

    /// Returns whether there is nothing to read, not even the end. Costs no system call while nothing has happened.
    pub(crate) fn is_silent(&self) -> bool {
        !self.socket.arrival.is_here() && {
            let read = self.get_ref().try_read(&mut [0]);
            matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
        }
    }

    /// Returns whether there is something to read, be it that the runtime has not heard of it yet.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        let mut peek = || SockRef::from(self.get_ref()).peek(&mut byte);
        self.socket.arrival.is_here() || peek().is_ok_and(|read| read > 0)
    }

    /// Returns whether the socket has taken all that has been written.
    pub(crate) fn is_settled(&self) -> bool {
        self.socket.is_settled()
    }

    /// Returns whether the socket has failed and taken nothing of what was written last.
    pub(crate) fn has_sent_nothing(&self) -> bool {
        self.socket.has_sent_nothing()
    }

    /// Reads what there is.
    fn poll_receive(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_ref();
        let room = buf.remaining();
        loop {
            ready!(stream.poll_read_ready(cx))?;
            // Whoever has said less than there is room for says no more: the runtime is to listen until it does.
            let mut is_part = false;
            let received = stream.try_io(Interest::READABLE, || match stream.try_read_buf(buf)? {
                received if (1..room).contains(&received) => {
                    is_part = true;
                    Err(io::ErrorKind::WouldBlock.into())
                }
                _ => Ok(()),
            });
            match received {
                _ if is_part => return Poll::Ready(Ok(())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => return Poll::Ready(received),
            }
        }
    }

    /// Notes that a task waits for what the socket will be woken for.
    fn wait(&mut self, cx: &Context<'_>) {
        let reader = Some(Identity::of(cx.waker()));
        if self.reader != reader {
            self.socket.arrival.set_reader(cx.waker());
            self.reader = reader;
        }
        self.socket.arrival.wait();
    }

    /// Waits until the socket has taken all that has been written.
    fn poll_settled(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.socket.waits() {
            batch::send();
        }
        self.socket.poll_settled(cx)
    }
}

// === impl Identity ===

impl Identity {
    fn of(waker: &Waker) -> Self {
        Self(waker.data().addr(), ptr::from_ref(waker.vtable()).addr())
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        self.socket.forget_reader();
    }
}

impl AsyncRead for Direct {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let arrival = &self.socket.arrival;
        if arrival.is_here() {
            return Poll::Ready(arrival.take(buf));
        }
        if !arrival.is_awaited() {
            // More than a little is received where it is wanted.
            if !self.is_local || buf.remaining() > LONGEST_COPIED || !batch::receives() {
                return self.poll_receive(cx, buf);
            }
            let polled = self.poll_receive(&mut Context::from_waker(&self.bell), buf);
            if polled.is_ready() {
                return polled;
            }
        }
        self.wait(cx);
        Poll::Pending
    }
}

impl AsyncWrite for Direct {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_settled(cx))?;
        self.socket.poll_send(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_settled(cx))?;
        self.socket.poll_send_pieces(cx, bufs)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_settled(cx))?;
        Poll::Ready(shutdown(self.get_ref(), Shutdown::Write).map_err(Into::into))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

impl TakesBuffers for Direct {
    /// Takes what is small, to be sent with a batch.
    fn poll_take(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut Vec<u8>) -> Poll<io::Result<()>> {
        ready!(self.poll_settled(cx))?;
        if self.is_local && (1..=LONGEST_COPIED).contains(&buffer.len()) {
            batch::take(&self.socket, buffer);
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::pin, time::Duration};

    use futures_util::FutureExt;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        task::{
            coop::{self, has_budget_remaining},
            yield_now,
        },
        time::sleep,
    };

    use super::*;
    use crate::http1::Batches;

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

    /// Waits for what has to be woken to go on; a time limit that looks at it once more would not do.
    async fn woken<F: Future>(future: F) -> F::Output {
        tokio::select! {
            biased;
            () = sleep(Duration::from_secs(10)) => panic!("it is not woken"),
            output = future => output,
        }
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
}
