//! What has been received for whoever reads from a socket, before that has its turn.

use std::{
    io, mem,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicU8, AtomicUsize,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    task::Waker,
};

use tokio::io::ReadBuf;

use super::give_back;

/// What a reader of a socket waits for, or finds.
#[derive(Debug, Default)]
pub(super) struct Arrival {
    /// One of the following.
    state: AtomicU8,
    /// For how many bytes the reader has room.
    room: AtomicUsize,
    kept: Mutex<Kept>,
}

/// Nobody waits, and nothing is kept.
const QUIET: u8 = 0;
/// The reader waits, and the socket is woken when there is something to receive.
const AWAITED: u8 = 1;
/// Something is kept.
const HERE: u8 = 2;

#[derive(Debug, Default)]
struct Kept {
    /// Who waits, or has waited last.
    reader: Option<Waker>,
    bytes: Vec<u8>,
    /// How many of them have been read.
    read: usize,
    /// How the socket has failed.
    error: Option<io::Error>,
}

// === impl Arrival ===

impl Arrival {
    /// Returns whether the reader waits.
    pub(super) fn is_awaited(&self) -> bool {
        self.state.load(Acquire) == AWAITED
    }

    /// Returns whether something is kept.
    pub(super) fn is_here(&self) -> bool {
        self.state.load(Acquire) == HERE
    }

    /// Returns for how many bytes the reader has room.
    pub(super) fn room(&self) -> usize {
        self.room.load(Relaxed)
    }

    /// Notes whom to wake. Its waker is kept until there is another.
    pub(super) fn set_reader(&self, reader: &Waker) {
        self.kept().reader = Some(reader.clone());
    }

    /// Notes that the reader waits, with room for so many bytes.
    pub(super) fn wait(&self, room: usize) {
        self.room.store(room, Relaxed);
        self.state.store(AWAITED, Release);
    }

    /// Notes that nobody waits.
    pub(super) fn forget(&self) {
        self.state.store(QUIET, Release);
    }

    /// Has the reader, if it waits, look for itself.
    pub(super) fn pass(&self) {
        if self.is_awaited() {
            let kept = self.kept();
            self.state.store(QUIET, Release);
            kept.wake();
        }
    }

    /// Wakes the reader, if there is one, for something else.
    pub(super) fn wake_reader(&self) {
        self.kept().wake();
    }

    /// Keeps what has been received, and wakes the reader.
    pub(super) fn keep(&self, received: io::Result<Vec<u8>>) {
        let mut kept = self.kept();
        match received {
            Ok(bytes) => kept.bytes = bytes,
            Err(error) => kept.error = Some(error),
        }
        self.state.store(HERE, Release);
        kept.wake();
    }

    /// Moves what is kept into a buffer, as much as there is room for.
    pub(super) fn take(&self, buf: &mut ReadBuf<'_>) -> io::Result<()> {
        let mut kept = self.kept();
        let rest = kept.bytes.get(kept.read..).unwrap_or_default();
        let (taken, left) = rest.split_at(rest.len().min(buf.remaining()));
        buf.put_slice(taken);
        if !left.is_empty() {
            kept.read += taken.len();
            return Ok(());
        }
        kept.read = 0;
        give_back(mem::take(&mut kept.bytes));
        self.state.store(QUIET, Release);
        kept.error.take().map_or(Ok(()), Err)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Kept ===

impl Kept {
    /// Wakes the reader. Whoever is woken has its turn later: nobody comes back here meanwhile.
    fn wake(&self) {
        if let Some(reader) = &self.reader {
            reader.wake_by_ref();
        }
    }
}
