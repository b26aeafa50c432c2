//! Reads the tools, and which of them has to be used.

use std::borrow::Cow;

use crate::{
    Untranslatable,
    canonical::{Place, Tool, ToolChoice, ToolSort, retain_allowed},
    json::{Items, RawValue, Text, record},
    responses::item::{Namespaced, flat_name},
};

record! {
    /// A tool of any type.
    struct WireTool<'a> {
        kind: Option<Text<'a>> = "type",
        name: Option<Text<'a>> = "name",
        description: Option<Text<'a>> = "description",
        parameters: Option<&'a RawValue> = "parameters",
        strict: Option<bool> = "strict",
        format: Option<WireGrammar<'a>> = "format",
        tools: Items<WireTool<'a>> = "tools",
    }
}

record! {
    /// What the text of a free-form tool has to look like.
    struct WireGrammar<'a> {
        definition: Option<Text<'a>> = "definition",
    }
}

record! {
    /// `tool_choice`.
    struct WireChoice<'a> {
        kind: Option<Text<'a>> = "type",
        name: Option<Text<'a>> = "name",
        mode: Option<Text<'a>> = "mode",
        tools: Items<WireAllowed<'a>> = "tools",
    }
}

record! {
    /// A tool that may be called.
    struct WireAllowed<'a> {
        kind: Option<Text<'a>> = "type",
        name: Option<Text<'a>> = "name",
    }
}

/// The tools of a request, and which of them are within a namespace.
pub(super) type Tools<'a> = (Vec<Tool<'a>>, Vec<Namespaced>);

/// Reads the tools. Those of a namespace get one name of both parts.
pub(super) fn read(tools: Vec<WireTool<'_>>) -> Result<Tools<'_>, Untranslatable> {
    let (mut read, mut namespaces) = (Vec::with_capacity(tools.len()), vec![]);
    for (at, tool) in tools.into_iter().enumerate() {
        let place = Place::message("tools", at);
        if tool.kind.as_deref() != Some("namespace") {
            read.push(tool.read(place)?);
            continue;
        }
        let namespace = tool.name.unwrap_or_default();
        for inner in tool.tools.0 {
            let mut inner = inner.read(place)?;
            let flat = flat_name(&namespace, &inner.name);
            namespaces.push(Namespaced {
                flat: flat.clone(),
                namespace: namespace.to_string(),
                name: inner.name.to_string(),
            });
            inner.name = flat.into();
            read.push(inner);
        }
    }
    Ok((read, namespaces))
}

/// Reads `tool_choice`. Tools that it does not allow are not offered.
pub(super) fn choice<'a>(
    raw: Option<&'a RawValue>,
    (tools, namespaces): &mut Tools<'a>,
) -> Result<Option<ToolChoice<'a>>, Untranslatable> {
    let Some(raw) = raw.filter(|raw| raw.get() != "null") else { return Ok(None) };
    let wrong = || {
        Untranslatable::malformed("tool_choice", "must be auto, none, required or name a tool of the client")
    };
    let word = |word: &str| match word {
        "auto" => Some(ToolChoice::Auto),
        "none" => Some(ToolChoice::None),
        "required" => Some(ToolChoice::Any),
        _ => None,
    };
    if let Ok(text) = serde_json::from_str::<Text<'_>>(raw.get()) {
        return word(&text).map(Some).ok_or_else(wrong);
    }
    let wire: WireChoice<'_> = serde_json::from_str(raw.get()).map_err(|_| wrong())?;
    match (wire.kind.as_deref(), wire.name) {
        (Some("function" | "custom"), Some(name)) => Ok(Some(ToolChoice::Tool(name))),
        (Some("allowed_tools"), _) => {
            let named = wire.tools.0.into_iter().filter_map(|tool| tool.name.or(tool.kind));
            let mut allowed: Vec<String> = named.map(Text::into_owned).collect();
            let within = namespaces
                .iter()
                .filter(|tool| allowed.iter().any(|name| *name == tool.name || *name == tool.namespace));
            let flat: Vec<_> = within.map(|tool| tool.flat.clone()).collect();
            allowed.extend(flat);
            retain_allowed(tools, &allowed)?;
            word(wire.mode.as_deref().unwrap_or("auto")).map(Some).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

// === impl WireTool ===

impl<'a> WireTool<'a> {
    fn read(self, place: Place) -> Result<Tool<'a>, Untranslatable> {
        let kind = self.kind.unwrap_or_default();
        let sort = match &*kind {
            "function" => {
                let schema = self.parameters.map(|schema| Cow::Borrowed(schema.get()));
                ToolSort::Function { schema, strict: self.strict }
            }
            "custom" => ToolSort::Freeform { grammar: self.format.and_then(|format| format.definition) },
            _ => ToolSort::Hosted(kind),
        };
        if self.name.is_none() && !matches!(sort, ToolSort::Hosted(_)) {
            return Err(Untranslatable::malformed(place, "name: field required"));
        }
        Ok(Tool { name: self.name.unwrap_or_default(), description: self.description, sort, place })
    }
}
