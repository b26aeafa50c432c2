//! What a client hears: the whole answer, and the one that it puts together from a stream, as SDKs do.

use olla_translate::Format;
use serde_json::{Value, json};

/// What a client understands of an answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Heard {
    pub(crate) thought: String,
    pub(crate) signature: String,
    pub(crate) text: String,
    pub(crate) calls: Vec<(String, String, Value)>,
    pub(crate) stop: String,
    /// Of the prompt, of these from a cache, and of the answer.
    pub(crate) usage: (u64, u64, u64),
}

/// Puts a stream together. The result is what a whole answer would have been.
pub(crate) fn assembled(client: Format, stream: &str) -> Value {
    match client {
        Format::Messages => message(&events(stream)),
        Format::Chat => completion(&events(stream)),
        Format::Responses => response(&events(stream)),
        _ => ollama(stream.lines().map(|line| serde_json::from_str(line).unwrap())),
    }
}

/// Reads the events. Where they have a name it is their type.
fn events(stream: &str) -> Vec<Value> {
    let mut read = vec![];
    for event in stream.split_terminator("\n\n").filter(|event| !event.starts_with(':')) {
        let (name, data) = event.split_once('\n').map_or((None, event), |(name, data)| (Some(name), data));
        let data = data.strip_prefix("data: ").unwrap();
        if data == "[DONE]" {
            continue;
        }
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(name, data["type"].as_str().map(|kind| format!("event: {kind}")).as_deref());
        read.push(data);
    }
    read
}

fn append(target: &mut Value, piece: &Value) {
    if let Some(piece) = piece.as_str() {
        *target = json!(target.as_str().unwrap_or_default().to_owned() + piece);
    }
}

fn message(events: &[Value]) -> Value {
    let (mut message, mut input) = (Value::Null, String::new());
    for event in events {
        let index = event["index"].as_u64().map(|index| usize::try_from(index).unwrap());
        match event["type"].as_str().unwrap() {
            "message_start" => message = event["message"].clone(),
            "content_block_start" => {
                assert_eq!(message["content"].as_array().map(Vec::len), index, "blocks come in order");
                message["content"].as_array_mut().unwrap().push(event["content_block"].clone());
                input.clear();
            }
            "content_block_delta" => {
                let (block, delta) = (&mut message["content"][index.unwrap()], &event["delta"]);
                let (kind, key) = match delta["type"].as_str().unwrap() {
                    "text_delta" => ("text", "text"),
                    "thinking_delta" => ("thinking", "thinking"),
                    "signature_delta" => ("thinking", "signature"),
                    "input_json_delta" => ("tool_use", "partial_json"),
                    other => panic!("{other}"),
                };
                assert_eq!(block["type"], kind);
                if key == "partial_json" {
                    input += delta[key].as_str().unwrap();
                } else {
                    append(&mut block[key], &delta[key]);
                }
            }
            "content_block_stop" if !input.is_empty() => {
                message["content"][index.unwrap()]["input"] = serde_json::from_str(&input).unwrap();
                input.clear();
            }
            "message_delta" => {
                for key in ["stop_reason", "stop_sequence"] {
                    message[key] = event["delta"][key].clone();
                }
                message["usage"] = event["usage"].clone();
            }
            "content_block_stop" | "message_stop" | "ping" => {}
            other => panic!("{other}"),
        }
    }
    assert_eq!(events.last().unwrap()["type"], "message_stop");
    message
}

