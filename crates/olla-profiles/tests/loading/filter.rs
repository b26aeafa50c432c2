//! Kinds that a filter leaves out.

use super::*;

#[test]
fn the_filter_leaves_kinds_out_and_frees_their_prefixes() {
    let filter = ProfileFilter {
        include: vec![Glob::parse("*llm*").unwrap(), Glob::parse("my-*").unwrap()],
        exclude: vec![Glob::parse("vllm-*").unwrap()],
    };
    let mine = source("mine.yaml", "name: my-ollama\nrouting: {prefixes: [ollama]}\napi: {paths: [/x]}\n");

    let profiles = Profiles::load(&[mine], &filter).unwrap().profiles;

    let names: Vec<_> = profiles.iter().map(|p| &*p.name).collect();
    assert_eq!(names, ["litellm", "my-ollama", "vllm"]);
    assert_eq!(profiles.by_prefix("ollama"), profiles.resolve("my-ollama"));
    assert!(profiles.left_out().any(|word| word == "dmr") && profiles.left_out().all(|word| word != "vllm"));
}

#[test]
fn a_pattern_of_the_filter_goes_by_prefixes_only_where_no_name_matches() {
    let globs = |texts: &[&str]| texts.iter().map(|text| Glob::parse(text).unwrap()).collect();
    let mine = || source("mine.yaml", "name: my-ollama\nrouting: {prefixes: [ollama]}\napi: {paths: [/x]}\n");
    let names = |filter: &ProfileFilter| -> Vec<String> {
        let profiles = Profiles::load(&[mine()], filter).unwrap().profiles;
        profiles.iter().map(|profile| profile.name.to_string()).collect()
    };

    let by_prefix = ProfileFilter { include: globs(&["dmr", "lmstudio"]), exclude: vec![] };
    assert_eq!(names(&by_prefix), ["docker-model-runner", "lm-studio"]);
    let by_name = ProfileFilter { include: globs(&["*ollama"]), exclude: globs(&["ollama"]) };
    assert_eq!(names(&by_name), ["my-ollama"], "although its prefix is excluded");
}
