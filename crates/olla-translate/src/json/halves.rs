//! Halves of characters: escapes such as `\ud83d` without the one that completes the character.
//!
//! JSON allows them, and servers that cut texts by units of UTF-16 send them. No text of ours can hold one. Where
//! the other half comes with the next event, both are put together; else U+FFFD stands for it.

use std::borrow::Cow;

use memchr::memchr;

/// A half that stands alone.
#[derive(Debug, Clone, Copy)]
struct Half {
    at: usize,
    is_first: bool,
}

/// Puts characters together that a stream has cut in two.
#[derive(Debug, Default)]
pub(crate) struct Halves {
    /// An event whose text ends with the first half of a character, and where that is.
    held: Option<(String, usize)>,
}

/// What every half is written as, of the same length.
const REPLACEMENT: &str = "\\ufffd";

/// Returns a JSON text in which no half of a character stands alone.
pub(crate) fn whole_characters(json: &str) -> Cow<'_, str> {
    match next_half(json, 0) {
        None => json.into(),
        Some(_) => replaced(json.to_owned()).into(),
    }
}

fn replaced(mut json: String) -> String {
    let mut from = 0;
    while let Some(half) = next_half(&json, from) {
        from = half.at + REPLACEMENT.len();
        json.replace_range(half.at..from, REPLACEMENT);
    }
    json
}

/// Finds the next half that stands alone.
fn next_half(json: &str, mut from: usize) -> Option<Half> {
    let json = json.as_bytes();
    loop {
        let at = from + memchr(b'\\', json.get(from..)?)?;
        from = match unit(json, at) {
            Some(0xD800..=0xDBFF) if matches!(unit(json, at + 6), Some(0xDC00..=0xDFFF)) => at + 12,
            Some(unit @ 0xD800..=0xDFFF) => return Some(Half { at, is_first: unit < 0xDC00 }),
            Some(_) => at + 6,
            None => at + 2,
        };
    }
}

/// Reads an escape of four digits.
fn unit(json: &[u8], at: usize) -> Option<u16> {
    let digits = json.get(at..at + 6)?.strip_prefix(b"\\u")?;
    let digits = str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u16::from_str_radix(digits, 16).ok()
}

/// Finds a half that its text begins with, or ends with.
fn at_the_edge(json: &str, is_first: bool) -> Option<usize> {
    let mut from = 0;
    while let Some(half) = next_half(json, from) {
        from = half.at + REPLACEMENT.len();
        let beside = if is_first { Some(from) } else { half.at.checked_sub(1) };
        let quoted = beside.and_then(|at| json.as_bytes().get(at)) == Some(&b'"');
        if quoted && half.is_first == is_first {
            return Some(half.at);
        }
    }
    None
}

// === impl Halves ===

impl Halves {
    /// Passes on the data of the next event, in which no half of a character stands alone. One that ends with a
    /// first half waits for the event after it.
    pub(crate) fn pass(&mut self, data: &str, next: &mut dyn FnMut(&str)) {
        if self.held.is_none() && next_half(data, 0).is_none() {
            next(data);
            return;
        }
        let mut data = data.to_owned();
        if let Some((mut held, at)) = self.held.take() {
            if let Some(second) = at_the_edge(&data, false) {
                let first: String = held.drain(at..at + REPLACEMENT.len()).collect();
                data.insert_str(second, &first);
            }
            next(&replaced(held));
        }
        match at_the_edge(&data, true) {
            Some(at) => self.held = Some((data, at)),
            None => next(&replaced(data)),
        }
    }

    /// Passes on what still waits.
    pub(crate) fn end(&mut self, next: &mut dyn FnMut(&str)) {
        if let Some((held, _)) = self.held.take() {
            next(&replaced(held));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn halves_are_told_from_whole_characters_and_from_text_about_them() {
        for (json, whole) in [
            (r#""a \ud83d b""#, r#""a \ufffd b""#),
            (r#""\uDE00\uD83D""#, r#""\ufffd\ufffd""#),
            (r#""\ud83d\ude00\ude00""#, r#""\ud83d\ude00\ufffd""#),
            (r#""\ud83d\n\ude00""#, r#""\ufffd\n\ufffd""#),
            (r#""\\ud83d \\\ud83d""#, r#""\\ud83d \\\ufffd""#),
            (r#""\u+83d \ud8"#, r#""\u+83d \ud8"#),
            ("\"\\ud83", "\"\\ud83"),
        ] {
            assert_eq!(whole_characters(json), whole);
        }
        assert!(matches!(whole_characters(r#""\ud83d\ude00 \u00e9""#), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn what_was_cut_anywhere_is_whole_again(text in "[a😀\"\\\\\n]{0,8}", cuts in prop::collection::vec(0_usize..12, 0..3)) {
            let units: Vec<u16> = text.encode_utf16().collect();
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(units.len())).collect();
            cuts.extend([0, units.len()]);
            cuts.sort_unstable();
            cuts.dedup();
            let (mut halves, mut told) = (Halves::default(), String::new());
            let mut hear = |data: &str| told.push_str(&serde_json::from_str::<String>(data).unwrap());

            for cut in cuts.windows(2) {
                let piece: String = units[cut[0]..cut[1]].iter().map(|unit| format!("\\u{unit:04x}")).collect();
                halves.pass(&format!("\"{piece}\""), &mut hear);
            }
            halves.end(&mut hear);

            prop_assert_eq!(told, text);
        }

        #[test]
        fn whatever_it_gets_can_be_read(json in "(\\\\u[dD][89c-fC-F][0-9]{2}|\\\\\\\\|u|d|8|\\\\n){0,12}") {
            let json = format!("\"{json}\"");

            let whole = whole_characters(&json);

            prop_assert!(serde_json::from_str::<String>(&whole).is_ok(), "{json} {whole}");
            prop_assert_eq!(whole.len(), json.len());
        }
    }
}
