//! A TCP socket, with what has been written to it and it has not taken yet, and what has been received and not read.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicU8,
            Ordering::{Acquire, Release},
        },
    },
    task::{Context, Poll, Wake, Waker, ready},
    time::Duration,
};

use rustix::{
    buffer::spare_capacity,
    net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, recv, send, sendmsg, shutdown},
};
use socket2::SockRef;
use tokio::{
    io::Interest,
    net::TcpStream,
    runtime::{Handle, Id, RuntimeFlavor},
    task::{AbortHandle, coop::unconstrained},
};

use super::{arrival::Arrival, batch, give_back, inbox::LEAST_ROOM, spare};

/// A socket that a connection shares with the [batch](super::batch) in which its write, or what it is to read, waits.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    /// The runtime that it is of, if that has one thread.
    runtime: Option<Id>,
    /// One of the following.
    state: AtomicU8,
    rest: Mutex<Rest>,
    pub(super) arrival: Arrival,
}

/// It has taken all that has been written.
const SETTLED: u8 = 0;
/// A write waits in a batch.
const WAITS: u8 = 1;
/// There is a rest, or the socket has failed.
const BEHIND: u8 = 2;

/// What the socket has not taken when its turn came.
#[derive(Debug, Default)]
struct Rest {
    bytes: Vec<u8>,
    sent: usize,
    failed: Option<io::ErrorKind>,
    /// The task that sends it.
    helper: Option<AbortHandle>,
    /// Whether nobody has the connection any more.
    is_abandoned: bool,
}

/// A write to a socket whose other end is gone is to be an error, and no signal.
#[cfg(not(target_vendor = "apple"))]
const FLAGS: SendFlags = SendFlags::NOSIGNAL;
/// There, the standard library has asked the socket for that.
#[cfg(target_vendor = "apple")]
const FLAGS: SendFlags = SendFlags::empty();

// === impl Socket ===

impl Socket {
    /// Takes a stream of the runtime that this is called in.
    pub(super) fn new(stream: TcpStream) -> Self {
        let is_of_one_thread = |runtime: &Handle| runtime.runtime_flavor() == RuntimeFlavor::CurrentThread;
        let runtime = Handle::try_current().ok().filter(is_of_one_thread).map(|runtime| runtime.id());
        let state = AtomicU8::new(SETTLED);
        Self { stream, runtime, state, rest: Mutex::default(), arrival: Arrival::default() }
    }

