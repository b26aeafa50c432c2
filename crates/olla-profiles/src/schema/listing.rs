//! Reads the `listing` block: where a kind's model list has what.

use olla_core::Glob;

use crate::{
    listing::{Field, Shape, Source, Take},
    reader::{Node, Reader, closest},
};

/// Reads a shape.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node<'_>) -> Shape {
    reader.keys(node, &["models", "fields", "default_tag"]);
    let models = reader.required(node, "models");
    let models = reader.one_or_many(models);
    let models: Vec<_> = models.iter().filter_map(|path| super::json_path(reader, path)).collect();
    let (mut fields, mut also, mut capabilities) = (vec![], vec![], vec![]);
    if let Some(block) = reader.required(node, "fields") {
        let known: Vec<_> =
            Field::NAMES.iter().map(|(name, _)| *name).chain(["also", "capabilities"]).collect();
        reader.keys(&block, &known);
        reader.required(&block, "name");
        also = sources(reader, block.get("also"), None);
        capabilities = sources(reader, block.get("capabilities"), None);
        for (name, field) in Field::NAMES {
            fields.push((field, sources(reader, block.get(name), Some(field))));
        }
    }
    let default_tag = reader.text(node.get("default_tag")).map(Into::into);
    Shape { models, also, capabilities, fields, default_tag }
}

fn sources(reader: &mut Reader<'_>, node: Option<Node<'_>>, field: Option<Field>) -> Vec<Source> {
    let sources = reader.one_or_many(node);
    sources.iter().filter_map(|node| source(reader, node, field)).collect()
}

/// Reads `details.family`, `{ path: …, except: […], before: …, values: {…} }` or `{ constant: … }`.
fn source(reader: &mut Reader<'_>, node: &Node<'_>, field: Option<Field>) -> Option<Source> {
    if !node.is_mapping() {
        let take = Take::Path(super::json_path(reader, node)?);
        return Some(Source { take, before: None, except: vec![], values: vec![] });
    }
    reader.keys(node, &["path", "constant", "before", "except", "values"]);
    let take = match (node.get("path"), node.get("constant")) {
        (Some(path), None) => Take::Path(super::json_path(reader, &path)?),
        (None, Some(constant)) => {
            let text = reader.text(Some(constant.clone()))?;
            check_use(reader, &constant, &text, field);
            Take::Constant(text.into())
        }
        _ => {
            reader.problem(node, "needs either `path` or `constant`");
            return None;
        }
    };
    let except = reader.texts(node.get("except")).into_iter().map(Into::into).collect();
    let before = reader.text(node.get("before")).map(Into::into);
    let source = Source { take, before, except, values: values(reader, node.get("values"), field) };
    if matches!(source.take, Take::Constant(_)) && source.is_refined() {
        reader.problem(node, "has a constant, so `before`, `except` and `values` do nothing");
    }
    Some(source)
}

fn values(reader: &mut Reader<'_>, node: Option<Node<'_>>, field: Option<Field>) -> Vec<(Glob, Box<str>)> {
    let Some(node) = node else { return vec![] };
    if !node.is_mapping() {
        reader.problem(&node, "must be a mapping from listed values to ours");
    }
    let mut values = vec![];
    for (listed, ours) in node.entries() {
        let Some(text) = reader.text(Some(ours.clone())) else { continue };
        check_use(reader, &ours, &text, field);
        match Glob::parse(&listed) {
            Ok(pattern) => values.push((pattern, text.into())),
            Err(error) => reader.problem(&ours, error.to_string()),
        }
    }
    values
}

fn check_use(reader: &mut Reader<'_>, node: &Node<'_>, text: &str, field: Option<Field>) {
    let uses = Field::USES.map(|(name, _)| name);
    if field == Some(Field::UsedFor) && !uses.contains(&text) {
        let message = format!("must be one of {}", uses.join(", "));
        reader.problem_with_suggestion(node, message, closest(text, &uses));
    }
}
