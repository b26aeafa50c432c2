//! There and back: what both formats can say survives, and a stream says what a whole answer does.

#![expect(clippy::unwrap_used, reason = "a test stops where an assumption fails")]

use bytes::BytesMut;
use olla_translate::{Abilities, Format, Outcome, ResponseTranslator, Stamp, Translation};
use proptest::prelude::*;
use serde_json::{Value, json};

fn translated(client: Format, backend: Format, body: &Value) -> Value {
    let translation = Translation::between(client, backend).unwrap();
    let request =
        translation.plan(body.to_string().as_bytes(), &Abilities::default(), Stamp::default()).unwrap();
    assert!(request.dropped.is_empty(), "{}: {body}", request.dropped.header_value());
    serde_json::from_slice(&request.body).unwrap()
}

fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9é€ \\n\"\\\\{}]{0,12}[a-z.]"
}

fn input() -> impl Strategy<Value = Value> {
    prop::collection::vec(
        ("[a-z]{1,4}", prop_oneof![text().prop_map(Value::from), any::<i32>().prop_map(Value::from)]),
        0..3,
    )
    .prop_map(|fields| Value::Object(fields.into_iter().collect()))
}

/// A step of a conversation: what the user says and shows, what the model says and calls.
#[derive(Debug, Clone)]
struct Step {
    asked: String,
    shown: Option<bool>,
    said: Option<String>,
    calls: Vec<(String, Value, String)>,
}

fn step() -> impl Strategy<Value = Step> {
    let calls = prop::collection::vec(("[a-z_]{1,9}", input(), text()), 0..3);
    (text(), prop::option::of(any::<bool>()), prop::option::of(text()), calls)
        .prop_map(|(asked, shown, said, calls)| Step { asked, shown, said, calls })
}

/// Everything that both formats can say of an answer to come.
#[derive(Debug, Clone)]
struct Wishes {
    system: Option<String>,
    temperature: Option<u8>,
    top_p: Option<u8>,
    stop: Vec<String>,
    tool_choice: Option<u8>,
    parallel: Option<bool>,
    user: Option<String>,
    schema: bool,
}

prop_compose! {
    fn wishes()(
        system in prop::option::of(text()), temperature in prop::option::of(0_u8..=10),
        top_p in prop::option::of(1_u8..=10), stop in prop::collection::vec(text(), 0..3),
        tool_choice in prop::option::of(0_u8..4), parallel in prop::option::of(any::<bool>()),
        user in prop::option::of("[a-z]{1,9}"), schema in any::<bool>(),
    ) -> Wishes {
        Wishes { system, temperature, top_p, stop, tool_choice, parallel, user, schema }
    }
}

const SCHEMA: &str = r#"{"type":"object","properties":{"city":{"type":"string"}}}"#;

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

