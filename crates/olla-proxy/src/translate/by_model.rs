//! A request whose words depend on the model, which has one name for the client and another for the backend.

use bytes::Bytes;
use olla_translate::{Abilities, Translation};

use super::stamp;
use crate::{inspect::NamedModel, replay::Replay};

/// What it takes to say a request once more, for a model of another name.
#[derive(Debug)]
pub(super) struct ByModel {
    translation: Translation,
    /// As the client sent it.
    body: Replay,
    /// With what depends on the model left open.
    abilities: Abilities,
}

// === impl ByModel ===

impl ByModel {
    /// Keeps a request, unless it is the same for all models.
    pub(super) fn of(translation: Translation, body: &Replay, abilities: &Abilities) -> Option<Self> {
        let open = abilities.are_open();
        open.then(|| Self { translation, body: body.clone(), abilities: abilities.clone() })
    }

    /// Returns the body for a model of this name, if it differs from what the client's name of it led to.
    pub(super) fn body_for(&self, name: &str) -> Option<Bytes> {
        let told = NamedModel::find(&self.body)?;
        let suiting = self.abilities.suiting(name);
        if suiting == self.abilities.suiting(&told.name) {
            return None;
        }
        // alloc: translates once more, for few models and only behind an alias.
        Some(self.translation.plan(&self.body.whole(), &suiting, stamp::new()).ok()?.body)
    }
}
