//! A complete request body that can be sent more than once.

use std::{
    borrow::Cow,
    io::{self, Read},
    ops::Range,
};

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

type Chunks = SmallVec<[Bytes; 4]>;

/// Chunks of fewer bytes than this are joined to the one before,
const SMALL: usize = 4 * 1024;
/// until that one has so many.
const JOINED: usize = 64 * 1024;

/// A request body held in memory, in the chunks it arrived in. Cloning shares the bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Replay {
    chunks: Chunks,
    len: u64,
}

/// Reads a [`Replay`] chunk by chunk.
#[derive(Debug)]
pub(crate) struct ReplayReader<'a> {
    chunks: &'a [Bytes],
    /// Bytes of the first chunk that have been read.
    offset: usize,
}

// === impl Replay ===

impl Replay {
    /// Adds a chunk. Small ones are joined: each costs memory of its own, and a client that sends byte by
    /// byte would need many times what it may send.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        self.len += chunk.len() as u64;
        match self.chunks.last_mut() {
            Some(last) if chunk.len() < SMALL && last.len() < JOINED => {
                let own = std::mem::take(last).try_into_mut();
                let mut joined = own.unwrap_or_else(|shared| BytesMut::from(&*shared));
                joined.extend_from_slice(&chunk);
                *last = joined.freeze();
            }
            _ => self.chunks.push(chunk),
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Returns the bytes, in the chunks that they are kept in.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        self.chunks.iter().map(|chunk| &**chunk)
    }

    /// Returns the bytes of `range`.
    pub(crate) fn slice(&self, range: Range<u64>) -> Cow<'_, [u8]> {
        // alloc: only when the range was cut by a chunk's end.
        let mut joined = Vec::new();
        let (mut offset, wanted) = (0, range.end.min(self.len).saturating_sub(range.start) as usize);
        for chunk in &self.chunks {
            let end = range.end.saturating_sub(offset).min(chunk.len() as u64) as usize;
            let start = range.start.saturating_sub(offset).min(end as u64) as usize;
            let part = chunk.get(start..end).unwrap_or_default();
            if part.len() == wanted {
                return Cow::Borrowed(part);
            }
            joined.extend_from_slice(part);
            offset += chunk.len() as u64;
        }
        Cow::Owned(joined)
    }

    /// Returns all bytes.
    pub(crate) fn whole(&self) -> Cow<'_, [u8]> {
        self.slice(0..self.len)
    }

    /// Returns a reader of all bytes.
    pub(crate) fn reader(&self) -> ReplayReader<'_> {
        ReplayReader { chunks: &self.chunks, offset: 0 }
    }

    /// Returns this body with the bytes of `range` replaced; every other byte is shared with the original.
    pub(crate) fn splice(&self, range: Range<u64>, replacement: Bytes) -> Self {
        let mut spliced = Self::default();
        let mut replacement = Some(replacement);
        let mut offset = 0;
        for chunk in &self.chunks {
            let len = chunk.len() as u64;
            let before = range.start.saturating_sub(offset).min(len) as usize;
            let after = range.end.saturating_sub(offset).min(len) as usize;
            spliced.push_some(chunk.slice(..before));
            if offset + len > range.start
                && let Some(replacement) = replacement.take()
            {
                spliced.push_some(replacement);
            }
            spliced.push_some(chunk.slice(after.max(before)..));
            offset += len;
        }
        spliced
    }

    fn push_some(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.push(chunk);
        }
    }
}

// === impl ReplayReader ===

impl Read for ReplayReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let [first, rest @ ..] = self.chunks {
            let len = first.get(self.offset..).unwrap_or_default().read(buffer)?;
            if len > 0 || buffer.is_empty() {
                self.offset += len;
                return Ok(len);
            }
            (self.chunks, self.offset) = (rest, 0);
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(replay: &Replay) -> String {
        replay.chunks.iter().map(|c| std::str::from_utf8(c).unwrap()).collect()
    }

    proptest::proptest! {
        #[test]
        fn reading_slicing_and_splicing_equal_those_of_one_string(
            parts in proptest::collection::vec("[a-z]{1,5}", 1..6),
            at in 0usize..20,
            len in 1usize..10,
            with in "[A-Z]{0,4}",
        ) {
            let whole: String = parts.concat();
            let start = at.min(whole.len() - 1);
            let end = (start + len).min(whole.len());
            let mut body = Replay::default();
            for part in parts {
                // As they would be were they large.
                body.len += part.len() as u64;
                body.chunks.push(Bytes::from(part));
            }

            let mut read = String::new();
            body.reader().read_to_string(&mut read).unwrap();
            proptest::prop_assert_eq!(&read, &whole);
            proptest::prop_assert_eq!(&*body.slice(start as u64..end as u64), &whole.as_bytes()[start..end]);
            let spliced = body.splice(start as u64..end as u64, Bytes::from(with.clone()));

            let expected = format!("{}{with}{}", &whole[..start], &whole[end..]);
            proptest::prop_assert_eq!(spliced.len(), expected.len() as u64);
            proptest::prop_assert_eq!(text(&spliced), expected);
            proptest::prop_assert_eq!(text(&body), whole);
        }
    }

    #[test]
    fn many_small_chunks_become_few() {
        let mut body = Replay::default();
        for n in 0..200_000_u32 {
            body.push(Bytes::copy_from_slice(&[b'a' + (n % 26) as u8]));
        }

        assert!(body.chunks.len() <= 4, "{}", body.chunks.len());
        assert_eq!(body.len(), 200_000);
        let expected: String = (0..200_000_u32).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
        assert!(text(&body) == expected);
    }
}
