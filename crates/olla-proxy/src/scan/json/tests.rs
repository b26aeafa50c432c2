//! What is found in JSON, against serde_json.

use super::*;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn scan(body: &[u8], chunk: usize) -> (Option<Range<u64>>, Facts) {
    let mut scanner = Scanner::default();
    body.chunks(chunk.max(1)).for_each(|c| scanner.feed(c));
    let (model, _, facts) = scanner.finish();
    (model, facts)
}

#[test]
fn an_earlier_response_is_found_where_one_is_named() {
    let previous = |body: &str| {
        let mut scanner = Scanner::default();
        body.as_bytes().chunks(3).for_each(|chunk| scanner.feed(chunk));
        scanner.finish().1.map(|span| body[span.start as usize..span.end as usize].to_owned())
    };

    assert_eq!(previous(r#"{"input":"x","previous_response_id": "resp_1"}"#).as_deref(), Some("\"resp_1\""));
    for none in [r#"{"previous_response_id":null}"#, r#"{"x":{"previous_response_id":"a"}}"#, "{}"] {
        assert_eq!(previous(none), None);
    }
}

fn name(body: &str) -> Option<String> {
    let span = scan(body.as_bytes(), usize::MAX).0?;
    serde_json::from_str(&body[span.start as usize..span.end as usize]).ok()
}

fn facts(body: &str) -> Facts {
    scan(body.as_bytes(), usize::MAX).1
}

#[test]
fn finds_the_top_level_model_wherever_it_stands() {
    assert_eq!(name(r#"{"model":"a"}"#).as_deref(), Some("a"));
    assert_eq!(
        name(r#" {"messages":[{"model":"no"}],"n":1, "model" : "Qwen/Q3"}"#).as_deref(),
        Some("Qwen/Q3")
    );
    assert_eq!(name(r#"{"x":"model","y":{"model":"no"}}"#), None);
    assert_eq!(name(r#"{"mod\u0065l":"\u00e9\"x"}"#).as_deref(), Some("é\"x"));
    assert_eq!(name(r#"["model","a"]"#), None);
    assert_eq!(name(""), None);
}

#[test]
fn the_last_of_several_wins() {
    assert_eq!(name(r#"{"model":"a","model":"b"}"#).as_deref(), Some("b"));
    assert_eq!(name(r#"{"model":"a","model":1}"#), None);
    assert_eq!(name(r#"{"model":{"x":"no"},"model":"b"}"#).as_deref(), Some("b"));
    assert_eq!(facts(r#"{"stream":true,"stream":false}"#).stream, Some(false));
    assert_eq!(facts(r#"{"stream":true,"stream":null}"#).stream, None);
}

#[test]
fn broken_json_keeps_what_came_before() {
    assert_eq!(name(r#"{"model":"a","x":"#).as_deref(), Some("a"));
    assert_eq!(name(r#"{"model":"a"#), None);
    assert_eq!(name("{]]}}}"), None);
    assert_eq!(facts(r#"{"prompt":["abc","#).text_bytes, 3);
    assert_eq!(facts(r#"{"prompt":"abc\u00","stream":true"#).stream, Some(true));
}

#[test]
fn a_stream_is_one_only_by_the_word_true_at_the_top_level() {
    for (body, stream) in [
        (r#"{"stream": true }"#, Some(true)),
        (r#"{"stream":false}"#, Some(false)),
        (r#"{"stream":"true"}"#, None),
        (r#"{"stream":1}"#, None),
        (r#"{"stream":[true]}"#, None),
        (r#"{"x":{"stream":true},"y":["stream",true]}"#, None),
        (r#"{"stream_options":true}"#, None),
    ] {
        assert_eq!(facts(body).stream, stream, "{body}");
    }
}

#[test]
fn images_are_seen_in_every_dialect() {
    for body in [
        r#"{"messages":[{"role":"user","content":[{"type":"text","text":"?"},{"type":"image_url","image_url":{"url":"data:x"}}]}]}"#,
        r#"{"messages":[{"content":[{"image_url":{"url":"data:x"},"type":"image\u005furl"}]}]}"#,
        r#"{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","data":"AAAA"}}]}]}"#,
        r#"{"messages":[{"content":[{"type":"tool_result","content":[{"type":"image","source":{}}]}]}]}"#,
        r#"{"input":[{"role":"user","content":[{"type":"input_image","image_url":"data:x"}]}]}"#,
        r#"{"input":[{"type":"function_call_output","output":[{"type":"input_image"}]}]}"#,
        r#"{"messages":[{"role":"user","content":"?","images":["AAAA"]}]}"#,
        r#"{"prompt":"?","images":["AAAA"]}"#,
    ] {
        assert!(facts(body).images, "{body}");
        assert!(!facts(body).tools, "{body}");
    }
}

#[test]
fn what_only_looks_like_an_image_is_none() {
    for body in [
        r#"{"messages":[{"role":"user","content":"{\"type\":\"image_url\"}"}]}"#,
        r#"{"messages":[{"role":"user","content":["type","image_url"]}]}"#,
        r#"{"messages":[{"role":"user","content":[{"type":"text","text":"image_url"}]}]}"#,
        r#"{"messages":[{"content":[{"type":"tool_use","name":"draw","input":{"type":"image","images":[1]}}]}]}"#,
        r#"{"messages":[{"tool_calls":[{"function":{"arguments":{"content":[{"type":"image"}]}}}]}]}"#,
        r#"{"messages":[{"content":[{"x":{"type":"image"}}]}]}"#,
        r#"{"tools":[{"type":"image"},{"input_schema":{"properties":{"type":"image","images":[1]}}}]}"#,
        r#"{"response_format":{"type":"image"},"metadata":[{"type":"image_url"}]}"#,
        r#"{"type":"image"}"#,
        r#"{"messages":[{"content":"?","images":[ ]}],"images":null}"#,
        r#"{"images":"AAAA"}"#,
        r#"{"messages":[{"content":[{"type":"image_generation_call"}]}]}"#,
    ] {
        assert!(!facts(body).images, "{body}");
    }
}

#[test]
fn tools_are_a_list_with_something_in_it() {
    for (body, tools) in [
        (r#"{"tools":[{"type":"function"}]}"#, true),
        (r#"{"functions":[ {} ]}"#, true),
        (r#"{"tools":["x"]}"#, true),
        (r#"{"tools":[],"functions":[ ]}"#, false),
        (r#"{"tools":null}"#, false),
        (r#"{"tools":{"x":[1]}}"#, false),
        (r#"{"messages":[{"tools":[1]}],"x":{"tools":[1]}}"#, false),
        (r#"{"tool_choice":"auto"}"#, false),
    ] {
        assert_eq!(facts(body).tools, tools, "{body}");
    }
}

#[test]
fn text_is_counted_as_it_is_once_its_escapes_are_resolved() {
    for (body, text) in [
        (r#"{"prompt":"h\u00e9\n\"\u4f60\ud83d\ude00"}"#, "hé\n\"你😀"),
        (r#"{"model":"m","user":"no","messages":[{"role":"user","name":"no","content":"abc"}]}"#, "abc"),
        (r#"{"system":"a","instructions":"b","input":["c","d"],"prompt":["e",[1,2]]}"#, "abcde"),
        (r#"{"system":[{"type":"text","text":"abc"}],"messages":[]}"#, "abc"),
        (r#"{"messages":[{"tool_calls":[{"id":"no","function":{"name":"no","arguments":"abc"}}]}]}"#, "abc"),
        (
            r#"{"messages":[{"content":[{"type":"tool_use","id":"no","input":{"a":["b",{"c":"de"}]}}]}]}"#,
            "bde",
        ),
        (r#"{"input":[{"type":"function_call_output","call_id":"no","output":"abc"}]}"#, "abc"),
        (r#"{"tools":[{"description":"abc","parameters":{"enum":["d"]}}]}"#, "abcd"),
    ] {
        assert_eq!(facts(body).text_bytes, text.len() as u64, "{body}");
    }
}

#[test]
fn images_and_other_data_are_no_text() {
    for body in [
        r#"{"messages":[{"content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]}"#,
        r#"{"messages":[{"content":[{"type":"image","source":{"type":"base64","data":"AAAA"}}]}]}"#,
        r#"{"input":[{"content":[{"type":"input_image","image_url":"data:image/png;base64,AAAA"}]}]}"#,
        r#"{"input":[{"content":[{"type":"input_file","file_data":"AAAA"}]}]}"#,
        r#"{"input":[{"type":"reasoning","encrypted_content":"AAAA"}]}"#,
        r#"{"messages":[{"content":[{"type":"input_audio","input_audio":{"data":"AAAA"}}]}]}"#,
        r#"{"messages":[{"content":[{"type":"thinking","signature":"AAAA"}]}]}"#,
        r#"{"images":["AAAA"],"messages":[{"images":["AAAA"]}]}"#,
    ] {
        assert_eq!(facts(body).text_bytes, 0, "{body}");
    }
}

#[test]
fn the_longest_text_of_several_is_known() {
    let found = facts(r#"{"input":["a","bcd","ef"]}"#);

    assert_eq!((found.text_bytes, found.longest_text), (6, 3));
}

#[test]
fn what_is_nested_too_deeply_is_not_looked_into_and_hides_nothing_else() {
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        facts(&format!(r#"{{"prompt":["a",{open}"deep"{close},"b"],"tools":[1]}}"#))
    };

    assert_eq!(nested(MAX_DEPTH - 2).text_bytes, 6);
    for levels in [MAX_DEPTH - 1, MAX_DEPTH, 1000] {
        assert_eq!((nested(levels).text_bytes, nested(levels).tools), (2, true), "{levels}");
    }
}

/// What there is to be found, read from a tree.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::scan) struct Oracle(Facts);

impl Oracle {
    pub(in crate::scan) fn of(body: &Map<String, Value>) -> Facts {
        let mut oracle = Self::default();
        oracle.0.stream = body.get("stream").and_then(Value::as_bool);
        for key in ["messages", "prompt", "input", "system", "instructions"] {
            oracle.parts(body.get(key), 2);
        }
        for key in ["tools", "functions"] {
            if let Some(Value::Array(tools)) = body.get(key) {
                oracle.0.tools |= !tools.is_empty();
                oracle.text(body.get(key), 2);
            }
        }
        oracle.images(body.get("images"));
        oracle.0
    }

    fn parts(&mut self, value: Option<&Value>, depth: usize) {
        match value {
            Some(Value::String(text)) => self.0.add_text(text.len() as u64),
            Some(Value::Array(list)) if depth <= MAX_DEPTH => {
                list.iter().for_each(|part| self.parts(Some(part), depth + 1));
            }
            Some(Value::Object(part)) if depth <= MAX_DEPTH => {
                for key in ["content", "output"] {
                    self.parts(part.get(key), depth + 1);
                }
                for key in ["tool_calls", "function"] {
                    self.parts(part.get(key).filter(|way| !way.is_string()), depth + 1);
                }
                for key in ["text", "arguments", "input"] {
                    self.text(part.get(key), depth + 1);
                }
                self.images(part.get("images").filter(|_| depth < MAX_DEPTH));
                let kind = part.get("type").and_then(Value::as_str);
                self.0.images |= matches!(kind, Some("image_url" | "image" | "input_image"));
            }
            _ => {}
        }
    }

    fn text(&mut self, value: Option<&Value>, depth: usize) {
        match value {
            Some(Value::String(text)) => self.0.add_text(text.len() as u64),
            Some(Value::Array(list)) if depth <= MAX_DEPTH => {
                list.iter().for_each(|item| self.text(Some(item), depth + 1));
            }
            Some(Value::Object(object)) if depth <= MAX_DEPTH => {
                object.values().for_each(|item| self.text(Some(item), depth + 1));
            }
            _ => {}
        }
    }

    fn images(&mut self, value: Option<&Value>) {
        self.0.images |= value.and_then(Value::as_array).is_some_and(|images| !images.is_empty());
    }
}

/// JSON whose words often mean something.
fn json_value() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        6 => proptest::sample::select(vec![
            "model", "stream", "tools", "functions", "messages", "prompt", "input", "system", "instructions",
            "images", "content", "output", "tool_calls", "function", "text", "arguments", "type",
        ])
        .prop_map(str::to_owned),
        1 => "\\PC{0,20}",
    ];
    let text = prop_oneof![
        1 => proptest::sample::select(vec!["image_url", "image", "input_image", "text"]).prop_map(str::to_owned),
        2 => "[\\PC\\n\"\\\\\u{1}\u{7f}\u{80}\u{7ff}\u{800}\u{1f600}]{0,12}",
    ];
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        2 => any::<bool>().prop_map(Into::into),
        1 => any::<i32>().prop_map(Into::into),
        4 => text.prop_map(Into::into),
    ];
    leaf.prop_recursive(8, 64, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// A body whose parts are where parts are.
fn body() -> impl Strategy<Value = Value> {
    let list = || proptest::collection::vec(json_value(), 0..4);
    prop_oneof![
        1 => json_value(),
        3 => (list(), list(), json_value(), json_value(), any::<bool>()).prop_map(
            |(messages, content, tools, extra, stream)| {
                json!({
                    "messages": [{"role": "user", "content": content}, messages],
                    "tools": tools, "model": extra, "stream": stream, "x": extra, "input": extra,
                })
            },
        ),
    ]
}

/// Writes every character that is not ASCII as an escape, as Python's `json.dumps` does.
fn ascii(text: &str) -> String {
    let escape = |c: char| -> String {
        let mut units = [0; 2];
        c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect()
    };
    text.chars().map(|c| if c.is_ascii() { c.to_string() } else { escape(c) }).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn agrees_with_serde_json_at_any_chunk_size(
        value in body(),
        chunk in 1usize..40,
        pretty: bool,
        escaped: bool,
    ) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let text = if escaped { ascii(&text.unwrap()) } else { text.unwrap() };

        let (model, facts) = scan(text.as_bytes(), chunk);

        let name = model.map(|span| {
            serde_json::from_str::<String>(&text[span.start as usize..span.end as usize]).unwrap()
        });
        let object = value.as_object();
        let expected = object.and_then(|o| o.get("model")).and_then(|m| m.as_str());
        prop_assert_eq!(name.as_deref(), expected);
        prop_assert_eq!(facts, object.map(Oracle::of).unwrap_or_default(), "{}", text);
    }

    #[test]
    fn never_panics_and_does_not_depend_on_chunks(
        tokens in proptest::collection::vec(prop_oneof![
            proptest::sample::select(vec![
                "{", "}", "[", "]", "\"", "\\", "\\u00", ":", ",", "t", "f", "\"prompt\":", "\"tools\":[",
                "\"stream\":", "\"model\":", "\"type\":\"image\"", "\"images\":[",
            ]).prop_map(|token| token.as_bytes().to_vec()),
            any::<u8>().prop_map(|byte| vec![byte]),
        ], 0..60),
        chunk in 1usize..10,
    ) {
        let body = [&b"{"[..], &tokens.concat()].concat();

        prop_assert_eq!(scan(&body, chunk), scan(&body, usize::MAX));
    }
}
