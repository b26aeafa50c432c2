//! Writes the tools of a chat.

use crate::{
    Format, Untranslatable,
    canonical::{Request, Tool, ToolChoice, ToolSort},
    freeform,
    json::{Object, Text},
    notes::Notes,
    schema,
};

/// Writes `tools`, `tool_choice` and `parallel_tool_calls`.
pub(super) fn write(
    request: &Request<'_>,
    notes: &mut Notes<'_>,
    body: &mut Object<'_>,
) -> Result<(), Untranslatable> {
    for tool in &request.tools {
        if let ToolSort::Hosted(kind) = &tool.sort {
            hosted(request, tool, kind)?;
            notes.dropped.note(format!("{} ({})", tool.place, &**kind));
        }
    }
    if !request.has_callable_tools() {
        return Ok(());
    }
    let mut list = body.array("tools");
    for tool in &request.tools {
        let (schema, strict) = match &tool.sort {
            ToolSort::Function { schema, strict } => (schema.as_deref(), *strict),
            ToolSort::Freeform { .. } => (Some(freeform::SCHEMA), None),
            ToolSort::Hosted(_) => continue,
        };
        let mut wire = list.object();
        wire.text("type", "function");
        let mut function = wire.object("function");
        function.text("name", &notes.names.outward(&tool.name));
        freeform::describe(tool, &mut function);
        schema::write("parameters", schema, &mut function);
        if let Some(strict) = strict {
            function.flag("strict", strict);
        }
    }
    drop(list);
    choice(request, notes, body);
    Ok(())
}

/// A tool that the provider runs is left out, unless nothing sensible is left of the request without it.
fn hosted(request: &Request<'_>, tool: &Tool<'_>, kind: &Text<'_>) -> Result<(), Untranslatable> {
    let needed = match &request.tool_choice {
        Some(ToolChoice::Tool(name)) => *name == tool.name,
        Some(ToolChoice::None) => false,
        Some(ToolChoice::Auto | ToolChoice::Any) | None => !request.has_callable_tools(),
    };
    if !needed {
        return Ok(());
    }
    Err(Untranslatable::tool(kind, tool.place, Format::Chat))
}

fn choice(request: &Request<'_>, notes: &mut Notes<'_>, body: &mut Object<'_>) {
    match &request.tool_choice {
        None => {}
        Some(ToolChoice::Auto) => {
            body.text("tool_choice", "auto");
        }
        Some(ToolChoice::Any) => {
            body.text("tool_choice", "required");
        }
        Some(ToolChoice::None) => {
            body.text("tool_choice", "none");
        }
        Some(ToolChoice::Tool(name)) => {
            let name = notes.names.outward(name);
            let mut wire = body.object("tool_choice");
            wire.text("type", "function").object("function").text("name", &name);
        }
    }
    if let Some(parallel) = request.parallel_tools {
        if notes.abilities.parallel_switch {
            body.flag("parallel_tool_calls", parallel);
        } else {
            notes.dropped.note("parallel tool use");
        }
    }
}
