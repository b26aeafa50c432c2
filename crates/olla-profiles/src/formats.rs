//! Which formats of conversation a kind speaks, where, since when, and with which peculiarities.

use olla_core::Version;
use serde_json::Value;

use crate::{
    Profile,
    json_path::{JsonPath, scalar_text},
};

/// A format of conversation, as profiles name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WireFormat {
    /// `chat`: OpenAI's chat completions.
    Chat,
    /// `messages`: Anthropic's Messages.
    Messages,
    /// `responses`: OpenAI's Responses. Requests are passed on in it, and not translated into it.
    Responses,
}

/// A format that a kind speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spoken {
    /// The format.
    pub format: WireFormat,
    /// Where the kind takes it; `None` is the usual path.
    pub path: Option<Box<str>>,
    /// The first version that speaks it; `None`: every version does.
    pub since: Option<Version>,
    /// What it takes besides what every server of that format does, or not.
    pub takes: Takes,
    /// Where models differ from that; later ones count more.
    pub models: Vec<ModelTakes>,
}

/// What some models take besides, or not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelTakes {
    /// Words of which the name has one, in lower case.
    pub(crate) families: Vec<Box<str>>,
    /// The first version of the model, where that matters.
    pub(crate) since: Option<Version>,
    pub(crate) takes: Takes,
}

/// Where servers of a kind report their version.
#[derive(Debug, Clone)]
pub struct VersionReport {
    pub(crate) path: String,
    pub(crate) json: JsonPath,
}

/// Peculiarities of a kind in one format; `None` is what is usual.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Takes {
    /// `stream_options.include_usage`.
    pub stream_usage: Option<bool>,
    /// `top_k`.
    pub top_k: Option<bool>,
    /// `parallel_tool_calls`.
    pub parallel_tool_calls: Option<bool>,
    /// PDF documents as `file` parts.
    pub files: Option<bool>,
    /// `reasoning_effort`.
    pub reasoning_effort: Option<bool>,
    /// `reasoning_effort: none`.
    pub effort_none: Option<bool>,
    /// `reasoning_effort: minimal`.
    pub effort_minimal: Option<bool>,
    /// `chat_template_kwargs.enable_thinking`.
    pub enable_thinking: Option<bool>,
    /// `max_completion_tokens` in place of `max_tokens`; `None`: as the model's name tells.
    pub max_completion_tokens: Option<bool>,
    /// System messages that are not at the beginning.
    pub late_system: Option<bool>,
    /// `continue_final_message`.
    pub continue_final_message: Option<bool>,
    /// `thinking: {type: adaptive}`.
    pub adaptive_thinking: Option<bool>,
    /// `thinking: {type: enabled}` with a budget.
    pub thinking_budget: Option<bool>,
    /// `thinking: {type: disabled}`.
    pub thinking_off: Option<bool>,
    /// Thinks where a request says nothing of it.
    pub thinks_unasked: Option<bool>,
    /// The effort `xhigh`.
    pub effort_xhigh: Option<bool>,
    /// `temperature`, `top_p` and `top_k`.
    pub sampling: Option<bool>,
    /// `top_p` beside `temperature`.
    pub top_p_with_temperature: Option<bool>,
    /// A `tool_choice` that forces a call.
    pub forced_tools: Option<bool>,
    /// The field in which earlier thoughts are sent back.
    pub thoughts: Option<Thoughts>,
    /// The most stop sequences.
    pub stop_sequences: Option<usize>,
}

/// Where a message of the assistant carries earlier thoughts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Thoughts {
    /// `reasoning_content`.
    ReasoningContent,
    /// `reasoning`.
    Reasoning,
    /// `thinking_blocks`.
    ThinkingBlocks,
    /// As the model's name tells.
    ByModel,
    /// Nowhere.
    Nowhere,
}

// === impl WireFormat ===

impl WireFormat {
    /// Every format, the one that is rather translated into first.
    pub const ALL: [Self; 3] = [Self::Chat, Self::Messages, Self::Responses];

    /// Returns the name in profiles.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Messages => "messages",
            Self::Responses => "responses",
        }
    }

    /// Returns the path at which servers usually take it.
    #[must_use]
    pub const fn usual_path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Messages => "/v1/messages",
            Self::Responses => "/v1/responses",
        }
    }
}

// === impl Spoken ===

impl Spoken {
    pub(crate) fn usual(format: WireFormat) -> Self {
        Self { format, path: None, since: None, takes: Takes::default(), models: vec![] }
    }

    /// Returns what a model takes, where that is not what the kind takes.
    #[must_use]
    pub fn takes_of(&self, model: &str) -> Option<Takes> {
        let mut special = self.models.iter().filter(|rule| rule.is_for(model)).peekable();
        special.peek()?;
        Some(special.fold(self.takes.clone(), |takes, rule| rule.takes.clone().or(&takes)))
    }
}

// === impl ModelTakes ===

