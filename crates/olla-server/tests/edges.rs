//! The shape of the workspace: which crate may know which, and where the code of a concern may be.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the workspace has failed")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// For each crate, the crates of the workspace that it may depend on.
const ALLOWED: [(&str, &[&str]); 9] = [
    ("olla-core", &[]),
    ("olla-translate", &[]),
    ("olla-profiles", &["olla-core"]),
    ("olla-balancer", &["olla-core"]),
    ("olla-health", &["olla-core", "olla-profiles"]),
    ("olla-proxy", &["olla-core", "olla-profiles", "olla-balancer", "olla-translate"]),
    (
        "olla-server",
        &[
            "olla-core",
            "olla-translate",
            "olla-profiles",
            "olla-balancer",
            "olla-health",
            "olla-proxy",
            "olla-sim",
        ],
    ),
    ("olla-sim", &[]),
    ("olla-fuzz", &[]),
];

/// Crates that do no I/O: time is an argument, randomness a seed.
const SYNC: [&str; 4] = ["olla-core", "olla-profiles", "olla-balancer", "olla-translate"];
const IO: [&str; 7] = ["tokio", "hyper", "hyper-util", "tower", "tower-service", "tower-layer", "tower-http"];
const SERVER_ONLY: [&str; 2] = ["figment", "clap"];

const MAX_LINES: usize = 400;
/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 6] = ["mod", "utils", "common", "helpers", "types", "manager"];

/// Dialects are code, and two have the names of kinds that speak them: their clients' prefixes are named where
/// formats are tied to profiles, and the shape of Anthropic's lists and figures wherever these are.
const DIALECTS: [(&str, &str); 2] = [("anthropic", ""), ("ollama", "crates/olla-proxy/src/tongues.rs")];

/// A source file of a crate, its tests left out.
struct Source {
    path: String,
    text: String,
}

/// Returns the direct dependencies of each crate that are not for its tests alone.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--no-deps", "--offline"]).current_dir(root());
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            let all = package["dependencies"].as_array().unwrap().iter();
            let shipped = all.filter(|dependency| dependency["kind"] != "dev");
            (text(&package["name"]), shipped.map(|dependency| text(&dependency["name"])).collect())
        })
        .collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Returns all files below a directory with this extension, relative to the workspace.
fn files(directory: &str, extension: &str) -> Vec<PathBuf> {
    let (mut found, mut open) = (vec![], vec![root().join(directory)]);
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    assert!(!found.is_empty(), "no .{extension} files in {directory}");
    found
}

/// Returns the sources of the product: `crates/*/src` and `tools/*/src`.
fn sources() -> Vec<Source> {
    let files = [files("crates", "rs"), files("tools", "rs")].concat();
    let is_product = |path: &PathBuf| {
        let within = |name: &str| path.components().any(|part| part.as_os_str() == name);
        within("src") && !within("tests") && !path.ends_with("tests.rs")
    };
    let sources = files.into_iter().filter(is_product);
    sources
        .map(|path| {
            let text = fs::read_to_string(root().join(&path)).unwrap();
            let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            Source { path: path.display().to_string(), text: product.to_owned() }
        })
        .collect()
}

// === impl Source ===

impl Source {
    /// Returns the lines that are not comments, each with its number.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate();
        lines.filter(|(_, line)| !line.trim_start().starts_with("//")).map(|(n, line)| (n + 1, line))
    }

    /// Returns whether the code names a module of a crate, by its path or in a `use`.
    fn names(&self, package: &str, module: &str) -> bool {
        let code: String = self.code().flat_map(|(_, line)| [line.trim(), " "]).collect();
        let (path, import) = (format!("{package}::{module}"), format!("use {package}::{{"));
        let imports = code.split(&import).skip(1).filter_map(|rest| rest.split(';').next());
        let mut words = imports.flat_map(|import| import.split(|c: char| !c.is_alphanumeric() && c != '_'));
        code.contains(&path) || words.any(|word| word == module)
    }
}

#[test]
fn crates_know_only_those_below_them() {
    let dependencies = dependencies();
    let crates: BTreeSet<_> = dependencies.keys().map(String::as_str).collect();
    assert_eq!(crates, ALLOWED.iter().map(|(name, _)| *name).collect(), "every crate has its place");

    for (name, allowed) in ALLOWED {
        let ours = dependencies[name].iter().filter(|other| crates.contains(other.as_str()));
        for other in ours {
            assert!(allowed.contains(&other.as_str()), "{name} must not depend on {other}");
        }
    }
}

#[test]
fn crates_without_io_stay_without_it() {
    let dependencies = dependencies();

    for name in SYNC {
        for forbidden in IO {
            assert!(!dependencies[name].contains(forbidden), "{name} must not depend on {forbidden}");
        }
        for source in sources().iter().filter(|source| source.path.contains(name)) {
            for (line, code) in source.code() {
                assert!(!code.contains("async "), "{}:{line} is async: {code}", source.path);
            }
        }
    }
}

#[test]
fn only_the_server_reads_configuration_and_command_lines() {
    for (name, dependencies) in dependencies() {
        // The simulated engine is a program of its own.
        let is_program = |library| name == "olla-server" || (name == "olla-sim" && library == "clap");
        for library in SERVER_ONLY.into_iter().filter(|library| !is_program(*library)) {
            assert!(!dependencies.contains(library), "{name} must not depend on {library}");
        }
    }
}

#[test]
fn hypers_server_is_named_in_one_place_and_its_client_in_none() {
    let mut seen = BTreeSet::new();
    for source in sources() {
        for package in ["hyper", "hyper_util"] {
            assert!(!source.names(package, "client"), "{} names {package}::client", source.path);
            if source.names(package, "server") {
                let is_listener = source.path.starts_with("crates/olla-server/src/listen");
                assert!(is_listener, "{} names {package}::server", source.path);
                seen.insert(package);
            }
        }
    }
    assert_eq!(seen, BTreeSet::from(["hyper"]), "the search finds what is there");
}

#[test]
fn kinds_are_data() {
    let names: Vec<_> = files("config/profiles", "yaml")
        .iter()
        .map(|path| {
            let text = fs::read_to_string(root().join(path)).unwrap();
            let name = text.lines().find_map(|line| line.strip_prefix("name: ")).unwrap();
            name.trim().to_owned()
        })
        .collect();

    for source in sources().iter().filter(|source| source.path.starts_with("crates/")) {
        for (line, code) in source.code() {
            for name in &names {
                let is_dialect =
                    DIALECTS.iter().any(|(dialect, at)| name == dialect && source.path.contains(at));
                let is_named = code.contains(&format!("\"{name}\"")) && !is_dialect;
                assert!(!is_named, "{}:{line} names the kind {name}", source.path);
            }
        }
    }
}

#[test]
fn every_file_is_one_idea_with_a_name() {
    for source in sources() {
        let lines = source.text.lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines", source.path);
        assert!(source.text.starts_with("//!"), "{} does not say what it is about", source.path);
    }
    for path in ["crates", "tools", "tests"].into_iter().flat_map(|directory| files(directory, "rs")) {
        for part in path.components() {
            let name = part.as_os_str().to_str().unwrap();
            let name = name.strip_suffix(".rs").unwrap_or(name);
            assert!(!EMPTY_NAMES.contains(&name), "{} has a name that says nothing", path.display());
        }
    }
}
