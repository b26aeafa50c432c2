//! There and back: a request of either of the formats that backends speak survives the other. Those of all formats
//! are put to the test beside the readers and writers, in `src/translation/mesh.rs`; answers in `answers.rs`.

#![expect(clippy::unwrap_used, reason = "a test stops where an assumption fails")]

use olla_translate::{Abilities, Format, Stamp, Translation};
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

const SCHEMA: &str =
    r#"{"type":"object","properties":{"city":{"type":"string"}},"additionalProperties":false}"#;

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
}
