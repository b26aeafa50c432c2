//! Inputs on disk: those that are always tried, and those that made a target panic.

#![expect(clippy::panic, reason = "a target without its corpus would test nothing")]

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
};

/// The inputs of one target.
#[derive(Debug)]
pub(crate) struct Corpus {
    name: String,
    inputs: Vec<Vec<u8>>,
}

// === impl Corpus ===

impl Corpus {
    /// Reads the files of a target, in the order of their names.
    pub(crate) fn read(name: &str) -> Self {
        let directory = root().join("corpus").join(name);
        let Ok(entries) = fs::read_dir(&directory) else { panic!("there is no corpus {directory:?}") };
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        let inputs: Vec<_> = paths.iter().filter_map(|path| fs::read(path).ok()).collect();
        assert!(!inputs.is_empty(), "the corpus {directory:?} is empty");
        Self { name: name.to_owned(), inputs }
    }

    pub(crate) fn inputs(&self) -> &[Vec<u8>] {
        &self.inputs
    }

    /// Writes an input that made the target panic where a person finds it.
    #[expect(clippy::print_stderr, reason = "beside the panic itself")]
    pub(crate) fn keep_crash(&self, input: &[u8]) {
        let path = crash_of(&self.name, input);
        let kept = fs::create_dir_all(root().join("crashes")).and_then(|()| fs::write(&path, input));
        match kept {
            Ok(()) => eprintln!("the input is in {}", path.display()),
            Err(error) => eprintln!("the input could not be written ({error}): {input:?}"),
        }
    }
}

/// Returns where an input is written that makes a target panic.
pub(crate) fn crash_of(name: &str, input: &[u8]) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    root().join("crashes").join(format!("{name}-{:016x}", hasher.finish()))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
