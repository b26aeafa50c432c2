//! A TCP stream that is read and written with fewer detours. The runtime's own takes a lock for each look at a stream that
//! has nothing to say, the C library makes each call one that a thread can be cancelled in, and small writes are sent
//! [in batches](super::batch).

use std::{
    io::{self, IoSlice},
    pin::Pin,
    ptr,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use rustix::net::{Shutdown, shutdown};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
    runtime::{Handle, RuntimeFlavor},
    task::coop::has_budget_remaining,
};

use super::{LONGEST_COPIED, TakesBuffers, batch, socket::Socket};

/// A connection.
///
/// A buffer that it has taken is on its way, and nobody has to see to that: it waits in a batch, or for room in the socket.
/// What is written next, and a shutdown, wait until it is with the kernel.
#[derive(Debug)]
pub struct Direct {
    socket: Arc<Socket>,
    /// Whom the runtime will wake when there is something to read, where that is known.
    listener: Option<Listener>,
    /// Whether this thread alone hears of what happens: where another does, a listener may be woken, and listen no more,
    /// for what has been read meanwhile.
    hears_alone: bool,
}

/// Whom a waker wakes. As long as the runtime keeps the waker, no other is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Listener(usize, usize);

// === impl Direct ===

impl Direct {
    /// Takes a stream of the runtime that this is called in.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        let flavor = Handle::try_current().map(|runtime| runtime.runtime_flavor());
        let hears_alone = matches!(flavor, Ok(RuntimeFlavor::CurrentThread));
        Self { socket: Arc::new(Socket::new(stream)), listener: None, hears_alone }
    }

    /// Returns the stream.
    #[must_use]
    pub fn get_ref(&self) -> &TcpStream {
        self.socket.stream()
    }

    /// Returns whether there is nothing to read, not even the end. Costs no system call while nothing has happened.
    pub(crate) fn is_silent(&mut self) -> bool {
        // The runtime may have woken who listened for what is read here.
        self.listener = None;
        let read = self.get_ref().try_read(&mut [0]);
        matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Returns whether the socket has taken all that has been written.
    pub(crate) fn is_settled(&self) -> bool {
        self.socket.is_settled()
    }

    /// Returns whether the socket has failed and taken nothing of what was written last.
    pub(crate) fn has_sent_nothing(&self) -> bool {
        self.socket.has_sent_nothing()
    }

    /// Returns what the runtime has heard last.
    fn may_be_readable(&self) -> bool {
        self.get_ref().try_io(Interest::READABLE, || Ok(())).is_ok()
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

    /// Waits until the socket has taken all that has been written.
    fn poll_settled(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.socket.waits() {
            batch::send();
        }
        self.socket.poll_settled(cx)
    }
}

// === impl Listener ===

impl Listener {
    fn of(waker: &Waker) -> Self {
        Self(waker.data().addr(), ptr::from_ref(waker.vtable()).addr())
    }
}

impl AsyncRead for Direct {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let asking = Listener::of(cx.waker());
        if self.listener != Some(asking) || self.may_be_readable() {
            let polled = self.poll_receive(cx, buf);
            // Whoever has used up its turn is woken for another, and not when there is something to read.
            let is_heard = polled.is_pending() && self.hears_alone && has_budget_remaining();
            self.listener = is_heard.then_some(asking);
            if polled.is_ready() {
                return polled;
            }
        }
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
        if self.hears_alone && (1..=LONGEST_COPIED).contains(&buffer.len()) {
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
        task::coop,
        time::sleep,
    };

    use super::*;

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
        let (mut client, mut stream) = connected().await;
        for n in 0..100 {
            let talking = async {
                for _ in 0..n % 3 {
                    tokio::task::yield_now().await;
                }
                client.write_all(&[n]).await.unwrap();
            };
            let (read, ()) = tokio::join!(read(&mut stream), talking);
            assert_eq!(read, [n]);
        }
        drop(client);
        assert!(read(&mut stream).await.is_empty());
    }

    #[tokio::test]
    async fn who_asks_last_is_woken_whoever_has_asked_before() {
        let (mut client, mut stream) = connected().await;
        let nobody = stream.read_u8().now_or_never();
        assert!(nobody.is_none());

        let talking = async {
            tokio::task::yield_now().await;
            client.write_all(b"x").await.unwrap();
        };
        let both = async { tokio::join!(stream.read_u8(), talking).0 };

        assert_eq!(woken(both).await.unwrap(), b'x');
    }

    #[tokio::test]
    async fn another_task_is_woken_once_it_has_the_stream() {
        let (mut client, mut stream) = connected().await;
        let mut byte = [0];
        let mut nothing = ReadBuf::new(&mut byte);
        let asked = poll_fn(|cx| Poll::Ready(Pin::new(&mut stream).poll_read(cx, &mut nothing))).await;
        assert!(asked.is_pending() && stream.is_silent());

        let reading = tokio::spawn(async move { read(&mut stream).await });
        tokio::task::yield_now().await;
        client.write_all(b"x").await.unwrap();

        assert_eq!(woken(reading).await.unwrap(), b"x");
    }

    #[tokio::test]
    async fn whoever_has_used_up_its_turn_hears_of_what_comes_later() {
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
                tokio::task::yield_now().await;
            }
            client.write_all(b"x").await.unwrap();
        };

        let both = async { tokio::join!(reading, talking).0 };
        woken(both).await.unwrap();
    }

    #[tokio::test]
    async fn silence_ends_with_a_byte_and_with_the_end() {
        for says in [true, false] {
            let (mut client, mut stream) = connected().await;
            assert!(stream.is_silent());

            if says {
                client.write_all(b"x").await.unwrap();
            }
            drop(client);
            stream.get_ref().readable().await.unwrap();

            assert!(!stream.is_silent());
        }
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
            tokio::task::yield_now().await;
        }

        assert!(failed.is_err());
    }
}