/// The request as Anthropic has it.
fn messages(steps: &[Step], wishes: &Wishes) -> Value {
    let mut list: Vec<Value> = vec![];
    let mut results: Vec<Value> = vec![];
    for (at, step) in steps.iter().enumerate() {
        let mut content = std::mem::take(&mut results);
        content.push(json!({ "type": "text", "text": step.asked }));
        if let Some(inline) = step.shown {
            let source = if inline {
                json!({ "type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo=" })
            } else {
                json!({ "type": "url", "url": "https://example.com/a.png" })
            };
            content.push(json!({ "type": "image", "source": source }));
        }
        list.push(json!({ "role": "user", "content": plain(content) }));
        let mut content = vec![];
        content.extend(step.said.as_ref().map(|said| json!({ "type": "text", "text": said })));
        for (number, (name, input, result)) in step.calls.iter().enumerate() {
            let id = format!("call_{at}_{number}");
            content.push(json!({ "type": "tool_use", "id": id, "name": name, "input": input }));
            results.push(json!({ "type": "tool_result", "tool_use_id": id, "content": result }));
        }
        if !content.is_empty() {
            list.push(json!({ "role": "assistant", "content": plain(content) }));
        } else {
            break;
        }
    }
    if !results.is_empty() {
        list.push(json!({ "role": "user", "content": results }));
    }
    let mut body = json!({ "model": "m", "max_tokens": 99, "stream": true, "messages": list });
    let tools = json!([{ "name": "get", "description": "Gets", "input_schema": schema(), "strict": true }]);
    let kinds = [
        json!({ "type": "auto" }),
        json!({ "type": "any" }),
        json!({ "type": "none" }),
        json!({ "type": "tool", "name": "get" }),
    ];
    let mut choice = wishes.tool_choice.map(|kind| kinds[usize::from(kind)].clone());
    if let (Some(parallel), Some(choice)) =
        (wishes.parallel, choice.as_mut().filter(|choice| choice["type"] != "none"))
    {
        choice["disable_parallel_tool_use"] = json!(!parallel);
    }
    let format = wishes.schema.then(|| json!({ "format": { "type": "json_schema", "schema": schema() } }));
    for (key, value) in [
        ("system", wishes.system.clone().map(Value::from)),
        ("temperature", wishes.temperature.map(|tenths| json!(f64::from(tenths) / 10.0))),
        ("top_p", wishes.top_p.map(|tenths| json!(f64::from(tenths) / 10.0))),
        ("stop_sequences", (!wishes.stop.is_empty()).then(|| json!(wishes.stop))),
        ("tools", choice.is_some().then_some(tools)),
        ("tool_choice", choice),
        ("metadata", wishes.user.as_ref().map(|user| json!({ "user_id": user }))),
        ("output_config", format),
    ] {
        if let Some(value) = value {
            body[key] = value;
        }
    }
    body
}

/// A single text is written as a string.
fn plain(content: Vec<Value>) -> Value {
    match &*content {
        [only] if only["type"] == "text" => only["text"].clone(),
        _ => Value::from(content),
    }
}

fn response(client: Format, backend: Format) -> ResponseTranslator {
    let body = json!({
        "model": "m", "max_tokens": 10, "messages": [{ "role": "user", "content": "Hi" }], "input": "Hi",
        "stream_options": { "include_usage": true },
    });
    let translation = Translation::between(client, backend).unwrap();
    translation.plan(body.to_string().as_bytes(), &Abilities::default(), Stamp::default()).unwrap().response
}

fn streamed(client: Format, backend: Format, stream: &str, cut: usize) -> String {
    let (mut translator, mut out) = (response(client, backend).stream(), BytesMut::new());
    for piece in stream.as_bytes().chunks(cut) {
        translator.feed(piece, &mut out);
    }
    translator.finish(&mut out);
    assert_eq!(translator.outcome(), Outcome::Complete);
    String::from_utf8(out.to_vec()).unwrap()
}

/// Puts the message together again, as Anthropic's SDKs do.
fn accumulated(stream: &str) -> Value {
    let mut message = Value::Null;
    let mut json = String::new();
    for data in stream.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let event: Value = serde_json::from_str(data).unwrap();
        let index = usize::try_from(event["index"].as_u64().unwrap_or(0)).unwrap();
        match event["type"].as_str().unwrap() {
            "message_start" => message = event["message"].clone(),
            "content_block_start" => {
                assert_eq!(message["content"].as_array().unwrap().len(), index);
                message["content"].as_array_mut().unwrap().push(event["content_block"].clone());
                json.clear();
            }
            "content_block_delta" => {
                let block = &mut message["content"][index];
                for (key, target) in [("text", "text"), ("thinking", "thinking"), ("signature", "signature")]
                {
                    if let Some(piece) = event["delta"][key].as_str() {
                        block[target] = json!(block[target].as_str().unwrap().to_owned() + piece);
                    }
                }
                json.push_str(event["delta"]["partial_json"].as_str().unwrap_or_default());
            }
            "content_block_stop" if !json.is_empty() => {
                message["content"][index]["input"] = serde_json::from_str(&json).unwrap();
            }
            "message_delta" => {
                for key in ["stop_reason", "stop_sequence"] {
                    message[key] = event["delta"][key].clone();
                }
                message["usage"] = event["usage"].clone();
            }
            _ => {}
        }
    }
    message
}

