//! Reading without a tree, and writing without one.

use bytes::BytesMut;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

record! {
    /// A message for these tests.
    struct Message<'a> {
        text: Option<Text<'a>> = "text",
        size: Option<Count> = "size",
        parts: Items<Message<'a>> = "parts",
    }
}

#[test]
fn a_record_borrows_and_keeps_what_it_does_not_know() {
    let message: Message<'_> =
        serde_json::from_str(r#"{"text":"plain","x":{"a": 1},"size":8.0,"parts":null,"text":"last"}"#)
            .unwrap();

    assert!(matches!(&message.text, Some(Text(std::borrow::Cow::Borrowed("last")))));
    assert_eq!(message.size, Some(Count(8)));
    assert_eq!((&*message.rest[0].name, message.rest[0].value.get()), ("x", r#"{"a": 1}"#));
}

#[test]
fn an_error_says_where_it_is() {
    for (body, place) in [
        (r#"{"parts":[{},{"parts":[{"text":7}]}]}"#, ".parts[1].parts[0].text: invalid type: integer `7`"),
        (r#"{"size":-1}"#, ".size: -1 is not a whole number"),
        (r#"{"size":1.5}"#, ".size: 1.5 is not a whole number"),
        (r#"{"parts":"x"}"#, ".parts: invalid type: string"),
    ] {
        let error = serde_json::from_str::<Message<'_>>(body).unwrap_err().to_string();
        assert!(error.starts_with(place), "{error}");
    }
}

#[test]
fn what_is_written_is_json() {
    let mut out = BytesMut::new();
    {
        let mut object = Object::open(&mut out);
        object.text("text", "a\"\n").number("n", 7).flag("yes", true).null("no").json("raw", "[1]");
        object.texts("joined", ["a\\", "", "\u{1}b"]);
        object.any_key("odd\"key").extend_from_slice(b"0");
        let mut list = object.array("list");
        list.text("x");
        list.object().object("inner");
    }

    let value: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(
        value,
        json!({
            "text": "a\"\n", "n": 7, "yes": true, "no": null, "raw": [1], "joined": "a\\\u{1}b", "odd\"key": 0,
            "list": ["x", {"inner": {}}]
        })
    );
}

proptest! {
    #[test]
    fn any_text_is_written_as_one_line_of_json(text in "(?s).{0,40}|[\\x00-\\x20\"\\\\\u{85}\u{2028}\u{2029}\u{2027}é]{0,40}") {
        let mut out = BytesMut::new();
        Object::open(&mut out).text("t", &text);

        let line = std::str::from_utf8(&out).unwrap();
        let value: Value = serde_json::from_str(line).unwrap();
        prop_assert_eq!(value["t"].as_str(), Some(&*text));
        let ends_lines = |c: char| c < ' ' || ['\u{85}', '\u{2028}', '\u{2029}'].contains(&c);
        prop_assert!(!line.contains(ends_lines), "{line:?}");
    }
}

#[test]
fn a_value_is_complete_when_its_brackets_are() {
    for (pieces, closed) in [
        (&["{", r#""a":"}\""#, r#"}"}"#][..], true),
        (&["{}"], true),
        (&[r#"{"a":{"#, "}"], false),
        (&["", " "], false),
        (&[r#"{"a":"}"#], false),
    ] {
        let mut closing = Closing::default();
        for piece in pieces {
            closing.feed(piece);
        }
        assert_eq!(closing.is_closed(), closed, "{pieces:?}");
    }
}

#[test]
fn what_follows_a_complete_value_is_not_part_of_it() {
    let mut closing = Closing::default();
    assert_eq!(closing.feed("{} {}"), 2);
    assert_eq!(closing.feed("x"), 0);
}

#[test]
fn only_objects_are_objects() {
    for (text, is) in
        [("{}", true), (" {\"a\":1}\n", true), ("[]", false), ("{", false), ("", false), ("{}{}", false)]
    {
        assert_eq!(is_object(text), is, "{text}");
    }
}
