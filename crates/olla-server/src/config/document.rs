//! YAML text turned into a tree of values, and the line on which each of them stands.

use std::collections::BTreeMap;

use figment::value::{Dict, Value};
use saphyr_parser::{Event, Parser, ScalarStyle};

/// A parsed file.
#[derive(Debug, Default)]
pub(crate) struct Document {
    /// The top-level mapping.
    pub(crate) tree: Dict,
    /// Where each key stands.
    pub(crate) lines: Lines,
}

/// The line of each key path, such as `discovery.static.endpoints[1].url`.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    first: BTreeMap<String, usize>,
    /// Where a key stands for the second time, which is not valid.
    repeated: Option<usize>,
}

/// Text that is not a YAML mapping.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// The line, where it is known.
    pub(crate) line: Option<usize>,
    /// What is wrong.
    pub(crate) message: String,
}

/// A collection that is being read.
struct Open {
    path: String,
    place: Place,
    /// Whether the collection is itself a mapping key, which no setting has.
    is_key: bool,
}

enum Place {
    /// In a mapping, after this key, or before the next one.
    Key(Option<String>),
    /// In a list, before the element of this number.
    Element(usize),
}

/// Parses a file. An empty one is an empty mapping.
///
/// # Errors
/// Fails when the text is not YAML, or not a mapping. The message repeats no value.
pub(crate) fn parse(text: &str) -> Result<Document, SyntaxError> {
    let value = parse_value(text)?;
    match value {
        Value::Dict(_, tree) => Ok(Document { tree, lines: Lines::read(text) }),
        Value::Empty(..) => Ok(Document::default()),
        _ => Err(SyntaxError { line: None, message: "is not a mapping of settings".into() }),
    }
}

/// Parses any YAML value.
///
/// # Errors
/// Fails when the text is not YAML. The message repeats no value.
pub(crate) fn parse_value(text: &str) -> Result<Value, SyntaxError> {
    let read = |text: &str| {
        let mut yaml: serde_yaml::Value = serde_yaml::from_str(text)?;
        yaml.apply_merge()?;
        Ok(convert(yaml))
    };
    read(text)
        .or_else(|_| read(&with_long_numbers_quoted(text)))
        .map_err(|error| SyntaxError::new(&error, &Lines::read(text)))
}

/// Makes text of the whole numbers that are too long for the parser of values, which would give up at the
/// first: as text they fit no key that holds a number, and are reported where they stand.
fn with_long_numbers_quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    let mut rest = text.chars();
    let mut position = 0;
    for event in Parser::new_from_str(text) {
        let Ok((event, span)) = event else { break };
        let Event::Scalar(number, ScalarStyle::Plain, _, None) = event else { continue };
        let is_word = number.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-'));
        if is_word && serde_yaml::from_str::<serde_yaml::Value>(&number).is_err() {
            let start = span.start.index();
            quoted.extend(rest.by_ref().take(start.saturating_sub(position)));
            quoted.extend(["\"", &number, "\""]);
            position = start + rest.by_ref().take(number.len()).count();
        }
    }
    quoted.extend(rest);
    quoted
}

fn convert(yaml: serde_yaml::Value) -> Value {
    match yaml {
        serde_yaml::Value::Null => Value::from(figment::value::Empty::None),
        serde_yaml::Value::Bool(flag) => Value::from(flag),
        serde_yaml::Value::Number(n) => match (n.as_u64(), n.as_i64()) {
            (Some(n), _) => Value::from(n),
            (None, Some(n)) => Value::from(n),
            (None, None) => Value::from(n.as_f64().unwrap_or(f64::NAN)),
        },
        serde_yaml::Value::String(text) => Value::from(text),
        serde_yaml::Value::Sequence(items) => Value::from(items.into_iter().map(convert).collect::<Vec<_>>()),
        serde_yaml::Value::Mapping(entries) => Value::from(
            entries.into_iter().map(|(key, value)| (key_text(key), convert(value))).collect::<Dict>(),
        ),
        serde_yaml::Value::Tagged(tagged) => convert(tagged.value),
    }
}

