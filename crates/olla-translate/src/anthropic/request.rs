//! Requests for a message.

mod blocks;
mod compaction;
mod survey;
mod tools;
mod write;

use std::borrow::Cow;

use serde_json::Number;

use crate::{
    Untranslatable,
    canonical::{Block, Effort, OutputFormat, Place, Reasoning, Request, Role, Sampling, Thinking, Turn},
    json::{Count, Field, Items, RawValue, Text, lenient, record},
};
pub(super) use blocks::{WireBlock, WireContent};
use survey::Survey;
use tools::WireTool;

pub(crate) use write::write;

record! {
    /// The body of `POST /v1/messages`.
    struct WireRequest<'a> {
        model: Option<Text<'a>> = "model",
        messages: Items<WireMessage<'a>> = "messages",
        system: WireContent<'a> = "system",
        max_tokens: Option<Count> = "max_tokens",
        stream: Option<bool> = "stream",
        temperature: Option<Number> = "temperature",
        top_p: Option<Number> = "top_p",
        top_k: Option<Number> = "top_k",
        stop_sequences: Items<Text<'a>> = "stop_sequences",
        tools: Items<WireTool<'a>> = "tools",
        tool_choice: Option<&'a RawValue> = "tool_choice",
        thinking: Option<&'a RawValue> = "thinking",
        output_config: Option<&'a RawValue> = "output_config",
        output_format: Option<&'a RawValue> = "output_format",
        metadata: Option<&'a RawValue> = "metadata",
        service_tier: Option<Text<'a>> = "service_tier",
        cache_control: Option<&'a RawValue> = "cache_control",
    }
}

record! {
    /// A message.
    struct WireMessage<'a> {
        role: Option<Text<'a>> = "role",
        content: WireContent<'a> = "content",
    }
}

record! {
    /// `thinking`.
    struct WireThinking<'a> {
        kind: Option<Text<'a>> = "type",
        budget_tokens: Option<Count> = "budget_tokens",
    }
}

record! {
    /// `output_config`.
    struct WireOutput<'a> {
        effort: Option<Text<'a>> = "effort",
        format: Option<&'a RawValue> = "format",
    }
}

record! {
    /// `output_config.format`, and `output_format` of earlier versions.
    struct WireFormat<'a> {
        kind: Option<Text<'a>> = "type",
        schema: Option<&'a RawValue> = "schema",
    }
}

record! {
    /// `metadata`.
    struct WireMetadata<'a> {
        user_id: Option<Text<'a>> = "user_id",
    }
}

/// What `output_config` asks for.
#[derive(Debug)]
struct Output<'a> {
    effort: Option<Effort>,
    format: Option<OutputFormat<'a>>,
}

/// Reads a request.
pub(crate) fn read(body: &str) -> Result<Request<'_>, Untranslatable> {
    let request = read_prompt(body)?;
    if request.max_tokens.is_none() {
        return Err(Untranslatable::malformed("max_tokens", "field required"));
    }
    Ok(request)
}

/// Reads the body of `POST /v1/messages/count_tokens`: a request that need not say how long the answer may be.
pub(crate) fn read_prompt(body: &str) -> Result<Request<'_>, Untranslatable> {
    let wire: WireRequest<'_> = serde_json::from_str(body).map_err(|error| Untranslatable::json(&error))?;
    let model = wire.model.filter(|model| !model.is_empty());
    let Some(model) = model else { return Err(Untranslatable::malformed("model", "field required")) };
    if wire.messages.0.is_empty() {
        return Err(Untranslatable::malformed("messages", "at least one message is required"));
    }
    let (mut caching, mut lost) = (wire.cache_control.is_some(), vec![]);
    let (tool_choice, parallel_tools) = tools::choice(wire.tool_choice)?;
    let survey = Survey::of(&wire.messages.0);
    let (tools, cached_tools) = tools::read(wire.tools.0, tool_choice.as_ref(), &survey, &mut lost)?;
    if survey.cites {
        lost.push("citations".into());
    }
    let system = system(wire.system);
    let turns = compaction::resolve(wire.messages.0).into_iter().map(|(at, message)| turn(at, message));
    let turns = turns.collect::<Result<Vec<_>, _>>()?;
    caching |= cached_tools || system.iter().chain(turns.iter().flat_map(|t| &t.blocks)).any(|b| b.cached);
    let thinking = thinking(wire.thinking, &mut lost)?;
    let output = Output::read(wire.output_config, wire.output_format, &mut lost);
    Ok(Request {
        model,
        system,
        turns,
        tools,
        namespaces: vec![],
        tool_choice,
        parallel_tools,
        max_tokens: wire.max_tokens.map(|Count(tokens)| tokens),
        sampling: Sampling {
            temperature: wire.temperature,
            top_p: wire.top_p,
            top_k: wire.top_k,
            ..Sampling::default()
        },
        stop: wire.stop_sequences.0,
        reasoning: Reasoning { thinking, effort: output.effort },
        format: output.format,
        user: lenient::<WireMetadata<'_>>(wire.metadata).and_then(|metadata| metadata.user_id),
        service_tier: wire.service_tier,
        answers: None,
        logprobs: false,
        stream: wire.stream.unwrap_or(false),
        stream_usage: true,
        caching,
        lost,
        rest: wire.rest,
    })
}