/// An answer as a chat completion, and as its chunks.
fn chat_answer(thought: &str, said: &[String], calls: &[(String, Value, String)]) -> (Value, String) {
    let chunk = |delta: Value| {
        format!("data: {}\n\n", json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] }))
    };
    let mut stream = String::new();
    if !thought.is_empty() {
        stream += &chunk(json!({ "reasoning_content": thought }));
    }
    for piece in said {
        stream += &chunk(json!({ "content": piece }));
    }
    let mut whole = vec![];
    for (index, (name, input, _)) in calls.iter().enumerate() {
        let (id, arguments) = (format!("c{index}"), input.to_string());
        let half = (0..=arguments.len() / 2).rev().find(|at| arguments.is_char_boundary(*at)).unwrap();
        let (head, tail) = arguments.split_at(half);
        stream += &chunk(
            json!({ "tool_calls": [{ "index": index, "id": id, "function": { "name": name, "arguments": head } }] }),
        );
        stream += &chunk(json!({ "tool_calls": [{ "index": index, "function": { "arguments": tail } }] }));
        whole.push(json!({ "id": id, "function": { "name": name, "arguments": arguments } }));
    }
    let usage = json!({ "prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": { "cached_tokens": 2 } });
    stream += &format!("data: {}\n\n", json!({ "choices": [{ "delta": {}, "finish_reason": "stop" }] }));
    stream += &format!("data: {}\n\ndata: [DONE]\n\n", json!({ "choices": [], "usage": usage }));
    let message = json!({ "reasoning_content": thought, "content": said.concat(), "tool_calls": whole });
    (json!({ "choices": [{ "message": message, "finish_reason": "stop" }], "usage": usage }), stream)
}

proptest! {
    #[test]
    fn requests_of_anthropic_survive_chat(steps in prop::collection::vec(step(), 1..4), wishes in wishes()) {
        let body = messages(&steps, &wishes);

        let there = translated(Format::Messages, Format::Chat, &body);
        let back = translated(Format::Chat, Format::Messages, &there);

        prop_assert_eq!(back, body);
    }

    #[test]
    fn requests_of_chat_survive_anthropic(steps in prop::collection::vec(step(), 1..4), wishes in wishes()) {
        let body = translated(Format::Messages, Format::Chat, &messages(&steps, &wishes));

        let there = translated(Format::Chat, Format::Messages, &body);
        let back = translated(Format::Messages, Format::Chat, &there);

        prop_assert_eq!(back, body);
    }

    #[test]
    fn a_stream_says_what_a_whole_answer_does(
        thought in prop_oneof![Just(String::new()), text()],
        said in prop::collection::vec(text(), 0..4),
        calls in prop::collection::vec(("[a-z_]{1,9}", input(), text()), 0..3),
        cut in 1_usize..200,
    ) {
        let (whole, stream) = chat_answer(&thought, &said, &calls);

        let told = response(Format::Messages, Format::Chat).whole(whole.to_string().as_bytes()).unwrap();
        let message: Value = serde_json::from_slice(&told).unwrap();
        prop_assert_eq!(&accumulated(&streamed(Format::Messages, Format::Chat, &stream, cut)), &message);

        let told = response(Format::Responses, Format::Chat).whole(whole.to_string().as_bytes()).unwrap();
        let expected: Value = serde_json::from_slice(&told).unwrap();
        let events = streamed(Format::Responses, Format::Chat, &stream, cut);
        let last = events.lines().rev().find_map(|line| line.strip_prefix("data: ")).unwrap();
        let last: Value = serde_json::from_str(last).unwrap();
        prop_assert_eq!(&last["response"], &expected);

        // And back: the message, and its stream, as chat completions again.
        let back = response(Format::Chat, Format::Messages).whole(&message.to_string().into_bytes()).unwrap();
        let back: Value = serde_json::from_slice(&back).unwrap();
        let first = &whole["choices"][0]["message"];
        let again = &back["choices"][0]["message"];
        prop_assert_eq!(again["content"].as_str().unwrap_or_default(), first["content"].as_str().unwrap());
        prop_assert_eq!(again["reasoning_content"].as_str().unwrap_or_default(), thought);
        prop_assert_eq!(again["tool_calls"].as_array().map_or(0, Vec::len), calls.len());
        prop_assert_eq!(&back["usage"]["prompt_tokens_details"], &whole["usage"]["prompt_tokens_details"]);
    }
}
