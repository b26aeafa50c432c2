//! Reads `answers` and `refuses`: what Olla answers itself, and what it does not offer.

use olla_core::PathRules;

use crate::{
    answers::{Answer, Extra, ListShape, Refusal},
    reader::{Node, Reader, closest},
};

/// Reads the lists that Olla answers.
pub(super) fn read(reader: &mut Reader<'_>, node: Option<Node<'_>>) -> Option<Vec<Answer>> {
    let elements = reader.list(Some(node?));
    Some(elements.iter().filter_map(|element| answer(reader, element)).collect())
}

/// Reads the operations that Olla refuses.
pub(super) fn refusals(reader: &mut Reader<'_>, node: Option<Node<'_>>) -> Option<Vec<Refusal>> {
    let mut refusals = vec![];
    for element in reader.list(Some(node?)) {
        reader.keys(&element, &["paths", "reason"]);
        let listed = reader.required(&element, "paths");
        let paths = super::paths(reader, listed);
        let reason = reader.required(&element, "reason");
        if let Some(reason) = reader.text(reason) {
            refusals.push(Refusal { paths, reason: reason.into() });
        }
    }
    Some(refusals)
}

fn answer(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<Answer> {
    reader.keys(node, &["path", "shape", "owned_by", "extras"]);
    let path = reader.required(node, "path").and_then(|path| path_rule(reader, &path));
    let named = reader.required(node, "shape")?;
    let name = reader.text(Some(named.clone()))?;
    let Some(mut shape) = ListShape::named(&name) else {
        let message = format!("must be one of {}", ListShape::NAMES.join(", "));
        reader.problem_with_suggestion(&named, message, closest(&name, &ListShape::NAMES));
        return None;
    };
    match &mut shape {
        ListShape::OpenAi(shape) => {
            shape.owned_by = reader.text(node.get("owned_by")).map(Into::into);
            shape.extras = extras(reader, node.get("extras"));
        }
        ListShape::Anthropic
        | ListShape::OllamaTags
        | ListShape::OllamaPs
        | ListShape::LmStudioV0
        | ListShape::LmStudioV1 => {
            for superfluous in ["owned_by", "extras"].into_iter().filter_map(|key| node.get(key)) {
                reader.problem(&superfluous, "is for the shapes of OpenAI only");
            }
        }
    }
    Some(Answer { path: path?, shape })
}

fn path_rule(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<PathRules> {
    let path = reader.text(Some(node.clone()))?;
    if path.ends_with("/*") {
        reader.problem(node, "must not end in /*: a list is one path");
        return None;
    }
    PathRules::parse([&*path]).map_err(|error| reader.problem(node, error.to_string())).ok()
}

fn extras(reader: &mut Reader<'_>, node: Option<Node<'_>>) -> Vec<Extra> {
    let names = Extra::NAMES.map(|(name, _)| name);
    let mut extras = vec![];
    for element in reader.list(node) {
        let Some(text) = reader.text(Some(element.clone())) else { continue };
        match Extra::NAMES.iter().find(|(name, _)| *name == text) {
            Some((_, extra)) => extras.push(*extra),
            None => {
                let message = format!("must be one of {}", names.join(", "));
                reader.problem_with_suggestion(&element, message, closest(&text, &names));
            }
        }
    }
    extras
}