impl ModelTakes {
    /// Returns whether this is about the model of a name. A name without a version is taken for the newest.
    fn is_for(&self, model: &str) -> bool {
        let model = model.to_ascii_lowercase();
        let words: Vec<&str> = model.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        let Some(at) = words.iter().position(|word| self.families.iter().any(|family| **family == **word))
        else {
            return false;
        };
        let (before, after) = (words.get(..at).unwrap_or_default(), words.get(at + 1..).unwrap_or_default());
        let version = version(after).or_else(|| {
            let digits = before.iter().rev().take_while(|word| is_number(word)).count().min(2);
            version(before.get(before.len() - digits..).unwrap_or_default())
        });
        self.since.is_none_or(|since| version.is_none_or(|version| version >= since))
    }
}

/// Reads the version that the words begin with; a date is none.
fn version(words: &[&str]) -> Option<Version> {
    let mut numbers = words.iter().take_while(|word| is_number(word)).copied();
    let major = numbers.next()?;
    Version::parse(&[major, ".", numbers.next().unwrap_or("0")].concat())
}

fn is_number(word: &str) -> bool {
    matches!(word.len(), 1 | 2) && word.bytes().all(|byte| byte.is_ascii_digit())
}

// === impl Takes ===

impl Takes {
    /// Returns this, with the other where this says nothing.
    fn or(self, other: &Self) -> Self {
        Self {
            stream_usage: self.stream_usage.or(other.stream_usage),
            top_k: self.top_k.or(other.top_k),
            parallel_tool_calls: self.parallel_tool_calls.or(other.parallel_tool_calls),
            files: self.files.or(other.files),
            reasoning_effort: self.reasoning_effort.or(other.reasoning_effort),
            effort_none: self.effort_none.or(other.effort_none),
            effort_minimal: self.effort_minimal.or(other.effort_minimal),
            enable_thinking: self.enable_thinking.or(other.enable_thinking),
            max_completion_tokens: self.max_completion_tokens.or(other.max_completion_tokens),
            late_system: self.late_system.or(other.late_system),
            continue_final_message: self.continue_final_message.or(other.continue_final_message),
            adaptive_thinking: self.adaptive_thinking.or(other.adaptive_thinking),
            thinking_budget: self.thinking_budget.or(other.thinking_budget),
            thinking_off: self.thinking_off.or(other.thinking_off),
            thinks_unasked: self.thinks_unasked.or(other.thinks_unasked),
            effort_xhigh: self.effort_xhigh.or(other.effort_xhigh),
            sampling: self.sampling.or(other.sampling),
            top_p_with_temperature: self.top_p_with_temperature.or(other.top_p_with_temperature),
            forced_tools: self.forced_tools.or(other.forced_tools),
            thoughts: self.thoughts.or(other.thoughts),
            stop_sequences: self.stop_sequences.or(other.stop_sequences),
        }
    }
}

// === impl VersionReport ===

impl VersionReport {
    /// Returns the path to ask at.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Reads an answer; `None` if it holds no version.
    #[must_use]
    pub fn read(&self, body: &[u8]) -> Option<Version> {
        let document: Value = serde_json::from_slice(body).ok()?;
        Version::parse(&scalar_text(self.json.find(&document)?)?)
    }
}

// === impl Profile ===

impl Profile {
    /// Returns where servers of this kind report their version, if they do.
    #[must_use]
    pub fn version_report(&self) -> Option<&VersionReport> {
        self.version.as_ref()
    }

    /// Returns how the kind speaks a format, if it does.
    ///
    /// Without `api.formats`, it speaks those whose usual path is forwarded.
    #[must_use]
    pub fn speaks(&self, format: WireFormat) -> Option<&Spoken> {
        self.formats.iter().find(|spoken| spoken.format == format)
    }

    /// Returns the formats that the kind speaks, the one to be translated into first.
    #[must_use]
    pub fn formats(&self) -> &[Spoken] {
        &self.formats
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_a_model_is_read_from_its_name() {
        let rule = ModelTakes {
            families: vec!["opus".into(), "sonnet".into()],
            since: Version::parse("4.7"),
            takes: Takes::default(),
        };

        for newer in [
            "claude-opus-4-7",
            "claude-opus-4-7-20260416",
            "Anthropic/Claude-Opus-4.8",
            "anthropic.claude-opus-5-v1:0",
            "claude-sonnet-5-5@20260928",
            "claude-opus-4-10",
            "claude-opus-latest",
            "opus",
        ] {
            assert!(rule.is_for(newer), "{newer}");
        }
        for other in [
            "claude-opus-4-6",
            "claude-opus-4-20250514",
            "claude-opus-4-1-20250805",
            "claude-3-5-sonnet-20241022",
            "claude-3-7-sonnet-latest",
            "claude-haiku-5-5",
            "octopus-9",
            "",
        ] {
            assert!(!rule.is_for(other), "{other}");
        }
    }
}
