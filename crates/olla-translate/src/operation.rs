//! What a request asks a backend to do.

/// The purpose of a request, whatever its dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Continue a conversation.
    Chat,
    /// Continue a text.
    Completion,
    /// Turn texts into vectors.
    Embedding,
    /// Judge texts: rank, score, classify, moderate.
    Scoring,
    /// Make or understand images and sound.
    Media,
    /// Create a response with OpenAI's Responses API.
    Responses,
    /// Create a message with Anthropic's Messages API.
    Messages,
    /// Count the tokens of a prompt without running it.
    CountTokens,
    /// List the models.
    ListModels,
    /// Tell about one model.
    ShowModel,
    /// Anything else.
    Other,
}

// === impl Operation ===

impl Operation {
    /// Returns whether the request makes a model work.
    #[must_use]
    pub const fn is_inference(self) -> bool {
        match self {
            Self::Chat
            | Self::Completion
            | Self::Embedding
            | Self::Scoring
            | Self::Media
            | Self::Responses
            | Self::Messages => true,
            Self::CountTokens | Self::ListModels | Self::ShowModel | Self::Other => false,
        }
    }

    /// Returns whether the request changes nothing, so that it may be repeated whatever its method.
    #[must_use]
    pub const fn changes_nothing(self) -> bool {
        self.is_inference() || matches!(self, Self::CountTokens | Self::ListModels | Self::ShowModel)
    }
}
