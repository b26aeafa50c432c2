//! The schema of a models file: reads one YAML text into the rules, noting every mistake on the way.

use std::collections::{BTreeMap, BTreeSet};

use olla_core::ModelUse;
use regex::bytes::{Regex, RegexBuilder};

use crate::{
    ProfileProblem,
    reader::{Node, Reader, closest},
};

use super::{
    Names,
    capabilities::{Capabilities, Contexts},
    family::FamilyPattern,
    quantization::Quantizations,
};

/// The only version of the schema.
const VERSION: &str = "1.0";

/// Puts what a file says in the place of what `names` has; what the file does not mention stays.
pub(super) fn apply(names: &mut Names, file: &str, text: &str) -> Vec<ProfileProblem> {
    let mut reader = Reader::of_names(file, text);
    if let Some(document) = reader.document() {
        // A file with nothing but comments changes nothing.
        if !document.is_null() {
            rules(&mut reader, &Node::root(&document), names);
        }
    }
    reader.problems
}

fn rules(r: &mut Reader<'_>, root: &Node<'_>, names: &mut Names) {
    r.keys(root, &["version", "model_extraction", "quantization", "format", "capabilities", "special_rules"]);
    if let Some(node) = root.get("version") {
        let version = r.text(Some(node.clone()));
        if version.is_some_and(|version| !matches!(&*version, VERSION | "1")) {
            r.problem(&node, format!("must be {VERSION:?}, the only version of a models file"));
        }
    }
    if let Some(node) = root.get("model_extraction") {
        extraction(r, &node, names);
    }
    if let Some(node) = root.get("quantization") {
        quantization(r, &node, names);
    }
    if let Some(node) = root.get("format") {
        r.keys(&node, &["name_patterns"]);
        replace(&mut names.formats.patterns, r, &node, "name_patterns", formats);
    }
    if let Some(node) = root.get("capabilities") {
        capabilities(r, &node, &mut names.capabilities);
    }
    if let Some(node) = root.get("special_rules") {
        r.keys(&node, &["preserve_family", "generic_names", "variant_ends", "not_publishers"]);
        replace(&mut names.families.preserved, r, &node, "preserve_family", words);
        replace(&mut names.families.generic_names, r, &node, "generic_names", words);
        replace(&mut names.families.variant_ends, r, &node, "variant_ends", words);
        replace(&mut names.publishers.not_publishers, r, &node, "not_publishers", words);
    }
}

fn extraction(r: &mut Reader<'_>, node: &Node<'_>, names: &mut Names) {
    let known = ["family_patterns", "architecture_mappings", "family_aliases", "publisher_mappings"];
    r.keys(node, &known);
    let families = &mut names.families;
    replace(&mut families.patterns, r, node, "family_patterns", family_patterns);
    replace(&mut families.architectures, r, node, "architecture_mappings", mapping);
    replace(&mut families.aliases, r, node, "family_aliases", mapping);
    replace(&mut names.publishers.by_prefix, r, node, "publisher_mappings", mapping);
}

fn quantization(r: &mut Reader<'_>, node: &Node<'_>, names: &mut Names) {
    r.keys(node, &["mappings"]);
    let Some(node) = node.get("mappings") else { return };
    match Quantizations::new(&mapping(r, &node)) {
        Ok(quantizations) => names.quantizations = quantizations,
        Err(error) => r.problem(&node, format!("cannot be compiled: {}", one_line(&error))),
    }
}

fn capabilities(r: &mut Reader<'_>, node: &Node<'_>, capabilities: &mut Capabilities) {
    r.keys(node, &["type_capabilities", "name_patterns", "type_patterns", "context_thresholds"]);
    replace(&mut capabilities.by_type, r, node, "type_capabilities", |r, node| {
        r.keys(node, &Capabilities::TYPES.map(|(word, _)| word));
        let types = node.entries().into_iter();
        types.map(|(word, listed)| (word.into(), boxed(r.texts(Some(listed))))).collect()
    });
    replace(&mut capabilities.by_name, r, node, "name_patterns", |r, node| {
        patterns(r, node, "capabilities", |r, told| Some(boxed(r.texts(Some(told.clone())))))
    });
    replace(&mut capabilities.types, r, node, "type_patterns", |r, node| {
        patterns(r, node, "type", model_type)
    });
    replace(&mut capabilities.contexts, r, node, "context_thresholds", |r, node| {
        r.keys(node, &["extended_context", "long_context", "ultra_long_context"]);
        Contexts {
            extended: r.number(node.get("extended_context")),
            long: r.number(node.get("long_context")),
            ultra: r.number(node.get("ultra_long_context")),
        }
    });
}

fn family_patterns(r: &mut Reader<'_>, node: &Node<'_>) -> Vec<FamilyPattern> {
    let entries = r.list(Some(node.clone()));
    entries.iter().filter_map(|entry| family_pattern(r, entry)).collect()
}

