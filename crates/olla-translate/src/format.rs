//! The wire formats of conversations.

use crate::{Dialect, Operation};

/// A way to spell a conversation: the shape of a request and of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Anthropic's Messages.
    Messages,
    /// OpenAI's chat completions.
    Chat,
    /// OpenAI's Responses. Of clients only: no request is translated into it.
    Responses,
    /// Ollama's `/api/chat`. Of clients only.
    OllamaChat,
    /// Ollama's `/api/generate`. Of clients only.
    OllamaGenerate,
}

// === impl Format ===

impl Format {
    /// Every format.
    pub const ALL: [Self; 5] =
        [Self::Messages, Self::Chat, Self::Responses, Self::OllamaChat, Self::OllamaGenerate];

    /// Returns the format of an operation, if it is a conversation that can be translated.
    #[must_use]
    pub const fn of(dialect: Dialect, operation: Operation) -> Option<Self> {
        match (dialect, operation) {
            (Dialect::Anthropic, Operation::Messages) => Some(Self::Messages),
            (Dialect::OpenAi, Operation::Chat) => Some(Self::Chat),
            (Dialect::OpenAi, Operation::Responses) => Some(Self::Responses),
            (Dialect::Ollama, Operation::Chat) => Some(Self::OllamaChat),
            (Dialect::Ollama, Operation::Completion) => Some(Self::OllamaGenerate),
            _ => None,
        }
    }

    /// Returns the dialect that the format belongs to.
    #[must_use]
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::Messages => Dialect::Anthropic,
            Self::Chat | Self::Responses => Dialect::OpenAi,
            Self::OllamaChat | Self::OllamaGenerate => Dialect::Ollama,
        }
    }

    /// Returns the path at which servers usually take it.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Messages => "/v1/messages",
            Self::Chat => "/v1/chat/completions",
            Self::Responses => "/v1/responses",
            Self::OllamaChat => "/api/chat",
            Self::OllamaGenerate => "/api/generate",
        }
    }

    /// Returns the name of the format, for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Messages => "Anthropic Messages",
            Self::Chat => "OpenAI chat completions",
            Self::Responses => "OpenAI Responses",
            Self::OllamaChat => "Ollama chat",
            Self::OllamaGenerate => "Ollama generate",
        }
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
