//! Reads `api.formats`: which formats of conversation a kind speaks.

use olla_core::Version;

use crate::{
    formats::{ModelTakes, Spoken, Takes, Thoughts, VersionReport, WireFormat},
    reader::{Node, Reader, closest},
};

/// Names of where thoughts are sent back.
const THOUGHTS: [(&str, Thoughts); 5] = [
    ("reasoning_content", Thoughts::ReasoningContent),
    ("reasoning", Thoughts::Reasoning),
    ("thinking_blocks", Thoughts::ThinkingBlocks),
    ("by_model", Thoughts::ByModel),
    ("nowhere", Thoughts::Nowhere),
];

/// What older files say of the format of messages.
#[derive(Debug)]
pub(crate) struct OlderMessages {
    pub(crate) enabled: bool,
    pub(crate) path: Option<Box<str>>,
}

/// Reads `api.anthropic_support` of older files.
pub(super) fn older(r: &mut Reader<'_>, node: &Node<'_>) -> OlderMessages {
    r.keys(node, &["enabled", "messages_path"]);
    OlderMessages {
        enabled: r.flag(node.get("enabled")).unwrap_or(false),
        path: super::request_path(r, node.get("messages_path")).map(String::into_boxed_str),
    }
}

/// Reads the list; each element is the name of a format, or a mapping.
pub(super) fn read(r: &mut Reader<'_>, node: Option<Node<'_>>) -> Option<Vec<Spoken>> {
    let elements = r.one_or_many(Some(node?));
    Some(elements.iter().filter_map(|element| spoken(r, element)).collect())
}

fn spoken(r: &mut Reader<'_>, node: &Node<'_>) -> Option<Spoken> {
    if !node.is_mapping() {
        return Some(Spoken::usual(format(r, node)?));
    }
    r.keys(node, &["format", "path", "since", "takes", "models"]);
    let named = r.required(node, "format")?;
    let format = format(r, &named)?;
    let path = super::request_path(r, node.get("path")).map(String::into_boxed_str);
    let takes = node.get("takes").map(|node| takes(r, &node)).unwrap_or_default();
    let since = node.get("since").and_then(|node| version(r, &node));
    let models = r.list(node.get("models")).iter().filter_map(|node| of_models(r, node)).collect();
    Some(Spoken { format, path, since, takes, models })
}

fn of_models(r: &mut Reader<'_>, node: &Node<'_>) -> Option<ModelTakes> {
    r.keys(node, &["families", "since", "takes"]);
    let families = r.required(node, "families");
    let families = r.texts(families).iter().map(|family| family.to_lowercase().into()).collect();
    let since = node.get("since").and_then(|node| version(r, &node));
    let said = r.required(node, "takes")?;
    Some(ModelTakes { families, since, takes: takes(r, &said) })
}

/// Reads `reported_version`.
pub(super) fn version_report(r: &mut Reader<'_>, node: &Node<'_>) -> Option<VersionReport> {
    r.keys(node, &["path", "json"]);
    let path = r.required(node, "path");
    let path = super::request_path(r, path);
    let json = r.required(node, "json").and_then(|node| super::json_path(r, &node));
    Some(VersionReport { path: path?, json: json? })
}

fn version(r: &mut Reader<'_>, node: &Node<'_>) -> Option<Version> {
    let text = r.text(Some(node.clone()))?;
    let version = Version::parse(&text);
    if version.is_none() {
        r.problem(node, "must be a version such as 0.14.0, in quotes");
    }
    version
}

fn format(r: &mut Reader<'_>, node: &Node<'_>) -> Option<WireFormat> {
    let name = r.text(Some(node.clone()))?;
    let found = WireFormat::ALL.into_iter().find(|format| format.name() == name);
    if found.is_none() {
        let known = WireFormat::ALL.map(WireFormat::name);
        let message = format!("must be one of {}", known.join(", "));
        r.problem_with_suggestion(node, message, closest(&name, &known));
    }
    found
}

// === impl OlderMessages ===

impl OlderMessages {
    /// Corrects what is known of a kind's formats.
    pub(crate) fn correct(self, formats: &mut Vec<Spoken>) {
        let Self { enabled, path } = self;
        let known = formats.iter().position(|spoken| spoken.format == WireFormat::Messages);
        match (enabled, known.and_then(|at| formats.get_mut(at))) {
            (false, _) => formats.retain(|spoken| spoken.format != WireFormat::Messages),
            (true, Some(spoken)) => spoken.path = path.or(spoken.path.take()),
            (true, None) => formats.push(Spoken { path, ..Spoken::usual(WireFormat::Messages) }),
        }
    }
}

fn takes(r: &mut Reader<'_>, node: &Node<'_>) -> Takes {
    let known = [
        "stream_usage",
        "top_k",
        "parallel_tool_calls",
        "files",
        "reasoning_effort",
        "effort_none",
        "effort_minimal",
        "enable_thinking",
        "max_completion_tokens",
        "late_system",
        "continue_final_message",
        "adaptive_thinking",
        "thinking_budget",
        "thinking_off",
        "thinks_unasked",
        "effort_xhigh",
        "sampling",
        "top_p_with_temperature",
        "forced_tools",
        "thoughts",
        "stop_sequences",
    ];
    r.keys(node, &known);
    let thoughts = node.get("thoughts").and_then(|node| thoughts(r, &node));
    let stop_sequences = r.number(node.get("stop_sequences"));
    let mut flag = |name| r.flag(node.get(name));
    Takes {
        stream_usage: flag("stream_usage"),
        top_k: flag("top_k"),
        parallel_tool_calls: flag("parallel_tool_calls"),
        files: flag("files"),
        reasoning_effort: flag("reasoning_effort"),
        effort_none: flag("effort_none"),
        effort_minimal: flag("effort_minimal"),
        enable_thinking: flag("enable_thinking"),
        max_completion_tokens: flag("max_completion_tokens"),
        late_system: flag("late_system"),
        continue_final_message: flag("continue_final_message"),
        adaptive_thinking: flag("adaptive_thinking"),
        thinking_budget: flag("thinking_budget"),
        thinking_off: flag("thinking_off"),
        thinks_unasked: flag("thinks_unasked"),
        effort_xhigh: flag("effort_xhigh"),
        sampling: flag("sampling"),
        top_p_with_temperature: flag("top_p_with_temperature"),
        forced_tools: flag("forced_tools"),
        thoughts,
        stop_sequences,
    }
}

fn thoughts(r: &mut Reader<'_>, node: &Node<'_>) -> Option<Thoughts> {
    let name = r.text(Some(node.clone()))?;
    let found = THOUGHTS.into_iter().find(|(known, _)| *known == name).map(|(_, thoughts)| thoughts);
    if found.is_none() {
        let known = THOUGHTS.map(|(known, _)| known);
        let message = format!("must be one of {}", known.join(", "));
        r.problem_with_suggestion(node, message, closest(&name, &known));
    }
    found
}
