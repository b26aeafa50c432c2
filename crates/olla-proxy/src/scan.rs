//! Finds the model that a request body names, and what the request needs, while the body arrives, however it
//! is cut into chunks.
//!
//! The body is neither copied nor parsed into a tree: what is found is where the name stands. Broken
//! bodies are no error here: what was found before they broke is used, and the backend judges.
//!
//! Where a body names several models, the last one counts. So it does for what reads these bodies at most
//! backends: JSON parsers, and the forms of FastAPI, on which vLLM, SGLang, LiteLLM and their kin are built
//! (Go's `FormValue` would take the first).

#[cfg(test)]
mod fuzz;
mod json;
mod multipart;
mod parameters;
mod prompt;
mod urlencoded;

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;
use http::{HeaderMap, header::CONTENT_TYPE};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

pub(crate) use prompt::Facts;

/// What a body says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) model: Option<FoundModel>,
    /// Where a JSON body names an earlier response, quotes included.
    pub(crate) previous: Option<Range<u64>>,
    /// What else counts for the choice of a backend. Of a form nothing does.
    pub(crate) facts: Facts,
}

/// Where a body names its model, and how the name is written there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundModel {
    pub(crate) span: Range<u64>,
    pub(crate) encoding: Encoding,
}

/// How a name is written in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// A JSON string, quotes included.
    Json,
    /// As it is: a part of `multipart/form-data`.
    Plain,
    /// A value of `application/x-www-form-urlencoded`.
    Percent,
}

/// Reads a body chunk by chunk.
#[derive(Debug)]
pub(crate) struct Scanner<'h> {
    headers: &'h HeaderMap,
    json: json::Scanner,
    form: Form,
}

/// What a body is if it is no JSON object.
#[derive(Debug)]
enum Form {
    /// Nobody has asked what its type is.
    Unknown,
    /// No form.
    None,
    // Boxed: nearly every request is JSON and should not pay for the size of this.
    Multipart(Box<multipart::Scanner>),
    Urlencoded(urlencoded::Scanner),
}

/// What needs no escape in a urlencoded form.
const UNESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

// === impl Scanner ===

impl<'h> Scanner<'h> {
    /// Creates a scanner for a body with these headers.
    ///
    /// A body that begins like a JSON object is read as one whatever its type says: clients often forget
    /// the type, and `curl -d` declares a form.
    pub(crate) fn new(headers: &'h HeaderMap) -> Self {
        Self { headers, json: json::Scanner::default(), form: Form::Unknown }
    }

    /// Reads the next chunk.
    pub(crate) fn feed(&mut self, chunk: &[u8]) {
        self.json.feed(chunk);
        if self.json.is_object() {
            return;
        }
        if let Form::Unknown = self.form {
            self.form = Form::of(self.headers);
        }
        match &mut self.form {
            Form::Unknown | Form::None => {}
            Form::Multipart(form) => form.feed(chunk),
            Form::Urlencoded(form) => form.feed(chunk),
        }
    }

    /// Returns what was found.
    pub(crate) fn finish(self) -> Found {
        let (span, encoding) = match self.form {
            _ if self.json.is_object() => {
                let (span, previous, facts) = self.json.finish();
                return Found {
                    model: span.map(|span| FoundModel { span, encoding: Encoding::Json }),
                    previous,
                    facts,
                };
            }
            Form::Unknown | Form::None => return Found::default(),
            Form::Multipart(form) => (form.finish(), Encoding::Plain),
            Form::Urlencoded(form) => (form.finish(), Encoding::Percent),
        };
        Found { model: span.map(|span| FoundModel { span, encoding }), ..Found::default() }
    }
}

// === impl Form ===

impl Form {
    fn of(headers: &HeaderMap) -> Self {
        let Some(content_type) = headers.get(CONTENT_TYPE) else { return Self::None };
        let (media_type, parameters) = parameters::split(content_type.as_bytes());
        if media_type.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
            return Self::Urlencoded(urlencoded::Scanner::default());
        }
        if !media_type.eq_ignore_ascii_case(b"multipart/form-data") {
            return Self::None;
        }
        match parameters::last(parameters, b"boundary") {
            Some(boundary) if !boundary.is_empty() => {
                // alloc: once for each upload.
                Self::Multipart(Box::new(multipart::Scanner::new(&boundary)))
            }
            _ => Self::None,
        }
    }
}

// === impl Encoding ===

