//! Names, rules for them and answers of backends that nobody would write; see `olla_fuzz`. Profiles are in
//! `src/fuzz.rs`: whole sets of them take long to load.

use http::{HeaderMap, StatusCode};
use olla_core::Model;
use olla_fuzz::fuzz;
use olla_profiles::{Names, Observed, ProfileSource, Profiles};

const YAML: &[&str] = &[
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
    "null",
    "1e3",
    "~",
    "/v1/models",
    "*",
    "..",
    "999999999999999999999",
    "\u{feff}",
];

const LISTING: &[&str] = &[
    "\"data\":[",
    "\"models\":[",
    "{\"id\":\"m\"}",
    "{\"name\":\"llama3.2:3b\"}",
    "null",
    "[]",
    "{}",
    "\"\"",
    "-1",
    "1e300",
    "\"details\":{",
    "\"capabilities\":[\"tools\"]",
    "\"max_model_len\":",
    "\"state\":\"loaded\"",
    "\"type\":\"vlm\"",
    "\\ud800",
    "\"size\":",
    "\"digest\":",
    "\u{e9}",
];

/// A `models.yaml`.
#[test]
fn fuzz_names_file() {
    fuzz("names_file", YAML, |input| {
        let text = String::from_utf8_lossy(input).into_owned();
        Names::load(&[ProfileSource { file: "models.yaml".into(), text }]).map(|_| ()).map_err(|p| p.len())
    });
}

/// The name of a model.
#[test]
fn fuzz_model_name() {
    let words =
        [":", "/", "-", "_", ".", "7b", "x22b", "q4_k_m", "gguf", "latest", "fp16", "@", "\u{e9}", "\u{130}"];
    let names = Names::builtin();
    fuzz("model_name", &words, |input| {
        let mut model = Model::named(String::from_utf8_lossy(input));
        names.complete(&mut model);
        let once = format!("{model:?}");
        names.complete(&mut model);
        assert_eq!(format!("{model:?}"), once, "doing it again changes nothing");
        once.len() / 32
    });
}

/// What a backend says of its models, read by every kind.
#[test]
fn fuzz_listing() {
    let profiles = Profiles::builtin();
    fuzz("listing", LISTING, |input| {
        let mut found = vec![];
        for profile in profiles.iter() {
            let listed = profile.parse_listing(input).map(|models| models.len().min(4)).ok();
            let details =
                profile.details().iter().filter_map(|details| Some(details.read(input).ok()?.len()));
            let details = details.sum::<usize>().min(4);
            let loaded = profile.residency().is_some_and(|rules| rules.read(input).is_ok());
            found.push((listed, details, loaded));
        }
        found
    });
}

/// What a server of an unknown kind answers.
#[test]
fn fuzz_recognition() {
    let profiles = Profiles::builtin();
    let (plan, headers) = (profiles.detection_plan(), HeaderMap::new());
    fuzz("listing", LISTING, |input| {
        let observed =
            plan.iter().map(|path| Observed { path, status: StatusCode::OK, headers: &headers, body: input });
        let observed: Vec<_> = observed.collect();
        profiles.recognise(&observed)
    });
}
