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

record! {
    /// What matters of an answer here.
    struct WireAnswer<'a> {
        output: Option<&'a RawValue> = "output",
    }
}

record! {
    /// The last event of a stream.
    struct WireEvent<'a> {
        response: Option<WireAnswer<'a>> = "response",
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
    /// `previous_response_id`. `turns` are what [`ResponseChain::items`] has returned for each of its turns, the
    /// first one first.
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

    /// Returns the items of one turn, as a JSON array: those of the request, as the client sent it, and `output`,
    /// the items of the answer as a JSON array.
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

    /// Returns the items of an answer, as a JSON array: of a whole one, or of one that was written as a stream.
    #[must_use]
    pub fn output(answer: &[u8]) -> Option<Bytes> {
        let output = match serde_json::from_slice::<WireAnswer<'_>>(answer) {
            Ok(whole) => whole.output,
            Err(_) => {
                let at = memchr::memmem::rfind(answer, b"\ndata: ")?;
                let last: WireEvent<'_> = serde_json::from_slice(answer.get(at + 7..)?).ok()?;
                last.response?.output
            }
        };
        output.map(|items| Bytes::copy_from_slice(items.get().as_bytes()))
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

    const ITEM: &str = r#"{"type":"message","role":"assistant","content":"Hello"}"#;

    #[test]
    fn a_conversation_is_kept_turn_by_turn_and_continued() {
        let first = json!({ "model": "m", "input": "Hi", "store": true }).to_string();
        let second = json!({ "model": "m", "previous_response_id": "resp_1", "input": [{ "role": "user", "content": "And?" }] });
        let second = second.to_string();

        let turns = [
            ResponseChain::items(first.as_bytes(), format!("[ {ITEM} ]").as_bytes()).unwrap(),
            ResponseChain::items(second.as_bytes(), b"[]").unwrap(),
        ];
        let third = json!({ "model": "m", "previous_response_id": "resp_2", "input": "So?" }).to_string();
        let chain = ResponseChain::read(third.as_bytes()).unwrap();
        let expanded = ResponseChain::expand(third.as_bytes(), &[&turns[0], &turns[1]]).unwrap();

        assert_eq!(chain, ResponseChain { previous: Some("resp_2".into()), store: true });
        let conversation = json!([
            { "role": "user", "content": "Hi" },
            { "type": "message", "role": "assistant", "content": "Hello" },
            { "role": "user", "content": "And?" },
            { "role": "user", "content": "So?" },
        ]);
        assert_eq!(value(&expanded), json!({ "model": "m", "input": conversation }));
    }

    #[test]
    fn the_items_of_an_answer_are_found_whole_or_streamed() {
        let whole = format!(r#"{{"id":"resp_1","output":[{ITEM}],"store":true}}"#);
        let stream = format!(
            "event: x\ndata: {{}}\n\nevent: response.completed\ndata: {{\"type\":\"y\",\"response\":{whole}}}\n\n"
        );

        for answer in [&whole, &stream] {
            assert_eq!(ResponseChain::output(answer.as_bytes()).unwrap(), format!("[{ITEM}]"));
        }
        for none in ["", "{}", "data: {}", "\ndata: {"] {
            assert_eq!(ResponseChain::output(none.as_bytes()), None);
        }
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
