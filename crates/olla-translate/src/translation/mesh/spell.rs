//! Writes a request in every format, as its clients do.

use serde_json::{Value, json};

use super::talk::{Choice, Form, Offer, Piece, Talk, Wish};
use crate::Format;

/// Writes a request.
pub(super) fn spell(format: Format, talk: &Talk) -> Value {
    match format {
        Format::Messages => messages(talk),
        Format::Chat => chat(talk),
        Format::Responses => responses(talk),
        Format::OllamaChat => ollama_chat(talk),
        Format::OllamaGenerate => ollama_generate(talk),
    }
}

/// Makes a body of the fields that have a value.
fn body<const N: usize>(talk: &Talk, fields: [(&str, Option<Value>); N]) -> Value {
    let mut body = json!({ "model": "m", "stream": talk.stream });
    for (key, value) in fields {
        if let Some(value) = value {
            body[key] = value;
        }
    }
    body
}

fn tenths(number: Option<u8>) -> Option<Value> {
    number.map(|number| json!(f64::from(number) / 10.0))
}

/// A list, unless it is empty.
fn list(items: impl IntoIterator<Item = Value>) -> Option<Value> {
    let items: Vec<_> = items.into_iter().collect();
    (!items.is_empty()).then(|| items.into())
}

fn with_role(turns: &[Vec<Piece>]) -> impl Iterator<Item = (&'static str, &Vec<Piece>)> {
    ["user", "assistant"].into_iter().cycle().zip(turns)
}

fn effort(talk: &Talk) -> Option<&'static str> {
    match talk.thinking? {
        Wish::Off => Some("none"),
        Wish::Effort(effort) => Some(effort),
    }
}

fn messages(talk: &Talk) -> Value {
    let block = |piece: &Piece| match piece {
        Piece::Text(text) => json!({ "type": "text", "text": text }),
        Piece::Image(Ok(data)) => {
            json!({ "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": data } })
        }
        Piece::Image(Err(url)) => json!({ "type": "image", "source": { "type": "url", "url": url } }),
        Piece::Thought { text, signature } => {
            json!({ "type": "thinking", "thinking": text, "signature": signature })
        }
        Piece::Call { id, name, input } => {
            json!({ "type": "tool_use", "id": id, "name": name, "input": input })
        }
        Piece::Answer { id, text } => json!({ "type": "tool_result", "tool_use_id": id, "content": text }),
    };
    let turn = |(role, pieces): (&str, &Vec<Piece>)| json!({ "role": role, "content": pieces.iter().map(block).collect::<Vec<_>>() });
    let tool = |tool: &Offer| {
        let mut wire = json!({ "name": tool.name, "input_schema": tool.schema });
        let described = tool.description.as_ref().map(|text| json!(text));
        for (key, value) in [("description", described), ("strict", tool.strict.map(Value::from))] {
            value.into_iter().for_each(|value| wire[key] = value);
        }
        wire
    };
    let choice = talk.choice.as_ref().map(|choice| {
        let mut wire = match choice {
            Choice::Auto => json!({ "type": "auto" }),
            Choice::Any => json!({ "type": "any" }),
            Choice::None => json!({ "type": "none" }),
            Choice::Tool(name) => json!({ "type": "tool", "name": name }),
        };
        talk.parallel.into_iter().for_each(|parallel| wire["disable_parallel_tool_use"] = json!(!parallel));
        wire
    });
    let mut output = json!({});
    if let Some(Wish::Effort(effort)) = talk.thinking {
        output["effort"] = json!(effort);
    }
    if let Some(Form::Schema(schema)) = &talk.form {
        output["format"] = json!({ "type": "json_schema", "schema": schema });
    }
    let thinking = talk.thinking.map(|wish| match wish {
        Wish::Off => json!({ "type": "disabled" }),
        Wish::Effort(_) => json!({ "type": "adaptive" }),
    });
    let fields = [
        ("system", talk.system.as_ref().map(|text| json!(text))),
        ("messages", list(with_role(&talk.turns).map(turn))),
        ("max_tokens", talk.max_tokens.map(Value::from)),
        ("temperature", tenths(talk.temperature)),
        ("top_p", tenths(talk.top_p)),
        ("top_k", talk.top_k.map(Value::from)),
        ("stop_sequences", list(talk.stop.iter().map(|text| json!(text)))),
        ("tools", list(talk.tools.iter().map(tool))),
        ("tool_choice", choice),
        ("metadata", talk.user.as_ref().map(|user| json!({ "user_id": user }))),
        ("thinking", thinking),
        ("output_config", (output != json!({})).then_some(output)),
    ];
    body(talk, fields)
}

