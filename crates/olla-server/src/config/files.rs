//! Which files the configuration consists of.

use std::{
    collections::HashSet,
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use olla_profiles::{Names, ProfileFilter, ProfileSource, Profiles};

use super::{
    LoadOptions, document,
    problem::{Notice, Part, Problem, Report},
    suggest,
};

/// The places of a file that nobody named; the first that can be read counts.
pub(crate) const USUAL: &[&str] =
    &["config/config.local.yaml", "config/config.yaml", "config.yaml", "default.yaml"];

/// How deep directories of profiles are searched.
const MAX_DEPTH: usize = 8;

/// A configuration file.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// Finds the configuration file: the one of the command line, else the one of `OLLA_CONFIG_FILE`, else the
/// first of the usual places. A named file must exist.
pub(crate) fn find(options: &LoadOptions, report: &mut Report) -> Option<Found> {
    let variable = || options.env.get("OLLA_CONFIG_FILE").map(PathBuf::from);
    if let Some(path) = options.config.clone().or_else(variable) {
        return match fs::read_to_string(options.directory.join(&path)) {
            Ok(text) => Some(Found { path, text }),
            Err(error) => {
                report.add(unreadable(&path, &error));
                None
            }
        };
    }
    for path in USUAL.iter().map(PathBuf::from) {
        match fs::read_to_string(options.directory.join(&path)) {
            Ok(text) => return Some(Found { path, text }),
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                report.add(unreadable(&path, &error));
                return None;
            }
            Err(_) => {}
        }
    }
    None
}

/// Loads the kinds: the shipped ones, then those of `config/profiles`, of the directory beside the
/// configuration file, and of the command line; later ones replace earlier ones of the same name.
pub(crate) fn profiles(
    options: &LoadOptions,
    config: Option<&Path>,
    filter: &ProfileFilter,
    report: &mut Report,
) -> Option<Profiles> {
    let sources = sources(options, config, report);
    let names = names(options, config, report);
    match Profiles::load(&sources, filter) {
        Ok(loaded) => {
            let files: Vec<_> = loaded.notices.iter().map(|notice| notice.file.as_str()).collect();
            if !files.is_empty() {
                let text = format!(
                    "keys of earlier versions that change nothing and can be removed: {}",
                    files.join(", ")
                );
                let keys = loaded.notices.iter().flat_map(|notice| &notice.keys);
                let keys = keys.map(|obsolete| (obsolete.key.as_str(), obsolete.instead));
                report.notices.push(Notice::obsolete(Part::Profiles, text, keys));
            }
            check_filter(&loaded.profiles, filter, report);
            Some(loaded.profiles.with_names(names?))
        }
        Err(problems) => {
            problems.into_iter().for_each(|problem| report.add(problem.into()));
            None
        }
    }
}

/// Tells what of the filter can only be a slip.
fn check_filter(profiles: &Profiles, filter: &ProfileFilter, report: &mut Report) {
    const KEY: &str = "proxy.profile_filter";

    for (list, patterns) in [("include", &filter.include), ("exclude", &filter.exclude)] {
        for pattern in patterns {
            let known = || profiles.names().into_iter().chain(profiles.left_out());
            if !known().any(|word| pattern.matches(word)) {
                let meant = suggest::closest(pattern.as_str(), known());
                let meant = meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
                let text = format!("{KEY}.{list}: no kind is called {}{meant}", pattern.as_str());
                report.notice(Part::Config, text);
            }
        }
    }
    if profiles.iter().next().is_none() {
        let problem = Problem::new(KEY, "leaves out every kind of backend");
        report.add(problem.help("name the kinds to load in `include`, or remove the filter"));
    }
}

/// Loads the rules for model names: the shipped ones, and those of the first `models.yaml` that is there.
fn names(options: &LoadOptions, config: Option<&Path>, report: &mut Report) -> Option<Names> {
    let beside = config.and_then(Path::parent).map(|directory| directory.join(MODELS));
    let variable = options.env.get("OLLA_CONFIG_DIR").map(|directory| Path::new(directory).join(MODELS));
    let usual = [MODELS.into(), Path::new("config").join(MODELS)];
    let mut places = usual.into_iter().chain(beside).chain(variable);
    let found = places.find(|path| options.directory.join(path).is_file());
    let paths: Vec<_> = found.iter().map(|path| options.directory.join(path)).collect();
    match Names::load(&read_all(&paths, options, report)) {
        Ok(names) => Some(names),
        Err(problems) => {
            problems.into_iter().for_each(|problem| report.add(problem.into()));
            None
        }
    }
}

const MODELS: &str = "models.yaml";

fn sources(options: &LoadOptions, config: Option<&Path>, report: &mut Report) -> Vec<ProfileSource> {
    let mut directories = vec![(PathBuf::from("config/profiles"), false)];
    if let Some(beside) = config.and_then(Path::parent) {
        let own = beside.join("profiles");
        let found = options.directory.join(&own).is_dir();
        directories.push((if found { own } else { beside.join("config/profiles") }, false));
    }
    directories.extend(options.profiles.clone().map(|named| (named, true)));

    let mut seen = HashSet::new();
    let mut sources: Vec<ProfileSource> = vec![];
    for (directory, must_exist) in directories {
        let root = options.directory.join(&directory);
        let is_new = seen.insert(root.canonicalize().unwrap_or_else(|_| root.clone()));
        if !is_new || (!must_exist && !root.is_dir()) {
            continue;
        }
        let mut paths = vec![];
        if let Err(error) = list(&root, MAX_DEPTH, &mut paths) {
            report.add(profile_problem(&directory, &error));
        }
        paths.sort();
        let found = read_all(&paths, options, report);
        // Two files of one directory that define the same kind are a mistake, which `Profiles` reports.
        let names: HashSet<_> = found.iter().filter_map(kind_name).collect();
        sources.retain(|earlier| kind_name(earlier).is_none_or(|name| !names.contains(&name)));
        sources.extend(found);
    }
    sources
}

fn read_all(paths: &[PathBuf], options: &LoadOptions, report: &mut Report) -> Vec<ProfileSource> {
    let mut sources = vec![];
    for path in paths {
        let name = path.strip_prefix(&options.directory).unwrap_or(path);
        match fs::read_to_string(path) {
            Ok(text) => sources.push(ProfileSource { file: name.display().to_string(), text }),
            Err(error) => report.add(profile_problem(name, &error)),
        }
    }
    sources
}

/// Returns the kind that a profile defines, if the file can be read that far.
fn kind_name(source: &ProfileSource) -> Option<String> {
    let document = document::parse(&source.text).ok()?;
    document.tree.get("name")?.as_str().map(str::to_owned)
}

fn list(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            if depth > 0 {
                list(&path, depth - 1, found)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let problem = Problem::in_file(&path.display().to_string(), None, format!("cannot be read: {error}"));
    match error.kind() {
        ErrorKind::NotFound => problem.help("check `--config` and OLLA_CONFIG_FILE, or leave both out"),
        _ => problem,
    }
}

fn profile_problem(path: &Path, error: &io::Error) -> Problem {
    Problem {
        part: Part::Profiles,
        ..Problem::in_file(&path.display().to_string(), None, format!("cannot be read: {error}"))
    }
}
