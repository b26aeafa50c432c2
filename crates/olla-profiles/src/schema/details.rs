//! Reads the `details` list: which further questions tell more about listed models.

use crate::{
    details::{About, Details},
    facts::FactRules,
    reader::{Node, Reader, closest},
};

use super::listing::{array_paths, named_facts};

const ABOUT: [(&str, About); 3] = [("each", About::Each), ("all", About::All), ("only", About::Only)];

/// Reads one question; `None` if it cannot be asked.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<Details> {
    reader.keys(node, &["about", "path", "name_at", "models", "fields", "capabilities_complete"]);
    let about = about(reader, node);
    let path = reader.required(node, "path");
    let path = super::request_path(reader, path);
    let about = about?;
    let mut name_at = None;
    if about == About::Each {
        let key = reader.required(node, "name_at");
        name_at = reader.text(key).map(Into::into);
    } else if let Some(key) = node.get("name_at") {
        reader.problem(&key, "is for questions about each model");
    }
    let (models, mut facts) = match about {
        About::All => (array_paths(reader, node), named_facts(reader, node)),
        About::Each | About::Only => (vec![], nameless_facts(reader, node)),
    };
    if let Some(flag) = node.get("capabilities_complete") {
        facts.capabilities_complete = reader.flag(Some(flag.clone())).unwrap_or(false);
        if facts.capabilities.is_empty() {
            reader.problem(&flag, "needs `fields.capabilities`");
        }
    }
    Some(Details { about, path: path?, name_at, models, facts })
}

/// Reads the `fields` of a document that is about one model.
fn nameless_facts(reader: &mut Reader<'_>, node: &Node<'_>) -> FactRules {
    let block = reader.required(node, "fields");
    let name = block.as_ref().and_then(|block| block.get("name"));
    for superfluous in [node.get("models"), name].into_iter().flatten() {
        reader.problem(&superfluous, "is for questions about all models");
    }
    block.map_or_else(FactRules::default, |block| super::facts::read(reader, &block))
}

fn about(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<About> {
    let named = reader.required(node, "about")?;
    let text = reader.text(Some(named.clone()))?;
    let about = ABOUT.iter().find(|(name, _)| *name == text).map(|(_, about)| *about);
    if about.is_none() {
        let names = ABOUT.map(|(name, _)| name);
        let message = format!("must be one of {}", names.join(", "));
        reader.problem_with_suggestion(&named, message, closest(&text, &names));
    }
    about
}
