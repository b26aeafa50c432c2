//! Keys of the older profile schema that are accepted, do nothing, and are named once at start.

/// Key paths and what replaces them. Everything below a path is obsolete with it.
const OBSOLETE: &[(&str, &str)] = &[
    ("version", "the schema has no versions"),
    ("description", "write a YAML comment"),
    ("home", "write a YAML comment"),
    (
        "characteristics",
        "api.first_byte_timeout replaces timeout, an endpoint sets its own priority and auth",
    ),
    ("resources", "not used by this version"),
    ("metrics", "not used by this version"),
    ("path_indices", "paths are named, not numbered"),
    ("features", "write a YAML comment"),
    ("performance", "write a YAML comment"),
    ("security", "write a YAML comment"),
    ("deployment", "write a YAML comment"),
    ("olla_integration", "write a YAML comment"),
    ("api.anthropic_support.limitations", "a model says itself what it can do"),
    ("api.anthropic_support.min_version", "not used by this version"),
    ("api.anthropic_support.token_count", "add /v1/messages/count_tokens to api.paths"),
    ("api.metrics_path", "add the path to api.paths to forward it"),
    ("api.props_path", "add the path to api.paths to forward it"),
    ("api.slots_path", "add the path to api.paths to forward it"),
    ("api.stats_path", "add the path to api.paths to forward it"),
    ("detection.headers", "detection.signatures"),
    ("detection.response_headers", "detection.signatures"),
    ("detection.user_agent_patterns", "detection.signatures"),
    ("detection.response_patterns", "detection.signatures"),
    ("detection.server_signatures", "detection.signatures"),
    ("detection.path_indicators", "detection.signatures"),
    ("models.name_format", "names are kept as they are listed"),
    ("request.model_field_paths", "the model is read from `model`"),
    ("request.parsing_rules", "not used by this version"),
];

/// The older schema allowed any capability; these two have a meaning here.
pub(crate) const CAPABILITIES: [&str; 2] = ["embeddings", "vision"];

/// Returns what replaces an obsolete key, or `None` if the key is not one.
pub(crate) fn instead(key: &str) -> Option<&'static str> {
    if key.starts_with("models.capability_patterns.") {
        return Some("only embeddings and vision are used");
    }
    OBSOLETE.iter().find(|(obsolete, _)| *obsolete == key).map(|(_, instead)| *instead)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_lists_every_obsolete_key() {
        let manual = include_str!("../../../../docs/profiles.md");

        for (key, _) in OBSOLETE {
            assert!(manual.contains(&format!("`{key}`")), "{key} is missing from docs/profiles.md");
        }
    }
}
