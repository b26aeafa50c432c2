//! Reads a request for a response.

mod items;
mod parts;
mod tools;

use serde_json::Number;

use crate::{
    Untranslatable,
    canonical::{Block, Content, Effort, OutputFormat, Place, Reasoning, Request, Sampling, Thinking},
    json::{Count, Field, Items, RawValue, Text, lenient, record},
};
use items::WireItem;
use tools::WireTool;

record! {
    /// The body of `POST /v1/responses`.
    struct WireRequest<'a> {
        model: Option<Text<'a>> = "model",
        input: Option<&'a RawValue> = "input",
        instructions: Option<Text<'a>> = "instructions",
        tools: Items<WireTool<'a>> = "tools",
        tool_choice: Option<&'a RawValue> = "tool_choice",
        parallel_tool_calls: Option<bool> = "parallel_tool_calls",
        max_output_tokens: Option<Count> = "max_output_tokens",
        temperature: Option<Number> = "temperature",
        top_p: Option<Number> = "top_p",
        reasoning: Option<WireReasoning<'a>> = "reasoning",
        text: Option<WireText<'a>> = "text",
        stream: Option<bool> = "stream",
        user: Option<Text<'a>> = "user",
        service_tier: Option<Text<'a>> = "service_tier",
        previous_response_id: Option<Text<'a>> = "previous_response_id",
        conversation: Option<&'a RawValue> = "conversation",
        prompt: Option<&'a RawValue> = "prompt",
        background: Option<bool> = "background",
        top_logprobs: Option<Count> = "top_logprobs",
        // What follows is about keeping and telling answers, and not about the answer.
        store: Option<&'a RawValue> = "store",
        include: Option<&'a RawValue> = "include",
        metadata: Option<&'a RawValue> = "metadata",
        stream_options: Option<&'a RawValue> = "stream_options",
        truncation: Option<&'a RawValue> = "truncation",
    }
}

record! {
    /// `reasoning`.
    struct WireReasoning<'a> {
        effort: Option<Text<'a>> = "effort",
        // Thoughts are told as far as the backend tells them.
        summary: Option<&'a RawValue> = "summary",
        generate_summary: Option<&'a RawValue> = "generate_summary",
    }
}

record! {
    /// `text`.
    struct WireText<'a> {
        format: Option<WireFormat<'a>> = "format",
        verbosity: Option<&'a RawValue> = "verbosity",
    }
}

record! {
    /// `text.format`.
    struct WireFormat<'a> {
        kind: Option<Text<'a>> = "type",
        name: Option<Text<'a>> = "name",
        description: Option<Text<'a>> = "description",
        schema: Option<&'a RawValue> = "schema",
        strict: Option<bool> = "strict",
    }
}

