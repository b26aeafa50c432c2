//! What a translation may not make up by itself: chance and time.

/// Chance and time for one answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stamp {
    /// A random number; all ids are made of it.
    pub seed: u128,
    /// When the request came, in seconds since 1970.
    pub unix_seconds: u64,
}

const DIGITS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

// === impl Stamp ===

impl Stamp {
    /// Returns the id of the answer, with a prefix such as `msg_01`.
    pub(crate) fn id(self, prefix: &str) -> String {
        self.numbered(prefix, 0)
    }

    /// Returns the id of a part of the answer.
    pub(crate) fn numbered(self, prefix: &str, number: u32) -> String {
        let mut left = self.seed.wrapping_add(u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut id = String::with_capacity(prefix.len() + 22);
        id.push_str(prefix);
        for _ in 0..22 {
            let digit = usize::try_from(left % 58).ok().and_then(|at| DIGITS.get(at));
            id.push(char::from(digit.copied().unwrap_or(b'1')));
            left /= 58;
        }
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_of_one_length_and_differ() {
        let stamp = Stamp { seed: u128::MAX, unix_seconds: 0 };
        let ids: Vec<_> = (0..3).map(|n| stamp.numbered("toolu_", n)).collect();

        assert!(ids.iter().all(|id| id.len() == 28 && id.starts_with("toolu_")), "{ids:?}");
        assert!(ids[0] != ids[1] && ids[1] != ids[2]);
    }
}
