//! Writes the tools.

use crate::{
    Format, Untranslatable,
    canonical::{Request, ToolChoice, ToolSort},
    freeform,
    json::Object,
    notes::Notes,
    schema,
};

/// Writes `tools` and `tool_choice`.
pub(super) fn write(
    request: &Request<'_>,
    notes: &mut Notes<'_>,
    body: &mut Object<'_>,
) -> Result<(), Untranslatable> {
    for tool in &request.tools {
        if let ToolSort::Hosted(kind) = &tool.sort {
            if !request.has_callable_tools() {
                return Err(Untranslatable::tool(kind, tool.place, Format::Messages));
            }
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
        wire.text("name", &notes.names.outward(&tool.name));
        freeform::describe(tool, &mut wire);
        schema::write("input_schema", schema, &mut wire);
        if let Some(strict) = strict {
            wire.flag("strict", strict);
        }
    }
    drop(list);
    choice(request, notes, body);
    Ok(())
}

fn choice(request: &Request<'_>, notes: &mut Notes<'_>, body: &mut Object<'_>) {
    let may_force = notes.abilities.forced_tools;
    if request.is_forced() && !may_force {
        notes.dropped.note("tool_choice (this model cannot be forced)");
    }
    let kind = match (&request.tool_choice, request.parallel_tools) {
        (None, None) => return,
        (None | Some(ToolChoice::Auto), _) => "auto",
        (Some(ToolChoice::Any | ToolChoice::Tool(_)), _) if !may_force => "auto",
        (Some(ToolChoice::Any), _) => "any",
        (Some(ToolChoice::None), _) => "none",
        (Some(ToolChoice::Tool(_)), _) => "tool",
    };
    let mut wire = body.object("tool_choice");
    wire.text("type", kind);
    if let Some(ToolChoice::Tool(name)) = &request.tool_choice
        && may_force
    {
        wire.text("name", &notes.names.outward(name));
    }
    if let Some(parallel) = request.parallel_tools
        && !matches!(request.tool_choice, Some(ToolChoice::None))
    {
        wire.flag("disable_parallel_tool_use", !parallel);
    }
}
