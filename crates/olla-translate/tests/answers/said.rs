//! What a backend says, whole and as a stream, in its format.

use olla_translate::Format;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::heard::Heard;

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    blocks: Vec<Block>,
    stop: Stop,
    /// Of the prompt, of these from a cache, and of the answer.
    usage: (u64, u64, u64),
    /// Whether the pieces of calls arrive in turns.
    mixed: bool,
}

/// A block, in pieces.
#[derive(Debug, Clone)]
pub(crate) enum Block {
    Thought(Vec<String>, String),
    Text(Vec<String>),
    Call(String, Value),
}

#[derive(Debug, Clone)]
enum Stop {
    End,
    Length,
    Sequence(String),
}

fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9é€😀 \\n\"\\\\{}\u{2028}]{1,12}"
}

fn pieces() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(text(), 1..4)
}

fn call() -> impl Strategy<Value = Block> {
    let value = prop_oneof![text().prop_map(Value::from), any::<i32>().prop_map(Value::from)];
    let input = prop::collection::vec(("[a-z]{1,4}", value), 0..3);
    ("[a-z_]{1,9}", input)
        .prop_map(|(name, input)| Block::Call(name, Value::Object(input.into_iter().collect())))
}

/// Blocks in any order.
pub(crate) fn blocks() -> impl Strategy<Value = Vec<Block>> {
    let thought = (pieces(), "[a-z]{1,4}").prop_map(|(text, signature)| Block::Thought(text, signature));
    prop::collection::vec(prop_oneof![thought, pieces().prop_map(Block::Text), call()], 0..6)
}

prop_compose! {
    /// An answer that every backend can give: a thought, a text, calls.
    pub(crate) fn said()(
        thought in prop::option::of((pieces(), "[a-z]{0,4}")), text in prop::option::of(pieces()),
        calls in prop::collection::vec(call(), 0..4), mixed in any::<bool>(),
        stop in prop_oneof![Just(Stop::End), Just(Stop::Length), "[A-Z]{1,4}".prop_map(Stop::Sequence)],
        (fresh, cached, output) in (1..999_u64, 0..999_u64, 1..999_u64),
    ) -> Said {
        let thought = thought.map(|(pieces, signature)| Block::Thought(pieces, signature));
        let blocks = thought.into_iter().chain(text.map(Block::Text)).chain(calls).collect();
        Said { blocks, stop, usage: (fresh + cached, cached, output), mixed }
    }
}

// === impl Said ===

impl Said {
    pub(crate) fn of_blocks(blocks: Vec<Block>) -> Self {
        Self { blocks, stop: Stop::End, usage: (9, 0, 4), mixed: false }
    }

    fn calls(&self) -> impl Iterator<Item = (String, &String, &Value)> {
        let calls = self.blocks.iter().filter_map(|block| match block {
            Block::Call(name, input) => Some((name, input)),
            _ => None,
        });
        (0..).zip(calls).map(|(at, (name, input)): (u32, _)| (format!("call_{at}"), name, input))
    }

    /// Returns what of it a client can hear.
    pub(crate) fn shared_by(&self, client: Format) -> Heard {
        let ollama = matches!(client, Format::OllamaChat | Format::OllamaGenerate);
        let mut heard = Heard { usage: self.usage, ..Heard::default() };
        for block in &self.blocks {
            match block {
                Block::Thought(pieces, signature) => {
                    heard.thought += &pieces.concat();
                    heard.signature += if ollama { "" } else { signature };
                }
                Block::Text(pieces) => heard.text += &pieces.concat(),
                Block::Call(..) => {}
            }
        }
        if client != Format::OllamaGenerate {
            heard.calls = self.calls().map(|(id, name, input)| (id, name.clone(), input.clone())).collect();
        }
        if ollama {
            heard.usage.1 = 0;
        }
        let tells_all = matches!(client, Format::Messages | Format::Chat);
        heard.stop = match (&self.stop, self.calls().next()) {
            (Stop::Length, _) => "length".to_owned(),
            (_, Some(_)) if tells_all => "tool".to_owned(),
            (Stop::Sequence(sequence), None) if tells_all => format!("sequence {sequence}"),
            _ => "end".to_owned(),
        };
        heard
    }

