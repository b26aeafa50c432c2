//! Reads a `fields` block: where a document has which facts about a model.

use olla_core::Glob;

use crate::{
    facts::{FactRules, Field, Source, Take},
    reader::{Node, Reader, closest},
};

/// Reads where an entry of a list, or a document about one model, has what.
pub(super) fn read(reader: &mut Reader<'_>, block: &Node<'_>) -> FactRules {
    let more = ["name", "also", "capabilities"];
    let known: Vec<_> = Field::NAMES.iter().map(|(name, _)| *name).chain(more).collect();
    reader.keys(block, &known);
    let mut rules = FactRules {
        name: sources(reader, block.get("name"), &[]),
        also: sources(reader, block.get("also"), &[]),
        capabilities: sources(reader, block.get("capabilities"), &[]),
        ..FactRules::default()
    };
    for (name, field) in Field::NAMES {
        let sources = sources(reader, block.get(name), &field.values());
        if !sources.is_empty() {
            rules.fields.push((field, sources));
        }
    }
    rules
}

/// Reads one source or many. Where `allowed` is not empty, translations must end in one of it.
pub(super) fn sources(reader: &mut Reader<'_>, node: Option<Node<'_>>, allowed: &[&str]) -> Vec<Source> {
    let sources = reader.one_or_many(node);
    sources.iter().filter_map(|node| source(reader, node, allowed)).collect()
}

/// Reads `details.family`, `{ path: …, key: …, except: […], before: …, values: {…} }` or `{ constant: … }`.
fn source(reader: &mut Reader<'_>, node: &Node<'_>, allowed: &[&str]) -> Option<Source> {
    if !node.is_mapping() {
        let take = Take::Path(super::json_path(reader, node)?);
        return Some(Source { take, before: None, except: vec![], values: vec![] });
    }
    reader.keys(node, &["path", "key", "constant", "before", "except", "values"]);
    let take = match (node.get("path"), node.get("constant")) {
        (Some(path), None) => {
            let path = super::json_path(reader, &path)?;
            match node.get("key") {
                None => Take::Path(path),
                Some(key) => Take::Key(path, glob(reader, &key)?),
            }
        }
        (None, Some(constant)) => {
            let text = reader.text(Some(constant.clone()))?;
            check_value(reader, &constant, &text, allowed);
            if let Some(key) = node.get("key") {
                reader.problem(&key, "needs a `path`");
            }
            Take::Constant(text.into())
        }
        _ => {
            reader.problem(node, "needs either `path` or `constant`");
            return None;
        }
    };
    let except = reader.texts(node.get("except")).into_iter().map(Into::into).collect();
    let before = reader.text(node.get("before")).map(Into::into);
    let source = Source { take, before, except, values: values(reader, node.get("values"), allowed) };
    if matches!(source.take, Take::Constant(_)) && source.is_refined() {
        reader.problem(node, "has a constant, so `before`, `except` and `values` do nothing");
    }
    Some(source)
}

fn values(reader: &mut Reader<'_>, node: Option<Node<'_>>, allowed: &[&str]) -> Vec<(Glob, Box<str>)> {
    let Some(node) = node else { return vec![] };
    if !node.is_mapping() {
        reader.problem(&node, "must be a mapping from listed values to ours");
    }
    let mut values = vec![];
    for (listed, ours) in node.entries() {
        let Some(text) = reader.text(Some(ours.clone())) else { continue };
        check_value(reader, &ours, &text, allowed);
        match Glob::parse(&listed) {
            Ok(pattern) => values.push((pattern, text.into())),
            Err(error) => reader.problem(&ours, error.to_string()),
        }
    }
    values
}

fn glob(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<Glob> {
    let text = reader.text(Some(node.clone()))?;
    Glob::parse(&text).map_err(|error| reader.problem(node, error.to_string())).ok()
}

fn check_value(reader: &mut Reader<'_>, node: &Node<'_>, text: &str, allowed: &[&str]) {
    if !allowed.is_empty() && !allowed.contains(&text) {
        let message = format!("must be one of {}", allowed.join(", "));
        reader.problem_with_suggestion(node, message, closest(text, allowed));
    }
}