/// The messages of a turn in a chat: each result of a tool is one of its own.
fn chat_turn((role, pieces): (&str, &Vec<Piece>)) -> Vec<Value> {
    let (mut list, mut parts, mut calls) = (vec![], vec![], vec![]);
    let mut message = json!({ "role": role });
    for piece in pieces {
        match piece {
            Piece::Text(text) => parts.push(json!({ "type": "text", "text": text })),
            Piece::Image(image) => {
                let url =
                    image.as_ref().map_or_else(Clone::clone, |data| format!("data:image/png;base64,{data}"));
                parts.push(json!({ "type": "image_url", "image_url": { "url": url } }));
            }
            Piece::Thought { text, signature } if signature.is_empty() => {
                message["reasoning_content"] = json!(text);
            }
            Piece::Thought { text, signature } => {
                message["thinking_blocks"] =
                    json!([{ "type": "thinking", "thinking": text, "signature": signature }]);
            }
            Piece::Call { id, name, input } => {
                let function = json!({ "name": name, "arguments": input.to_string() });
                calls.push(json!({ "id": id, "type": "function", "function": function }));
            }
            Piece::Answer { id, text } => {
                list.push(json!({ "role": "tool", "tool_call_id": id, "content": text }));
            }
        }
    }
    let is_said = !parts.is_empty() || !calls.is_empty();
    message["content"] = parts.into();
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    if is_said {
        list.push(message);
    }
    list
}

fn chat(talk: &Talk) -> Value {
    let system = talk.system.iter().map(|text| json!({ "role": "developer", "content": text }));
    let tool = |tool: &Offer| {
        let mut function = json!({ "name": tool.name, "parameters": tool.schema });
        let described = tool.description.as_ref().map(|text| json!(text));
        for (key, value) in [("description", described), ("strict", tool.strict.map(Value::from))] {
            value.into_iter().for_each(|value| function[key] = value);
        }
        json!({ "type": "function", "function": function })
    };
    let choice = talk.choice.as_ref().map(|choice| match choice {
        Choice::Auto => json!("auto"),
        Choice::Any => json!("required"),
        Choice::None => json!("none"),
        Choice::Tool(name) => json!({ "type": "function", "function": { "name": name } }),
    });
    let form = talk.form.as_ref().map(|form| match form {
        Form::Json => json!({ "type": "json_object" }),
        Form::Schema(schema) => {
            json!({ "type": "json_schema", "json_schema": { "name": "answer", "schema": schema } })
        }
    });
    let fields = [
        ("messages", list(system.chain(with_role(&talk.turns).flat_map(chat_turn)))),
        ("max_completion_tokens", talk.max_tokens.map(Value::from)),
        ("temperature", tenths(talk.temperature)),
        ("top_p", tenths(talk.top_p)),
        ("top_k", talk.top_k.map(Value::from)),
        ("seed", talk.seed.map(Value::from)),
        ("frequency_penalty", tenths(talk.penalty)),
        ("presence_penalty", tenths(talk.penalty)),
        ("stop", list(talk.stop.iter().map(|text| json!(text)))),
        ("tools", list(talk.tools.iter().map(tool))),
        ("tool_choice", choice),
        ("parallel_tool_calls", talk.parallel.map(Value::from)),
        ("user", talk.user.as_ref().map(|user| json!(user))),
        ("response_format", form),
        ("reasoning_effort", effort(talk).map(Value::from)),
    ];
    body(talk, fields)
}

/// The items of a turn: a message, and one for each thought, call and result.
fn items((role, pieces): (&str, &Vec<Piece>)) -> Vec<Value> {
    let (mut items, mut parts) = (vec![], vec![]);
    let kind = if role == "user" { "input_text" } else { "output_text" };
    for piece in pieces {
        match piece {
            Piece::Text(text) => parts.push(json!({ "type": kind, "text": text })),
            Piece::Image(image) => {
                let url =
                    image.as_ref().map_or_else(Clone::clone, |data| format!("data:image/png;base64,{data}"));
                parts.push(json!({ "type": "input_image", "image_url": url }));
            }
            Piece::Thought { text, signature } => items.push(json!({
                "type": "reasoning", "summary": [{ "type": "summary_text", "text": text }],
                "encrypted_content": format!("olla-signature:{signature}"),
            })),
            Piece::Call { .. } | Piece::Answer { .. } => {}
        }
    }
    let said = list(parts).map(|parts| json!({ "type": "message", "role": role, "content": parts }));
    if role == "assistant" {
        items.extend(said.clone());
    }
    items.extend(pieces.iter().filter_map(|piece| match piece {
        Piece::Call { id, name, input } => Some(
            json!({ "type": "function_call", "call_id": id, "name": name, "arguments": input.to_string() }),
        ),
        Piece::Answer { id, text } => {
            Some(json!({ "type": "function_call_output", "call_id": id, "output": text }))
        }
        _ => None,
    }));
    if role == "user" {
        items.extend(said);
    }
    items
}

