//! Finds the model in an `application/x-www-form-urlencoded` body.

use std::{mem, ops::Range};

use memchr::{memchr, memchr2};
use percent_encoding::percent_decode;

const KEY: &[u8] = b"model";
/// The key with every letter escaped. A longer key is another.
const MAX_KEY: usize = 3 * KEY.len();

/// Reads a form chunk by chunk.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    state: State,
    /// Where in the body the next byte stands.
    position: u64,
    /// The beginning of the current key, long enough to tell it from others.
    key: Vec<u8>,
    found: Option<Range<u64>>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Key,
    /// In a value; the model's began here.
    Value(Option<u64>),
}

// === impl Scanner ===

impl Scanner {
    /// Reads the next chunk.
    pub(crate) fn feed(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        while !rest.is_empty() {
            let used = match self.state {
                State::Key => self.key(rest),
                State::Value(model) => self.value(rest, model),
            };
            self.position += used as u64;
            rest = rest.get(used..).unwrap_or_default();
        }
    }

    /// Returns where the last value for the model stands.
    pub(crate) fn finish(mut self) -> Option<Range<u64>> {
        match self.state {
            State::Key => self.end_pair(),
            State::Value(model) => self.end_value(model, self.position),
        }
        self.found
    }

    fn key(&mut self, rest: &[u8]) -> usize {
        let end = memchr2(b'=', b'&', rest);
        let text = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        let room = (MAX_KEY + 1).saturating_sub(self.key.len());
        self.key.extend_from_slice(text.get(..room).unwrap_or(text));
        match end.and_then(|at| rest.get(at)) {
            Some(b'=') => {
                let value_start = self.position + text.len() as u64 + 1;
                self.state = State::Value(self.take_is_model().then_some(value_start));
            }
            Some(_) => self.end_pair(),
            None => return text.len(),
        }
        text.len() + 1
    }

    fn value(&mut self, rest: &[u8], model: Option<u64>) -> usize {
        let Some(len) = memchr(b'&', rest) else { return rest.len() };
        self.end_value(model, self.position + len as u64);
        self.state = State::Key;
        len + 1
    }

    fn end_value(&mut self, model: Option<u64>, end: u64) {
        if let Some(start) = model {
            self.found = Some(start..end);
        }
    }

    /// A key without a value: as a model it is none, and it hides an earlier one.
    fn end_pair(&mut self) {
        if self.take_is_model() {
            self.found = None;
        }
    }

    fn take_is_model(&mut self) -> bool {
        let key = mem::take(&mut self.key);
        percent_decode(&key).eq(KEY.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scan(body: &[u8], chunk: usize) -> Option<Range<u64>> {
        let mut scanner = Scanner::default();
        body.chunks(chunk.max(1)).for_each(|c| scanner.feed(c));
        scanner.finish()
    }

    fn raw(body: &str) -> Option<&str> {
        scan(body.as_bytes(), usize::MAX).map(|span| &body[span.start as usize..span.end as usize])
    }

    #[test]
    fn finds_the_last_model_wherever_it_stands() {
        assert_eq!(raw("model=a"), Some("a"));
        assert_eq!(raw("x=1&model=a%2Fb+c=d&y"), Some("a%2Fb+c=d"));
        assert_eq!(raw("%6d%6F%64%65%6C=a"), Some("a"));
        assert_eq!(raw("model=a&model=b"), Some("b"));
        assert_eq!(raw("&&x=model&models=a&mode=b&xmodel=c& model=d"), None);
        assert_eq!(raw(""), None);
    }

    #[test]
    fn a_key_without_a_value_hides_an_earlier_one() {
        assert_eq!(raw("model=a&model"), None);
        assert_eq!(raw("model=a&model&x=1"), None);
        assert_eq!(raw("model&model=a"), Some("a"));
    }

    proptest! {
        #[test]
        fn agrees_with_splitting_the_whole_body_at_any_chunk_size(
            body in proptest::collection::vec(
                prop_oneof!["&", "=", "%", "\\+", "model", "%6dodel", "m", "o", "\\PC"], 0..20)
                .prop_map(|tokens| tokens.concat()),
            chunk in 1usize..10,
        ) {
            let is_model = |key: &&str| percent_decode(key.as_bytes()).collect::<Vec<_>>() == KEY;
            let last = body.split('&').map(|pair| pair.split_once('=').map_or((pair, None), |(k, v)| (k, Some(v))))
                .rfind(|(key, _)| is_model(key));

            let found = scan(body.as_bytes(), chunk);

            let text = found.map(|span| &body[span.start as usize..span.end as usize]);
            prop_assert_eq!(text, last.and_then(|(_, value)| value));
        }
    }
}
