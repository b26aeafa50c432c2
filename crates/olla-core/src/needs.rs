//! What a request needs of a model, and whether a model is known to lack it.

use std::fmt;

use crate::Model;

/// What a model can do. `None` is unknown, which is not no.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Abilities {
    /// Continues conversations and texts.
    pub chat: Option<bool>,
    /// Understands images.
    pub images: Option<bool>,
    /// Calls tools.
    pub tools: Option<bool>,
    /// Turns texts into vectors.
    pub embeddings: Option<bool>,
    /// Thinks before it answers, where it is asked to. No request is refused or sent elsewhere for that.
    pub thinking: Option<bool>,
}

/// What a request needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// It asks for text.
    pub chat: bool,
    /// It shows images.
    pub images: bool,
    /// It offers tools.
    pub tools: bool,
    /// It asks for vectors.
    pub embeddings: bool,
    /// Bytes of text in its prompt, images and other data left out.
    pub text_bytes: u64,
}

/// Something that a request needs and a model lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// The model does not continue conversations.
    Chat,
    /// The model does not understand images.
    Images,
    /// The model does not call tools.
    Tools,
    /// The model does not turn texts into vectors.
    Embeddings,
    /// The prompt is longer than the model's context.
    Context {
        /// The longest context, tokens.
        limit: u64,
        /// The least number of tokens that the prompt can have.
        at_least: u64,
    },
}

/// No tokeniser makes fewer tokens of a long text than one of this many bytes.
const MOST_BYTES_A_TOKEN: u64 = 6;
/// What a token has on average; source code and other scripts than Latin have less.
const USUAL_BYTES_A_TOKEN: u64 = 4;

// === impl Abilities ===

impl Abilities {
    /// Adds what another backend tells of the same model: that it can beats that it cannot.
    pub fn learn_from(&mut self, other: Self) {
        for (known, told) in [
            (&mut self.chat, other.chat),
            (&mut self.images, other.images),
            (&mut self.tools, other.tools),
            (&mut self.embeddings, other.embeddings),
            (&mut self.thinking, other.thinking),
        ] {
            // `None` < `Some(false)` < `Some(true)`.
            *known = (*known).max(told);
        }
    }
}

// === impl Needs ===

impl Needs {
    /// Returns what the model is known to lack.
    #[must_use]
    pub fn unmet_by(&self, model: &Model) -> Option<Lack> {
        let can = &model.abilities;
        for (needed, able, lack) in [
            (self.chat, can.chat, Lack::Chat),
            (self.embeddings, can.embeddings, Lack::Embeddings),
            (self.images, can.images, Lack::Images),
            (self.tools, can.tools, Lack::Tools),
        ] {
            if needed && able == Some(false) {
                return Some(lack);
            }
        }
        let at_least = self.text_bytes / MOST_BYTES_A_TOKEN;
        let limit = model.reported.context_length.filter(|limit| at_least > *limit)?;
        Some(Lack::Context { limit, at_least })
    }

    /// Returns whether the prompt may be too long for the model, though that is not sure.
    #[must_use]
    pub fn strain(&self, model: &Model) -> bool {
        model.context_length.is_some_and(|limit| self.text_bytes / USUAL_BYTES_A_TOKEN > limit)
    }
}

// === impl Lack ===

impl Lack {
    /// Returns a stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Images => "images",
            Self::Tools => "tools",
            Self::Embeddings => "embeddings",
            Self::Context { .. } => "context_length",
        }
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chat => f.write_str("it does not generate text"),
            Self::Images => f.write_str("it does not understand images"),
            Self::Tools => f.write_str("it does not call tools"),
            Self::Embeddings => f.write_str("it does not make embeddings"),
            Self::Context { limit, at_least } => {
                write!(f, "its context has {limit} tokens and the prompt at least {at_least}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(images: Option<bool>, context: Option<u64>) -> Model {
        let mut model = Model::named("m");
        model.abilities.images = images;
        (model.context_length, model.reported.context_length) = (context, context);
        model
    }

    #[test]
    fn unknown_is_not_no() {
        let needs = Needs { images: true, tools: true, text_bytes: 1 << 40, ..Needs::default() };

        assert_eq!(needs.unmet_by(&model(None, None)), None);
        assert_eq!(needs.unmet_by(&model(Some(true), None)), None);
        assert_eq!(needs.unmet_by(&model(Some(false), None)), Some(Lack::Images));
        assert_eq!(Needs::default().unmet_by(&model(Some(false), None)), None);
    }

    #[test]
    fn a_prompt_is_too_long_only_when_no_tokeniser_could_fit_it() {
        let prompt = |text_bytes| Needs { text_bytes, ..Needs::default() };
        let small = model(None, Some(1000));

        assert!(prompt(6005).unmet_by(&small).is_none());
        assert_eq!(prompt(6006).unmet_by(&small), Some(Lack::Context { limit: 1000, at_least: 1001 }));
        assert!(!prompt(4003).strain(&small) && prompt(4004).strain(&small));
    }

    #[test]
    fn a_context_that_only_the_name_suggests_refuses_nothing() {
        let mut guessed = model(None, Some(10));
        guessed.reported.context_length = None;

        let prompt = Needs { text_bytes: 1000, ..Needs::default() };

        assert_eq!(prompt.unmet_by(&guessed), None);
        assert!(prompt.strain(&guessed));
    }
}
