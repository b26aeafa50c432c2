//! Reads the tools of a chat, and which of them has to be used.

use std::borrow::Cow;

use crate::{
    Untranslatable,
    canonical::{Place, Tool, ToolChoice, ToolKind, ToolSort, ToolUse, retain_allowed},
    json::{Items, RawValue, Text, lenient, record},
};

record! {
    /// A tool.
    struct WireTool<'a> {
        kind: Option<Text<'a>> = "type",
        function: Option<WireFunction<'a>> = "function",
        custom: Option<WireFunction<'a>> = "custom",
        cache_control: Option<&'a RawValue> = "cache_control",
    }
}

record! {
    /// A function, or a free-form tool.
    struct WireFunction<'a> {
        name: Option<Text<'a>> = "name",
        description: Option<Text<'a>> = "description",
        parameters: Option<&'a RawValue> = "parameters",
        strict: Option<bool> = "strict",
        format: Option<&'a RawValue> = "format",
    }
}

record! {
    /// What the text of a free-form tool has to look like.
    struct WireFormat<'a> {
        grammar: Option<WireGrammar<'a>> = "grammar",
    }
}

record! {
    /// A grammar.
    struct WireGrammar<'a> {
        definition: Option<Text<'a>> = "definition",
    }
}

record! {
    /// A call.
    struct WireCall<'a> {
        id: Option<Text<'a>> = "id",
        function: Option<WireFunctionCall<'a>> = "function",
        custom: Option<WireFunctionCall<'a>> = "custom",
    }
}

record! {
    /// What is called.
    struct WireFunctionCall<'a> {
        name: Option<Text<'a>> = "name",
        arguments: Option<Text<'a>> = "arguments",
        input: Option<Text<'a>> = "input",
    }
}

record! {
    /// `tool_choice.allowed_tools`.
    struct WireAllowed<'a> {
        mode: Option<Text<'a>> = "mode",
        tools: Items<WireTool<'a>> = "tools",
    }
}

record! {
    /// `tool_choice`.
    struct WireChoice<'a> {
        allowed_tools: Option<WireAllowed<'a>> = "allowed_tools",
        function: Option<WireFunction<'a>> = "function",
        custom: Option<WireFunction<'a>> = "custom",
        name: Option<Text<'a>> = "name",
    }
}

/// Returns whether a cache should remember one, as gateways to Anthropic are asked.
pub(super) fn are_cached(tools: &[WireTool<'_>]) -> bool {
    tools.iter().any(|tool| tool.cache_control.is_some())
}

/// Reads the tools, and the functions of earlier versions.
pub(super) fn read<'a>(
    tools: Vec<WireTool<'a>>,
    functions: Vec<WireFunction<'a>>,
) -> Result<Vec<Tool<'a>>, Untranslatable> {
    let tools = tools.into_iter().enumerate().map(|(at, tool)| (Place::message("tools", at), tool));
    let functions = functions.into_iter().enumerate().map(|(at, function)| {
        let tool = WireTool { function: Some(function), ..WireTool::default() };
        (Place::message("functions", at), tool)
    });
    tools.chain(functions).map(|(place, tool)| tool.read(place)).collect()
}

/// Reads `tool_choice`, or `function_call` of earlier versions. Tools that it does not allow are not offered.
pub(super) fn choice<'a>(
    raw: Option<&'a RawValue>,
    tools: &mut Vec<Tool<'a>>,
) -> Result<Option<ToolChoice<'a>>, Untranslatable> {
    let Some(raw) = raw else { return Ok(None) };
    let wrong =
        || Untranslatable::malformed("tool_choice", "must be auto, none, required or a function's name");
    let word = |word: &str| match word {
        "auto" => Ok(Some(ToolChoice::Auto)),
        "none" => Ok(Some(ToolChoice::None)),
        "required" | "any" => Ok(Some(ToolChoice::Any)),
        _ => Err(wrong()),
    };
    if let Ok(told) = serde_json::from_str::<Text<'_>>(raw.get()) {
        return word(&told);
    }
    let wire: WireChoice<'_> = serde_json::from_str(raw.get()).map_err(|_| wrong())?;
    if let Some(allowed) = wire.allowed_tools {
        let names = allowed.tools.0.into_iter().filter_map(WireTool::called).map(Text::into_owned);
        retain_allowed(tools, &names.collect::<Vec<_>>())?;
        return word(allowed.mode.as_deref().unwrap_or("auto"));
    }
    let function = wire.function.or(wire.custom);
    let name = function.and_then(|function| function.name).or(wire.name);
    name.map(|name| Some(ToolChoice::Tool(name))).ok_or_else(wrong)
}

// === impl WireTool ===

impl<'a> WireTool<'a> {
    /// Returns the name, or the kind of a tool that has none.
    fn called(self) -> Option<Text<'a>> {
        let own = self.function.or(self.custom).and_then(|function| function.name);
        own.or(self.kind)
    }

    fn read(self, place: Place) -> Result<Tool<'a>, Untranslatable> {
        let (function, sort) = match (self.function, self.custom) {
            (Some(function), _) => {
                let schema = function.parameters.map(|schema| Cow::Borrowed(schema.get()));
                let strict = function.strict;
                (function, ToolSort::Function { schema, strict })
            }
            (None, Some(custom)) => {
                let grammar = lenient::<WireFormat<'_>>(custom.format).and_then(|format| format.grammar);
                (custom, ToolSort::Freeform { grammar: grammar.and_then(|grammar| grammar.definition) })
            }
            (None, None) => (WireFunction::default(), ToolSort::Hosted(self.kind.unwrap_or_default())),
        };
        if function.name.is_none() && !matches!(sort, ToolSort::Hosted(_)) {
            return Err(Untranslatable::malformed(place, "function.name: field required"));
        }
        let name = function.name.unwrap_or_default();
        Ok(Tool { name, description: function.description, sort, place })
    }
}

// === impl WireCall ===

impl<'a> WireCall<'a> {
    /// Reads a call of an earlier turn.
    pub(super) fn read(self) -> ToolUse<'a> {
        let id = self.id.unwrap_or_default();
        match (self.function, self.custom) {
            (None, Some(custom)) => ToolUse { kind: ToolKind::Freeform, ..custom.read(id) },
            (function, _) => function.unwrap_or_default().read(id),
        }
    }
}

// === impl WireFunctionCall ===

impl<'a> WireFunctionCall<'a> {
    /// Reads what is called.
    pub(super) fn read(self, id: Text<'a>) -> ToolUse<'a> {
        ToolUse {
            id,
            name: self.name.unwrap_or_default(),
            input: self.arguments.or(self.input).unwrap_or_default(),
            kind: ToolKind::Function,
        }
    }
}
