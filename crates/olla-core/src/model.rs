//! One model as one backend reports it.

use std::sync::Arc;

/// A model in the words of the backend that lists it. Unknown facts stay `None`.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Model {
    /// The name that the backend expects in requests, case kept.
    pub name: Arc<str>,
    /// Other names by which the backend knows the same model (an implied default tag, for example).
    pub also: Vec<Arc<str>>,
    /// What the model is for.
    pub used_for: Option<ModelUse>,
    /// Size on disk, bytes.
    pub size_bytes: Option<u64>,
    /// Content digest, as reported.
    pub digest: Option<Box<str>>,
    /// Last modification, as reported: RFC 3339, or Unix seconds in decimal.
    pub modified: Option<Box<str>>,
    /// Family or architecture, such as `llama`.
    pub family: Option<Box<str>>,
    /// Parameter count as text, such as `3.2B`.
    pub parameter_size: Option<Box<str>>,
    /// Quantisation, such as `Q4_K_M`.
    pub quantization: Option<Box<str>>,
    /// File format, such as `gguf`.
    pub format: Option<Box<str>>,
    /// Organisation that publishes the model.
    pub publisher: Option<Box<str>>,
    /// The model this one derives from.
    pub parent: Option<Box<str>>,
    /// Free text.
    pub description: Option<Box<str>>,
    /// Longest context in tokens.
    pub context_length: Option<u64>,
    /// Loading state in the backend's words, such as `loaded`.
    pub state: Option<Box<str>>,
}

/// What a model is for, as far as the backend tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelUse {
    /// Text in, text out.
    Text,
    /// Text and images in, text out.
    Vision,
    /// Text in, vectors out.
    Embeddings,
}

// === impl Model ===

impl Model {
    /// Creates a model of which only the name is known.
    #[must_use]
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Returns whether the listed name is a pattern, such as `openai/*`, that stands for many models.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        self.name.contains('*')
    }
}
