//! How a model is asked to think, to write and to format.

use super::schema::Form;
use crate::{
    Abilities,
    canonical::{Content, Effort, Reasoning, Request, Role, Thinking},
    json::Object,
    notes::Notes,
};

/// What the request says of thinking, and how long the answer may become with it.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) max_tokens: u64,
    mode: Mode,
    /// Whether thoughts have to be asked for, for a model that keeps them to itself.
    shown: bool,
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
        let abilities = notes.abilities;
        let asked = Mode::asked(&request.reasoning, abilities);
        let mut effort = effort(&request.reasoning).filter(|_| abilities.adaptive_thinking);
        let mut max_tokens = request.max_tokens.unwrap_or(abilities.default_max_tokens);
        if request.max_tokens.is_none() {
            // What is thought counts as written.
            max_tokens = max_tokens.saturating_add(match asked {
                Mode::Budget(budget) => budget,
                Mode::Adaptive => effort.unwrap_or(Effort::High).budget(),
                Mode::Unsaid if abilities.thinks_unasked => Effort::Medium.budget(),
                Mode::Unsaid | Mode::Off => 0,
            });
        }
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
        let mode = mode.permitted(request, notes);
        if mode == Mode::Unsaid && asked == Mode::Off && abilities.thinks_unasked {
            effort = Some(Effort::Low);
        }
        let effort = effort.map(|effort| written(effort, mode, notes));
        Self { max_tokens, mode, shown: !abilities.thinking_budget, effort }
    }

    /// Returns whether the model will think.
    pub(super) const fn thinks(&self) -> bool {
        matches!(self.mode, Mode::Budget(_) | Mode::Adaptive)
    }

    /// Writes `thinking` and `output_config`.
    pub(super) fn write(&self, form: &Form, body: &mut Object<'_>) {
        match self.mode {
            Mode::Unsaid => {}
            Mode::Off => {
                body.object("thinking").text("type", "disabled");
            }
            Mode::Budget(tokens) => {
                body.object("thinking").text("type", "enabled").number("budget_tokens", tokens);
            }
            Mode::Adaptive => {
                let mut thinking = body.object("thinking");
                thinking.text("type", "adaptive");
                if self.shown {
                    thinking.text("display", "summarized");
                }
            }
        }
        let schema = match form {
            Form::Enforced(schema) => Some(schema),
            Form::Any | Form::Told(_) => None,
        };
        if self.effort.is_none() && schema.is_none() {
            return;
        }
        let mut output = body.object("output_config");
        if let Some(effort) = self.effort {
            output.text("effort", effort.as_str());
        }
        if let Some(schema) = schema {
            output.object("format").text("type", "json_schema").json("schema", schema);
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

/// Returns how hard the model should think.
fn effort(reasoning: &Reasoning) -> Option<Effort> {
    let of_budget = match reasoning.thinking {
        Some(Thinking::On(Some(tokens))) => Some(Effort::of_budget(tokens)),
        Some(Thinking::On(None) | Thinking::Off | Thinking::Adaptive) | None => None,
    };
    reasoning.effort.or(of_budget)
}

/// Returns the effort that the model takes.
fn written(effort: Effort, mode: Mode, notes: &mut Notes<'_>) -> Effort {
    let most = match effort {
        // A model that does not think takes no more.
        Effort::ExtraHigh | Effort::Max if mode == Mode::Off => Effort::High,
        Effort::ExtraHigh if !notes.abilities.effort_xhigh => Effort::High,
        effort => return effort.max(Effort::Low),
    };
    notes.dropped.note(format!("effort ({} in place of {})", most.as_str(), effort.as_str()));
    most
}

// === impl Mode ===

impl Mode {
    /// Returns what was asked for, in the way that the model takes.
    fn asked(reasoning: &Reasoning, abilities: &Abilities) -> Self {
        let adaptive = abilities.adaptive_thinking;
        match (reasoning.thinking, reasoning.effort) {
            (Some(Thinking::Off), _) => Self::Off,
            (Some(Thinking::On(Some(tokens))), _) if abilities.thinking_budget => Self::Budget(tokens),
            (Some(Thinking::Adaptive), None) if !adaptive => Self::Unsaid,
            (None, None) => Self::Unsaid,
            _ if adaptive => Self::Adaptive,
            (_, effort) => Self::Budget(effort.unwrap_or(Effort::Medium).budget()),
        }
    }

    /// Returns what the request can have of it.
    fn permitted(self, request: &Request<'_>, notes: &mut Notes<'_>) -> Self {
        let abilities = notes.abilities;
        let forced = request.is_forced() && abilities.forced_tools;
        match self {
            Self::Off if abilities.thinking_off => Self::Off,
            Self::Off => {
                if abilities.thinks_unasked {
                    notes.dropped.note("thinking (this model always thinks)");
                }
                Self::Unsaid
            }
            // Anthropic refuses thinking beside a forced tool.
            Self::Unsaid if forced && abilities.thinks_unasked && abilities.thinking_off => Self::Off,
            Self::Adaptive | Self::Budget(_) if forced => {
                notes.dropped.note("thinking (a tool is forced)");
                if abilities.thinks_unasked && abilities.thinking_off { Self::Off } else { Self::Unsaid }
            }
            // And a budget in a turn that has called tools without its thoughts.
            Self::Budget(_) if called_without_thoughts(request) => {
                notes.dropped.note("thinking (the last tool calls came without their signed thoughts)");
                Self::Unsaid
            }
            mode => mode,
        }
    }
}

fn called_without_thoughts(request: &Request<'_>) -> bool {
    let Some(last) = request.turns.iter().rfind(|turn| turn.role == Role::Assistant) else { return false };
    let calls = last.blocks.iter().any(|block| matches!(block.content, Content::ToolUse(_)));
    let signed = last.blocks.iter().any(|block| match &block.content {
        Content::Thinking { signature, .. } => !signature.is_empty(),
        Content::RedactedThinking(_) => true,
        _ => false,
    });
    calls && !signed
}