    pub(crate) fn whole(&self, backend: Format) -> Value {
        if backend == Format::Chat { self.chat() } else { self.message() }
    }

    pub(crate) fn stream(&self, backend: Format) -> String {
        if backend == Format::Chat { self.chunks() } else { self.events() }
    }

    /// The reason for the end as chat completions tell it, with the sequence as vLLM does.
    fn finish(&self) -> Value {
        match (&self.stop, self.calls().next()) {
            (Stop::Length, _) => json!({ "finish_reason": "length" }),
            (_, Some(_)) => json!({ "finish_reason": "tool_calls" }),
            (Stop::Sequence(sequence), None) => json!({ "finish_reason": "stop", "stop_reason": sequence }),
            (Stop::End, None) => json!({ "finish_reason": "stop", "stop_reason": null }),
        }
    }

    fn chat_usage(&self) -> Value {
        let (prompt, cached, output) = self.usage;
        json!({
            "prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output,
            "prompt_tokens_details": { "cached_tokens": cached },
        })
    }

    fn chat(&self) -> Value {
        let mut message = json!({ "role": "assistant", "content": null });
        for block in &self.blocks {
            match block {
                Block::Thought(pieces, signature) => {
                    let text = pieces.concat();
                    message["reasoning_content"] = json!(text);
                    if !signature.is_empty() {
                        message["thinking_blocks"] =
                            json!([{ "type": "thinking", "thinking": text, "signature": signature }]);
                    }
                }
                Block::Text(pieces) => message["content"] = json!(pieces.concat()),
                Block::Call(..) => {}
            }
        }
        let call = |(id, name, input): (String, &String, &Value)| json!({ "id": id, "type": "function", "function": { "name": name, "arguments": input.to_string() } });
        message["tool_calls"] = self.calls().map(call).collect();
        let mut choice = self.finish();
        (choice["index"], choice["message"]) = (json!(0), message);
        json!({ "id": "c", "object": "chat.completion", "choices": [choice], "usage": self.chat_usage() })
    }

