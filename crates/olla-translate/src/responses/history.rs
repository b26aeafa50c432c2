//! `previous_response_id`: what a request goes on from, and what the next one may go on from.
//!
//! Whoever keeps responses keeps the items of each request beside them: this takes both from a request and its
//! answer, and adds them to the next request.

use bytes::{BufMut as _, Bytes, BytesMut};
use memchr::memmem;

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

record! {
    /// What matters of a response here.
    struct WireResponse<'a> {
        output: Option<&'a RawValue> = "output",
    }
}

record! {
    /// The last event of a stream.
    struct WireEvent<'a> {
        response: Option<&'a RawValue> = "response",
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
    /// `previous_response_id`. `turns` are JSON arrays: what [`ResponseChain::input`] and
    /// [`ResponseChain::output`] have returned for each of its turns, the first one first.
    ///
    /// # Errors
    ///
    /// If the body is no JSON object.
    pub fn expand(body: &[u8], turns: &[&[u8]]) -> Result<Bytes, Untranslatable> {
        let wire = parse(body)?;
        let own = own(wire.input)?;
        let lists: Vec<_> = turns.iter().map(|turn| inner(turn)).chain([&*own]).collect();
        let mut out =
            BytesMut::with_capacity(body.len() + turns.iter().map(|turn| turn.len()).sum::<usize>());
        let mut object = Object::open(&mut out);
        joined(&lists, object.key("input"));
        if let Some(store) = wire.store {
            object.flag("store", store);
        }
        for field in &wire.rest {
            object.any_key(&field.name).put_slice(field.value.get().as_bytes());
        }
        drop(object);
        Ok(out.freeze())
    }

    /// Returns the items of a request, as the client sent it, as a JSON array.
    ///
    /// # Errors
    ///
    /// If the body is no JSON object.
    pub fn input(body: &[u8]) -> Result<Bytes, Untranslatable> {
        let mut out = BytesMut::new();
        joined(&[&own(parse(body)?.input)?], &mut out);
        Ok(out.freeze())
    }

    /// Returns the items of a response, as a JSON array.
    #[must_use]
    pub fn output(response: &[u8]) -> Option<&[u8]> {
        let response: WireResponse<'_> = serde_json::from_slice(response).ok()?;
        response.output.map(|items| items.get().as_bytes())
    }

    /// Returns the response that an answer holds: a whole one, or one that was written as a stream.
    #[must_use]
    pub fn response(answer: &[u8]) -> Option<&[u8]> {
        if answer.first() == Some(&b'{') {
            return Some(answer);
        }
        // Its last event tells it all.
        let at = memmem::rfind(answer, DATA)?;
        let event: WireEvent<'_> = serde_json::from_slice(answer.get(at + DATA.len()..)?).ok()?;
        event.response.map(|response| response.get().as_bytes())
    }
}

/// What comes before the data of an event.
const DATA: &[u8] = b"\ndata: ";

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

    const RESPONSE: &str =
        r#"{"id":"resp_1","output":[{"role":"assistant","content":"Hello"}],"store":true}"#;

    #[test]
    fn a_conversation_is_kept_turn_by_turn_and_continued() {
        let first = json!({ "model": "m", "input": "Hi", "store": true }).to_string();
        let second = json!({ "model": "m", "previous_response_id": "resp_1", "input": [{ "role": "user", "content": "And?" }] });

        let turns = [
            ResponseChain::input(first.as_bytes()).unwrap(),
            Bytes::from_static(ResponseChain::output(RESPONSE.as_bytes()).unwrap()),
        ];
        let second = second.to_string();
        let chain = ResponseChain::read(second.as_bytes()).unwrap();
        let expanded = ResponseChain::expand(second.as_bytes(), &[&turns[0], &turns[1]]).unwrap();

        assert_eq!(chain, ResponseChain { previous: Some("resp_1".into()), store: true });
        let conversation = json!([
            { "role": "user", "content": "Hi" },
            { "role": "assistant", "content": "Hello" },
            { "role": "user", "content": "And?" },
        ]);
        assert_eq!(value(&expanded), json!({ "model": "m", "input": conversation }));
    }

    #[test]
    fn the_response_in_an_answer_is_found_whole_or_streamed() {
        let stream = format!(
            "event: x\ndata: {{}}\n\nevent: response.completed\ndata: {{\"type\":\"y\",\"response\":{RESPONSE}}}\n\n"
        );

        for answer in [RESPONSE, &stream] {
            assert_eq!(ResponseChain::response(answer.as_bytes()), Some(RESPONSE.as_bytes()));
        }
        for none in ["", "data: {}", "\ndata: {", "\ndata: {}"] {
            assert_eq!(ResponseChain::response(none.as_bytes()), None);
        }
        assert_eq!(ResponseChain::output(b"{}"), None);
    }

    #[test]
    fn what_cannot_be_chained_is_refused() {
        for body in ["", "[]", r#"{"input":7}"#, r#"{"input":{"a":1}}"#] {
            assert!(ResponseChain::expand(body.as_bytes(), &[]).is_err(), "{body}");
        }
        assert_eq!(
            ResponseChain::read(br#"{"store":false}"#).unwrap(),
            ResponseChain { previous: None, store: false }
        );
    }
}