fn completion(chunks: &[Value]) -> Value {
    let mut message = json!({ "role": null, "content": null, "refusal": null });
    let mut whole = chunks[0].clone();
    whole["object"] = json!("chat.completion");
    let mut end = json!({ "index": 0, "message": null, "logprobs": null });
    // A signature proves what was thought since the one before it.
    let mut proven = 0;
    for chunk in chunks {
        if let Some(usage) = chunk.get("usage") {
            whole["usage"] = usage.clone();
        }
        let Some(choice) = chunk["choices"].get(0) else { continue };
        let delta = &choice["delta"];
        for key in ["role", "content", "reasoning_content"] {
            append_to_object(&mut message, key, &delta[key]);
        }
        for proof in delta["thinking_blocks"].as_array().into_iter().flatten() {
            let mut proof = proof.clone();
            let told = message["reasoning_content"].as_str().unwrap_or_default();
            proof["thinking"] = json!(told[proven..]);
            proven = told.len();
            let list = message.as_object_mut().unwrap().entry("thinking_blocks").or_insert(json!([]));
            list.as_array_mut().unwrap().push(proof);
        }
        for piece in delta["tool_calls"].as_array().into_iter().flatten() {
            call(&mut message, piece);
        }
        for key in ["finish_reason", "stop_reason"] {
            if let Some(reason) = choice.get(key).filter(|reason| !reason.is_null()) {
                end[key] = reason.clone();
            }
        }
    }
    if message["content"] == "" && message.get("tool_calls").is_some() {
        message["content"] = Value::Null;
    }
    end["message"] = message;
    whole["choices"] = json!([end]);
    whole
}

fn append_to_object(object: &mut Value, key: &str, piece: &Value) {
    if piece.is_string() {
        append(&mut object[key], piece);
    }
}

/// Calls come one after the other; the first piece of each has its id and name.
fn call(message: &mut Value, piece: &Value) {
    let at = usize::try_from(piece["index"].as_u64().unwrap()).unwrap();
    let list = message.as_object_mut().unwrap().entry("tool_calls").or_insert(json!([]));
    let list = list.as_array_mut().unwrap();
    if at == list.len() {
        let mut piece = piece.clone();
        piece.as_object_mut().unwrap().remove("index");
        list.push(piece);
    } else {
        assert!(at + 1 == list.len() && piece.get("id").is_none());
        append(&mut list[at]["function"]["arguments"], &piece["function"]["arguments"]);
    }
}

/// The last event tells all. What came before has to add up to it.
fn response(events: &[Value]) -> Value {
    let last = events.last().unwrap();
    assert!(["response.completed", "response.incomplete"].contains(&last["type"].as_str().unwrap()));
    let whole = last["response"].clone();
    let (mut open, mut done) = (String::new(), vec![]);
    for (sequence, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], sequence);
        let kind = event["type"].as_str().unwrap();
        if kind.starts_with("response.output_") || event.get("item_id").is_some() {
            assert_eq!(event["output_index"], done.len(), "items come in order");
        }
        match kind {
            "response.output_item.added" => open.clear(),
            "response.output_item.done" => done.push(event["item"].clone()),
            _ if kind.ends_with(".delta") => open += event["delta"].as_str().unwrap(),
            "response.output_text.done" | "response.reasoning_summary_text.done" => {
                assert_eq!(event["text"], open);
            }
            "response.function_call_arguments.done" => assert_eq!(event["arguments"], open),
            _ => {}
        }
    }
    assert_eq!(whole["output"], Value::from(done));
    whole
}

