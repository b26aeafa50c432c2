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

use rustix::{
    io::Errno,
    net::{Shutdown, shutdown},
};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

use super::{LONGEST_BATCHED, TakesBuffers, batch, socket::Socket};

/// A connection.
///
/// A buffer that it has taken is on its way, and nobody has to see to that: it waits in a batch, or for room in the socket.
/// What is written next, and a shutdown, wait until it is with the kernel. To drop the connection while it waits for room
/// breaks it off.
#[derive(Debug)]
pub struct Direct {
    socket: Arc<Socket>,
    /// Wakes the socket.
    bell: Waker,
    /// Whom the socket wakes.
    reader: Option<Identity>,
}

/// Tells wakers apart. As long as one is kept, no other is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity(usize, usize);

// === impl Direct ===

impl Direct {
    /// Takes a stream of the runtime that this is called in.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        let socket = Arc::new(Socket::new(stream));
        Self { bell: Arc::clone(&socket).into(), socket, reader: None }
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

    /// Notes that a task waits for what the socket will be woken for, with room for so many bytes.
    fn wait(&mut self, cx: &Context<'_>, room: usize) {
        let reader = Some(Identity::of(cx.waker()));
        if self.reader != reader {
            self.socket.arrival.set_reader(cx.waker());
            self.reader = reader;
        }
        self.socket.arrival.wait(room);
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
        self.socket.abandon();
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
        let is_gathered = buf.remaining() <= LONGEST_BATCHED && batch::receives(&self.socket);
        // Whoever has a turn before the batch has one is to find what is there.
        if !is_gathered || !arrival.is_awaited() || self.may_be_readable() {
            arrival.forget();
            // More than a little is received where it is wanted.
            let bell = is_gathered.then_some(&self.bell);
            let polled = self.poll_receive(&mut Context::from_waker(bell.unwrap_or(cx.waker())), buf);
            if !is_gathered || polled.is_ready() {
                return polled;
            }
        }
        self.wait(cx, buf.remaining());
        Poll::Pending
    }
}

impl AsyncWrite for Direct {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.socket.poll_settled(cx))?;
        self.socket.poll_send(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.socket.poll_settled(cx))?;
        self.socket.poll_send_pieces(cx, bufs)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.socket.poll_settled(cx))?;
        match shutdown(self.get_ref(), Shutdown::Write) {
            // The other side has broken off.
            Ok(()) | Err(Errno::NOTCONN) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

impl TakesBuffers for Direct {
    /// Takes what is small, to be sent with a batch.
    fn poll_take(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut Vec<u8>) -> Poll<io::Result<()>> {
        ready!(self.socket.poll_settled(cx))?;
        if (1..=LONGEST_BATCHED).contains(&buffer.len()) {
            batch::take(&self.socket, buffer);
        }
        Poll::Ready(Ok(()))
    }

    fn is_behind(&self) -> bool {
        self.socket.is_behind()
    }
}

#[cfg(test)]
mod tests;
