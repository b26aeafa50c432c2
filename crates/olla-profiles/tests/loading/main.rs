//! Loading profile files: what replaces what, what is refused and how it is said, what is merely obsolete.

#![expect(clippy::unwrap_used, reason = "a test stops where an assumption fails")]

mod files;
mod filter;
mod formats;
mod mistakes;
mod shipped;

use std::{collections::BTreeSet, fs, path::Path};

use olla_core::Glob;
use olla_profiles::{Loaded, Profile, ProfileFilter, ProfileProblem, ProfileSource, Profiles, WireFormat};

const MINIMAL: &str = "name: acme\nrouting: {prefixes: [acme]}\napi: {paths: [/v1/chat/completions]}\n";

fn source(file: &str, text: &str) -> ProfileSource {
    ProfileSource { file: file.into(), text: text.into() }
}

fn load(texts: &[&str]) -> Result<Loaded, Vec<ProfileProblem>> {
    let files: Vec<_> =
        texts.iter().enumerate().map(|(n, text)| source(&format!("{n}.yaml"), text)).collect();
    Profiles::load(&files, &ProfileFilter::default())
}

fn problems(text: &str) -> Vec<String> {
    load(&[text]).unwrap_err().iter().map(ToString::to_string).collect()
}

fn kind<'p>(profiles: &'p Profiles, name: &str) -> &'p Profile {
    profiles.get(profiles.resolve(name).unwrap()).unwrap()
}