/// Reads a request. What came before has to be in its input.
pub(crate) fn read(body: &str) -> Result<Request<'_>, Untranslatable> {
    let mut wire: WireRequest<'_> =
        serde_json::from_str(body).map_err(|error| Untranslatable::json(&error))?;
    let model = wire.model.take().filter(|model| !model.is_empty());
    let Some(model) = model else { return Err(Untranslatable::malformed("model", "field required")) };
    check(&wire)?;
    if let Some(value) = wire.prompt {
        wire.rest.push(Field { name: "prompt".into(), value });
    }
    let (mut system, turns) = items::read(input(wire.input)?)?;
    if turns.is_empty() && system.is_empty() {
        return Err(Untranslatable::malformed("input", "at least one item is required"));
    }
    if let Some(text) = wire.instructions.filter(|text| !text.is_empty()) {
        system.insert(0, Block::new(Content::Text(text), Place::message("instructions", 0)));
    }
    let reasoning = wire.reasoning.unwrap_or_default();
    let effort = reasoning.effort;
    wire.rest.extend(reasoning.rest.into_iter().map(|field| below("reasoning", &field)));
    let text = wire.text.unwrap_or_default();
    wire.rest.extend(text.rest.into_iter().map(|field| below("text", &field)));
    let include: Items<Text<'_>> = lenient(wire.include).unwrap_or(Items(vec![]));
    let told = |what: &str| include.0.iter().any(|included| **included == *what);
    let logprobs =
        wire.top_logprobs.is_some_and(|Count(number)| number > 0) || told("message.output_text.logprobs");
    let known = usize::from(told("reasoning.encrypted_content"));
    if let Some(value) = wire.include.filter(|_| include.0.len() > known) {
        wire.rest.push(Field { name: "include".into(), value });
    }
    if let Some(value) = text.verbosity.filter(|value| value.get() != "null") {
        wire.rest.push(Field { name: "verbosity".into(), value });
    }
    if let Some(value) = wire.truncation.filter(|value| value.get() == "\"auto\"") {
        wire.rest.push(Field { name: "truncation".into(), value });
    }
    let mut tools = tools::read(wire.tools.0)?;
    let tool_choice = tools::choice(wire.tool_choice, &mut tools)?;
    let (tools, namespaces) = tools;
    Ok(Request {
        model,
        system,
        turns,
        tools,
        namespaces,
        tool_choice,
        parallel_tools: wire.parallel_tool_calls,
        max_tokens: wire.max_output_tokens.map(|Count(tokens)| tokens),
        sampling: Sampling { temperature: wire.temperature, top_p: wire.top_p, ..Sampling::default() },
        reasoning: Reasoning {
            thinking: (effort.as_deref() == Some("none")).then_some(Thinking::Off),
            effort: effort.as_deref().and_then(Effort::parse),
        },
        format: format(text.format)?,
        user: wire.user,
        service_tier: wire.service_tier,
        logprobs,
        stream: wire.stream.unwrap_or(false),
        stream_usage: true,
        rest: wire.rest,
        ..Request::default()
    })
}

/// Names a field by where it is.
fn below<'a>(place: &str, field: &Field<'a>) -> Field<'a> {
    Field { name: format!("{place}.{}", &*field.name).into(), value: field.value }
}

/// Refuses what needs more than a model.
fn check(wire: &WireRequest<'_>) -> Result<(), Untranslatable> {
    if let Some(id) = &wire.previous_response_id {
        let why = format_args!("there is no response {:?} here; send its items again", &**id);
        return Err(Untranslatable::malformed("previous_response_id", why));
    }
    if wire.conversation.is_some_and(|conversation| conversation.get() != "null") {
        let why = "conversations are kept by OpenAI only; send the items in input";
        return Err(Untranslatable::malformed("conversation", why));
    }
    if wire.prompt.is_some_and(|prompt| prompt.get().starts_with('{')) {
        let why = "prompts are kept by OpenAI only; send its text in instructions and input";
        return Err(Untranslatable::malformed("prompt", why));
    }
    if wire.background == Some(true) {
        return Err(Untranslatable::malformed("background", "answers cannot be fetched later"));
    }
    Ok(())
}

/// A text is one message of the user.
fn input(raw: Option<&RawValue>) -> Result<Vec<WireItem<'_>>, Untranslatable> {
    let Some(raw) = raw else { return Err(Untranslatable::malformed("input", "field required")) };
    if let Ok(text) = serde_json::from_str::<Text<'_>>(raw.get()) {
        return Ok(vec![WireItem::of_user(text)]);
    }
    let items = serde_json::from_str::<Items<WireItem<'_>>>(raw.get());
    items.map(|items| items.0).map_err(|error| Untranslatable::Malformed(format!("input{error}")))
}

fn format(format: Option<WireFormat<'_>>) -> Result<Option<OutputFormat<'_>>, Untranslatable> {
    let Some(format) = format else { return Ok(None) };
    match format.kind.as_deref() {
        Some("text") | None => Ok(None),
        Some("json_object") => Ok(Some(OutputFormat::Json)),
        Some("json_schema") => {
            let WireFormat { name, description, schema, strict, .. } = format;
            let Some(schema) = schema else {
                return Err(Untranslatable::malformed("text.format.schema", "field required"));
            };
            Ok(Some(OutputFormat::Schema { name, description, schema, strict }))
        }
        Some(other) => {
            let why = format_args!("must be text, json_object or json_schema, not {other}");
            Err(Untranslatable::malformed("text.format.type", why))
        }
    }
}