/// The first block of the system prompt that Claude Code sends is for Anthropic's books. It differs from
/// request to request, and would keep a backend from ever finding the prompt in its cache.
const BILLING: &str = "x-anthropic-billing-header";

fn system(content: WireContent<'_>) -> Vec<Block<'_>> {
    let place = Place::message("system", 0);
    let blocks = match content {
        WireContent::List(blocks) => {
            let numbered = blocks.into_iter().enumerate();
            numbered.map(|(at, block)| block.read(Place::message("system", at))).collect()
        }
        content => content.read(place),
    };
    let kept = |block: &Block<'_>| block.as_text().is_none_or(|text| !text.starts_with(BILLING));
    blocks.into_iter().filter(kept).collect()
}

fn turn(at: usize, message: WireMessage<'_>) -> Result<Turn<'_>, Untranslatable> {
    let place = Place::message("messages", at);
    let role = match message.role.as_deref() {
        Some("assistant") => Role::Assistant,
        Some("system") => Role::System,
        // Claude Code has been seen to send contexts and messages of its own under these names.
        Some("user" | "ctx" | "msg") => Role::User,
        Some(other) => {
            let why = format_args!("role must be user, assistant or system, not {other:?}");
            return Err(Untranslatable::malformed(place, why));
        }
        None => return Err(Untranslatable::malformed(place, "role: field required")),
    };
    if matches!(message.content, WireContent::Absent) {
        return Err(Untranslatable::malformed(place, "content: field required"));
    }
    let blocks = message.content.read(place);
    // An answer that Olla told of may have been empty, and comes back so.
    if role == Role::User && blocks.is_empty() {
        return Err(Untranslatable::malformed(place, "user messages must have non-empty content"));
    }
    Ok(Turn { role, blocks, place })
}

fn thinking(
    raw: Option<&RawValue>,
    lost: &mut Vec<Cow<'static, str>>,
) -> Result<Option<Thinking>, Untranslatable> {
    let Some(raw) = raw else { return Ok(None) };
    let wire: WireThinking<'_> =
        serde_json::from_str(raw.get()).map_err(|error| Untranslatable::malformed("thinking", error))?;
    lost.extend(told(&wire.rest).map(|name| format!("thinking.{name}").into()));
    match wire.kind.as_deref() {
        Some("enabled") => Ok(Some(Thinking::On(wire.budget_tokens.map(|Count(tokens)| tokens)))),
        Some("between_tools") => Ok(Some(Thinking::On(None))),
        Some("disabled") => Ok(Some(Thinking::Off)),
        Some("adaptive") => Ok(Some(Thinking::Adaptive)),
        Some(other) => {
            lost.push(format!("thinking ({other})").into());
            Ok(None)
        }
        None => Err(Untranslatable::malformed("thinking.type", "field required")),
    }
}

/// Returns the names of fields that say something.
fn told<'f>(fields: &'f [Field<'_>]) -> impl Iterator<Item = &'f str> {
    fields.iter().filter(|field| field.value.get() != "null").map(|field| &*field.name)
}

// === impl Output ===

impl<'a> Output<'a> {
    fn read(
        config: Option<&'a RawValue>,
        older_format: Option<&'a RawValue>,
        lost: &mut Vec<Cow<'static, str>>,
    ) -> Self {
        let wire: WireOutput<'_> = lenient(config).unwrap_or_default();
        lost.extend(told(&wire.rest).map(|name| format!("output_config.{name}").into()));
        let effort = wire.effort.as_deref().and_then(Effort::parse);
        if wire.effort.is_some() && effort.is_none() {
            lost.push("output_config.effort".into());
        }
        let raw = wire.format.or(older_format);
        let format = output_format(raw);
        if raw.is_some() && format.is_none() {
            lost.push("output_config.format".into());
        }
        Self { effort, format }
    }
}

fn output_format(raw: Option<&RawValue>) -> Option<OutputFormat<'_>> {
    let wire: WireFormat<'_> = lenient(raw)?;
    if wire.kind.as_deref() != Some("json_schema") {
        return None;
    }
    // Anthropic always holds to the schema.
    Some(OutputFormat::Schema { name: None, description: None, schema: wire.schema?, strict: Some(true) })
}
