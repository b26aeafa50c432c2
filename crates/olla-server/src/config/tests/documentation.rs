//! The pages of the project, held against the code.

use std::fs;

use super::root;
use crate::config::{
    keys::{ALIAS_KEYS, ENDPOINT_KEYS, KEYS, Key, MODEL_KEYS, PLACEMENT_KEYS},
    write_keys,
};

/// Returns the row of a key in the documentation.
fn row(key: &Key, with_variable: bool) -> String {
    let default = if key.default.is_empty() { String::new() } else { format!("`{}`", key.default) };
    let variable = if with_variable { format!(" `{}` |", key.env()) } else { String::new() };
    format!("| `{}` | {} | {default} | {} |{variable}", key.path, key.shape.describe(), key.meaning)
}

#[test]
fn the_documentation_lists_every_key_and_no_other() {
    let documentation = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let mut expected: Vec<String> = KEYS.iter().map(|key| row(key, true)).collect();
    let nested = [ENDPOINT_KEYS, PLACEMENT_KEYS, MODEL_KEYS, ALIAS_KEYS].into_iter().flatten();
    expected.extend(nested.map(|key| row(key, false)));

    let rows: Vec<&str> = documentation.lines().filter(|line| line.starts_with("| `")).collect();

    for row in &expected {
        assert!(rows.contains(&row.as_str()), "docs/configuration.md lacks\n{row}");
    }
    for row in rows {
        assert!(expected.iter().any(|e| e == row), "docs/configuration.md has a row for no key:\n{row}");
    }
}

#[test]
fn the_command_lists_every_key_with_those_below_it() {
    let mut out = vec![];

    write_keys(&mut out).unwrap();

    let text = String::from_utf8(out).unwrap();
    let listed: Vec<_> = text.lines().filter(|line| !line.is_empty() && !line.starts_with(' ')).collect();
    let nested = ["model_aliases.<name>.strategy", "models.never", "models.declare[].context_length"];
    for key in KEYS.iter().chain(ENDPOINT_KEYS).map(|key| key.path).chain(nested) {
        assert!(listed.contains(&key), "{key}\n{text}");
    }
}
