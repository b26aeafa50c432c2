//! What a response says again of its request, as OpenAI's do. Clients read from it how an answer is to be taken:
//! as JSON of which schema, with which tools.

use bytes::{Bytes, BytesMut};

use crate::json::{Object, RawValue, record};

record! {
    /// What of a request is said again. How it is read does not matter here.
    struct WireRequest<'a> {
        instructions: Option<&'a RawValue> = "instructions",
        max_output_tokens: Option<&'a RawValue> = "max_output_tokens",
        max_tool_calls: Option<&'a RawValue> = "max_tool_calls",
        metadata: Option<&'a RawValue> = "metadata",
        parallel_tool_calls: Option<&'a RawValue> = "parallel_tool_calls",
        prompt_cache_key: Option<&'a RawValue> = "prompt_cache_key",
        prompt_cache_retention: Option<&'a RawValue> = "prompt_cache_retention",
        reasoning: Option<WireReasoning<'a>> = "reasoning",
        safety_identifier: Option<&'a RawValue> = "safety_identifier",
        service_tier: Option<&'a RawValue> = "service_tier",
        temperature: Option<&'a RawValue> = "temperature",
        text: Option<WireText<'a>> = "text",
        tool_choice: Option<&'a RawValue> = "tool_choice",
        tools: Option<&'a RawValue> = "tools",
        top_logprobs: Option<&'a RawValue> = "top_logprobs",
        top_p: Option<&'a RawValue> = "top_p",
        truncation: Option<&'a RawValue> = "truncation",
        user: Option<&'a RawValue> = "user",
    }
}

record! {
    /// `reasoning`.
    struct WireReasoning<'a> {
        effort: Option<&'a RawValue> = "effort",
        summary: Option<&'a RawValue> = "summary",
    }
}

record! {
    /// `text`.
    struct WireText<'a> {
        format: Option<&'a RawValue> = "format",
    }
}

/// Returns the fields of the response that repeat those of the request, one after the other, to be copied into
/// each event that has the response.
pub(crate) fn read(body: &str) -> Bytes {
    // Whatever is wrong with it, the reader of the request tells.
    let wire: WireRequest<'_> = serde_json::from_str(body).unwrap_or_default();
    let mut out = BytesMut::new();
    let mut fields = Object::fields_alone(&mut out);
    for (key, value, usual) in [
        ("instructions", wire.instructions, "null"),
        ("max_output_tokens", wire.max_output_tokens, "null"),
        ("max_tool_calls", wire.max_tool_calls, "null"),
        ("metadata", wire.metadata, "{}"),
        ("parallel_tool_calls", wire.parallel_tool_calls, "true"),
        ("prompt_cache_key", wire.prompt_cache_key, "null"),
        ("prompt_cache_retention", wire.prompt_cache_retention, "null"),
        ("safety_identifier", wire.safety_identifier, "null"),
        ("service_tier", wire.service_tier, "null"),
        ("temperature", wire.temperature, "null"),
        ("tool_choice", wire.tool_choice, "\"auto\""),
        ("tools", wire.tools, "[]"),
        ("top_logprobs", wire.top_logprobs, "0"),
        ("top_p", wire.top_p, "null"),
        ("truncation", wire.truncation, "\"disabled\""),
        ("user", wire.user, "null"),
    ] {
        fields.line(key, said(value).unwrap_or(usual));
    }
    let WireReasoning { effort, summary, rest } = wire.reasoning.unwrap_or_default();
    let mut reasoning = fields.object("reasoning");
    reasoning.line("effort", said(effort).unwrap_or("null")).line("summary", said(summary).unwrap_or("null"));
    for field in rest {
        reasoning.any_line(&field.name, field.value.get());
    }
    drop(reasoning);
    let WireText { format, rest } = wire.text.unwrap_or_default();
    let mut text = fields.object("text");
    text.line("format", said(format).unwrap_or(r#"{"type":"text"}"#));
    for field in rest {
        text.any_line(&field.name, field.value.get());
    }
    drop(text);
    drop(fields);
    out.freeze()
}

fn said(value: Option<&RawValue>) -> Option<&str> {
    value.map(RawValue::get).filter(|json| *json != "null")
}
