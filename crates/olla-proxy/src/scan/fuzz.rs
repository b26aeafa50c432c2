//! Bodies that no client would send; see `olla_fuzz`. The first byte of an input is the size of its chunks.

use std::ops::Range;

use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use olla_fuzz::fuzz;
use serde_json::{Map, Value};

use super::{
    Facts, Scanner,
    json::{self, tests::Oracle},
    multipart, urlencoded,
};

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    "\\u00",
    "\\ud83d\\ude00",
    ":",
    ",",
    "true",
    "null",
    "\"model\":\"m\"",
    "\"m\\u006fdel\":",
    "\"stream\":true",
    "\"messages\":[",
    "{\"role\":\"user\",\"content\":",
    "\"type\":\"image_url\"",
    "\"images\":[",
    "\"tools\":[",
    "\"arguments\":",
    "\"input\":",
    "[[[[[[[[",
    "]]]]]]]]",
    "\u{e9}",
];

const FORM: &[&str] = &[
    "--b",
    "--b\r\n",
    "\r\n--b\r\n",
    "\r\n--b--",
    "\r\n",
    "Content-Disposition: form-data; name=\"model\"",
    "content-disposition:form-data;name=model",
    "; filename=\"f\"",
    "name*=",
    "model=m",
    "&",
    "=",
    "%6d",
    "+",
    "\\\"",
];

/// The first byte and the rest.
fn sized(input: &[u8]) -> Option<(usize, &[u8])> {
    input.split_first().map(|(size, rest)| (usize::from(*size).max(1), rest))
}

fn scan(body: &[u8], size: usize) -> (bool, Option<Range<u64>>, Facts) {
    let mut scanner = json::Scanner::default();
    body.chunks(size).for_each(|chunk| scanner.feed(chunk));
    let is_object = scanner.is_object();
    let (span, _, facts) = scanner.finish();
    (is_object, span, facts)
}

fn slice(body: &[u8], span: Range<u64>) -> &[u8] {
    &body[span.start as usize..span.end as usize]
}

#[test]
fn fuzz_json() {
    fuzz("json", JSON, |input| {
        let (size, body) = sized(input)?;

        let found = scan(body, size);
        assert_eq!(found, scan(body, body.len().max(1)));
        let (is_object, span, facts) = found;
        let shape = (is_object, span.is_some(), facts.stream, facts.tools, facts.images);

        // What is no JSON may say anything, as long as nothing panics.
        let Ok(object) = serde_json::from_slice::<Map<String, Value>>(body) else {
            return Some((shape, facts.text_bytes.min(8)));
        };
        let name = span.map(|span| serde_json::from_slice::<String>(slice(body, span)).unwrap());
        assert!(is_object);
        assert_eq!(name.as_deref(), object.get("model").and_then(Value::as_str));
        // Written anew, no key stands there twice.
        let expected = Oracle::of(&object);
        let rewritten = serde_json::to_vec(&object).unwrap();
        assert_eq!(scan(&rewritten, size).2, expected);
        assert!(facts.text_bytes >= expected.text_bytes && facts.images >= expected.images);
        assert_eq!(facts.stream, expected.stream);
        Some((shape, facts.text_bytes.min(64)))
    });
}

#[test]
fn fuzz_multipart() {
    fuzz("multipart", FORM, |input| {
        let (size, body) = sized(input)?;
        let scan = |size: usize| {
            let mut scanner = multipart::Scanner::new(b"b");
            body.chunks(size).for_each(|chunk| scanner.feed(chunk));
            scanner.finish()
        };

        let whole = scan(body.len().max(1));

        assert_eq!(scan(size), whole);
        let span = whole?;
        let content = slice(body, span.clone());
        let after = &body[span.end as usize..];
        let begins = |text: &[u8]| {
            ["\r\n--b\r\n", "\r\n--b--", "\r\n--b ", "\r\n--b\t"]
                .iter()
                .any(|d| text.starts_with(d.as_bytes()))
        };
        assert!(content.is_empty() || begins(after), "no delimiter follows");
        let contains = |wanted: &[u8]| content.windows(wanted.len()).any(|window| window == wanted);
        assert!(!contains(b"\r\n--b\r\n") && !contains(b"\r\n--b--"), "a delimiter within");
        Some(content.len().min(16))
    });
}

#[test]
fn fuzz_urlencoded() {
    fuzz("urlencoded", FORM, |input| {
        let (size, body) = sized(input)?;
        let scan = |size: usize| {
            let mut scanner = urlencoded::Scanner::default();
            body.chunks(size).for_each(|chunk| scanner.feed(chunk));
            scanner.finish()
        };

        let whole = scan(body.len().max(1));

        assert_eq!(scan(size), whole);
        let value = slice(body, whole?);
        assert!(!value.contains(&b'&'));
        Some(value.len().min(16))
    });
}

/// The first line is a content type, the rest a body; what is found can be replaced.
#[test]
fn fuzz_any_body() {
    fuzz("any_body", FORM, |input| {
        let end = input.iter().position(|byte| *byte == b'\n')?;
        let (content_type, body) = (HeaderValue::from_bytes(&input[..end]).ok()?, &input[end + 1..]);
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type)]);
        let scan = |body: &[u8]| {
            let mut scanner = Scanner::new(&headers);
            scanner.feed(body);
            scanner.finish().model
        };

        let found = scan(body)?;
        let name = found.encoding.decode(slice(body, found.span.clone()))?;
        if name.trim().is_empty() {
            // No model, and nothing to replace.
            return None;
        }
        let (before, after) = (&body[..found.span.start as usize], &body[found.span.end as usize..]);
        let renamed = [before, &found.encoding.encode("qwen/x:1 &"), after].concat();

        let again = scan(&renamed).unwrap();
        assert_eq!(again.encoding.decode(slice(&renamed, again.span)).as_deref(), Some("qwen/x:1 &"));
        Some((format!("{:?}", found.encoding), name.len().min(8)))
    });
}
