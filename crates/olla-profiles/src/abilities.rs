//! What a model can do, as far as requests are routed or written by it: three-valued, and unknown is not no.
//!
//! What a backend said can say yes and no. What is guessed from a name says yes at most.

use olla_core::{Abilities, Model, ModelUse};

/// One of the [`Abilities`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ability {
    Chat,
    Images,
    Tools,
    Embeddings,
    Thinking,
}

/// Reported words, in lower case, for what a model can do.
const WORDS: [(&str, Ability); 14] = [
    ("vision", Ability::Images),
    ("tools", Ability::Tools),
    ("tool_use", Ability::Tools),
    ("tool-use", Ability::Tools),
    ("tool-calling", Ability::Tools),
    ("function-calling", Ability::Tools),
    ("function_calling", Ability::Tools),
    ("embedding", Ability::Embeddings),
    ("embeddings", Ability::Embeddings),
    ("completion", Ability::Chat),
    ("chat", Ability::Chat),
    ("text-generation", Ability::Chat),
    ("thinking", Ability::Thinking),
    ("reasoning", Ability::Thinking),
];

// === impl Ability ===

impl Ability {
    /// Returns the place of this ability.
    pub(crate) fn of(self, abilities: &mut Abilities) -> &mut Option<bool> {
        match self {
            Self::Chat => &mut abilities.chat,
            Self::Images => &mut abilities.images,
            Self::Tools => &mut abilities.tools,
            Self::Embeddings => &mut abilities.embeddings,
            Self::Thinking => &mut abilities.thinking,
        }
    }

    fn told_by(word: &str) -> Option<Self> {
        WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word)).map(|(_, ability)| *ability)
    }
}

/// Notes that the model lacks what a complete list of capabilities does not mention.
///
/// Backends that make embeddings with any model mention that for models which can do nothing else: its
/// absence says nothing, and its presence without the word for chat says that there is no chat.
pub(crate) fn deny_the_rest(model: &mut Model, listed: &[String]) {
    let told = |ability| listed.iter().any(|word| Ability::told_by(word) == Some(ability));
    let mut lacking = vec![Ability::Images, Ability::Tools, Ability::Thinking];
    if told(Ability::Embeddings) {
        lacking.push(Ability::Chat);
    }
    for ability in lacking {
        if !told(ability) {
            ability.of(&mut model.abilities).get_or_insert(false);
        }
    }
}

/// Derives what the backend's words imply, and from that what the model is for if the backend did not say.
pub(crate) fn from_reports(model: &mut Model) {
    for word in &model.reported.capabilities {
        if let Some(ability) = Ability::told_by(word) {
            ability.of(&mut model.abilities).get_or_insert(true);
        }
    }
    if let Some(used_for) = model.reported.used_for {
        for (ability, able) in implied_by(used_for) {
            ability.of(&mut model.abilities).get_or_insert(*able);
        }
    }
    if model.used_for.is_none() {
        model.used_for = implied_use(&model.abilities);
    }
}

fn implied_by(used_for: ModelUse) -> &'static [(Ability, bool)] {
    use Ability::{Chat, Embeddings, Images, Tools};
    match used_for {
        ModelUse::Text => &[(Chat, true), (Images, false), (Embeddings, false)],
        ModelUse::Vision => &[(Chat, true), (Images, true), (Embeddings, false)],
        ModelUse::Embeddings => &[(Embeddings, true), (Chat, false), (Images, false), (Tools, false)],
    }
}

fn implied_use(can: &Abilities) -> Option<ModelUse> {
    if can.embeddings == Some(true) && can.chat != Some(true) {
        Some(ModelUse::Embeddings)
    } else if can.images == Some(true) {
        Some(ModelUse::Vision)
    } else if can.chat == Some(true) && can.images == Some(false) {
        Some(ModelUse::Text)
    } else {
        None
    }
}

/// Takes over what the name suggests, where nothing reported speaks against it, and brings the words of the
/// catalogue into line.
pub(crate) fn from_guesses(model: &mut Model) {
    let can = &mut model.abilities;
    match model.used_for {
        Some(ModelUse::Vision) => _ = can.images.get_or_insert(true),
        Some(ModelUse::Embeddings) => _ = can.embeddings.get_or_insert(true),
        Some(ModelUse::Text) | None => {}
    }
    for (word, able) in [("reasoning", can.thinking), ("tools", can.tools), ("vision", can.images)] {
        match (able, model.capabilities.binary_search_by(|known| (**known).cmp(word))) {
            (Some(true), Err(place)) => model.capabilities.insert(place, word.into()),
            (Some(false), Ok(place)) => _ = model.capabilities.remove(place),
            _ => {}
        }
    }
}

/// Returns whether a guess of what the model is for contradicts what was reported.
pub(crate) fn contradict(used_for: ModelUse, can: &Abilities) -> bool {
    match used_for {
        ModelUse::Vision => can.images == Some(false),
        ModelUse::Embeddings => can.embeddings == Some(false) || can.chat == Some(true),
        ModelUse::Text => false,
    }
}
