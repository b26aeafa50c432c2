//! One model as one backend reports it.

use std::sync::Arc;

use crate::Abilities;

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
    /// Family in normal form, such as `llama`.
    pub family: Option<Box<str>>,
    /// What tells models of one family apart, such as `3.1` or `r1`.
    pub variant: Option<Box<str>>,
    /// Parameter count in normal form, such as `3.2b` or `8x7b`.
    pub parameter_size: Option<Box<str>>,
    /// Parameter count as a number, where `parameter_size` tells one.
    pub parameter_count: Option<u64>,
    /// Quantisation in normal form, such as `q4km`.
    pub quantization: Option<Box<str>>,
    /// What the model can do, as reported and derived, such as `chat` and `vision`; sorted.
    pub capabilities: Vec<Box<str>>,
    /// What the model can do, as far as requests are routed by it.
    pub abilities: Abilities,
    /// What the backend itself said of facts that stand above in normal form, or are guessed where it is silent.
    pub reported: Reported,
    /// File format, such as `gguf`.
    pub format: Option<Box<str>>,
    /// Organisation that publishes the model.
    pub publisher: Option<Box<str>>,
    /// The model this one derives from.
    pub parent: Option<Box<str>>,
    /// Free text.
    pub description: Option<Box<str>>,
    /// Longest context in tokens, as reported, else as the name suggests.
    pub context_length: Option<u64>,
    /// Loading state in the backend's words, such as `loaded`.
    pub state: Option<Box<str>>,
}

/// Facts in the words of the backend, where it tells them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reported {
    /// Family or architecture, such as `qwen2`.
    pub family: Option<Box<str>>,
    /// Parameter count, such as `3.2B`.
    pub parameter_size: Option<Box<str>>,
    /// Quantisation, such as `Q4_K_M`.
    pub quantization: Option<Box<str>>,
    /// What the model can do, such as `tools`.
    pub capabilities: Vec<Box<str>>,
    /// What the model is for.
    pub used_for: Option<ModelUse>,
    /// Longest context in tokens.
    pub context_length: Option<u64>,
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

    /// Returns every name by which the backend knows it, the one for requests first.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        std::iter::once(&self.name).chain(&self.also)
    }

    /// Returns whether the listed name is a pattern, such as `openai/*`, that stands for many models.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        self.name.contains('*')
    }
}
