//! How a model is asked to think, to write and to format.

use crate::{
    canonical::{Content, Effort, OutputFormat, Reasoning, Request, Role, Thinking, ToolChoice},
    json::Object,
    notes::Notes,
};

/// What the request says of thinking, and how long the answer may become with it.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) max_tokens: u64,
    mode: Mode,
    effort: Option<Effort>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Unsaid,
    Off,
    Budget(u64),
    Adaptive,
}

/// The least that Anthropic takes.
const MIN_BUDGET: u64 = 1024;
/// What most answers need, in tokens.
const ANSWER: u64 = 4096;

// === impl Plan ===

impl Plan {
    /// Decides, and notes what the request cannot have.
    pub(super) fn of(request: &Request<'_>, notes: &mut Notes<'_>) -> Self {
        let max_tokens = request.max_tokens.unwrap_or(notes.abilities.default_max_tokens);
        let adaptive = notes.abilities.adaptive_thinking;
        let effort = request.reasoning.effort;
        let asked = match (request.reasoning.thinking, effort) {
            (Some(Thinking::Off), _) => Mode::Off,
            (Some(Thinking::Adaptive), None) if !adaptive => Mode::Unsaid,
            (Some(Thinking::Adaptive), _) if adaptive => Mode::Adaptive,
            (Some(Thinking::On(Some(tokens))), _) => Mode::Budget(tokens),
            (None, None) => Mode::Unsaid,
            (_, Some(_) | None) if adaptive => Mode::Adaptive,
            (_, effort) => Mode::Budget(effort.unwrap_or(Effort::Medium).budget()),
        };
        let max_tokens = match (asked, request.max_tokens) {
            // What is thought counts as written.
            (Mode::Budget(budget), None) => max_tokens.saturating_add(budget),
            _ => max_tokens,
        };
        let mode = match asked {
            Mode::Budget(budget) => fitting(budget, &request.reasoning, max_tokens).map_or_else(
                || {
                    notes.dropped.note("thinking (max_tokens leaves no room for it)");
                    Mode::Unsaid
                },
                Mode::Budget,
            ),
            mode => mode,
        };
        let mut plan = Self { max_tokens, mode, effort: effort.filter(|_| adaptive) };
        if plan.thinks()
            && let Some(reason) = obstacle(request)
        {
            notes.dropped.note(format!("thinking ({reason})"));
            plan.mode = Mode::Unsaid;
        }
        plan
    }

    /// Returns whether the model will think.
    pub(super) const fn thinks(&self) -> bool {
        matches!(self.mode, Mode::Budget(_) | Mode::Adaptive)
    }

    /// Writes `thinking` and `output_config`.
    pub(super) fn write(&self, request: &Request<'_>, body: &mut Object<'_>) {
        match self.mode {
            Mode::Unsaid => {}
            Mode::Off => {
                body.object("thinking").text("type", "disabled");
            }
            Mode::Budget(tokens) => {
                body.object("thinking").text("type", "enabled").number("budget_tokens", tokens);
            }
            Mode::Adaptive => {
                body.object("thinking").text("type", "adaptive");
            }
        }
        let schema = match &request.format {
            Some(OutputFormat::Schema { schema, .. }) => Some(schema),
            Some(OutputFormat::Json) | None => None,
        };
        if self.effort.is_none() && schema.is_none() {
            return;
        }
        let mut output = body.object("output_config");
        if let Some(effort) = self.effort {
            output.text("effort", effort.max(Effort::Low).as_str());
        }
        if let Some(schema) = schema {
            output.object("format").text("type", "json_schema").raw("schema", schema);
        }
    }
}

/// Returns the budget that this length leaves room for. Anthropic takes any below it; one that the client has not named
/// itself leaves half of it to the answer, or what most answers need.
fn fitting(budget: u64, asked: &Reasoning, max_tokens: u64) -> Option<u64> {
    let is_named = matches!(asked.thinking, Some(Thinking::On(Some(_))));
    if is_named && (MIN_BUDGET..max_tokens).contains(&budget) {
        return Some(budget);
    }
    let most = max_tokens - max_tokens.div_ceil(2).min(ANSWER);
    (most >= MIN_BUDGET).then(|| budget.clamp(MIN_BUDGET, most))
}

/// Anthropic refuses thinking beside a forced tool, and in a turn that has called tools without its thoughts.
fn obstacle(request: &Request<'_>) -> Option<&'static str> {
    if matches!(request.tool_choice, Some(ToolChoice::Any | ToolChoice::Tool(_))) {
        return Some("a tool is forced");
    }
    let last = request.turns.iter().rfind(|turn| turn.role == Role::Assistant)?;
    let calls = last.blocks.iter().any(|block| matches!(block.content, Content::ToolUse(_)));
    let signed = last.blocks.iter().any(|block| match &block.content {
        Content::Thinking { signature, .. } => !signature.is_empty(),
        Content::RedactedThinking(_) => true,
        _ => false,
    });
    (calls && !signed).then_some("the last tool calls came without their signed thoughts")
}
