//! Files of rules: what they replace, what is refused, and what the manual says of them.

use super::*;

#[test]
fn a_file_replaces_the_tables_it_has_and_no_others() {
    let names = load(
        "model_extraction:\n  publisher_mappings: {falcon: acme}\nspecial_rules: {preserve_family: [mistral]}\n",
    )
    .unwrap();
    let told = |name: &str, reported: Option<&str>| {
        let mut model = Model::named(name);
        model.reported.family = reported.map(Into::into);
        names.complete(&mut model);
        (model.family.unwrap().into_string(), model.publisher.map(String::from))
    };

    assert_eq!(told("falcon:7b", None), ("falcon".into(), Some("acme".into())));
    assert_eq!(
        told("qwen3:8b", None),
        ("qwen".into(), None),
        "the publishers are replaced, the families kept"
    );
    assert_eq!(told("mistral:7b", Some("llama")).0, "mistral");
    assert_eq!(told("kimi-k2", Some("deepseek2")).0, "deepseek", "the list is replaced whole");
}

#[test]
fn own_rules_reach_every_listing() {
    let names = load("model_extraction:\n  family_patterns: [{pattern: '^(acme)-'}]\n").unwrap();
    let profiles = Profiles::builtin().with_names(names);
    let ollama = profiles.get(profiles.resolve("ollama").unwrap()).unwrap();

    let models = ollama.parse_listing(br#"{"models": [{"name": "acme-3b"}]}"#).unwrap();

    assert_eq!(models[0].family.as_deref(), Some("acme"));
}

#[test]
fn every_mistake_of_a_file_is_reported_with_its_place() {
    let problems = load(
        "version: '2.0'
model_extraction:
  family_patterns:
    - {pattern: '^(qwen', description: Qwen models}
    - {pattern: '^llama'}
    - {pattern: '^(a)(b)', family_group: 3}
    - {family_group: 1}
  family_alias: {a: b}
  publisher_mappings: [meta]
  architecture_mappings: {Phi3: phi, phi3: other}
capabilities:
  type_capabilities: {audio: [speech]}
  type_patterns: [{pattern: vl, type: vision}]
  context_thresholds: {long_context: many}
special_rules: {generic_names: test}
",
    )
    .unwrap_err();

    assert_eq!(
        problems,
        [
            r#"mine.yaml:1: version: must be "1.0", the only version of a models file"#,
            r#"mine.yaml:8: model_extraction.family_alias: is not a key of a models file; did you mean "family_aliases"?"#,
            "mine.yaml:4: model_extraction.family_patterns[0].pattern: is not a regular expression (Qwen models): unclosed group",
            "mine.yaml:5: model_extraction.family_patterns[1].pattern: needs a group (…) around the family",
            "mine.yaml:6: model_extraction.family_patterns[2].family_group: must be the number of a group of the pattern, which has 2",
            "mine.yaml:7: model_extraction.family_patterns[3]: needs a `pattern`",
            r#"mine.yaml:10: model_extraction.architecture_mappings.phi3: is already mapped to "phi"; case does not matter"#,
            "mine.yaml:9: model_extraction.publisher_mappings: must be a mapping",
            r#"mine.yaml:12: capabilities.type_capabilities.audio: is not a key of a models file"#,
            r#"mine.yaml:13: capabilities.type_patterns[0].type: must be one of llm, vlm, embeddings, embedding"#,
            "mine.yaml:14: capabilities.context_thresholds.long_context: must be a whole number in range",
            "mine.yaml:15: special_rules.generic_names: must be a list, not a text",
        ]
    );
}

#[test]
fn text_that_is_not_yaml_is_one_problem_and_an_empty_file_none() {
    let problems = load("a: [").unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("mine.yaml:"), "{problems:?}");

    assert!(load("# nothing yet\n").is_ok());
}

#[test]
fn the_example_of_the_manual_loads_and_works() {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/models.md");
    let manual = fs::read_to_string(manual).unwrap();
    let mut blocks = manual.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    // The others are of the server's configuration, and tested there.
    let example = blocks.find(|block| block.starts_with("special_rules:")).unwrap();
    let names = load(example).unwrap();
    let mut model = Model::named("acme-chat:7b-acme-4");
    (model.reported.family, model.context_length) = (Some("llama".into()), Some(65_536));

    names.complete(&mut model);

    assert_eq!(model.family.as_deref(), Some("acme-chat"));
    assert_eq!(model.quantization.as_deref(), Some("acme4"));
    assert!(capabilities(&model).contains(&"long-context"));
}

#[test]
fn the_manual_explains_every_key_of_the_shipped_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let manual = fs::read_to_string(root.join("docs/models.md")).unwrap();
    let shipped = fs::read_to_string(root.join("config/models.yaml")).unwrap();

    let keys = shipped.lines().filter_map(|line| line.trim_end().split_once(':'));
    let keys: Vec<_> = keys.map(|(key, _)| key).filter(|key| is_key_of_the_schema(key)).collect();

    assert!(keys.len() >= 18, "{keys:?}");
    for key in keys {
        assert!(manual.contains(&format!("`{}`", key.trim())), "{key} is not in the manual");
    }
}

/// Returns whether a line begins with a key of the first or second level.
fn is_key_of_the_schema(key: &str) -> bool {
    let name = key.trim_start();
    key.len() - name.len() <= 2 && name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.contains(' ')
}

#[test]
fn the_file_of_an_older_version_loads_and_tells_the_same_families() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/original/models.yaml");
    let Ok(text) = fs::read_to_string(path) else { return };
    let names = load(&text).unwrap();

    for (name, family) in
        [("llama3.2:3b", "llama"), ("Qwen/Qwen3-8B", "qwen"), ("bloom-7b", "bloom"), ("devstral", "mistral")]
    {
        let mut model = Model::named(name);
        names.complete(&mut model);
        assert_eq!(model.family.as_deref(), Some(family), "{name}");
    }
}
