//! From what the user wrote to what the program reads: defaults, then a file, then the environment.
//!
//! `keys` says which keys there are, `conform` holds the input against it, `raw` merges it, `resolve` and
//! its neighbours make [`Settings`] of it. Every problem is collected, none stops the search for more, and no
//! message holds a secret. The process is an argument: nothing here reads the environment by itself.

mod aliases;
mod auth;
mod conform;
mod document;
mod endpoints;
mod env;
mod files;
#[cfg(test)]
mod fuzz;
mod keys;
mod models;
mod obsolete;
mod problem;
mod raw;
mod resolve;
mod scalar;
pub(crate) mod settings;
mod suggest;
#[cfg(test)]
mod tests;
mod variables;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use figment::value::Dict;
use olla_profiles::Profiles;

pub(crate) use env::Env;
pub(crate) use files::USUAL as USUAL_FILES;
pub(crate) use problem::{Notice, Part, Problem};
pub(crate) use settings::Settings;

use keys::{ENDPOINT_KEYS, KEYS, Key, Shape};
use problem::{Report, Sources};
use raw::Raw;

/// Where to look for the configuration.
#[derive(Debug, Clone, Default)]
pub(crate) struct LoadOptions {
    /// The file that the command line names.
    pub(crate) config: Option<PathBuf>,
    /// The directory of profiles that the command line names.
    pub(crate) profiles: Option<PathBuf>,
    /// The environment.
    pub(crate) env: Env,
    /// What relative paths start from; empty is the working directory of the process.
    pub(crate) directory: PathBuf,
}

/// A valid configuration.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The settings.
    pub(crate) settings: Settings,
    /// The backend kinds in use.
    pub(crate) profiles: Profiles,
    /// The file, if there was one.
    pub(crate) source: Option<PathBuf>,
    /// What the user should know.
    pub(crate) notices: Vec<Notice>,
}

/// A configuration with mistakes.
#[derive(Debug)]
pub(crate) struct Rejected {
    /// The file, if there was one.
    pub(crate) source: Option<PathBuf>,
    /// All mistakes, in the order of the file. Never empty.
    pub(crate) problems: Vec<Problem>,
    /// What the user should know besides.
    pub(crate) notices: Vec<Notice>,
    /// Whether the file could not be read or parsed, so that nothing in it was looked at.
    pub(crate) unread: bool,
}

/// Finds, reads, merges and resolves the configuration. Without a file the defaults hold.
///
/// # Errors
/// Returns all mistakes at once.
pub(crate) fn load(options: &LoadOptions) -> Result<Loaded, Rejected> {
    let mut report = Report::default();
    let source = files::find(options, &mut report);
    let tree = source.as_ref().map(|file| read(file, &mut report)).unwrap_or_default();
    let source = source.map(|file| file.path);
    // So far nothing can be wrong but the file as a whole.
    let unread = !report.problems.is_empty();

    let written = conform::mapping(&tree, KEYS, "", &mut report);
    let overlay = options.env.overlay(&mut report);
    options.env.report_unknown(&mut report);
    obsolete::report(&[&tree, &overlay], &options.env, &mut report);

    let raw: Option<Raw> = match raw::merge([env::defaults(KEYS), written, overlay]) {
        Ok(raw) => Some(raw),
        Err(error) => {
            report.add(Problem::new(error.path.join("."), "holds a value of the wrong type"));
            None
        }
    };
    let filter =
        raw.as_ref().map(|raw| resolve::profile_filter(&raw.proxy.profile_filter)).unwrap_or_default();
    let profiles = files::profiles(options, source.as_deref(), &filter, &mut report);
    let settings = raw.map(|raw| resolve::settings(raw, profiles.as_ref(), options, &mut report));

    let notices = std::mem::take(&mut report.notices);
    match (settings, profiles) {
        (Some(settings), Some(profiles)) if report.problems.is_empty() => {
            Ok(Loaded { settings, profiles, source, notices })
        }
        _ => Err(Rejected { source, problems: report.into_problems(), notices, unread }),
    }
}

/// Writes every key with what it holds, its default and the variable that overrides it.
///
/// # Errors
/// Fails when `out` does.
pub(crate) fn write_keys(out: &mut dyn Write) -> io::Result<()> {
    for key in KEYS {
        write_key(key, key.path, Some(&key.env()), out)?;
        if let Shape::Named(entry) = &key.shape {
            write_nested(entry.keys, &format!("{}.<name>", key.path), out)?;
        }
    }
    writeln!(out, "endpoints[] (also discovery.static.endpoints[]); each entry:\n")?;
    write_nested(ENDPOINT_KEYS, "", out)
}

/// Writes keys that no variable overrides, each followed by those below it.
fn write_nested(keys: &[Key], path: &str, out: &mut dyn Write) -> io::Result<()> {
    for key in keys {
        let path = document::join(path, key.path);
        write_key(key, &path, None, out)?;
        let below = if matches!(key.shape, Shape::Entries(_)) { format!("{path}[]") } else { path };
        write_nested(key.shape.keys(), &below, out)?;
    }
    Ok(())
}

fn write_key(key: &Key, path: &str, variable: Option<&str>, out: &mut dyn Write) -> io::Result<()> {
    let default = if key.default.is_empty() { "none" } else { key.default };
    writeln!(out, "{path}\n    {}", key.meaning.replace('`', ""))?;
    write!(out, "    {}; default: {default}", key.shape.describe())?;
    match variable {
        Some(variable) => writeln!(out, "; {variable}\n"),
        None => writeln!(out, "\n"),
    }
}

fn read(file: &files::Found, report: &mut Report) -> Dict {
    let name = file.path.display().to_string();
    match document::parse(&file.text) {
        Ok(document) => {
            report.sources = Sources { file: Some(name.into()), lines: document.lines, ..Sources::default() };
            document.tree
        }
        Err(error) => {
            report.add(Problem::in_file(&name, error.line, error.message));
            Dict::new()
        }
    }
}
