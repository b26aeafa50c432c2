//! Reads a request for a chat completion.

mod messages;
mod tools;

use serde_json::Number;

use crate::{
    Untranslatable,
    canonical::{Effort, OutputFormat, Reasoning, Request, Sampling, Thinking},
    json::{Count, Items, RawValue, Text, lenient, record},
};
use messages::WireMessage;
pub(crate) use messages::media;
use tools::{WireFunction, WireTool};

record! {
    /// The body of `POST /v1/chat/completions`.
    struct WireRequest<'a> {
        model: Option<Text<'a>> = "model",
        messages: Items<WireMessage<'a>> = "messages",
        max_tokens: Option<Count> = "max_tokens",
        max_completion_tokens: Option<Count> = "max_completion_tokens",
        stream: Option<bool> = "stream",
        stream_options: Option<&'a RawValue> = "stream_options",
        temperature: Option<Number> = "temperature",
        top_p: Option<Number> = "top_p",
        top_k: Option<Number> = "top_k",
        seed: Option<Number> = "seed",
        frequency_penalty: Option<Number> = "frequency_penalty",
        presence_penalty: Option<Number> = "presence_penalty",
        stop: Option<&'a RawValue> = "stop",
        n: Option<Count> = "n",
        logprobs: Option<bool> = "logprobs",
        tools: Items<WireTool<'a>> = "tools",
        tool_choice: Option<&'a RawValue> = "tool_choice",
        parallel_tool_calls: Option<bool> = "parallel_tool_calls",
        functions: Items<WireFunction<'a>> = "functions",
        function_call: Option<&'a RawValue> = "function_call",
        response_format: Option<&'a RawValue> = "response_format",
        reasoning_effort: Option<Text<'a>> = "reasoning_effort",
        thinking: Option<&'a RawValue> = "thinking",
        user: Option<Text<'a>> = "user",
        service_tier: Option<Text<'a>> = "service_tier",
        audio: Option<&'a RawValue> = "audio",
        web_search_options: Option<&'a RawValue> = "web_search_options",
    }
}

record! {
    /// `stream_options`.
    struct WireStreamOptions<'a> {
        include_usage: Option<bool> = "include_usage",
    }
}

record! {
    /// `response_format`.
    struct WireFormat<'a> {
        kind: Option<Text<'a>> = "type",
        json_schema: Option<&'a RawValue> = "json_schema",
    }
}

record! {
    /// `response_format.json_schema`.
    struct WireSchema<'a> {
        name: Option<Text<'a>> = "name",
        description: Option<Text<'a>> = "description",
        schema: Option<&'a RawValue> = "schema",
        strict: Option<bool> = "strict",
    }
}

record! {
    /// `thinking`, as gateways to Anthropic take it.
    struct WireThinking<'a> {
        kind: Option<Text<'a>> = "type",
        budget_tokens: Option<Count> = "budget_tokens",
    }
}

/// Reads a request.
pub(crate) fn read(body: &str) -> Result<Request<'_>, Untranslatable> {
    let wire: WireRequest<'_> = serde_json::from_str(body).map_err(|error| Untranslatable::json(&error))?;
    let model = wire.model.filter(|model| !model.is_empty());
    let Some(model) = model else { return Err(Untranslatable::malformed("model", "field required")) };
    if wire.messages.0.is_empty() {
        return Err(Untranslatable::malformed("messages", "at least one message is required"));
    }
    if wire.audio.is_some() {
        return Err(Untranslatable::malformed("audio", "spoken answers cannot be translated"));
    }
    if wire.web_search_options.is_some() {
        let why = "the search of the provider itself cannot be translated";
        return Err(Untranslatable::malformed("web_search_options", why));
    }
    let mut lost = vec![];
    if messages::are_cached(&wire.messages.0) || tools::are_cached(&wire.tools.0) {
        lost.push("cache_control".into());
    }
    let (system, turns) = messages::read(wire.messages.0)?;
    let mut tools = tools::read(wire.tools.0, wire.functions.0)?;
    let tool_choice = tools::choice(wire.tool_choice.or(wire.function_call), &mut tools)?;
    let stream_options: Option<WireStreamOptions<'_>> = lenient(wire.stream_options);
    Ok(Request {
        model,
        system,
        turns,
        tools,
        namespaces: vec![],
        tool_choice,
        parallel_tools: wire.parallel_tool_calls,
        max_tokens: wire.max_completion_tokens.or(wire.max_tokens).map(|Count(tokens)| tokens),
        sampling: Sampling {
            temperature: wire.temperature,
            top_p: wire.top_p,
            top_k: wire.top_k,
            seed: wire.seed,
            frequency_penalty: wire.frequency_penalty,
            presence_penalty: wire.presence_penalty,
        },
        stop: stop(wire.stop)?,
        reasoning: reasoning(wire.reasoning_effort.as_deref(), wire.thinking),
        format: format(wire.response_format)?,
        user: wire.user,
        service_tier: wire.service_tier,
        answers: wire.n.map(|Count(n)| n),
        logprobs: wire.logprobs.unwrap_or(false),
        stream: wire.stream.unwrap_or(false),
        stream_usage: stream_options.and_then(|options| options.include_usage).unwrap_or(false),
        caching: false,
        lost,
        rest: wire.rest,
    })
}

fn stop(raw: Option<&RawValue>) -> Result<Vec<Text<'_>>, Untranslatable> {
    let Some(raw) = raw else { return Ok(vec![]) };
    if let Ok(one) = serde_json::from_str::<Text<'_>>(raw.get()) {
        return Ok(vec![one]);
    }
    let several = serde_json::from_str::<Items<Text<'_>>>(raw.get());
    several.map(|list| list.0).map_err(|error| Untranslatable::malformed("stop", error))
}

fn reasoning(effort: Option<&str>, thinking: Option<&RawValue>) -> Reasoning {
    let wire: WireThinking<'_> = lenient(thinking).unwrap_or_default();
    let told = match wire.kind.as_deref() {
        Some("enabled") => Some(Thinking::On(wire.budget_tokens.map(|Count(tokens)| tokens))),
        Some("disabled") => Some(Thinking::Off),
        Some("adaptive") => Some(Thinking::Adaptive),
        _ => None,
    };
    let off = (effort == Some("none")).then_some(Thinking::Off);
    Reasoning { thinking: told.or(off), effort: effort.and_then(Effort::parse) }
}

fn format(raw: Option<&RawValue>) -> Result<Option<OutputFormat<'_>>, Untranslatable> {
    let Some(raw) = raw else { return Ok(None) };
    let malformed = |error| Untranslatable::malformed("response_format", error);
    let wire: WireFormat<'_> = serde_json::from_str(raw.get()).map_err(malformed)?;
    match wire.kind.as_deref() {
        Some("text") => Ok(None),
        Some("json_object") => Ok(Some(OutputFormat::Json)),
        Some("json_schema") => {
            let WireSchema { name, description, schema, strict, .. } =
                lenient(wire.json_schema).unwrap_or_default();
            let Some(schema) = schema else {
                return Err(Untranslatable::malformed(
                    "response_format.json_schema.schema",
                    "field required",
                ));
            };
            Ok(Some(OutputFormat::Schema { name, description, schema, strict }))
        }
        other => {
            let kind = other.unwrap_or("nothing");
            let why = format_args!("must be text, json_object or json_schema, not {kind}");
            Err(Untranslatable::malformed("response_format.type", why))
        }
    }
}
