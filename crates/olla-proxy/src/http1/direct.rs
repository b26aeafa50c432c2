//! A TCP stream that is read and written with fewer detours. The runtime's own takes a lock for each look at a stream that
//! has nothing to say, and the C library makes each call one that a thread can be cancelled in.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    ptr,
    task::{Context, Poll, Waker, ready},
};

use rustix::net::{SendFlags, send};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
    runtime::{Handle, RuntimeFlavor},
    task::coop::has_budget_remaining,
};

/// A connection.
#[derive(Debug)]
pub struct Direct {
    stream: TcpStream,
    /// Whom the runtime will wake when there is something to read, where that is known.
    listener: Option<Listener>,
    /// Whether this thread alone hears of what happens: where another does, a listener may be woken, and listen no more,
    /// for what has been read meanwhile.
    hears_alone: bool,
}

/// Whom a waker wakes. As long as the runtime keeps the waker, no other is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Listener(usize, usize);

/// A write to a socket whose other end is gone is to be an error, and no signal.
#[cfg(not(target_vendor = "apple"))]
const FLAGS: SendFlags = SendFlags::NOSIGNAL;
/// There, the standard library has asked the socket for that.
#[cfg(target_vendor = "apple")]
const FLAGS: SendFlags = SendFlags::empty();

// === impl Direct ===

impl Direct {
    /// Takes a stream of the runtime that this is called in.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        let flavor = Handle::try_current().map(|runtime| runtime.runtime_flavor());
        let hears_alone = matches!(flavor, Ok(RuntimeFlavor::CurrentThread));
        Self { stream, listener: None, hears_alone }
    }

    /// Returns the stream.
    #[must_use]
    pub fn get_ref(&self) -> &TcpStream {
        &self.stream
    }

    /// Returns the stream.
    #[must_use]
    pub fn into_inner(self) -> TcpStream {
        self.stream
    }

    /// Returns whether there is nothing to read, not even the end. Costs no system call while nothing has happened.
    pub(crate) fn is_silent(&mut self) -> bool {
        // The runtime may have woken who listened for what is read here.
        self.listener = None;
        let read = self.stream.try_read(&mut [0]);
        matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Returns what the runtime has heard last.
    fn may_be_readable(&self) -> bool {
        self.stream.try_io(Interest::READABLE, || Ok(())).is_ok()
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
        if self.listener == Some(asking) && !self.may_be_readable() {
            return Poll::Pending;
        }
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        // Whoever has used up its turn is woken for another, and not when there is something to read.
        let is_heard = polled.is_pending() && self.hears_alone && has_budget_remaining();
        self.listener = is_heard.then_some(asking);
        polled
    }
}

impl AsyncWrite for Direct {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            // A socket that has taken less than all takes no more: the runtime is to listen until it does.
            let mut part = None;
            let sent = self.stream.try_io(Interest::WRITABLE, || match send(&self.stream, buf, FLAGS)? {
                sent if sent < buf.len() => {
                    part = Some(sent);
                    Err(io::ErrorKind::WouldBlock.into())
                }
                all => Ok(all),
            });
            match (sent, part) {
                (_, Some(part)) => return Poll::Ready(Ok(part)),
                (Err(error), None) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.stream.poll_write_ready(cx))?;
                }
                (sent, None) => return Poll::Ready(sent),
            }
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
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
