//! Every block of YAML that the project's pages show is what the program reads.

use std::{fs, path::PathBuf};

use figment::value::Dict;

use super::{in_directory, root};
use crate::config::{Env, document, keys::KEYS, load};

/// What other programs read: LiteLLM's own configuration, and a file for Docker Compose.
const OF_OTHERS: &[&str] = &["model_list", "services"];

/// A block of YAML on a page.
struct Block {
    /// The page, and the line of the first line of text.
    place: String,
    text: String,
}

/// Returns README.md and every page below `docs`.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md")];
    let mut open = vec![root().join("docs")];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    pages
}

fn blocks() -> Vec<Block> {
    let mut blocks = vec![];
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            if line != "```yaml" && line != "```yml" {
                continue;
            }
            let block: Vec<_> =
                lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
            let name = page.strip_prefix(root()).unwrap().display();
            blocks.push(Block { place: format!("{name}:{}", number + 2), text: block.join("\n") + "\n" });
        }
    }
    blocks
}

/// Returns the name under which the program would read a block, or `None` where another program would.
fn file_for(tree: &Dict, place: &str) -> Option<&'static str> {
    let has = |key: &str| tree.contains_key(key);
    let is_section = |key: &str| KEYS.iter().any(|known| known.path.split('.').next() == Some(key));
    if tree.keys().any(|key| is_section(key)) {
        Some("config.yaml")
    } else if has("name") {
        Some("config/profiles/page.yaml")
    } else if ["special_rules", "model_extraction", "quantization", "capabilities"].iter().any(|key| has(key))
    {
        Some("config/models.yaml")
    } else {
        assert!(tree.keys().all(|key| OF_OTHERS.contains(&key.as_str())), "{place}: what reads this block?");
        None
    }
}

/// Returns an environment in which every variable of the text is set.
fn variables(text: &str) -> Env {
    let names = text.split("${").skip(1).filter_map(|rest| rest.split(['}', ':']).next());
    names.map(|name| (name, "secret")).collect()
}

#[test]
fn every_block_is_loaded_without_a_complaint() {
    let mut configurations = vec![];
    for Block { place, text } in blocks() {
        let tree = document::parse(&text).unwrap_or_else(|error| panic!("{place}: {error:?}")).tree;
        let Some(file) = file_for(&tree, &place) else { continue };
        let (_directory, options) = in_directory(&[(file, &text)], variables(&text));

        let loaded = load(&options).unwrap_or_else(|rejected| panic!("{place}: {:#?}", rejected.problems));

        assert!(loaded.notices.is_empty(), "{place}: {:#?}", loaded.notices);
        configurations.extend((file == "config.yaml").then_some(place));
    }
    for page in ["README.md", "docs/aliases.md", "docs/filters.md", "docs/models.md", "docs/routing.md"] {
        let shown = configurations.iter().any(|place| place.starts_with(page));
        assert!(shown, "{page} shows no configuration: {configurations:?}");
    }
}
