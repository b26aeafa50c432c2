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
    /// What runs it, in the backend's words, such as `llamacpp`.
    pub engine: Option<Box<str>>,
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

    /// Fills in what this model leaves open from another backend's report of it.
    ///
    /// Of two context lengths the longer counts, because requests go where they fit; and what one can do, the model
    /// can do.
    pub fn learn_from(&mut self, other: &Self) {
        let texts = [
            (&mut self.digest, &other.digest),
            (&mut self.modified, &other.modified),
            (&mut self.family, &other.family),
            (&mut self.variant, &other.variant),
            (&mut self.parameter_size, &other.parameter_size),
            (&mut self.quantization, &other.quantization),
            (&mut self.format, &other.format),
            (&mut self.publisher, &other.publisher),
            (&mut self.parent, &other.parent),
            (&mut self.engine, &other.engine),
            (&mut self.description, &other.description),
            (&mut self.state, &other.state),
            (&mut self.reported.family, &other.reported.family),
            (&mut self.reported.parameter_size, &other.reported.parameter_size),
            (&mut self.reported.quantization, &other.reported.quantization),
        ];
        for (known, told) in texts {
            if known.is_none() {
                known.clone_from(told);
            }
        }
        self.used_for = self.used_for.or(other.used_for);
        self.reported.used_for = self.reported.used_for.or(other.reported.used_for);
        self.size_bytes = self.size_bytes.or(other.size_bytes);
        self.parameter_count = self.parameter_count.or(other.parameter_count);
        self.context_length = self.context_length.max(other.context_length);
        self.reported.context_length = self.reported.context_length.max(other.reported.context_length);
        add_all(&mut self.capabilities, &other.capabilities);
        add_all(&mut self.reported.capabilities, &other.reported.capabilities);
        self.abilities.learn_from(other.abilities);
    }

    /// Returns whether the listed name is a pattern, such as `openai/*`, that stands for many models.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        self.name.contains('*')
    }
}

/// Adds the words that are missing and sorts all.
fn add_all(known: &mut Vec<Box<str>>, told: &[Box<str>]) {
    let missing: Vec<_> = told.iter().filter(|word| !known.contains(word)).cloned().collect();
    known.extend(missing);
    known.sort_unstable();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_report_of_a_fact_counts_and_the_longest_context() {
        let mut first = Model::named("m");
        first.family = Some("llama".into());
        first.context_length = Some(8192);
        first.capabilities = vec!["chat".into(), "tools".into()];
        first.abilities.images = Some(false);
        let mut second = Model::named("M");
        second.family = Some("qwen".into());
        second.quantization = Some("q4km".into());
        second.context_length = Some(32_768);
        second.capabilities = vec!["chat".into(), "reasoning".into()];
        second.abilities.images = Some(true);
        second.abilities.tools = Some(false);

        first.learn_from(&second);

        assert_eq!((&*first.name, first.family.as_deref()), ("m", Some("llama")));
        assert_eq!((first.quantization.as_deref(), first.context_length), (Some("q4km"), Some(32_768)));
        assert_eq!(first.capabilities, ["chat".into(), "reasoning".into(), "tools".into()] as [Box<str>; 3]);
        assert_eq!((first.abilities.images, first.abilities.tools), (Some(true), Some(false)));
    }
}
