//! A model that an engine serves: its name tells what it is for, and it is in memory or not.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use serde_json::{Value, json};

/// A served model.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) name: String,
    /// The name under which its content came here; copies share it, and with it their digest.
    pub(crate) origin: String,
    loaded: AtomicBool,
}

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Text,
    Vision,
    Embeddings,
}

/// Words in names that tell that a model understands images.
const SEEING: [&str; 4] = ["llava", "vision", "-vl", "pixtral"];

// === impl Model ===

impl Model {
    pub(crate) fn new(name: String, origin: String, loaded: bool) -> Self {
        Model { name, origin, loaded: AtomicBool::new(loaded) }
    }

    /// Returns the same content under another name.
    pub(crate) fn copy(&self, name: String) -> Self {
        Model::new(name, self.origin.clone(), false)
    }

    pub(crate) fn is_loaded(&self) -> bool {
        self.loaded.load(Relaxed)
    }

    /// Loads or unloads it, and returns whether that changed anything.
    pub(crate) fn set_loaded(&self, loaded: bool) -> bool {
        self.is_loaded() != loaded && self.loaded.swap(loaded, Relaxed) != loaded
    }
}

// === impl Use ===

impl Use {
    pub(crate) fn of(model: &str) -> Self {
        let model = model.to_ascii_lowercase();
        if model.contains("embed") {
            Use::Embeddings
        } else if SEEING.iter().any(|word| model.contains(word)) {
            Use::Vision
        } else {
            Use::Text
        }
    }

    /// Returns the one of three words that stands for it.
    pub(crate) fn word<'w>(self, text: &'w str, vision: &'w str, embeddings: &'w str) -> &'w str {
        match self {
            Use::Text => text,
            Use::Vision => vision,
            Use::Embeddings => embeddings,
        }
    }

    /// Returns Ollama's words for what it can do.
    pub(crate) fn capabilities(self) -> Value {
        match self {
            Use::Text => json!(["completion", "tools"]),
            Use::Vision => json!(["completion", "tools", "vision"]),
            Use::Embeddings => json!(["embedding"]),
        }
    }
}
