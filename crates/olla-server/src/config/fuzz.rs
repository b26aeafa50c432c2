//! Configuration files that nobody would write; see `olla_fuzz`.

use olla_fuzz::fuzz;
use olla_profiles::Profiles;

use super::{
    KEYS, LoadOptions, conform, document, env, obsolete,
    problem::{Problem, Report},
    raw, resolve,
};

const WORDS: &[&str] = &[
    "server:",
    "proxy:",
    "endpoints:",
    "discovery:",
    "model_aliases:",
    "  - ",
    "\n",
    "\n  ",
    ": ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    "&a ",
    "*a",
    "<<: *a",
    "? ",
    "!!int ",
    "|\n",
    ">-\n",
    "'",
    "\"",
    "#",
    "\t",
    "---\n",
    "...\n",
    "${TOKEN}",
    "${",
    "$${",
    "url: http://h:1",
    "auth: {type: bearer, token: '${TOKEN}'}",
    "10s",
    "1h2m",
    "100MB",
    "-1",
    "1e999",
    "99999999999999999999999999",
    "true",
    "~",
    "\u{feff}",
    "\0",
];

/// A configuration file, from its text to settings. Kinds are the shipped ones, read once.
#[test]
fn fuzz_config() {
    let profiles = Profiles::builtin();
    let directory = tempfile::tempdir().unwrap();
    let options = LoadOptions { directory: directory.path().into(), ..LoadOptions::default() };
    fuzz("config", WORDS, |input| {
        let text = String::from_utf8_lossy(input);
        let mut report = Report::default();
        let tree = match document::parse(&text) {
            Ok(document) => document.tree,
            Err(error) => {
                assert!(!error.message.is_empty());
                return (0, vec![], error.message.len());
            }
        };

        let written = conform::mapping(&tree, KEYS, "", &mut report);
        obsolete::report(&[&tree], &options.env, &mut report);
        let mut endpoints = 0;
        match raw::merge([env::defaults(KEYS), written]) {
            Ok(raw) => {
                let settings = resolve::settings(raw, Some(&profiles), &options, &mut report);
                endpoints = settings.discovery.endpoints.len();
            }
            Err(error) => report.add(Problem::new(error.path.join("."), "holds a value of the wrong type")),
        }

        let mut problems: Vec<_> =
            report.into_problems().iter().map(|problem| problem.to_string().len() / 16).collect();
        assert!(problems.iter().all(|length| *length > 0), "a problem is told in words");
        problems.dedup();
        (endpoints.min(4), problems, 0)
    });
}
