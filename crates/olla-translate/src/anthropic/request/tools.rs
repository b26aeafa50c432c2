//! Tools, and which of them has to be used.

use std::borrow::Cow;

use super::{survey::Survey, told};
use crate::{
    Untranslatable,
    canonical::{Place, Tool, ToolChoice, ToolSort},
    json::{RawValue, Text, record},
};

record! {
    /// A tool of any type.
    struct WireTool<'a> {
        kind: Option<Text<'a>> = "type",
        name: Option<Text<'a>> = "name",
        description: Option<Text<'a>> = "description",
        input_schema: Option<&'a RawValue> = "input_schema",
        strict: Option<bool> = "strict",
        defer_loading: Option<bool> = "defer_loading",
        cache_control: Option<&'a RawValue> = "cache_control",
    }
}

record! {
    /// `tool_choice`.
    struct WireChoice<'a> {
        kind: Option<Text<'a>> = "type",
        name: Option<Text<'a>> = "name",
        disable_parallel_tool_use: Option<bool> = "disable_parallel_tool_use",
    }
}

/// Tools that Anthropic defines and the client runs: what their type begins with, what to tell other models,
/// and what they take.
const CLIENT_TOOLS: [(&str, &str, &str); 4] = [
    (
        "bash_",
        "Runs a command in a shell that keeps its state from call to call. With restart, starts a new shell.",
        r#"{"type":"object","properties":{"command":{"type":"string"},"restart":{"type":"boolean"}}}"#,
    ),
    (
        "text_editor_",
        "Views and edits text files. view: path and optionally view_range; create: path and file_text; \
         str_replace: path, old_str (exact and unique) and new_str; insert: path, insert_line and insert_text.",
        r#"{"type":"object","properties":{"command":{"type":"string","enum":["view","create","str_replace","insert"]},"path":{"type":"string"},"view_range":{"type":"array","items":{"type":"integer"}},"file_text":{"type":"string"},"old_str":{"type":"string"},"new_str":{"type":"string"},"insert_line":{"type":"integer"},"insert_text":{"type":"string"}},"required":["command","path"]}"#,
    ),
    (
        "memory_",
        "Keeps notes in files below /memories. view: path; create: path and file_text; str_replace: path, \
         old_str and new_str; insert: path, insert_line and insert_text; delete: path; rename: old_path and \
         new_path.",
        r#"{"type":"object","properties":{"command":{"type":"string","enum":["view","create","str_replace","insert","delete","rename"]},"path":{"type":"string"},"view_range":{"type":"array","items":{"type":"integer"}},"file_text":{"type":"string"},"old_str":{"type":"string"},"new_str":{"type":"string"},"insert_line":{"type":"integer"},"insert_text":{"type":"string"},"old_path":{"type":"string"},"new_path":{"type":"string"}},"required":["command"]}"#,
    ),
    (
        "computer_",
        "Uses a screen, a mouse and a keyboard: screenshot, key, type, mouse_move, left_click, right_click, \
         middle_click, double_click, left_click_drag, scroll, wait. Coordinates are [x, y] in pixels.",
        r#"{"type":"object","properties":{"action":{"type":"string"},"coordinate":{"type":"array","items":{"type":"integer"}},"start_coordinate":{"type":"array","items":{"type":"integer"}},"text":{"type":"string"},"scroll_direction":{"type":"string","enum":["up","down","left","right"]},"scroll_amount":{"type":"integer"},"duration":{"type":"number"}},"required":["action"]}"#,
    ),
];

/// How the provider's own searches for tools begin.
const SEARCHES: &str = "tool_search_tool_";

/// Reads the tools that the model may see, and whether a cache should remember one. A tool may be kept from it
/// until a search has found that; the provider's own search finds nothing elsewhere, and hides nothing.
pub(super) fn read<'a>(
    tools: Vec<WireTool<'a>>,
    choice: Option<&ToolChoice<'_>>,
    survey: &Survey<'_>,
    lost: &mut Vec<Cow<'static, str>>,
) -> Result<(Vec<Tool<'a>>, bool), Untranslatable> {
    let cached = tools.iter().any(|tool| tool.cache_control.is_some());
    let is_search = |tool: &WireTool<'_>| tool.kind.as_deref().is_some_and(|kind| kind.starts_with(SEARCHES));
    let searched = tools.iter().any(is_search);
    let mut seen = Vec::with_capacity(tools.len());
    for (at, tool) in tools.into_iter().enumerate() {
        let place = Place::message("tools", at);
        let deferred = tool.defer_loading.unwrap_or(false);
        let unread: Vec<String> = told(&tool.rest).map(str::to_owned).collect();
        let named = tool.name.as_ref().is_some_and(|name| !name.is_empty());
        let tool = tool.read(place);
        if !named && !matches!(tool.sort, ToolSort::Hosted(_)) {
            return Err(Untranslatable::malformed(place, "name: field required"));
        }
        if deferred && searched {
            lost.push("defer_loading".into());
        }
        let chosen = matches!(choice, Some(ToolChoice::Tool(name)) if *name == tool.name);
        if !deferred || searched || chosen || survey.knows(&tool.name) {
            if !matches!(tool.sort, ToolSort::Hosted(_)) {
                lost.extend(unread.into_iter().map(Cow::from));
            }
            seen.push(tool);
        }
    }
    Ok((seen, cached))
}

/// Reads `tool_choice`, and whether several tools may be called at once.
pub(super) fn choice(
    raw: Option<&RawValue>,
) -> Result<(Option<ToolChoice<'_>>, Option<bool>), Untranslatable> {
    let Some(raw) = raw else { return Ok((None, None)) };
    let wire = match serde_json::from_str::<Text<'_>>(raw.get()) {
        Ok(kind) => WireChoice { kind: Some(kind), ..WireChoice::default() },
        Err(_) => serde_json::from_str(raw.get())
            .map_err(|error| Untranslatable::malformed("tool_choice", error))?,
    };
    let choice = match wire.kind.as_deref() {
        Some("auto") => ToolChoice::Auto,
        Some("any") => ToolChoice::Any,
        Some("none") => ToolChoice::None,
        Some("tool") => match wire.name {
            Some(name) => ToolChoice::Tool(name),
            None => return Err(Untranslatable::malformed("tool_choice.name", "field required")),
        },
        _ => return Err(Untranslatable::malformed("tool_choice.type", "must be auto, any, tool or none")),
    };
    Ok((Some(choice), wire.disable_parallel_tool_use.map(|disabled| !disabled)))
}

// === impl WireTool ===

impl<'a> WireTool<'a> {
    fn read(self, place: Place) -> Tool<'a> {
        let kind = self.kind.unwrap_or_default();
        // A date follows, and no other word: a `computer_toolset_…` is something else.
        let dated = |prefix: &str| kind.strip_prefix(prefix).is_some_and(|tail| tail.starts_with(['1', '2']));
        let known = CLIENT_TOOLS.iter().find(|(prefix, ..)| dated(prefix));
        let (description, sort) = match (&*kind, known) {
            ("" | "custom", _) => {
                let schema = self.input_schema.map(|schema| Cow::Borrowed(schema.get()));
                (self.description, ToolSort::Function { schema, strict: self.strict })
            }
            (_, Some((_, description, schema))) => {
                let schema = Some(Cow::Borrowed(*schema));
                (Some((*description).into()), ToolSort::Function { schema, strict: None })
            }
            _ => (None, ToolSort::Hosted(kind)),
        };
        Tool { name: self.name.unwrap_or_default(), description, sort, place }
    }
}
