//! Whole configurations: what they resolve to, and all that is said about bad ones.
//!
//! One file for each concern; this one holds what they share.

mod aliases;
mod credentials;
mod defaults;
mod documentation;
mod endpoints;
mod environment;
mod failures;
mod files;
mod kinds;
mod mistakes;
mod models;
mod originals;
mod pages;
mod responses;
mod routing;
mod sticky;
mod urls;

use std::{fs, path::Path};

use olla_core::Aliases;
use tempfile::TempDir;

use super::{Env, LoadOptions, Loaded, Rejected, load};

fn in_directory(files: &[(&str, &str)], env: Env) -> (TempDir, LoadOptions) {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let options = LoadOptions { env, directory: directory.path().into(), ..LoadOptions::default() };
    (directory, options)
}

fn load_text(text: &str, env: Env) -> Result<Loaded, Rejected> {
    let (_directory, options) = in_directory(&[("config.yaml", text), ("bad.pem", "no certificate")], env);
    load(&options)
}

fn loaded(text: &str) -> Loaded {
    load_text(text, Env::default()).unwrap()
}

fn problems(text: &str, env: Env) -> String {
    let rejected = load_text(text, env).unwrap_err();
    rejected.problems.iter().map(|p| format!("{p}\n")).collect()
}

fn alias_names(aliases: &Aliases) -> Vec<&str> {
    aliases.sorted().into_iter().map(|(name, _)| name).collect()
}

fn notices(loaded: &Loaded) -> String {
    loaded.notices.iter().map(|n| format!("{n}\n")).collect()
}

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
