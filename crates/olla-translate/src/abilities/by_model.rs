//! What the name of a model tells, where nothing is known of the server.

use std::borrow::Cow;

use super::{Abilities, ThoughtField};

/// How the models begin whose makers refuse a request without the thoughts of earlier turns.
const REMEMBER: [&str; 2] = ["deepseek", "kimi"];

// === impl Abilities ===

impl Abilities {
    /// Returns what holds for a model of this name: what was left open is decided.
    #[must_use]
    pub fn suiting(&self, model: &str) -> Cow<'_, Self> {
        if !self.are_open() {
            return Cow::Borrowed(self);
        }
        let name = model.rsplit('/').next().unwrap_or_default();
        let thoughts = match self.thoughts {
            ThoughtField::ByModel if remembers(name) => ThoughtField::ReasoningContent,
            ThoughtField::ByModel => ThoughtField::Nowhere,
            field => field,
        };
        let max_completion_tokens = self.max_completion_tokens.unwrap_or_else(|| thinks(name));
        Cow::Owned(Self { thoughts, max_completion_tokens: Some(max_completion_tokens), ..self.clone() })
    }

    /// Returns whether something depends on the model.
    #[must_use]
    pub fn are_open(&self) -> bool {
        self.max_completion_tokens.is_none() || self.thoughts == ThoughtField::ByModel
    }
}

fn begins_with(name: &str, head: &str) -> bool {
    name.get(..head.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(head))
}

fn remembers(name: &str) -> bool {
    REMEMBER.iter().any(|head| begins_with(name, head))
}

/// OpenAI's models that think.
fn thinks(name: &str) -> bool {
    let name = name.strip_prefix("ft:").unwrap_or(name);
    // One digit, and nothing that goes on with it: neither gpt-35-turbo nor gpt-4o.
    let generation = |family: &str| {
        let mut tail = name.get(family.len()..).filter(|_| begins_with(name, family))?.bytes();
        let digit = tail.next().filter(u8::is_ascii_digit)?;
        let ends = !tail.next().is_some_and(|next| next.is_ascii_alphanumeric());
        ends.then_some(digit)
    };
    generation("o").is_some() || generation("gpt-").is_some_and(|digit| digit >= b'5')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_of_openai_that_think_are_told_by_their_names() {
        let told = |model: &str| Abilities::default().suiting(model).max_completion_tokens;
        for model in ["gpt-5", "GPT-5.1-codex", "openai/gpt-5-mini", "a/openai/gpt-6:free", "o1", "o3-mini"] {
            assert_eq!(told(model), Some(true), "{model}");
        }
        for model in ["ft:o4-mini:team::1", "azure/o4-mini-2025-04-16", "o1:free"] {
            assert_eq!(told(model), Some(true), "{model}");
        }
        for model in
            ["gpt-4o", "gpt-4.1", "gpt-35-turbo", "gpt-3.5-turbo", "gpt-oss:20b", "openai/gpt-oss-120b"]
        {
            assert_eq!(told(model), Some(false), "{model}");
        }
        for model in ["", "gpt-", "marco-o1", "olmo-2", "o", "o1x", "gpt-5o", "qwen3:8b", "é", "gpté"] {
            assert_eq!(told(model), Some(false), "{model}");
        }
    }

    #[test]
    fn what_a_server_says_holds_for_models_of_all_names() {
        let said = Abilities { max_completion_tokens: Some(false), ..Abilities::default() };

        assert_eq!(said.suiting("gpt-5").max_completion_tokens, Some(false));
        assert!(!said.are_open() && Abilities::default().are_open());
    }

    #[test]
    fn thoughts_go_back_to_models_that_need_them() {
        let open = Abilities { thoughts: ThoughtField::ByModel, ..Abilities::default() };

        for model in ["deepseek-v4-pro", "deepseek/deepseek-chat", "moonshotai/Kimi-K2-Thinking"] {
            assert_eq!(open.suiting(model).thoughts, ThoughtField::ReasoningContent, "{model}");
        }
        for model in ["magistral-medium", "openai/gpt-oss-120b", "deep", ""] {
            assert_eq!(open.suiting(model).thoughts, ThoughtField::Nowhere, "{model}");
        }
    }
}
