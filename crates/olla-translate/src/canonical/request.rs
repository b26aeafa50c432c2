//! A request to continue a conversation.

use std::{borrow::Cow, mem};

use serde_json::Number;

use super::{Block, Place};
use crate::{
    Format, Untranslatable,
    json::{Field, RawValue, Text},
    responses::Namespaced,
};

/// A request to continue a conversation.
#[derive(Debug, Default)]
pub(crate) struct Request<'a> {
    pub(crate) model: Text<'a>,
    pub(crate) system: Vec<Block<'a>>,
    pub(crate) turns: Vec<Turn<'a>>,
    pub(crate) tools: Vec<Tool<'a>>,
    /// Which tools are within a namespace.
    pub(crate) namespaces: Vec<Namespaced>,
    pub(crate) tool_choice: Option<ToolChoice<'a>>,
    /// Whether the model may call several tools at once; `None` leaves it to the backend.
    pub(crate) parallel_tools: Option<bool>,
    pub(crate) max_tokens: Option<u64>,
    pub(crate) sampling: Sampling,
    pub(crate) stop: Vec<Text<'a>>,
    pub(crate) reasoning: Reasoning,
    pub(crate) format: Option<OutputFormat<'a>>,
    /// Who the end user is.
    pub(crate) user: Option<Text<'a>>,
    pub(crate) service_tier: Option<Text<'a>>,
    /// How many answers were asked for, if several.
    pub(crate) answers: Option<u64>,
    /// Whether the probabilities of tokens were asked for.
    pub(crate) logprobs: bool,
    pub(crate) stream: bool,
    /// Whether a stream should end with the figures of usage, where a dialect leaves the choice.
    pub(crate) stream_usage: bool,
    /// Whether caching was asked for somewhere. It changes the price and not the answer.
    pub(crate) caching: bool,
    /// What its reader could not take in, without harm, for the list of what was dropped.
    pub(crate) lost: Vec<Cow<'static, str>>,
    /// Fields without a counterpart here, for writers that know them.
    pub(crate) rest: Vec<Field<'a>>,
}

/// What one side says before the other speaks.
#[derive(Debug, Clone)]
pub(crate) struct Turn<'a> {
    pub(crate) role: Role,
    pub(crate) blocks: Vec<Block<'a>>,
    pub(crate) place: Place,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Instructions in the midst of a conversation.
    System,
    User,
    Assistant,
}

/// A tool that the model may call.
#[derive(Debug, Clone)]
pub(crate) struct Tool<'a> {
    pub(crate) name: Text<'a>,
    pub(crate) description: Option<Text<'a>>,
    pub(crate) sort: ToolSort<'a>,
    pub(crate) place: Place,
}

/// What sort of tool it is.
#[derive(Debug, Clone)]
pub(crate) enum ToolSort<'a> {
    /// Takes a JSON object that fits a schema (`None`: any), to the letter if `strict`.
    Function { schema: Option<Cow<'a, str>>, strict: Option<bool> },
    /// Takes any text, perhaps of a grammar.
    Freeform { grammar: Option<Text<'a>> },
    /// Is run by the provider itself. The kind is what the dialect calls it.
    Hosted(Text<'a>),
}

/// Which tool the model has to call.
#[derive(Debug, Clone)]
pub(crate) enum ToolChoice<'a> {
    Auto,
    Any,
    None,
    Tool(Text<'a>),
}

/// How the next token is drawn.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sampling {
    pub(crate) temperature: Option<Number>,
    pub(crate) top_p: Option<Number>,
    pub(crate) top_k: Option<Number>,
    pub(crate) seed: Option<Number>,
    pub(crate) frequency_penalty: Option<Number>,
    pub(crate) presence_penalty: Option<Number>,
}

/// How much the model should think before it answers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reasoning {
    pub(crate) thinking: Option<Thinking>,
    pub(crate) effort: Option<Effort>,
}

