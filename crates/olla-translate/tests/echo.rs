//! A response of OpenAI's Responses says again what it was asked for.

use bytes::BytesMut;
use olla_translate::{Abilities, Format, Stamp, Translation};
use serde_json::{Value, json};

/// A request of Responses that says all that a response says again.
const SAYS_ALL: &str = r#"{
    "model": "m", "input": "Hi", "stream": true, "instructions": "Be brief.\u2028", "max_output_tokens": 50,
    "max_tool_calls": 3, "metadata": {"a": "b"}, "parallel_tool_calls": false, "prompt_cache_key": "k",
    "prompt_cache_retention": "24h", "safety_identifier": "s", "service_tier": "flex", "temperature": 0.50,
    "tool_choice": {"type": "function", "name": "f"}, "top_p": 0.9, "truncation": "auto", "user": "u",
    "tools": [
        {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {" ": {}}}, "strict": false}
    ],
    "reasoning": {"effort": "low", "generate_summary": "auto"},
    "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}}
}"#;

#[test]
fn a_response_says_its_request_again() {
    let translation = Translation::between(Format::Responses, Format::Chat).unwrap();
    let asked: Value = serde_json::from_str(SAYS_ALL).unwrap();
    let plan = || translation.plan(SAYS_ALL.as_bytes(), &Abilities::default(), Stamp::default()).unwrap();
    let whole =
        plan().response.whole(br#"{"choices":[{"message":{"content":"{}"},"finish_reason":"stop"}]}"#);
    let whole: Value = serde_json::from_slice(&whole.unwrap()).unwrap();

    let mut out = BytesMut::new();
    let mut stream = plan().response.stream();
    stream.begin(&mut out);
    stream.feed(
        b"data: {\"choices\":[{\"delta\":{\"content\":\"{}\"},\"finish_reason\":\"stop\"}]}\n\n",
        &mut out,
    );
    stream.finish(&mut out);

    let text = String::from_utf8(out.to_vec()).unwrap();
    let data = text
        .split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'])
        .filter_map(|line| line.strip_prefix("data: "));
    let events = data.map(|data| serde_json::from_str::<Value>(data).unwrap()["response"].take());
    let told: Vec<Value> = events.filter(|response| !response.is_null()).chain([whole]).collect();
    assert_eq!(told.len(), 4);
    for response in told {
        for (key, value) in asked.as_object().unwrap() {
            match &**key {
                "input" | "stream" => assert_eq!(response.get(key), None),
                "reasoning" => assert_eq!(
                    response[key],
                    json!({ "effort": "low", "summary": null, "generate_summary": "auto" })
                ),
                _ => assert_eq!(response[key], *value, "{key}"),
            }
        }
    }
}