fn ollama(lines: impl Iterator<Item = Value>) -> Value {
    let mut whole = json!({});
    for line in lines {
        let done = line["done"] == true;
        for (key, value) in line.as_object().unwrap() {
            match key.as_str() {
                "message" => {
                    for (key, value) in value.as_object().unwrap() {
                        let target = &mut whole["message"][key];
                        match value {
                            Value::Array(calls) => {
                                let mut list = target.as_array().cloned().unwrap_or_default();
                                list.extend(calls.iter().cloned());
                                *target = list.into();
                            }
                            _ if key == "role" => *target = value.clone(),
                            _ => append(target, value),
                        }
                    }
                }
                "response" | "thinking" => append(&mut whole[key], value),
                _ if done || matches!(key.as_str(), "model" | "created_at" | "done") => {
                    whole[key] = value.clone();
                }
                _ => panic!("{key} before the end"),
            }
        }
    }
    assert_eq!(whole["done"], true);
    whole
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

// === impl Heard ===

impl Heard {
    /// Reads a whole answer.
    pub(crate) fn from(client: Format, answer: &Value) -> Self {
        match client {
            Format::Messages => Self::message(answer),
            Format::Chat => Self::completion(answer),
            Format::Responses => Self::response(answer),
            _ => Self::ollama(answer),
        }
    }

    fn message(answer: &Value) -> Self {
        let mut heard = Self::default();
        for block in answer["content"].as_array().unwrap() {
            heard.text += &word(&block["text"]);
            heard.thought += &word(&block["thinking"]);
            heard.signature += &word(&block["signature"]);
            if block["type"] == "tool_use" {
                heard.calls.push((word(&block["id"]), word(&block["name"]), block["input"].clone()));
            }
        }
        heard.stop = match answer["stop_reason"].as_str().unwrap() {
            "end_turn" => "end".to_owned(),
            "max_tokens" => "length".to_owned(),
            "tool_use" => "tool".to_owned(),
            "stop_sequence" => format!("sequence {}", answer["stop_sequence"].as_str().unwrap()),
            other => other.to_owned(),
        };
        let usage = &answer["usage"];
        let cached = number(&usage["cache_read_input_tokens"]);
        heard.usage = (number(&usage["input_tokens"]) + cached, cached, number(&usage["output_tokens"]));
        heard
    }

    fn completion(answer: &Value) -> Self {
        let (choice, usage) = (&answer["choices"][0], &answer["usage"]);
        let message = &choice["message"];
        let cached = number(&usage["prompt_tokens_details"]["cached_tokens"]);
        let call = |call: &Value| {
            let input = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
            (word(&call["id"]), word(&call["function"]["name"]), input)
        };
        let proofs = message["thinking_blocks"].as_array().into_iter().flatten();
        Self {
            thought: word(&message["reasoning_content"]),
            signature: proofs.map(|proof| word(&proof["signature"])).collect(),
            text: word(&message["content"]),
            calls: message["tool_calls"].as_array().into_iter().flatten().map(call).collect(),
            stop: match (choice["finish_reason"].as_str().unwrap(), choice["stop_reason"].as_str()) {
                ("stop", Some(sequence)) => format!("sequence {sequence}"),
                ("stop", None) => "end".to_owned(),
                ("tool_calls", _) => "tool".to_owned(),
                (other, _) => other.to_owned(),
            },
            usage: (number(&usage["prompt_tokens"]), cached, number(&usage["completion_tokens"])),
        }
    }

    fn response(answer: &Value) -> Self {
        let mut heard = Self::default();
        for item in answer["output"].as_array().unwrap() {
            match item["type"].as_str().unwrap() {
                "message" => heard.text += &word(&item["content"][0]["text"]),
                "reasoning" => {
                    heard.thought += &word(&item["summary"][0]["text"]);
                    let sealed = word(&item["encrypted_content"]);
                    heard.signature += sealed.strip_prefix("olla-signature:").unwrap_or_default();
                }
                "function_call" => {
                    let input = serde_json::from_str(item["arguments"].as_str().unwrap()).unwrap();
                    heard.calls.push((word(&item["call_id"]), word(&item["name"]), input));
                }
                other => panic!("{other}"),
            }
        }
        let reason = answer["incomplete_details"]["reason"].as_str();
        heard.stop = match (answer["status"].as_str().unwrap(), reason) {
            ("completed", None) => "end".to_owned(),
            ("incomplete", Some("max_output_tokens")) => "length".to_owned(),
            other => panic!("{other:?}"),
        };
        let usage = &answer["usage"];
        let cached = number(&usage["input_tokens_details"]["cached_tokens"]);
        heard.usage = (number(&usage["input_tokens"]), cached, number(&usage["output_tokens"]));
        heard
    }

    fn ollama(answer: &Value) -> Self {
        let message = answer.get("message").unwrap_or(answer);
        let call = |call: &Value| {
            let function = &call["function"];
            (word(&call["id"]), word(&function["name"]), function["arguments"].clone())
        };
        Self {
            thought: word(&message["thinking"]),
            signature: String::new(),
            text: word(&message["content"]) + &word(&message["response"]),
            calls: message["tool_calls"].as_array().into_iter().flatten().map(call).collect(),
            stop: answer["done_reason"].as_str().unwrap().replace("stop", "end"),
            usage: (number(&answer["prompt_eval_count"]), 0, number(&answer["eval_count"])),
        }
    }
}
