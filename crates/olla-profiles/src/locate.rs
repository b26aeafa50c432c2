//! Finds the line of a key in a YAML text. Only used to report problems, so it reads the text again.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// One step from a value of a document to a value inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// Returns the line of the key or element at `path`, or `None` if there is none.
pub(crate) fn line(text: &str, path: &[Step]) -> Option<usize> {
    // serde_yaml keeps positions for itself but puts them into errors: failing on purpose at the key
    // makes it say where that key is.
    let error = Seek(path).deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
    Some(error.location()?.line())
}

/// Fails at the value that the remaining path leads to.
struct Seek<'p>(&'p [Step]);

/// Reads a key; fails if it is the last step of the path.
struct SeekKey<'p>(&'p [Step]);

struct Found;

// === impl Seek ===

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.0.is_empty() {
            deserializer.deserialize_any(Found)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(on_the_way) = map.next_key_seed(SeekKey(self.0))? {
            match self.0.split_first() {
                Some((_, rest)) if on_the_way => return map.next_value_seed(Seek(rest)),
                _ => map.next_value::<IgnoredAny>()?,
            };
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Some((Step::Index(index), rest)) = self.0.split_first() else { return Ok(()) };
        for _ in 0..*index {
            seq.next_element::<IgnoredAny>()?;
        }
        seq.next_element_seed(Seek(rest))?;
        Ok(())
    }
}

// === impl SeekKey ===

impl<'de> DeserializeSeed<'de> for SeekKey<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for SeekKey<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<bool, E> {
        match self.0 {
            [Step::Key(last)] if last == key => Err(E::custom("found")),
            [Step::Key(first), ..] => Ok(first == key),
            _ => Ok(false),
        }
    }
}

// === impl Found ===

impl<'de> Visitor<'de> for Found {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("to be found")
    }

    fn visit_some<D: Deserializer<'de>>(self, _: D) -> Result<(), D::Error> {
        Err(D::Error::custom("found"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Step {
        Step::Key(name.into())
    }

    #[test]
    fn finds_keys_and_elements_at_any_depth() {
        let text = "name: x\napi:\n  paths:\n    - /a\n    - /b\n  health: {costly: 1}\nlast:\n  # comment\n  - {a: 1,\n     b: 2}\n";

        assert_eq!(line(text, &[key("name")]), Some(1));
        assert_eq!(line(text, &[key("api")]), Some(2));
        assert_eq!(line(text, &[key("api"), key("paths"), Step::Index(1)]), Some(5));
        assert_eq!(line(text, &[key("api"), key("health"), key("costly")]), Some(6));
        assert_eq!(line(text, &[key("last"), Step::Index(0), key("b")]), Some(10));
    }

    #[test]
    fn a_path_that_is_not_there_has_no_line() {
        assert_eq!(line("a: 1\n", &[key("b")]), None);
        assert_eq!(line("a: [1]\n", &[key("a"), Step::Index(4)]), None);
    }
}
