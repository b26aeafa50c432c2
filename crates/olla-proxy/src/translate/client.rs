//! Whose requests can be put into other words.

use olla_translate::{EmbeddingApi, Format};

use crate::{route::Route, tongues};

/// What a client may have sent that can be put into other words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    /// A conversation.
    Conversation(Format),
    /// Texts to be turned into vectors, for one of Ollama's APIs. Other backends take them in OpenAI's words.
    Embeddings(EmbeddingApi),
}

// === impl Client ===

impl Client {
    /// Returns what a route says of it, if it is for that.
    pub(crate) fn of(route: &Route) -> Option<Self> {
        let embeddings = || route.embeds.map(Self::Embeddings);
        route.format.map(Self::Conversation).or_else(embeddings)
    }

    /// Returns the short name of the format.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Conversation(format) => tongues::name(format),
            Self::Embeddings(EmbeddingApi::Embed) => "ollama_embed",
            Self::Embeddings(EmbeddingApi::Embeddings) => "ollama_embeddings",
        }
    }
}

/// The short name of the format into which requests for vectors are translated.
pub(crate) const EMBEDDINGS: &str = "embeddings";