fn key_text(key: serde_yaml::Value) -> String {
    match key {
        serde_yaml::Value::String(text) => text,
        serde_yaml::Value::Bool(flag) => flag.to_string(),
        serde_yaml::Value::Number(n) => n.to_string(),
        serde_yaml::Value::Null => "null".into(),
        serde_yaml::Value::Tagged(tagged) => key_text(tagged.value),
        serde_yaml::Value::Sequence(_) | serde_yaml::Value::Mapping(_) => "?".into(),
    }
}

// === impl SyntaxError ===

impl SyntaxError {
    fn new(error: &serde_yaml::Error, lines: &Lines) -> Self {
        let text = error.to_string();
        // The parser of values locates a repeated key at the beginning of its mapping.
        let repeated = lines.repeated.filter(|_| text.contains("duplicate entry"));
        let line = repeated.or_else(|| error.location().map(|l| l.line()));
        let message = match text.split_once(" at line ") {
            // A value that does not fit its explicit tag is quoted, and might be a secret.
            _ if ["invalid value", "invalid type"].iter().any(|quoting| text.contains(quoting)) => {
                "a value does not fit its tag"
            }
            Some((message, _)) => message,
            None => &text,
        };
        Self { line, message: format!("is not valid YAML: {message}") }
    }
}

// === impl Lines ===

impl Lines {
    /// Returns the line of a key, or else of the closest key above it.
    pub(crate) fn of(&self, key: &str) -> Option<usize> {
        let mut key = key;
        loop {
            if let Some(line) = self.first.get(key) {
                return Some(*line);
            }
            key = &key[..key.rfind(['.', '['])?];
        }
    }

    fn read(text: &str) -> Self {
        let mut lines = Self::default();
        let mut open: Vec<Open> = vec![];
        for event in Parser::new_from_str(text) {
            // What is not valid was reported by the parser of values.
            let Ok((event, span)) = event else { break };
            let line = span.start.line();
            match event {
                Event::Scalar(value, ..) => lines.scalar(&mut open, &value, line),
                Event::Alias(_) => lines.scalar(&mut open, "?", line),
                Event::SequenceStart(..) => lines.begin(&mut open, Place::Element(0), line),
                Event::MappingStart(..) => lines.begin(&mut open, Place::Key(None), line),
                Event::SequenceEnd | Event::MappingEnd => {
                    if let Some(ended) = open.pop()
                        && !ended.is_key
                        && let Some(around) = open.last_mut()
                    {
                        around.advance();
                    }
                }
                Event::Nothing
                | Event::StreamStart
                | Event::StreamEnd
                | Event::DocumentStart(_)
                | Event::DocumentEnd => {}
            }
        }
        lines
    }

    fn scalar(&mut self, open: &mut [Open], text: &str, line: usize) {
        let Some(around) = open.last_mut() else { return };
        match &mut around.place {
            Place::Key(key @ None) => {
                *key = Some(text.to_owned());
                let path = around.child();
                if self.first.contains_key(&path) {
                    self.repeated.get_or_insert(line);
                }
                self.note(path, line);
            }
            Place::Key(Some(_)) => around.advance(),
            Place::Element(_) => {
                let path = around.child();
                self.note(path, line);
                around.advance();
            }
        }
    }

    fn begin(&mut self, open: &mut Vec<Open>, place: Place, line: usize) {
        let (path, is_key) = match open.last_mut() {
            None => (String::new(), false),
            Some(Open { place: Place::Key(key @ None), .. }) => {
                *key = Some("?".to_owned());
                ("?".to_owned(), true)
            }
            Some(around) => (around.child(), false),
        };
        self.note(path.clone(), line);
        open.push(Open { path, place, is_key });
    }

