//! Profiles that nobody would write; see `olla_fuzz`.

use std::sync::Arc;

use olla_core::KindId;
use olla_fuzz::fuzz;

use crate::{Names, assembly, schema, shipped::SHIPPED};

const WORDS: &[&str] = &[
    "name: ",
    "api:",
    "routing:",
    "prefixes:",
    "paths:",
    "  - ",
    "\n",
    ": ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    "&a ",
    "*a",
    "<<: *a",
    "!!str ",
    "|\n",
    "'",
    "\"",
    "#",
    "\t",
    "---\n",
    "models:",
    "listing:",
    "detection:",
    "details:",
    "null",
    "1e3",
    "~",
    "/v1/models",
    "*",
    "..",
    "999999999999999999999",
    "\u{feff}",
];

/// One profile file.
#[test]
fn fuzz_profile() {
    let shipped: Vec<_> = SHIPPED.iter().filter_map(|(file, text)| schema::read(file, text).draft).collect();
    let (shapes, names) = (assembly::Shapes::of_shipped(&shipped), Arc::new(Names::builtin()));
    fuzz("profile", WORDS, |input| {
        let text = String::from_utf8_lossy(input);

        let reading = schema::read("mine.yaml", &text);

        let mut problems = reading.problems;
        let kinds = assembly::merge(vec![], reading.draft.into_iter().collect(), &mut problems);
        assembly::find_clashes(&kinds, &mut problems);
        let mut paths = 0;
        for kind in kinds {
            match assembly::compile(KindId::new(0), kind, &shapes, &names) {
                Ok(profile) => paths += usize::from(profile.allows("/v1/models")) + profile.details().len(),
                Err(problem) => problems.push(problem),
            }
        }
        let mut told: Vec<_> = problems.iter().map(|problem| problem.to_string().len() / 16).collect();
        assert!(told.iter().all(|length| *length > 0), "a problem is told in words");
        told.dedup();
        (paths, told, reading.obsolete.len())
    });
}
