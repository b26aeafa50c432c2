//! What Olla answers itself for a kind, from everything it knows: at which paths, in which shape, and which
//! operations it does not offer at all.

use olla_core::PathRules;

/// A list of models at a path, answered from all endpoints that have them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) path: PathRules,
    pub(crate) shape: ListShape,
}

/// How a list of models is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListShape {
    /// OpenAI's: `{"object": "list", "data": [{"id", "object", "created", "owned_by"}]}`.
    OpenAi(OpenAiShape),
    /// Anthropic's, in pages: `{"data": [{"type": "model", "id"}], "has_more", "first_id", "last_id"}`.
    Anthropic,
    /// Ollama's list of models, `{"models": [{"name", "model", "size", "digest", "details"}]}`.
    OllamaTags,
    /// Ollama's list of models in memory, each once for each endpoint that holds it.
    OllamaPs,
    /// The list of LM Studio's first API, `{"data": [{"id", "type", "arch", "state"}]}`.
    LmStudioV0,
    /// The list of LM Studio's second API, `{"models": [{"key", "loaded_instances"}]}`, with OpenAI's beside it.
    LmStudioV1,
}

/// What one kind's list has besides OpenAI's fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenAiShape {
    /// The owner of a model whose name tells none; `None` says `olla` for all models.
    pub owned_by: Option<Box<str>>,
    /// Further fields of an entry, in this order.
    pub extras: Vec<Extra>,
    /// Whether an array `models` like Ollama's stands beside the list.
    pub with_models: bool,
}

/// A further field of an entry. Most are left out where nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extra {
    /// The name again.
    Root,
    /// The model this one derives from, or null.
    Parent,
    /// The longest context, tokens.
    MaxModelLen,
    /// A permission of the form that OpenAI's API once had.
    Permission,
    /// Whether it understands images.
    SupportsVision,
    /// Where its weights come from.
    Checkpoint,
    /// What runs it.
    Recipe,
    /// Whether its weights are there.
    Downloaded,
    /// Context, parameters and size.
    Meta,
}

/// Operations that Olla does not offer, and why.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) paths: PathRules,
    pub(crate) reason: Box<str>,
}

/// What Olla answers at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listing<'p> {
    /// The shape.
    pub shape: &'p ListShape,
    /// The name of the only model that is asked for, still percent-encoded; `None` asks for all.
    pub only: Option<&'p str>,
}

// === impl Answer ===

impl Answer {
    /// Returns what is asked for at `path`, if it is this list or, below it, one model of the list.
    pub(crate) fn at<'p>(&'p self, path: &'p str) -> Option<Listing<'p>> {
        let shape = &self.shape;
        if self.path.allow(path.strip_suffix('/').unwrap_or(path)) {
            return Some(Listing { shape, only: None });
        }
        if !shape.has_entries_below() {
            return None;
        }
        // Names have slashes too: the shortest path that is a list is the list.
        let mut ends = path.match_indices('/').map(|(at, _)| at);
        let end = ends.find(|at| *at > 0 && self.path.allow(&path[..*at]))?;
        Some(Listing { shape, only: Some(&path[end + 1..]) })
    }
}

// === impl ListShape ===

impl ListShape {
    /// Every shape by its name in a profile.
    pub(crate) const NAMES: [&'static str; 7] = [
        "openai",
        "openai-and-models",
        "anthropic",
        "ollama-tags",
        "ollama-ps",
        "lmstudio-v0",
        "lmstudio-v1",
    ];

    /// Returns the shape of this name; OpenAI's come without extras.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let open_ai = |with_models| Self::OpenAi(OpenAiShape { with_models, ..OpenAiShape::default() });
        Some(match name {
            "openai" => open_ai(false),
            "openai-and-models" => open_ai(true),
            "anthropic" => Self::Anthropic,
            "ollama-tags" => Self::OllamaTags,
            "ollama-ps" => Self::OllamaPs,
            "lmstudio-v0" => Self::LmStudioV0,
            "lmstudio-v1" => Self::LmStudioV1,
            _ => return None,
        })
    }

    /// Returns whether both are written in the same way, whatever their extras.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// Returns whether a single entry is found below the path of the list.
    fn has_entries_below(&self) -> bool {
        match self {
            Self::OpenAi(_) | Self::Anthropic | Self::LmStudioV0 => true,
            Self::OllamaTags | Self::OllamaPs | Self::LmStudioV1 => false,
        }
    }
}

// === impl Extra ===

impl Extra {
    /// Every extra with its name, in a profile and in an entry.
    pub(crate) const NAMES: [(&'static str, Self); 9] = [
        ("root", Self::Root),
        ("parent", Self::Parent),
        ("max_model_len", Self::MaxModelLen),
        ("permission", Self::Permission),
        ("supports_vision", Self::SupportsVision),
        ("checkpoint", Self::Checkpoint),
        ("recipe", Self::Recipe),
        ("downloaded", Self::Downloaded),
        ("meta", Self::Meta),
    ];

    /// Returns the name of the field.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, extra)| *extra == self).map_or("", |(name, _)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(path: &str, shape: &str) -> Answer {
        Answer { path: PathRules::parse([path]).unwrap(), shape: ListShape::named(shape).unwrap() }
    }

    fn only<'p>(answer: &'p Answer, path: &'p str) -> Option<Option<&'p str>> {
        answer.at(path).map(|listing| listing.only)
    }

    #[test]
    fn one_entry_lies_below_a_list_whatever_slashes_its_name_has() {
        let plain = answer("/v1/models", "openai");
        let engines = answer("/engines/*/v1/models", "openai");

        assert_eq!([only(&plain, "/v1/models"), only(&plain, "/v1/models/")], [Some(None); 2]);
        assert_eq!(only(&plain, "/v1/models/Qwen/v1/models/x"), Some(Some("Qwen/v1/models/x")));
        assert_eq!(only(&plain, "/v1/models/a%2Fb"), Some(Some("a%2Fb")));
        assert_eq!(only(&engines, "/engines/llama.cpp/v1/models/ai/smollm2"), Some(Some("ai/smollm2")));
        assert_eq!(
            [only(&plain, "/v1/modelsx"), only(&plain, "/v1"), only(&engines, "/v1/models")],
            [None; 3]
        );
    }

    #[test]
    fn some_lists_have_nothing_below() {
        let tags = answer("/api/tags", "ollama-tags");

        assert_eq!((only(&tags, "/api/tags"), only(&tags, "/api/tags/x")), (Some(None), None));
    }

    #[test]
    fn every_name_is_a_shape() {
        assert!(ListShape::NAMES.iter().all(|name| ListShape::named(name).is_some()));
        assert_eq!(ListShape::named("ollama"), None);
    }
}
