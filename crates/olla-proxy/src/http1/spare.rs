//! Buffers that texts are put together in: one thread uses the same few for all of its connections, so that they stay in
//! the caches of its core, and no connection keeps one.

use std::cell::RefCell;

use super::LARGEST_BATCH;

/// A buffer that has grown beyond this is let go of,
const LARGEST: usize = 32 * 1024;
/// and more than so many are not kept: as many as wait to be sent, and those in which the next are written.
const MOST: usize = LARGEST_BATCH + 4;

thread_local! {
    // alloc: a few for each thread.
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Returns an empty buffer, which may have room.
#[must_use]
pub fn spare() -> Vec<u8> {
    SPARE.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Keeps a buffer for others, if it is one.
pub fn give_back(mut buffer: Vec<u8>) {
    if (1..=LARGEST).contains(&buffer.capacity()) {
        buffer.clear();
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < MOST {
                spare.push(buffer);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_is_used_again_and_empty() {
        let mut buffer = spare();
        buffer.extend_from_slice(b"text");
        let address = buffer.as_ptr();

        give_back(buffer);

        let again = spare();
        assert!(again.is_empty() && again.as_ptr() == address);
    }

    #[test]
    fn few_are_kept_and_none_that_is_large() {
        for capacity in [0, LARGEST + 1].into_iter().chain([1; MOST + 2]) {
            give_back(Vec::with_capacity(capacity));
        }

        let kept: Vec<_> =
            std::iter::repeat_with(|| spare().capacity()).take_while(|room| *room > 0).collect();
        assert!(kept.len() == MOST && kept.iter().all(|room| *room <= LARGEST), "{kept:?}");
    }
}
