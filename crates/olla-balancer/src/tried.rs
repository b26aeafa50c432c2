//! The candidates that a request has already been sent to.

use smallvec::SmallVec;

/// A set of candidate positions.
// alloc: none for positions below 256, which is more than one request ever has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tried {
    words: SmallVec<[u64; 4]>,
}

// === impl Tried ===

impl Tried {
    /// Adds a position.
    pub fn insert(&mut self, position: usize) {
        let (word, bit) = locate(position);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        if let Some(bits) = self.words.get_mut(word) {
            *bits |= bit;
        }
    }

    /// Returns whether a position has been added.
    #[must_use]
    pub fn contains(&self, position: usize) -> bool {
        let (word, bit) = locate(position);
        self.words.get(word).is_some_and(|bits| bits & bit != 0)
    }
}

fn locate(position: usize) -> (usize, u64) {
    (position / 64, 1 << (position % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn stays_inline_up_to_256_positions() {
        let mut tried = Tried::default();

        tried.insert(255);
        assert!(!tried.words.spilled());
        tried.insert(256);

        assert!(tried.contains(255) && tried.contains(256) && !tried.contains(254));
    }

    proptest! {
        #[test]
        fn holds_what_was_added_and_nothing_else(added in prop::collection::btree_set(0..700_usize, 0..20)) {
            let mut tried = Tried::default();

            added.iter().for_each(|position| tried.insert(*position));

            let held: BTreeSet<_> = (0..1000).filter(|position| tried.contains(*position)).collect();
            prop_assert_eq!(held, added);
        }
    }
}