    fn note(&mut self, path: String, line: usize) {
        self.first.entry(path).or_insert(line);
    }
}

// === impl Open ===

impl Open {
    fn child(&self) -> String {
        match &self.place {
            Place::Key(key) => join(&self.path, key.as_deref().unwrap_or("?")),
            Place::Element(n) => format!("{}[{n}]", self.path),
        }
    }

    fn advance(&mut self) {
        match &mut self.place {
            Place::Key(key) => *key = None,
            Place::Element(n) => *n += 1,
        }
    }
}

/// Puts a key behind the path of its mapping.
pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_line_of_keys_elements_and_what_stands_below_them() {
        let text = "a:\n  b: 1\nlist:\n  - x\n  - url: y\n    name: z\n  - {k: v,\n     l: w}\n? [odd]\n: 1\nend: 2\n";

        let lines = parse(text).unwrap().lines;

        for (key, line) in [
            ("a", 1),
            ("a.b", 2),
            ("list[0]", 4),
            ("list[1]", 5),
            ("list[1].name", 6),
            ("list[1].absent.deeper", 5),
            ("list[2].l", 8),
            ("end", 11),
        ] {
            assert_eq!(lines.of(key), Some(line), "{key}");
        }
        assert_eq!(lines.of("nowhere"), None);
    }

    #[test]
    fn anchors_and_merge_keys_are_resolved() {
        let text = "base: &b {x: 1}\nuse:\n  <<: *b\n  y: 2\n";

        let tree = parse(text).unwrap().tree;

        assert_eq!(tree["use"].find_ref("x").and_then(Value::to_u128), Some(1));
    }

    #[test]
    fn a_syntax_error_names_its_line() {
        let error = parse("a: 1\nb: [1\nc: 2\n").unwrap_err();

        assert_eq!(error.line, Some(3), "{}", error.message);
        let error = parse("a:\n  b: 1\n  c: 2\n  b: 3\n").unwrap_err();
        assert_eq!(error.line, Some(4), "{}", error.message);
        assert!(parse("- 1\n").is_err(), "a list is no configuration");
        assert!(parse("# nothing\n").unwrap().tree.is_empty());
    }

    #[test]
    fn a_syntax_error_repeats_no_value() {
        let error = parse("token: !!int s3cret\n").unwrap_err();

        assert!(!error.message.contains("s3cret"), "{}", error.message);
        let error = parse("token: !!int 99999999999999999999999\n").unwrap_err();
        assert!(!error.message.contains("999"), "{}", error.message);
    }

    #[test]
    fn a_number_too_long_for_any_type_is_text_and_hides_nothing() {
        let text = "# \u{fc}\r\na: {n: 99999999999999999999999, m: -99999999999999999999999}\r\n\
                    b: [0xffffffffffffffffffff, \"99999999999999999999999\", 7]\r\nend: 1\r\n";

        let Document { tree, lines } = parse(text).unwrap();

        let a = |key| tree["a"].find_ref(key).and_then(Value::as_str).map(str::to_owned);
        assert_eq!(a("n").as_deref(), Some("99999999999999999999999"));
        assert_eq!(a("m").as_deref(), Some("-99999999999999999999999"));
        let b = tree["b"].as_array().unwrap();
        assert_eq!((b[0].as_str(), b[1].as_str()), (Some("0xffffffffffffffffffff"), a("n").as_deref()));
        assert_eq!((b[2].to_u128(), tree["end"].to_u128(), lines.of("end")), (Some(7), Some(1), Some(4)));
        let error = parse("a: 99999999999999999999999\nb: [\n").unwrap_err();
        assert!(!error.message.contains("999"), "{}", error.message);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[-a-c:{}\\[\\]&*!?<>|'\"#, \n]{0,60}") {
            let _ = parse(&text);
            let _ = Lines::read(&text);
            let _ = with_long_numbers_quoted(&text);
        }
    }
}
