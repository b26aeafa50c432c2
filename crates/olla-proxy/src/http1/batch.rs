//! What the sockets of one thread receive, one after the other before those who wait for it have their turns; and small
//! writes, sent one after the other when everybody who was ready has had a turn.
//!
//! To receive and to send takes longer than all else that is done for a request, and nearly all of it is the kernel's. Calls
//! in a row find its code in the caches, and whoever is sent several things is woken once for all of them.

use std::{
    cell::RefCell,
    io, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use tokio::{
    io::{AsyncWrite, DuplexStream},
    runtime::{Handle, Id},
};

use super::{LARGEST_BATCH, socket::Socket};

thread_local! {
    // alloc: one for each thread.
    static BATCH: RefCell<Option<Batch>> = const { RefCell::new(None) };
}

/// What waits, and who sees to it that it does not do so for long.
struct Batch {
    /// The runtime whose sockets these are.
    runtime: Id,
    /// The sockets that there is something to receive from.
    arrivals: Vec<Arc<Socket>>,
    writes: Vec<Write>,
    task: Waker,
}

struct Write {
    socket: Arc<Socket>,
    bytes: Vec<u8>,
}

/// Receives, and sends small writes, for its thread in batches, for as long as it is there. To be spawned in a runtime of
/// one thread; never completes. Of several runtimes that take turns in a thread, one has batches at a time.
///
/// Whoever waits for a [`Direct`](super::Direct) is woken when something has been received for it. A small buffer that is
/// handed to one waits until this has its turn, which comes after those of all who are ready by then.
#[derive(Debug, Default)]
#[must_use = "it does nothing until it is spawned"]
pub struct Batches {
    /// That in which it has been polled.
    runtime: Option<Id>,
}

/// A socket that a whole buffer can be handed to, so that what waits to be sent is not copied.
pub trait TakesBuffers: AsyncWrite {
    /// Takes a buffer and leaves an empty one, or leaves it as it is, to be written.
    ///
    /// # Errors
    /// Those of the socket.
    fn poll_take(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut Vec<u8>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Returns whether the other side has not taken what had its turn to be sent. Who waits to read a little is woken when
    /// that begins.
    fn is_behind(&self) -> bool {
        false
    }
}

/// What is written to a pipe is there at once.
impl TakesBuffers for DuplexStream {}

// === impl Batches ===

impl Batches {
    /// Returns a future to be spawned.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Future for Batches {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        BATCH.with_borrow_mut(|batch| {
            let task = cx.waker();
            let batch = match batch {
                Some(own) if own.task.will_wake(task) => own,
                other => {
                    // What another has gathered is not to wait for that one's turn, which may never come.
                    let (arrivals, writes) =
                        other.take().map(|other| (other.arrivals, other.writes)).unwrap_or_default();
                    let runtime = Handle::current().id();
                    self.runtime = Some(runtime);
                    other.insert(Batch { runtime, arrivals, writes, task: task.clone() })
                }
            };
            batch.send();
            batch.receive();
        });
        Poll::Pending
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        let own = |batch: &mut Batch| Some(batch.runtime) == self.runtime;
        // A thread that ends has none.
        let own = BATCH.try_with(|batch| batch.borrow_mut().take_if(own)).ok().flatten();
        if let Some(mut batch) = own {
            batch.send();
            batch.arrivals.iter().for_each(|socket| socket.arrival.pass());
        }
    }
}

/// Returns whether there is anybody who receives for a socket.
pub(super) fn receives(socket: &Socket) -> bool {
    BATCH.with_borrow(|batch| batch.as_ref().is_some_and(|batch| batch.is_for(socket)))
}

/// Notes that there is something to receive, and has the reader do that if nobody else does.
pub(super) fn arrived(socket: Arc<Socket>) {
    let mut socket = Some(socket);
    // A thread that ends has nobody who receives.
    let _ = BATCH.try_with(|batch| {
        if let Some(batch) = &mut *batch.borrow_mut() {
            let own = socket.take_if(|socket| batch.is_for(socket));
            if own.is_some() {
                batch.wake_if_empty();
            }
            batch.arrivals.extend(own);
        }
    });
    if let Some(socket) = socket {
        socket.arrival.pass();
    }
}

/// Has a write wait for others of its runtime, if there is anybody who will send it. Then the buffer that is left is an
/// empty one.
pub(super) fn take(socket: &Arc<Socket>, bytes: &mut Vec<u8>) {
    BATCH.with_borrow_mut(|batch| {
        let Some(batch) = batch.as_mut().filter(|batch| batch.is_for(socket)) else { return };
        batch.wake_if_empty();
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
    fn is_for(&self, socket: &Socket) -> bool {
        socket.runtime() == Some(self.runtime)
    }

    /// Sees to it that what comes next does not wait for long; who has come before has done so.
    fn wake_if_empty(&self) {
        if self.arrivals.is_empty() && self.writes.is_empty() {
            self.task.wake_by_ref();
        }
    }

    fn send(&mut self) {
        for Write { socket, bytes } in self.writes.drain(..) {
            socket.send_waiting(bytes);
        }
    }

    fn receive(&mut self) {
        // Those for whom the first has been received would wait for too long.
        let row = self.arrivals.len().min(LARGEST_BATCH);
        for socket in self.arrivals.drain(..row) {
            socket.receive_awaited();
        }
        if !self.arrivals.is_empty() {
            self.task.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests;
