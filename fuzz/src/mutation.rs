//! Changes inputs a little: bits, bytes, pieces, words, and pieces of other inputs.

use std::ops::Range;

use fastrand::Rng;

/// Longer inputs are cut: they are slow and find nothing that shorter ones do not.
const MAX_BYTES: usize = 4_096;
/// Changes of one mutation, at most.
const MAX_CHANGES: usize = 6;
/// Bytes that mean something somewhere.
const BYTES: &[u8] = b"\0\t\n\r !\"#%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~\x7f\x80\xc3\xff";

/// Makes new inputs of old ones. The same seed makes the same ones.
#[derive(Debug)]
pub(crate) struct Mutator<'w> {
    random: Rng,
    words: &'w [&'w str],
}

// === impl Mutator ===

impl<'w> Mutator<'w> {
    pub(crate) fn new(seed: u64, words: &'w [&'w str]) -> Self {
        Self { random: Rng::with_seed(seed), words }
    }

    /// Returns a mutation of one of these.
    pub(crate) fn mutate(&mut self, pool: &[Vec<u8>]) -> Vec<u8> {
        let mut input = self.choose(pool).to_vec();
        let changes = if self.random.bool() { 1 } else { self.random.usize(1..=MAX_CHANGES) };
        for _ in 0..changes {
            self.change(&mut input, pool);
        }
        input.truncate(MAX_BYTES);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, pool: &[Vec<u8>]) {
        let place = self.piece_of(input);
        match self.random.u8(0..9) {
            0 => {
                if let Some(byte) = input.get_mut(place.start) {
                    *byte ^= 1 << self.random.u8(0..8);
                }
            }
            1 => {
                let byte = self.byte();
                input.splice(place.start..(place.start + 1).min(place.end), [byte]);
            }
            2 => {
                let byte = self.byte();
                input.insert(place.start, byte);
            }
            3 => drop(input.drain(place)),
            4 => input.truncate(place.start),
            5 => {
                let times = self.random.usize(1..4);
                let piece = input[place.clone()].repeat(times);
                input.splice(place.start..place.start, piece);
            }
            6 => {
                let other = self.choose(pool);
                let piece = other[self.piece_of(other)].to_vec();
                let place = if self.random.bool() { place } else { place.start..place.start };
                input.splice(place, piece);
            }
            _ => {
                let words = self.words;
                let Some(word) = self.random.choice(words) else { return };
                let place = if self.random.bool() { place } else { place.start..place.start };
                input.splice(place, word.bytes());
            }
        }
    }

    fn choose<'p>(&mut self, pool: &'p [Vec<u8>]) -> &'p [u8] {
        self.random.choice(pool).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns a range within these bytes, more often a short one.
    fn piece_of(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.random.usize(0..=bytes.len());
        let longest = (bytes.len() - start).min(1 << self.random.usize(0..10));
        start..start + self.random.usize(0..=longest)
    }

    fn byte(&mut self) -> u8 {
        match self.random.choice(BYTES) {
            Some(byte) if self.random.bool() => *byte,
            _ => self.random.u8(..),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_pool_can_be_mutated() {
        for pool in [vec![], vec![vec![]], vec![vec![0; MAX_BYTES]], vec![vec![1], vec![2, 3]]] {
            let mut mutator = Mutator::new(7, &["word"]);
            for _ in 0..1_000 {
                assert!(mutator.mutate(&pool).len() <= MAX_BYTES);
            }
        }
    }
}