impl Encoding {
    /// Reads a name, if that is what these bytes are.
    pub(crate) fn decode(self, raw: &[u8]) -> Option<Cow<'_, str>> {
        match self {
            Self::Json => match plain_string(raw) {
                Some(plain) => Some(Cow::Borrowed(plain)),
                None => serde_json::from_slice(raw).map(Cow::Owned).ok(),
            },
            Self::Plain => std::str::from_utf8(raw).map(Cow::Borrowed).ok(),
            Self::Percent if raw.contains(&b'+') => {
                let spaced: Vec<u8> = raw.iter().map(|&b| if b == b'+' { b' ' } else { b }).collect();
                percent_decode(&spaced).decode_utf8().map(|name| Cow::Owned(name.into_owned())).ok()
            }
            Self::Percent => percent_decode(raw).decode_utf8().ok(),
        }
    }

    /// Writes a name.
    pub(crate) fn encode(self, name: &str) -> Bytes {
        let text = match self {
            Self::Json => serde_json::Value::from(name).to_string(),
            Self::Plain => name.into(),
            Self::Percent => utf8_percent_encode(name, UNESCAPED).to_string(),
        };
        Bytes::from(text)
    }
}

/// Returns what stands in a JSON string that says it in plain words, as nearly every one does.
fn plain_string(raw: &[u8]) -> Option<&str> {
    let inside = raw.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    std::str::from_utf8(inside).ok().filter(|_| inside.iter().all(is_plain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MULTIPART: &str = "multipart/form-data; boundary=b";
    const URLENCODED: &str = "application/x-www-form-urlencoded";
    const PART: &str = "--b\r\nContent-Disposition: form-data; name=model\r\n\r\nm\r\n--b--";

    fn name(content_type: Option<&'static str>, body: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        if let Some(value) = content_type {
            headers.insert(CONTENT_TYPE, value.parse().unwrap());
        }
        let mut scanner = Scanner::new(&headers);
        scanner.feed(body.as_bytes());
        let found = scanner.finish().model?;
        let raw = &body[found.span.start as usize..found.span.end as usize];
        found.encoding.decode(raw.as_bytes()).map(Cow::into_owned)
    }

    #[test]
    fn json_is_json_whatever_its_type_says() {
        for content_type in
            [None, Some("application/json"), Some("text/plain"), Some(URLENCODED), Some(MULTIPART)]
        {
            assert_eq!(name(content_type, r#" {"model":"m","p":"&model=n"}"#).as_deref(), Some("m"));
            assert_eq!(name(content_type, r#"{"p":"&model=n"}"#), None, "{content_type:?}");
        }
    }

    #[test]
    fn a_form_is_read_as_its_type_says() {
        for content_type in [
            MULTIPART,
            "Multipart/Form-Data;charset=utf-8 ; Boundary=\"b\"",
            "multipart/form-data;boundary=b;",
        ] {
            assert_eq!(name(Some(content_type), PART).as_deref(), Some("m"), "{content_type}");
        }
        for content_type in [URLENCODED, "application/X-WWW-form-urlencoded; charset=utf-8"] {
            assert_eq!(name(Some(content_type), "x=1&model=m").as_deref(), Some("m"), "{content_type}");
        }
    }

    #[test]
    fn what_is_neither_json_nor_a_form_names_no_model() {
        for content_type in [
            None,
            Some("text/plain"),
            Some("multipart/form-data"),
            Some("multipart/form-data; boundary=\"\""),
            Some("multipart/mixed; boundary=b"),
            Some("multipart/form-data; boundary=c"),
        ] {
            assert_eq!(name(content_type, PART), None, "{content_type:?}");
            assert_eq!(name(content_type, "model=m"), None, "{content_type:?}");
        }
    }

    #[test]
    fn what_is_no_text_is_no_name() {
        assert_eq!(Encoding::Plain.decode(b"\xff"), None);
        assert_eq!(Encoding::Percent.decode(b"%ff"), None);
        assert_eq!(Encoding::Json.decode(b"\"\xff\""), None);
        assert_eq!(Encoding::Json.decode(br#""\ud800""#), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(name in "\\PC{0,20}") {
            for encoding in [Encoding::Json, Encoding::Plain, Encoding::Percent] {
                let raw = encoding.encode(&name);

                let read = encoding.decode(&raw);
                prop_assert_eq!(read.as_deref(), Some(&*name));
            }
        }

        #[test]
        fn an_encoded_name_cannot_leave_its_value(name in any::<String>()) {
            prop_assert!(Encoding::Percent.encode(&name).iter().all(|b| !b"&=+ \r\n".contains(b)));
        }
    }
}
