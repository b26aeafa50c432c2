//! `previous_response_id`: what a request goes on from, and what the next one may go on from.
//!
//! Whoever keeps responses keeps the items of a conversation, and nothing else: this adds them to a request, and
//! takes the new ones from it and its answer.

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::{
    Untranslatable,
    json::{Items, Object, RawValue, Text, lenient, record},
};

/// How a request hangs together with others.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponseChain {
    /// The response that the request goes on from.
    pub previous: Option<String>,
    /// Whether the response may be kept; clients have to forbid it.
    pub store: bool,
}

record! {
    /// What matters of a request here; the rest is copied.
    struct WireRequest<'a> {
        input: Option<&'a RawValue> = "input",
        previous_response_id: Option<&'a RawValue> = "previous_response_id",
        store: Option<bool> = "store",
    }
}

// === impl ResponseChain ===

impl ResponseChain {
    /// Reads it from the body of a request.
    ///
    /// # Errors
    ///
    /// If the body is no JSON object.
    pub fn read(body: &[u8]) -> Result<Self, Untranslatable> {
        let wire = parse(body)?;
        let previous: Option<Text<'_>> = lenient(wire.previous_response_id);
        Ok(Self { previous: previous.map(Text::into_owned), store: wire.store.unwrap_or(true) })
    }

    /// Returns the body with the items of the conversation so far before its own, and without
    /// `previous_response_id`. `items` is what [`ResponseChain::items`] has returned for that response.
    ///
    /// # Errors
    ///
    /// If the body is no JSON object.
    pub fn expand(body: &[u8], items: &[u8]) -> Result<Bytes, Untranslatable> {
        let wire = parse(body)?;
        let mut out = BytesMut::with_capacity(body.len() + items.len());
        let mut object = Object::open(&mut out);
        joined(&[inner(items), &own(wire.input)?], object.key("input"));
        if let Some(store) = wire.store {
            object.flag("store", store);
        }
        for field in &wire.rest {
            object.any_key(&field.name).put_slice(field.value.get().as_bytes());
        }
        drop(object);
        Ok(out.freeze())
    }

    /// Returns the items of the conversation after an answer, as a JSON array: those of the request, expanded,
    /// and `output`, the items of the answer as a JSON array.
    ///
    /// # Errors
    ///
    /// If the body is no JSON object.
    pub fn items(body: &[u8], output: &[u8]) -> Result<Bytes, Untranslatable> {
        let wire = parse(body)?;
        let mut out = BytesMut::with_capacity(body.len() + output.len());
        joined(&[&own(wire.input)?, inner(output)], &mut out);
        Ok(out.freeze())
    }
}

fn parse(body: &[u8]) -> Result<WireRequest<'_>, Untranslatable> {
    serde_json::from_slice(body).map_err(|error| Untranslatable::json(&error))
}

/// The items of an input, without their brackets. A text is a message of the user.
fn own(input: Option<&RawValue>) -> Result<Vec<u8>, Untranslatable> {
    let Some(input) = input else { return Ok(vec![]) };
    if serde_json::from_str::<Text<'_>>(input.get()).is_ok() {
        return Ok([br#"{"role":"user","content":"#, input.get().as_bytes(), b"}"].concat());
    }
    match serde_json::from_str::<Items<&RawValue>>(input.get()) {
        Ok(_) => Ok(inner(input.get().as_bytes()).to_vec()),
        Err(error) => Err(Untranslatable::malformed("input", error)),
    }
}

/// What is within the brackets of an array.
fn inner(array: &[u8]) -> &[u8] {
    let array = array.trim_ascii();
    array.strip_prefix(b"[").and_then(|array| array.strip_suffix(b"]")).unwrap_or_default().trim_ascii()
}

fn joined(lists: &[&[u8]], out: &mut BytesMut) {
    out.put_u8(b'[');
    for (at, list) in lists.iter().filter(|list| !list.is_empty()).enumerate() {
        if at > 0 {
            out.put_u8(b',');
        }
        out.put_slice(list);
    }
    out.put_u8(b']');
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn value(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn a_conversation_is_kept_and_continued() {
        let first = json!({ "model": "m", "input": "Hi", "store": true }).to_string();
        let output = br#"[ {"type":"message","role":"assistant","content":"Hello"} ]"#;

        let items = ResponseChain::items(first.as_bytes(), output).unwrap();
        let second = json!({ "model": "m", "previous_response_id": "resp_1", "input": [{ "role": "user", "content": "And?" }] });
        let chain = ResponseChain::read(second.to_string().as_bytes()).unwrap();
        let expanded = ResponseChain::expand(second.to_string().as_bytes(), &items).unwrap();

        assert_eq!(chain, ResponseChain { previous: Some("resp_1".into()), store: true });
        let conversation = json!([
            { "role": "user", "content": "Hi" },
            { "type": "message", "role": "assistant", "content": "Hello" },
            { "role": "user", "content": "And?" },
        ]);
        assert_eq!(value(&expanded), json!({ "model": "m", "input": conversation }));
        assert_eq!(value(&ResponseChain::items(&expanded, b"[]").unwrap()), conversation);
    }

    #[test]
    fn what_cannot_be_chained_is_refused() {
        for body in ["", "[]", r#"{"input":7}"#, r#"{"input":{"a":1}}"#] {
            assert!(ResponseChain::expand(body.as_bytes(), b"[]").is_err(), "{body}");
        }
        assert_eq!(
            ResponseChain::read(br#"{"store":false}"#).unwrap(),
            ResponseChain { previous: None, store: false }
        );
    }
}
