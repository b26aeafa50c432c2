//! Reads the `listing` block: where a kind's model list has what.

use crate::{
    facts::FactRules,
    json_path::JsonPath,
    listing::Shape,
    reader::{Node, Reader},
};

/// Reads a shape.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node<'_>) -> Shape {
    reader.keys(node, &["models", "fields", "default_tag"]);
    let models = array_paths(reader, node);
    let facts = named_facts(reader, node);
    let default_tag = reader.text(node.get("default_tag")).map(Into::into);
    Shape { models, facts, default_tag }
}

/// Reads `models`: where the array of models is.
pub(super) fn array_paths(reader: &mut Reader<'_>, node: &Node<'_>) -> Vec<JsonPath> {
    let models = reader.required(node, "models");
    let models = reader.one_or_many(models);
    models.iter().filter_map(|path| super::json_path(reader, path)).collect()
}

/// Reads the `fields` of an entry that says which model it is about.
pub(super) fn named_facts(reader: &mut Reader<'_>, node: &Node<'_>) -> FactRules {
    let Some(block) = reader.required(node, "fields") else { return FactRules::default() };
    reader.required(&block, "name");
    super::facts::read(reader, &block)
}
