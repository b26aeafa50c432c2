//! Reads requests of `/api/chat` and `/api/generate`.

mod messages;
mod options;

use std::borrow::Cow;

use serde::Deserialize;

use super::Api;
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
    /// The body of `/api/chat`.
    struct WireChat<'a> {
        messages: Items<WireMessage<'a>> = "messages",
        tools: Items<WireTool<'a>> = "tools",
        model: Option<Text<'a>> = "model",
        format: Option<&'a RawValue> = "format",
        options: Option<WireOptions<'a>> = "options",
        think: Option<&'a RawValue> = "think",
        stream: Option<bool> = "stream",
        logprobs: Option<bool> = "logprobs",
    }
}

record! {
    /// The body of `/api/generate`.
    struct WireGenerate<'a> {
        prompt: Option<Text<'a>> = "prompt",
        system: Option<Text<'a>> = "system",
        suffix: Option<Text<'a>> = "suffix",
        raw: Option<bool> = "raw",
        images: Items<Text<'a>> = "images",
        model: Option<Text<'a>> = "model",
        format: Option<&'a RawValue> = "format",
        options: Option<WireOptions<'a>> = "options",
        think: Option<&'a RawValue> = "think",
        stream: Option<bool> = "stream",
        logprobs: Option<bool> = "logprobs",
    }
}

/// What both have, and what has no name in the one that is read.
struct Shared<'a> {
    model: Option<Text<'a>>,
    format: Option<&'a RawValue>,
    options: Option<WireOptions<'a>>,
    think: Option<&'a RawValue>,
    stream: Option<bool>,
    logprobs: Option<bool>,
    rest: Vec<Field<'a>>,
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

/// Returns whether a request asks for nothing but to load or unload the model: it has no messages, or no prompt.
pub(super) fn is_load(api: Api, body: &[u8]) -> bool {
    match api {
        Api::Chat => serde_json::from_slice(body).is_ok_and(|wire: WireChat<'_>| wire.messages.0.is_empty()),
        Api::Generate => serde_json::from_slice(body).is_ok_and(|wire: WireGenerate<'_>| {
            wire.prompt.is_none_or(|prompt| prompt.is_empty()) && wire.images.0.is_empty()
        }),
    }
}

/// Reads a request of `/api/chat`.
pub(crate) fn read_chat(body: &str) -> Result<Request<'_>, Untranslatable> {
    let WireChat { messages, tools, model, format, options, think, stream, logprobs, rest } = parse(body)?;
    let shared = Shared { model, format, options, think, stream, logprobs, rest }.read()?;
    if messages.0.is_empty() {
        return Err(Untranslatable::malformed("messages", "at least one message is required"));
    }
    let (system, turns) = messages::read(messages.0)?;
    let tools = tools.0.into_iter().enumerate().map(|(at, tool)| tool.read(Place::message("tools", at)));
    Ok(Request { system, turns, tools: tools.collect::<Result<_, _>>()?, ..shared })
}

/// Reads a request of `/api/generate`.
pub(crate) fn read_generate(body: &str) -> Result<Request<'_>, Untranslatable> {
    let wire: WireGenerate<'_> = parse(body)?;
    let WireGenerate { prompt, system, suffix, raw, images, .. } = wire;
    let WireGenerate { model, format, options, think, stream, logprobs, rest, .. } = wire;
    let shared = Shared { model, format, options, think, stream, logprobs, rest }.read()?;
    if suffix.is_some_and(|suffix| !suffix.is_empty()) {
        let why = "only a backend of Ollama's own API can fill in a gap";
        return Err(Untranslatable::malformed("suffix", why));
    }
    if raw == Some(true) {
        let why = "only a backend of Ollama's own API takes a prompt without a template";
        return Err(Untranslatable::malformed("raw", why));
    }
    let Some(prompt) = prompt.filter(|prompt| !prompt.is_empty() || !images.0.is_empty()) else {
        return Err(Untranslatable::malformed("prompt", "field required"));
    };
    let place = Place::message("prompt", 0);
    let contents = images.0.into_iter().map(image).chain([Content::Text(prompt)]);
    let blocks = contents.map(|content| Block::new(content, place)).collect();
    let system = system.filter(|text| !text.is_empty());
    let system = system.map(|text| Block::new(Content::Text(text), Place::message("system", 0)));
    let turns = vec![Turn { role: Role::User, blocks, place }];
    Ok(Request { system: system.into_iter().collect(), turns, ..shared })
}

fn parse<'a, T: Deserialize<'a>>(body: &'a str) -> Result<T, Untranslatable> {
    serde_json::from_str(body).map_err(|error| Untranslatable::json(&error))
}

// === impl Shared ===

impl<'a> Shared<'a> {
    /// Reads all of a request but what is said in it.
    fn read(self) -> Result<Request<'a>, Untranslatable> {
        let Some(model) = self.model.filter(|model| !model.is_empty()) else {
            return Err(Untranslatable::malformed("model", "field required"));
        };
        let mut options = self.options.unwrap_or_default();
        let (max_tokens, stop) = (options.max_tokens(), options.take_stop()?);
        let (sampling, unknown) = options.sampling();
        Ok(Request {
            model,
            max_tokens,
            sampling,
            stop,
            reasoning: think(self.think)?,
            format: format(self.format)?,
            logprobs: self.logprobs.unwrap_or(false),
            // Ollama streams unless told otherwise.
            stream: self.stream.unwrap_or(true),
            stream_usage: true,
            rest: unknown.into_iter().chain(self.rest).collect(),
            ..Request::default()
        })
    }
}

fn think(raw: Option<&RawValue>) -> Result<Reasoning, Untranslatable> {
    let Some(raw) = raw else { return Ok(Reasoning::default()) };
    let effort = match raw.get() {
        "true" => None,
        "false" => return Ok(Reasoning { thinking: Some(Thinking::Off), effort: None }),
        "\"low\"" => Some(Effort::Low),
        "\"medium\"" => Some(Effort::Medium),
        "\"high\"" => Some(Effort::High),
        "\"max\"" => Some(Effort::Max),
        _ => {
            let why = r#"must be true, false, "low", "medium", "high" or "max""#;
            return Err(Untranslatable::malformed("think", why));
        }
    };
    Ok(Reasoning { thinking: Some(Thinking::On(None)), effort })
}

fn format(raw: Option<&RawValue>) -> Result<Option<OutputFormat<'_>>, Untranslatable> {
    let Some(raw) = raw else { return Ok(None) };
    match raw.get() {
        // To Ollama, that is none.
        "\"\"" => Ok(None),
        "\"json\"" => Ok(Some(OutputFormat::Json)),
        schema if schema.starts_with('{') => {
            Ok(Some(OutputFormat::Schema { name: None, description: None, schema: raw, strict: None }))
        }
        _ => Err(Untranslatable::malformed("format", r#"must be "json" or a JSON schema (an object)"#)),
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
