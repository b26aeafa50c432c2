//! What a model's name tells where the listing is silent: publisher, purpose, context length.

use olla_core::{Glob, Model, ModelUse};

use crate::abilities;

/// Name patterns of one profile. A listed fact always wins over a hint.
#[derive(Debug, Clone, Default)]
pub(crate) struct NameHints {
    /// `openai` for names such as `openai/gpt-4`.
    pub(crate) providers: Vec<Box<str>>,
    pub(crate) embeddings: Vec<Glob>,
    pub(crate) vision: Vec<Glob>,
    /// The first pattern that matches decides.
    pub(crate) contexts: Vec<(Glob, u64)>,
}

// === impl NameHints ===

impl NameHints {
    /// Fills in what `model` leaves open.
    pub(crate) fn complete(&self, model: &mut Model) {
        let name = model.name.clone();
        let provider = self.providers.iter().find(|p| bare(&name, p).is_some());
        if model.publisher.is_none() {
            model.publisher = provider.cloned();
        }
        if model.is_pattern() {
            return;
        }
        let bare_name = provider.and_then(|p| bare(&name, p)).unwrap_or(&name);
        let hit = |glob: &Glob| glob.matches(&name) || glob.matches(bare_name);
        if model.used_for.is_none() {
            let guess = if self.embeddings.iter().any(hit) {
                Some(ModelUse::Embeddings)
            } else {
                self.vision.iter().any(hit).then_some(ModelUse::Vision)
            };
            model.used_for = guess.filter(|guess| !abilities::contradict(*guess, &model.abilities));
        }
        if model.context_length.is_none() {
            model.context_length =
                self.contexts.iter().find(|(glob, _)| hit(glob)).map(|(_, tokens)| *tokens);
        }
    }
}

/// Returns `gpt-4` for `openai/gpt-4` and the provider `openai`.
fn bare<'n>(name: &'n str, provider: &str) -> Option<&'n str> {
    name.strip_prefix(provider)?.strip_prefix('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints() -> NameHints {
        NameHints {
            providers: vec!["anthropic".into()],
            embeddings: vec![Glob::parse("*embed*").unwrap()],
            vision: vec![Glob::parse("claude-3-*").unwrap()],
            contexts: vec![
                (Glob::parse("claude-3-opus*").unwrap(), 200_000),
                (Glob::parse("claude*").unwrap(), 100_000),
            ],
        }
    }

    #[test]
    fn a_provider_prefix_names_the_publisher_and_does_not_hide_the_name() {
        let mut model = Model::named("anthropic/claude-3-opus-20240229");

        hints().complete(&mut model);

        assert_eq!(model.publisher.as_deref(), Some("anthropic"));
        assert_eq!(model.used_for, Some(ModelUse::Vision));
        assert_eq!(model.context_length, Some(200_000), "the first pattern decides");
    }

    #[test]
    fn a_listed_fact_wins() {
        let mut model = Model::named("claude-3-haiku");
        model.used_for = Some(ModelUse::Text);
        model.context_length = Some(4096);

        hints().complete(&mut model);

        assert_eq!((model.used_for, model.context_length), (Some(ModelUse::Text), Some(4096)));
    }

    #[test]
    fn a_wildcard_model_has_a_publisher_and_nothing_else() {
        let mut model = Model::named("anthropic/*");

        hints().complete(&mut model);

        assert_eq!(model.publisher.as_deref(), Some("anthropic"));
        assert_eq!((model.used_for, model.context_length), (None, None));
    }
}