/// Whether to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thinking {
    Off,
    /// Yes, with at most so many tokens where the dialect tells a number.
    On(Option<u64>),
    /// The model decides for itself.
    Adaptive,
}

/// How hard to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Effort {
    Minimal,
    Low,
    Medium,
    High,
    ExtraHigh,
    Max,
}

/// The form that the answer has to have.
#[derive(Debug, Clone)]
pub(crate) enum OutputFormat<'a> {
    /// Some JSON object.
    Json,
    /// JSON that fits a schema.
    Schema {
        name: Option<Text<'a>>,
        description: Option<Text<'a>>,
        schema: &'a RawValue,
        strict: Option<bool>,
    },
}

/// Leaves only the tools that a `tool_choice` allows: those of these names, and those of these kinds that the
/// provider runs.
pub(crate) fn retain_allowed(tools: &mut Vec<Tool<'_>>, allowed: &[String]) -> Result<(), Untranslatable> {
    tools.retain(|tool| {
        let known_as = if let ToolSort::Hosted(kind) = &tool.sort { kind } else { &tool.name };
        allowed.iter().any(|allowed| *allowed == **known_as)
    });
    if tools.is_empty() {
        return Err(Untranslatable::malformed("tool_choice", "it allows none of the tools"));
    }
    Ok(())
}

// === impl Request ===

impl Request<'_> {
    /// Returns whether the model may call a tool that the client runs.
    pub(crate) fn has_callable_tools(&self) -> bool {
        self.tools.iter().any(|tool| !matches!(tool.sort, ToolSort::Hosted(_)))
    }

    /// Returns whether the model has to call a tool.
    pub(crate) const fn is_forced(&self) -> bool {
        matches!(self.tool_choice, Some(ToolChoice::Any | ToolChoice::Tool(_)))
    }

    /// Refuses what only some formats can ask for, and what changes the shape of the answer.
    pub(crate) fn check_answer(&self, backend: Format) -> Result<(), Untranslatable> {
        let (path, what) = match (self.answers, self.logprobs) {
            (Some(2..), _) => ("n", "a request for several answers"),
            (_, true) => ("logprobs", "a request for the probabilities of tokens"),
            _ => return Ok(()),
        };
        Err(Untranslatable::Inexpressible { path: path.into(), what: what.into(), backend, hint: "" })
    }
}

// === impl Reasoning ===

impl Reasoning {
    /// Leaves out what only a model that thinks can be asked for, and returns the name of what is lost with it.
    pub(crate) const fn give_up(&mut self) -> Option<&'static str> {
        let asked = mem::replace(self, Self { thinking: None, effort: None });
        match (asked.thinking, asked.effort) {
            (Some(Thinking::On(_)), _) | (Some(Thinking::Adaptive), Some(_)) => Some("thinking"),
            (None, Some(_)) => Some("effort"),
            (Some(Thinking::Off), _) | (Some(Thinking::Adaptive) | None, None) => None,
        }
    }
}

// === impl Effort ===

impl Effort {
    /// Reads the name that OpenAI and Anthropic share.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "minimal" => Self::Minimal,
            "low" => Self::Low,
            "medium" => Self::Medium,
            "high" => Self::High,
            "xhigh" => Self::ExtraHigh,
            "max" => Self::Max,
            _ => return None,
        })
    }

    /// Returns the name that OpenAI and Anthropic share.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::ExtraHigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// Returns the effort that fits a budget of tokens.
    pub(crate) const fn of_budget(tokens: u64) -> Self {
        match tokens {
            0..=4096 => Self::Low,
            4097..=16_384 => Self::Medium,
            _ => Self::High,
        }
    }

    /// Returns a budget of tokens that fits the effort; [`Self::of_budget`] leads back to it, between low and
    /// high.
    pub(crate) const fn budget(self) -> u64 {
        match self {
            Self::Minimal => 1024,
            Self::Low => 4096,
            Self::Medium => 16_384,
            Self::High | Self::ExtraHigh | Self::Max => 32_768,
        }
    }
}
