//! Finds the model in a JSON body: the string under `model` at the top level.

use std::ops::Range;

use memchr::memchr2;

const KEY: &str = "model";
/// The key with every letter escaped. A longer key is another.
const MAX_KEY: usize = "\\u0000".len() * KEY.len();

/// Reads a JSON object chunk by chunk.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    state: State,
    /// Bytes of earlier chunks.
    offset: u64,
    /// Open arrays and objects.
    depth: u32,
    /// What the next string at the top level is.
    expect: Expect,
    /// The current top-level key, quotes excluded.
    key: Vec<u8>,
    keep_key: bool,
    string_start: u64,
    /// Whether the last top-level key was `model`.
    at_model: bool,
    found: Option<Range<u64>>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the opening brace.
    #[default]
    Start,
    Structure,
    String,
    Escape,
    /// Not an object.
    Other,
    /// The object has ended.
    Done,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Expect {
    #[default]
    Key,
    Value,
}

// === impl Scanner ===

impl Scanner {
    /// Reads the next chunk.
    pub(crate) fn feed(&mut self, chunk: &[u8]) {
        let mut at = 0;
        while at < chunk.len() {
            at = match self.state {
                State::Start => self.start(chunk, at),
                State::Structure => self.structure(chunk, at),
                State::String => self.string(chunk, at),
                State::Escape => self.escape(chunk, at),
                State::Other | State::Done => chunk.len(),
            };
        }
        self.offset += chunk.len() as u64;
    }

    /// Returns whether the body begins like a JSON object.
    pub(crate) fn is_object(&self) -> bool {
        !matches!(self.state, State::Start | State::Other)
    }

    /// Returns where the last string for the model stands, quotes included.
    pub(crate) fn finish(self) -> Option<Range<u64>> {
        self.found
    }

    fn start(&mut self, chunk: &[u8], at: usize) -> usize {
        match chunk[at] {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b'{' => (self.state, self.depth) = (State::Structure, 1),
            _ => self.state = State::Other,
        }
        at + 1
    }

    fn structure(&mut self, chunk: &[u8], mut at: usize) -> usize {
        while let Some(&byte) = chunk.get(at) {
            at += 1;
            match byte {
                b'"' => {
                    self.open_string(self.offset + at as u64 - 1);
                    return at;
                }
                b'{' | b'[' => {
                    self.value_begins();
                    self.depth += 1;
                }
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        self.state = State::Done;
                        return at;
                    }
                }
                b':' if self.depth == 1 => self.expect = Expect::Value,
                b',' if self.depth == 1 => (self.expect, self.at_model) = (Expect::Key, false),
                b' ' | b'\t' | b'\r' | b'\n' => {}
                // A number or a literal.
                _ => self.value_begins(),
            }
        }
        at
    }

    fn open_string(&mut self, position: u64) {
        self.state = State::String;
        self.keep_key = self.depth == 1 && self.expect == Expect::Key;
        self.key.clear();
        self.string_start = position;
    }

    fn string(&mut self, chunk: &[u8], at: usize) -> usize {
        let rest = &chunk[at..];
        let Some(len) = memchr2(b'"', b'\\', rest) else {
            self.keep(rest);
            return chunk.len();
        };
        let (text, stop) = (&rest[..len], rest[len]);
        self.keep(text);
        if stop == b'\\' {
            self.keep(b"\\");
            self.state = State::Escape;
        } else {
            self.state = State::Structure;
            self.close_string(self.offset + (at + len) as u64 + 1);
        }
        at + len + 1
    }

    fn escape(&mut self, chunk: &[u8], at: usize) -> usize {
        self.keep(&chunk[at..=at]);
        self.state = State::String;
        at + 1
    }

    fn keep(&mut self, text: &[u8]) {
        if self.keep_key {
            self.keep_key = self.key.len() + text.len() <= MAX_KEY;
            self.key.extend_from_slice(if self.keep_key { text } else { &[] });
        }
    }

    fn close_string(&mut self, end: u64) {
        if self.depth != 1 {
            return;
        }
        if self.expect == Expect::Key {
            self.at_model = self.keep_key && self.key_is_model();
        } else if self.at_model {
            self.at_model = false;
            self.found = Some(self.string_start..end);
        }
    }

    /// A value other than a string: as a model it is none, and it hides an earlier one.
    fn value_begins(&mut self) {
        if self.depth == 1 && self.at_model {
            (self.at_model, self.found) = (false, None);
        }
    }

    fn key_is_model(&self) -> bool {
        if !self.key.contains(&b'\\') {
            return self.key == KEY.as_bytes();
        }
        let quoted = [b"\"", &*self.key, b"\""].concat();
        serde_json::from_slice::<String>(&quoted).is_ok_and(|key| key == KEY)
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

    fn name(body: &str) -> Option<String> {
        let span = scan(body.as_bytes(), usize::MAX)?;
        serde_json::from_str(&body[span.start as usize..span.end as usize]).ok()
    }

    #[test]
    fn finds_the_top_level_model_wherever_it_stands() {
        assert_eq!(name(r#"{"model":"a"}"#).as_deref(), Some("a"));
        assert_eq!(
            name(r#" {"messages":[{"model":"no"}],"n":1, "model" : "Qwen/Q3"}"#).as_deref(),
            Some("Qwen/Q3")
        );
        assert_eq!(name(r#"{"x":"model","y":{"model":"no"}}"#), None);
        assert_eq!(name(r#"{"mod\u0065l":"\u00e9\"x"}"#).as_deref(), Some("é\"x"));
        assert_eq!(name(r#"["model","a"]"#), None);
        assert_eq!(name(""), None);
    }

    #[test]
    fn the_last_of_several_wins() {
        assert_eq!(name(r#"{"model":"a","model":"b"}"#).as_deref(), Some("b"));
        assert_eq!(name(r#"{"model":"a","model":1}"#), None);
        assert_eq!(name(r#"{"model":{"x":"no"},"model":"b"}"#).as_deref(), Some("b"));
    }

    #[test]
    fn broken_json_keeps_what_came_before() {
        assert_eq!(name(r#"{"model":"a","x":"#).as_deref(), Some("a"));
        assert_eq!(name(r#"{"model":"a"#), None);
        assert_eq!(name("{]]}}}"), None);
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i32>().prop_map(Into::into),
            "\\PC{0,12}".prop_map(Into::into),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                proptest::collection::vec((prop_oneof!["model", "\\PC{0,6}"], inner), 0..4)
                    .prop_map(|pairs| serde_json::Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json_at_any_chunk_size(value in json(), chunk in 1usize..40, pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();

            let found = scan(text.as_bytes(), chunk);

            let name = found.map(|span| {
                serde_json::from_str::<String>(&text[span.start as usize..span.end as usize]).unwrap()
            });
            let expected = value.as_object().and_then(|o| o.get("model")).and_then(|m| m.as_str());
            prop_assert_eq!(name.as_deref(), expected);
        }

        #[test]
        fn never_panics_and_does_not_depend_on_chunks(body in proptest::collection::vec(
            prop_oneof![Just(b'{'), Just(b'}'), Just(b'['), Just(b']'), Just(b'"'), Just(b'\\'), Just(b':'), Just(b','), any::<u8>()], 0..60),
            chunk in 1usize..10,
        ) {
            prop_assert_eq!(scan(&body, chunk), scan(&body, usize::MAX));
        }
    }
}
