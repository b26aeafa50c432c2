//! Reads requests of `/api/chat` and `/api/generate`.

mod messages;
mod options;

use std::borrow::Cow;

use crate::{
    Untranslatable,
    canonical::{
        Block, Content, Effort, OutputFormat, Place, Reasoning, Request, Role, Thinking, Tool, ToolSort, Turn,
    },
    json::{Field, Items, RawValue, Text, record},
};
use messages::{WireMessage, image};
use options::WireOptions;

record! {
    /// The body of both.
    struct WireRequest<'a> {
        model: Option<Text<'a>> = "model",
        messages: Items<WireMessage<'a>> = "messages",
        prompt: Option<Text<'a>> = "prompt",
        system: Option<Text<'a>> = "system",
        suffix: Option<Text<'a>> = "suffix",
        raw: Option<bool> = "raw",
        images: Items<Text<'a>> = "images",
        tools: Items<WireTool<'a>> = "tools",
        format: Option<&'a RawValue> = "format",
        options: Option<WireOptions<'a>> = "options",
        think: Option<&'a RawValue> = "think",
        stream: Option<bool> = "stream",
        logprobs: Option<bool> = "logprobs",
    }
}

record! {
    /// A tool.
    struct WireTool<'a> {
        function: Option<WireFunction<'a>> = "function",
    }
}

record! {
    /// A function.
    struct WireFunction<'a> {
        name: Option<Text<'a>> = "name",
        description: Option<Text<'a>> = "description",
        parameters: Option<&'a RawValue> = "parameters",
    }
}

/// Returns whether a request of `/api/chat` or `/api/generate` asks for nothing but to load or unload the model:
/// it has neither messages nor a prompt.
#[must_use]
pub fn is_load(body: &[u8]) -> bool {
    let wire: Result<WireRequest<'_>, _> = serde_json::from_slice(body);
    wire.is_ok_and(|wire| {
        wire.messages.0.is_empty()
            && wire.prompt.is_none_or(|prompt| prompt.is_empty())
            && wire.images.0.is_empty()
    })
}

/// Reads a request of `/api/chat`.
pub(crate) fn read_chat(body: &str) -> Result<Request<'_>, Untranslatable> {
    let mut wire = parse(body)?;
    let messages = std::mem::take(&mut wire.messages.0);
    if messages.is_empty() {
        return Err(Untranslatable::malformed("messages", "at least one message is required"));
    }
    let (system, turns) = messages::read(messages)?;
    read(wire, system, turns)
}

/// Reads a request of `/api/generate`.
pub(crate) fn read_generate(body: &str) -> Result<Request<'_>, Untranslatable> {
    let mut wire = parse(body)?;
    if wire.suffix.as_ref().is_some_and(|suffix| !suffix.is_empty()) {
        return Err(Untranslatable::malformed(
            "suffix",
            "only a backend of Ollama's own API can fill in a gap",
        ));
    }
    if wire.raw == Some(true) {
        let why = "only a backend of Ollama's own API takes a prompt without a template";
        return Err(Untranslatable::malformed("raw", why));
    }
    let place = Place::message("prompt", 0);
    let images = std::mem::take(&mut wire.images.0).into_iter().map(image);
    let mut blocks: Vec<_> = images.map(|content| Block::new(content, place)).collect();
    let Some(prompt) = wire.prompt.take() else {
        return Err(Untranslatable::malformed("prompt", "field required"));
    };
    blocks.push(Block::new(Content::Text(prompt), place));
    let system = wire.system.take().filter(|text| !text.is_empty());
    let system = system.map(|text| Block::new(Content::Text(text), Place::message("system", 0)));
    read(wire, system.into_iter().collect(), vec![Turn { role: Role::User, blocks, place }])
}

fn parse(body: &str) -> Result<WireRequest<'_>, Untranslatable> {
    let wire: WireRequest<'_> = serde_json::from_str(body).map_err(|error| Untranslatable::json(&error))?;
    if wire.model.as_ref().is_none_or(|model| model.is_empty()) {
        return Err(Untranslatable::malformed("model", "field required"));
    }
    Ok(wire)
}

fn read<'a>(
    wire: WireRequest<'a>,
    system: Vec<Block<'a>>,
    turns: Vec<Turn<'a>>,
) -> Result<Request<'a>, Untranslatable> {
    let tools = wire.tools.0.into_iter().enumerate().map(|(at, tool)| tool.read(Place::message("tools", at)));
    let mut options = wire.options.unwrap_or_default();
    let (max_tokens, stop) = (options.max_tokens(), options.take_stop()?);
    let (sampling, unknown) = options.sampling();
    let rest: Vec<Field<'a>> = unknown.into_iter().chain(wire.rest).collect();
    Ok(Request {
        model: wire.model.unwrap_or_default(),
        system,
        turns,
        tools: tools.collect::<Result<_, _>>()?,
        max_tokens,
        sampling,
        stop,
        reasoning: think(wire.think),
        format: format(wire.format),
        logprobs: wire.logprobs.unwrap_or(false),
        // Ollama streams unless told otherwise.
        stream: wire.stream.unwrap_or(true),
        stream_usage: true,
        rest,
        ..Request::default()
    })
}

fn think(raw: Option<&RawValue>) -> Reasoning {
    match raw.map(RawValue::get) {
        Some("true") => Reasoning { thinking: Some(Thinking::On(None)), effort: None },
        Some("false") => Reasoning { thinking: Some(Thinking::Off), effort: None },
        Some(word) => {
            let effort = serde_json::from_str::<Text<'_>>(word).ok().and_then(|word| Effort::parse(&word));
            Reasoning { thinking: effort.map(|_| Thinking::On(None)), effort }
        }
        None => Reasoning::default(),
    }
}

fn format(raw: Option<&RawValue>) -> Option<OutputFormat<'_>> {
    let raw = raw?;
    match raw.get() {
        "\"json\"" => Some(OutputFormat::Json),
        schema if schema.starts_with('{') => {
            Some(OutputFormat::Schema { name: None, description: None, schema: raw, strict: None })
        }
        _ => None,
    }
}

// === impl WireTool ===

impl<'a> WireTool<'a> {
    fn read(self, place: Place) -> Result<Tool<'a>, Untranslatable> {
        let function = self.function.unwrap_or_default();
        let Some(name) = function.name else {
            return Err(Untranslatable::malformed(place, "function.name: field required"));
        };
        let schema = function.parameters.map(|schema| Cow::Borrowed(schema.get()));
        let sort = ToolSort::Function { schema, strict: None };
        Ok(Tool { name, description: function.description, sort, place })
    }
}
