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
        Self { format, path: None, since: None, takes: Takes::default() }
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