    pub(super) fn runtime(&self) -> Option<Id> {
        self.runtime
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Returns whether it has taken all that has been written.
    pub(super) fn is_settled(&self) -> bool {
        self.state.load(Acquire) == SETTLED
    }

    /// Returns whether a write waits in a batch.
    pub(super) fn waits(&self) -> bool {
        self.state.load(Acquire) == WAITS
    }

    /// Returns whether the socket has not taken what it was to take in its turn.
    pub(super) fn is_behind(&self) -> bool {
        self.state.load(Acquire) == BEHIND
    }

    /// Returns whether the socket has failed and taken nothing of what was written last.
    pub(super) fn has_sent_nothing(&self) -> bool {
        self.is_behind() && {
            let rest = self.rest();
            rest.failed.is_some() && rest.sent == 0
        }
    }

    /// Notes that a write waits in a batch.
    pub(super) fn wait(&self) {
        self.state.store(WAITS, Release);
    }

    /// Sends the write that has waited.
    //
    // Inlined into the loop over a batch, and the system call with it, which therefore goes by no method of the stream.
    // Where functions make system calls and return, some processors (AMD's with "Safe RET") run the kernel's code of the
    // next call without having its returns predicted: that is 0.7 µs of 3.9 for a send by loopback.
    #[inline(always)]
    pub(super) fn send_waiting(self: Arc<Self>, bytes: Vec<u8>) {
        match send(&self.stream, &bytes, FLAGS) {
            Ok(sent) if sent == bytes.len() => {
                self.state.store(SETTLED, Release);
                give_back(bytes);
            }
            sent => self.fall_behind(bytes, sent.map_err(Into::into)),
        }
    }

    /// Receives for the reader, if that waits. What a system call costs is said [above](Self::send_waiting).
    #[inline(always)]
    pub(super) fn receive_awaited(&self) {
        if self.arrival.is_awaited() {
            let mut bytes = spare();
            // Whoever only looks whether there is anything has less room than what will come.
            bytes.reserve(self.arrival.room().max(LEAST_ROOM));
            let received = recv(&self.stream, spare_capacity(&mut bytes), RecvFlags::empty());
            self.received(bytes, received.map(|_| ()).map_err(Into::into));
        }
    }

    fn received(&self, bytes: Vec<u8>, received: io::Result<()>) {
        match received {
            // The reader finds the end, and that it was woken for nothing, by itself.
            Ok(()) if bytes.is_empty() => self.arrival.pass(),
            Err(error) if is_full(&error) => {
                self.has_no_more();
                self.arrival.pass();
            }
            // Whoever has said less than there is room for says no more.
            Ok(()) => {
                if bytes.len() < bytes.capacity() {
                    self.has_no_more();
                }
                self.arrival.keep(Ok(bytes));
            }
            Err(error) => self.arrival.keep(Err(error)),
        }
    }

    /// Has the runtime listen until there is more to receive.
    fn has_no_more(&self) {
        let nothing = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
        // No news is lost with that: it would come by the thread that this is.
        let _ = self.stream.try_io(Interest::READABLE, nothing);
    }

    /// Notes that nobody has the connection any more.
    pub(super) fn abandon(&self) {
        self.forget_reader();
        let mut rest = self.rest();
        rest.is_abandoned = true;
        if self.is_behind() {
            self.break_off();
        }
        // The last to hold the socket closes it.
        rest.helper.iter().for_each(AbortHandle::abort);
    }

    /// Has nobody receive for the reader, and the runtime forget the socket, which would keep it open otherwise.
    fn forget_reader(&self) {
        self.arrival.forget();
        let nobody = poll_fn(|_| self.stream.poll_read_ready(&mut Context::from_waker(Waker::noop())));
        // Whatever the turn of this task has cost so far.
        let _ = pin!(unconstrained(nobody)).poll(&mut Context::from_waker(Waker::noop()));
    }

    /// Keeps what the socket has not taken, and sees to it that it does: whoever has written it takes it for sent.
    #[cold]
    fn fall_behind(self: Arc<Self>, bytes: Vec<u8>, sent: io::Result<usize>) {
        let (sent, failed) = match sent {
            Ok(sent) => (sent, None),
            Err(error) if is_full(&error) => (0, None),
            Err(error) => (0, Some(self.fail(&error))),
        };
        let mut rest = self.rest();
        (rest.bytes, rest.sent, rest.failed) = (bytes, sent, failed);
        self.state.store(BEHIND, Release);
        if rest.is_abandoned {
            return self.break_off();
        }
        if rest.helper.as_ref().is_none_or(AbortHandle::is_finished) {
            let spawn = |runtime: Handle| runtime.spawn(Arc::clone(&self).send_rest_later()).abort_handle();
            rest.helper = Handle::try_current().ok().map(spawn);
        }
        drop(rest);
        // Whoever has the connection is to see that the other side does not read.
        self.arrival.wake_reader();
    }

    async fn send_rest_later(self: Arc<Self>) {
        while self.stream.writable().await.is_ok() {
            let sent = self.send_rest(&mut self.rest());
            if !sent.is_err_and(|error| is_full(&error)) {
                return;
            }
        }
    }

    fn send_rest(&self, rest: &mut Rest) -> io::Result<()> {
        // Whoever has the connection may have sent it, and written something else since.
        while self.is_behind() {
            if let Some(kind) = rest.failed {
                return Err(kind.into());
            }
            let bytes = rest.bytes.get(rest.sent..).unwrap_or_default();
            if bytes.is_empty() {
                (rest.bytes, rest.sent) = (vec![], 0);
                self.state.store(SETTLED, Release);
                break;
            }
            match self.try_send(bytes) {
                Ok(sent) => rest.sent += sent,
                Err(error) if is_full(&error) => return Err(error),
                Err(error) => rest.failed = Some(self.fail(&error)),
            }
        }
        Ok(())
    }

    /// Has the connection break off when it is closed: its end would make what has been sent look complete.
    fn break_off(&self) {
        // If that fails, it is closed already.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }

    /// Ends what comes by this socket, too: whoever waits for an answer is to see that there will be none.
    fn fail(&self, error: &io::Error) -> io::ErrorKind {
        // If that fails, it has ended already.
        let _ = shutdown(&self.stream, Shutdown::Both);
        error.kind()
    }

    /// Completes when it has taken all that has been written.
    pub(super) fn poll_settled(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.waits() {
            batch::send();
        }
        match self.state.load(Acquire) {
            SETTLED => Poll::Ready(Ok(())),
            // It waits in a batch of another thread, which has its turn soon.
            WAITS => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            _ => self.poll(cx, || self.send_rest(&mut self.rest())),
        }
    }

    /// Sends what the socket takes, and returns how many bytes that are.
    pub(super) fn poll_send(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(cx, || self.try_send(bytes))
    }

    /// The same for several pieces.
    pub(super) fn poll_send_pieces(
        &self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes = pieces.iter().map(|piece| piece.len()).sum();
        let send = || Ok(sendmsg(&self.stream, pieces, &mut SendAncillaryBuffer::default(), FLAGS)?);
        self.poll(cx, || self.write(bytes, send))
    }

    /// Does something that needs room in the socket as soon as there is some.
    fn poll<T>(&self, cx: &mut Context<'_>, mut act: impl FnMut() -> io::Result<T>) -> Poll<io::Result<T>> {
        loop {
            match act() {
                Err(error) if is_full(&error) => ready!(self.stream.poll_write_ready(cx))?,
                done => return Poll::Ready(done),
            }
        }
    }

    fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes.len(), || Ok(send(&self.stream, bytes, FLAGS)?))
    }

    /// Writes so many bytes. A socket that takes less takes no more: the runtime is to listen until it does.
    fn write(&self, bytes: usize, write: impl FnOnce() -> io::Result<usize>) -> io::Result<usize> {
        let mut part = None;
        let written = self.stream.try_io(Interest::WRITABLE, || match write()? {
            written if written < bytes => {
                part = Some(written);
                Err(io::ErrorKind::WouldBlock.into())
            }
            all => Ok(all),
        });
        part.map_or(written, Ok)
    }

    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Socket {
    fn wake(self: Arc<Self>) {
        batch::arrived(self);
    }
}

fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_waits_in_a_batch_is_not_taken_for_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = Socket::new(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());

        socket.wait();
        socket.send_rest(&mut socket.rest()).unwrap();

        assert!(socket.waits());
    }
}