fn family_pattern(r: &mut Reader<'_>, entry: &Node<'_>) -> Option<FamilyPattern> {
    r.keys(entry, &["pattern", "family_group", "variant_group", "description"]);
    let about = r.text(entry.get("description"));
    let written = r.required(entry, "pattern")?;
    let pattern = regex(r, &written, about.as_deref())?;
    let mut group = |key: &str| {
        let node = entry.get(key)?;
        let group: usize = r.number(Some(node.clone()))?;
        if group == 0 || group >= pattern.captures_len() {
            let groups = pattern.captures_len() - 1;
            r.problem(&node, format!("must be the number of a group of the pattern, which has {groups}"));
        }
        Some(group)
    };
    let (family_group, variant_group) = (group("family_group").unwrap_or(1), group("variant_group"));
    if entry.get("family_group").is_none() && pattern.captures_len() < 2 {
        r.problem(&written, "needs a group (…) around the family");
    }
    Some(FamilyPattern { pattern, family_group, variant_group })
}

fn formats(r: &mut Reader<'_>, node: &Node<'_>) -> Vec<(Regex, Box<str>)> {
    patterns(r, node, "format", |r, told| r.text(Some(told.clone())).map(Into::into))
}

fn model_type(r: &mut Reader<'_>, node: &Node<'_>) -> Option<ModelUse> {
    let text = r.text(Some(node.clone()))?;
    let told = Capabilities::TYPES.iter().find(|(word, _)| *word == text);
    if told.is_none() {
        let words = Capabilities::TYPES.map(|(word, _)| word);
        let message = format!("must be one of {}", words.join(", "));
        r.problem_with_suggestion(node, message, closest(&text, &words));
    }
    told.map(|(_, used_for)| *used_for)
}

/// Reads a list of entries with a `pattern` and what it tells.
fn patterns<T>(
    r: &mut Reader<'_>,
    node: &Node<'_>,
    key: &str,
    read: impl Fn(&mut Reader<'_>, &Node<'_>) -> Option<T>,
) -> Vec<(Regex, T)> {
    let mut patterns = vec![];
    for entry in r.list(Some(node.clone())) {
        r.keys(&entry, &["pattern", key]);
        let (written, told) = (r.required(&entry, "pattern"), r.required(&entry, key));
        let pattern = written.and_then(|written| regex(r, &written, None));
        let told = told.and_then(|told| read(r, &told));
        patterns.extend(pattern.zip(told));
    }
    patterns
}

/// Reads a regular expression; case does not matter, and classes such as `\d` are ASCII.
fn regex(r: &mut Reader<'_>, node: &Node<'_>, about: Option<&str>) -> Option<Regex> {
    let text = r.text(Some(node.clone()))?;
    match RegexBuilder::new(&text).unicode(false).case_insensitive(true).build() {
        Ok(regex) => Some(regex),
        Err(error) => {
            let about = about.map(|about| format!(" ({about})")).unwrap_or_default();
            r.problem(node, format!("is not a regular expression{about}: {}", one_line(&error)));
            None
        }
    }
}

/// Reads a mapping of texts; keys in lower case.
fn mapping(r: &mut Reader<'_>, node: &Node<'_>) -> BTreeMap<Box<str>, Box<str>> {
    if !node.is_mapping() {
        r.problem(node, "must be a mapping");
    }
    let mut mapping = BTreeMap::new();
    for (key, value) in node.entries() {
        let Some(text) = r.text(Some(value.clone())) else { continue };
        let key = key.trim().to_ascii_lowercase();
        match mapping.insert(Box::from(&*key), Box::from(text)) {
            Some(other) if mapping.get(&*key) != Some(&other) => {
                r.problem(&value, format!("is already mapped to {other:?}; case does not matter"));
            }
            _ => {}
        }
    }
    mapping
}

/// Reads a set of words, in lower case.
fn words(r: &mut Reader<'_>, node: &Node<'_>) -> BTreeSet<Box<str>> {
    let elements = r.list(Some(node.clone()));
    let texts = elements.into_iter().filter_map(|element| r.text(Some(element)));
    texts.map(|text| text.trim().to_ascii_lowercase().into()).collect()
}

/// Replaces a table by that of the file, if the file has one.
fn replace<T>(
    table: &mut T,
    r: &mut Reader<'_>,
    node: &Node<'_>,
    key: &str,
    read: impl FnOnce(&mut Reader<'_>, &Node<'_>) -> T,
) {
    if let Some(node) = node.get(key) {
        *table = read(r, &node);
    }
}

fn boxed(texts: Vec<String>) -> Vec<Box<str>> {
    texts.into_iter().map(Into::into).collect()
}

/// Returns what an error says, which is its last line: those before draw the pattern.
fn one_line(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}
