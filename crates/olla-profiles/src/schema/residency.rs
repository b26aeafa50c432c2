//! Reads the `residency` block: where a kind tells which models are in memory.

use crate::{
    reader::{Node, Reader},
    residency::ResidencyRules,
};

use super::{facts::sources, listing::array_paths};

/// Reads the rules; `None` if nothing can be read by them.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<ResidencyRules> {
    reader.keys(node, &["path", "models", "fields"]);
    let path = super::request_path(reader, node.get("path"));
    let models = array_paths(reader, node);
    let fields = reader.required(node, "fields")?;
    let known = ["name", "loaded", "size_bytes", "vram_bytes", "expires", "context_length"];
    reader.keys(&fields, &known);
    reader.required(&fields, "name");
    if path.is_none() && fields.get("loaded").is_none() {
        reader.problem(&fields, "needs `loaded`, because the model list holds models that are not loaded");
    }
    let mut field = |name| sources(reader, fields.get(name), if name == "loaded" { &FLAGS } else { &[] });
    Some(ResidencyRules {
        path,
        models,
        name: field("name"),
        loaded: field("loaded"),
        size_bytes: field("size_bytes"),
        vram_bytes: field("vram_bytes"),
        expires: field("expires"),
        context_length: field("context_length"),
    })
}

const FLAGS: [&str; 2] = ["true", "false"];