fn responses(talk: &Talk) -> Value {
    let tool = |tool: &Offer| {
        let mut wire = json!({ "type": "function", "name": tool.name, "parameters": tool.schema });
        let described = tool.description.as_ref().map(|text| json!(text));
        for (key, value) in [("description", described), ("strict", tool.strict.map(Value::from))] {
            value.into_iter().for_each(|value| wire[key] = value);
        }
        wire
    };
    let choice = talk.choice.as_ref().map(|choice| match choice {
        Choice::Auto => json!("auto"),
        Choice::Any => json!("required"),
        Choice::None => json!("none"),
        Choice::Tool(name) => json!({ "type": "function", "name": name }),
    });
    let form = talk.form.as_ref().map(|form| match form {
        Form::Json => json!({ "format": { "type": "json_object" } }),
        Form::Schema(schema) => {
            json!({ "format": { "type": "json_schema", "name": "answer", "schema": schema } })
        }
    });
    let fields = [
        ("instructions", talk.system.as_ref().map(|text| json!(text))),
        ("input", list(with_role(&talk.turns).flat_map(items))),
        ("max_output_tokens", talk.max_tokens.map(Value::from)),
        ("temperature", tenths(talk.temperature)),
        ("top_p", tenths(talk.top_p)),
        ("tools", list(talk.tools.iter().map(tool))),
        ("tool_choice", choice),
        ("parallel_tool_calls", talk.parallel.map(Value::from)),
        ("user", talk.user.as_ref().map(|user| json!(user))),
        ("text", form),
        ("reasoning", effort(talk).map(|effort| json!({ "effort": effort }))),
    ];
    body(talk, fields)
}

fn ollama_turn((role, pieces): (&str, &Vec<Piece>)) -> Vec<Value> {
    let (mut list, mut images, mut calls) = (vec![], vec![], vec![]);
    let mut message = json!({ "role": role });
    for piece in pieces {
        match piece {
            Piece::Text(text) => message["content"] = json!(text),
            Piece::Image(image) => images.extend(image.as_ref().ok().cloned()),
            Piece::Thought { text, .. } => message["thinking"] = json!(text),
            Piece::Call { id, name, input } => {
                calls.push(json!({ "id": id, "function": { "name": name, "arguments": input } }));
            }
            Piece::Answer { id, text } => {
                list.push(json!({ "role": "tool", "tool_call_id": id, "content": text }));
            }
        }
    }
    if !images.is_empty() {
        message["images"] = json!(images);
    }
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    if message != json!({ "role": role }) {
        list.push(message);
    }
    list
}

fn ollama_chat(talk: &Talk) -> Value {
    let system = talk.system.iter().map(|text| json!({ "role": "system", "content": text }));
    let tool = |tool: &Offer| {
        let mut function = json!({ "name": tool.name, "parameters": tool.schema });
        tool.description.iter().for_each(|text| function["description"] = json!(text));
        json!({ "type": "function", "function": function })
    };
    let [options, format, think] = ollama_wishes(talk);
    let messages = list(system.chain(with_role(&talk.turns).flat_map(ollama_turn)));
    let tools = list(talk.tools.iter().map(tool));
    body(
        talk,
        [
            ("messages", messages),
            ("tools", tools),
            ("options", options),
            ("format", format),
            ("think", think),
        ],
    )
}

fn ollama_generate(talk: &Talk) -> Value {
    let [options, format, think] = ollama_wishes(talk);
    let [message] = &*ollama_turn(("user", &talk.turns[0])) else { panic!("more than a prompt") };
    let fields = [
        ("system", talk.system.as_ref().map(|text| json!(text))),
        ("prompt", message.get("content").cloned()),
        ("images", message.get("images").cloned()),
        ("options", options),
        ("format", format),
        ("think", think),
    ];
    body(talk, fields)
}

fn ollama_wishes(talk: &Talk) -> [Option<Value>; 3] {
    let mut options = json!({});
    for (key, value) in [
        ("num_predict", talk.max_tokens.map(Value::from)),
        ("temperature", tenths(talk.temperature)),
        ("top_p", tenths(talk.top_p)),
        ("top_k", talk.top_k.map(Value::from)),
        ("seed", talk.seed.map(Value::from)),
        ("frequency_penalty", tenths(talk.penalty)),
        ("presence_penalty", tenths(talk.penalty)),
        ("stop", list(talk.stop.iter().map(|text| json!(text)))),
    ] {
        value.into_iter().for_each(|value| options[key] = value);
    }
    let format = talk.form.as_ref().map(|form| match form {
        Form::Json => json!("json"),
        Form::Schema(schema) => schema.clone(),
    });
    let think = talk.thinking.map(|wish| match wish {
        Wish::Off => json!(false),
        Wish::Effort(effort) => json!(effort),
    });
    [(options != json!({})).then_some(options), format, think]
}
