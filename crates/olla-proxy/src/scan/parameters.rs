//! Reads header values with parameters, such as `form-data; name="model"` (RFC 9110 §5.6.6).

use std::borrow::Cow;

/// Splits a value into what it says first and its parameters.
pub(crate) fn split(value: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr(b';', value).unwrap_or(value.len());
    let (first, parameters) = value.split_at(end);
    (first.trim_ascii(), parameters)
}

/// Returns the last parameter of a name; the case of names does not matter.
pub(crate) fn last<'a>(mut parameters: &'a [u8], name: &[u8]) -> Option<Cow<'a, [u8]>> {
    let mut found = None;
    while let Some(rest) = parameters.split_first().map(|(_semicolon, rest)| rest) {
        let end = memchr::memchr2(b'=', b';', rest).unwrap_or(rest.len());
        let (key, rest) = rest.split_at(end);
        let (value, rest) = match rest.strip_prefix(b"=") {
            Some(rest) => read_value(rest.trim_ascii_start()),
            None => (Cow::Borrowed(&[][..]), rest),
        };
        if key.trim_ascii().eq_ignore_ascii_case(name) {
            found = Some(value);
        }
        parameters = rest;
    }
    found
}

/// Returns the value and what follows it, from the next semicolon on.
fn read_value(text: &[u8]) -> (Cow<'_, [u8]>, &[u8]) {
    let quoted = text.strip_prefix(b"\"").map(read_quoted);
    let (value, rest) = quoted.map_or((None, text), |(value, rest)| (Some(value), rest));
    let (token, rest) = rest.split_at(memchr::memchr(b';', rest).unwrap_or(rest.len()));
    (value.unwrap_or(Cow::Borrowed(token.trim_ascii())), rest)
}

/// Reads to the closing quote. Only quote and backslash are escaped: browsers send the path
/// `"C:\tmp\x"` as it is.
fn read_quoted(text: &[u8]) -> (Cow<'_, [u8]>, &[u8]) {
    let mut unescaped = Vec::new();
    let mut rest = text;
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        let (before, after) = rest.split_at(at);
        match after {
            [b'\\', escaped @ (b'"' | b'\\'), after @ ..] => {
                unescaped.extend_from_slice(before);
                unescaped.push(*escaped);
                rest = after;
            }
            [b'"', after @ ..] if unescaped.is_empty() => return (Cow::Borrowed(before), after),
            [b'"', after @ ..] => {
                unescaped.extend_from_slice(before);
                return (Cow::Owned(unescaped), after);
            }
            [stop, after @ ..] => {
                unescaped.extend_from_slice(before);
                unescaped.push(*stop);
                rest = after;
            }
            [] => break,
        }
    }
    unescaped.extend_from_slice(rest);
    (Cow::Owned(unescaped), &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(value: &str, name: &str) -> Option<String> {
        let (_, parameters) = split(value.as_bytes());
        last(parameters, name.as_bytes()).map(|v| String::from_utf8(v.into_owned()).unwrap())
    }

    #[test]
    fn finds_a_parameter_in_any_spelling() {
        for value in [
            "form-data; name=model",
            "form-data;NAME=\"model\"",
            "form-data ; x ; name = \"model\" ; y=",
            "form-data; filename=\"a;name=no\\\";name=no\"; name=\"model\"",
            "form-data; filename=\"C:\\tmp\\x\"; name=model;",
            "form-data; name=no; name=model",
        ] {
            assert_eq!(parameter(value, "name").as_deref(), Some("model"), "{value}");
        }
    }

    #[test]
    fn takes_nothing_else_for_it() {
        for value in ["form-data", "", ";", "name=model", "form-data; name*=model; xname=model; \"name=model"]
        {
            assert_eq!(parameter(value, "name"), None, "{value}");
        }
    }

    #[test]
    fn unescapes_quotes_and_backslashes_only() {
        assert_eq!(parameter(r#"x; n="a\"b\\c\d""#, "n").as_deref(), Some(r#"a"b\c\d"#));
        assert_eq!(parameter(r#"x; n="\\"; m=1"#, "m").as_deref(), Some("1"));
        assert_eq!(parameter(r#"x; n="open"#, "n").as_deref(), Some("open"));
        assert_eq!(parameter("x; n", "n").as_deref(), Some(""));
    }
}