    fn chunks(&self) -> String {
        let mut deltas = vec![json!({ "role": "assistant", "content": null })];
        for block in &self.blocks {
            match block {
                Block::Thought(pieces, signature) => {
                    deltas.extend(pieces.iter().map(|piece| json!({ "reasoning_content": piece })));
                    if !signature.is_empty() {
                        let proof = json!({ "type": "thinking", "thinking": "", "signature": signature });
                        deltas.push(json!({ "thinking_blocks": [proof] }));
                    }
                }
                Block::Text(pieces) => deltas.extend(pieces.iter().map(|piece| json!({ "content": piece }))),
                Block::Call(..) => {}
            }
        }
        let (mut heads, mut tails) = (vec![], vec![]);
        for (index, (id, name, input)) in self.calls().enumerate() {
            let (head, tail) = halves(&input.to_string());
            heads.push(json!({ "tool_calls": [{
                "index": index, "id": id, "type": "function", "function": { "name": name, "arguments": head },
            }] }));
            tails.push(json!({ "tool_calls": [{ "index": index, "function": { "arguments": tail } }] }));
        }
        if self.mixed {
            deltas.extend(heads);
            deltas.extend(tails.into_iter().rev());
        } else {
            deltas.extend(heads.into_iter().zip(tails).flat_map(|(head, tail)| [head, tail]));
        }
        let event = |data: &Value| format!("data: {data}\n\n");
        let chunk = |delta: Value| {
            event(&json!({ "id": "c", "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] }))
        };
        let mut stream: String = deltas.into_iter().map(chunk).collect();
        let mut choice = self.finish();
        choice["delta"] = json!({});
        stream += &event(&json!({ "id": "c", "choices": [choice] }));
        stream += &event(&json!({ "id": "c", "choices": [], "usage": self.chat_usage() }));
        stream + "data: [DONE]\n\n"
    }

    fn stop(&self) -> Value {
        match (&self.stop, self.calls().next()) {
            (Stop::Length, _) => json!({ "stop_reason": "max_tokens", "stop_sequence": null }),
            (_, Some(_)) => json!({ "stop_reason": "tool_use", "stop_sequence": null }),
            (Stop::Sequence(text), None) => json!({ "stop_reason": "stop_sequence", "stop_sequence": text }),
            (Stop::End, None) => json!({ "stop_reason": "end_turn", "stop_sequence": null }),
        }
    }

    fn message(&self) -> Value {
        let (prompt, cached, output) = self.usage;
        let mut ids = self.calls().map(|(id, ..)| id);
        let content = self.blocks.iter().map(|block| match block {
            Block::Thought(pieces, signature) => {
                json!({ "type": "thinking", "thinking": pieces.concat(), "signature": signature })
            }
            Block::Text(pieces) => json!({ "type": "text", "text": pieces.concat() }),
            Block::Call(name, input) => {
                json!({ "type": "tool_use", "id": ids.next(), "name": name, "input": input })
            }
        });
        let mut message = self.stop();
        message["content"] = content.collect();
        message["type"] = json!("message");
        message["usage"] = json!({
            "input_tokens": prompt - cached, "cache_read_input_tokens": cached, "output_tokens": output,
        });
        message
    }

    fn events(&self) -> String {
        let (prompt, cached, output) = self.usage;
        let usage = json!({
            "input_tokens": prompt - cached, "cache_read_input_tokens": cached, "output_tokens": 1,
        });
        let mut events =
            vec![json!({ "type": "message_start", "message": { "content": [], "usage": usage } })];
        let mut ids = self.calls().map(|(id, ..)| id);
        for (index, block) in self.blocks.iter().enumerate() {
            let (head, deltas) = match block {
                Block::Thought(pieces, signature) => {
                    let thought = |piece: &String| json!({ "type": "thinking_delta", "thinking": piece });
                    let proof = (!signature.is_empty())
                        .then(|| json!({ "type": "signature_delta", "signature": signature }));
                    let head = json!({ "type": "thinking", "thinking": "", "signature": "" });
                    (head, pieces.iter().map(thought).chain(proof).collect::<Vec<_>>())
                }
                Block::Text(pieces) => {
                    let piece = |piece: &String| json!({ "type": "text_delta", "text": piece });
                    (json!({ "type": "text", "text": "" }), pieces.iter().map(piece).collect())
                }
                Block::Call(name, input) => {
                    let (head, tail) = halves(&input.to_string());
                    let piece = |piece: &String| json!({ "type": "input_json_delta", "partial_json": piece });
                    let call = json!({ "type": "tool_use", "id": ids.next(), "name": name, "input": {} });
                    (call, ["".to_owned(), head, tail].iter().map(piece).collect())
                }
            };
            events.push(json!({ "type": "content_block_start", "index": index, "content_block": head }));
            let delta = |delta| json!({ "type": "content_block_delta", "index": index, "delta": delta });
            events.extend(deltas.into_iter().map(delta));
            events.push(json!({ "type": "content_block_stop", "index": index }));
        }
        events.push(
            json!({ "type": "message_delta", "delta": self.stop(), "usage": { "output_tokens": output } }),
        );
        events.push(json!({ "type": "message_stop" }));
        let event = |data: Value| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap());
        events.into_iter().map(event).collect()
    }
}

fn halves(text: &str) -> (String, String) {
    let half = (0..=text.len() / 2).rev().find(|at| text.is_char_boundary(*at)).unwrap();
    let (head, tail) = text.split_at(half);
    (head.to_owned(), tail.to_owned())
}
