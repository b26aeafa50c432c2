//! What models are by their names: real names of all families, and the rules of `models.yaml`.

use std::{fs, path::Path, time::Duration, time::Instant};

use olla_core::{Model, ModelUse};
use olla_profiles::{Names, ProfileFilter, ProfileSource, Profiles};

const TABLE: &str = include_str!("names/table.txt");

fn rows() -> impl Iterator<Item = Vec<&'static str>> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.map(|line| line.split_whitespace().collect())
}

fn told(name: &str) -> Model {
    completed(Model::named(name))
}

fn completed(mut model: Model) -> Model {
    Names::builtin().complete(&mut model);
    model
}

fn load(text: &str) -> Result<Names, Vec<String>> {
    let source = ProfileSource { file: "mine.yaml".into(), text: text.into() };
    Names::load(&[source]).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn or_dash(fact: Option<&str>) -> &str {
    fact.unwrap_or("-")
}

fn capabilities(model: &Model) -> Vec<&str> {
    model.capabilities.iter().map(|capability| &**capability).collect()
}

#[test]
fn real_names_tell_what_they_mean() {
    let names = Names::builtin();
    let mut wrong = vec![];

    for row in rows() {
        let [name, expected @ ..] = &row[..] else { panic!("an empty row") };
        let mut model = Model::named(*name);
        names.complete(&mut model);
        let facts = [&model.family, &model.parameter_size, &model.quantization, &model.publisher];
        let facts = facts.map(|fact| or_dash(fact.as_deref()));
        if facts != expected {
            wrong.push(format!("{name}: {facts:?} instead of {expected:?}"));
        }
    }

    assert!(rows().count() >= 300);
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn odd_names_break_nothing() {
    let long = "x-7b/".repeat(2_000);
    for name in
        ["", " ", "/", "//", ":", "\\", ".gguf", "a/.bin", "é8b", "名前-7b", "qwen\u{130}-q4_k_m", &long]
    {
        let model = told(name);
        assert!(model.capabilities.iter().any(|capability| &**capability == "text-generation"), "{name:.20}");
    }
    assert_eq!(told("名前-7b").parameter_size.as_deref(), Some("7b"));
    assert_eq!(told("  qwen3:8b ").family.as_deref(), Some("qwen"), "space around a name does not matter");
}

#[test]
fn variants_hold_neither_size_nor_quantisation_nor_tuning() {
    for (name, variant) in [
        ("meta-llama/Llama-3.1-8B-Instruct", "3.1"),
        ("llama-70b", "-"),
        ("llama2:7b", "2"),
        ("qwen2.5vl:7b", "2.5vl"),
        ("gemma3n:e4b", "3n"),
        ("codellama:34b", "-"),
        ("mistralai/Mistral-7B-Instruct-v0.3", "-"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "-"),
        ("mistral-small3.2:24b-instruct-2506-q4_K_M", "small3.2"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "r1-distill-qwen"),
        ("deepseek-r1:14b-qwen-distill-q4_K_M", "r1"),
        ("deepseek-v3:671b", "v3"),
        ("devstral-small-2507@q8_0", "devstral-small-2507"),
        ("command-r-plus:104b-q4_0", "plus"),
        ("internlm2_5-7b-chat", "2.5"),
        ("gpt-oss:20b", "-"),
        ("gpt-3.5-turbo", "3.5"),
        ("qwq:32b", "qwq"),
        ("kimi-k2:1t", "-"),
        ("gpt-j-6b", "-"),
        ("Seed_OSS-36B", "-"),
    ] {
        assert_eq!(or_dash(told(name).variant.as_deref()), variant, "{name}");
    }
}

#[test]
fn what_the_backend_reports_wins_in_normal_form() {
    let mut model = Model::named("llama3.1:8b-instruct-q8_0");
    model.reported.family = Some("qwen2".into());
    model.reported.parameter_size = Some("14.77B".into());
    model.reported.quantization = Some("Q4_K_M".into());
    (model.publisher, model.format) = (Some("acme".into()), Some("safetensors".into()));

    let model = completed(model);

    assert_eq!(model.family.as_deref(), Some("qwen"));
    assert_eq!(model.variant, None, "the name speaks of another family");
    assert_eq!(model.parameter_size.as_deref(), Some("14.8b"));
    assert_eq!(model.parameter_count, Some(14_770_000_000));
    assert_eq!(model.quantization.as_deref(), Some("q4km"));
    assert_eq!((model.publisher.as_deref(), model.format.as_deref()), (Some("acme"), Some("safetensors")));
    assert_eq!(model.reported.quantization.as_deref(), Some("Q4_K_M"), "the backend's words are kept");
}

#[test]
fn an_architecture_leads_to_its_family_and_an_unknown_one_stays() {
    for (name, architecture, family, variant) in [
        ("qwen2.5:7b", "qwen2", "qwen", "2.5"),
        ("qwen2.5-vl-7b-instruct", "qwen2_5_vl", "qwen", "2.5"),
        ("model", "gemma3", "gemma", "3"),
        ("my-tune", "gemma3", "gemma", "-"),
        ("gpt-oss:120b-cloud", "gptoss", "gpt-oss", "-"),
        ("kimi-k2:1t", "deepseek2", "kimi", "-"),
        ("nomic-embed-text:v1.5", "nomic-bert", "nomic-bert", "-"),
        ("mxbai-embed-large", "bert", "bert", "-"),
        ("mistral:7b", "llama", "llama", "-"),
    ] {
        let mut model = Model::named(name);
        model.reported.family = Some(architecture.into());
        let model = completed(model);

        let identity = (or_dash(model.family.as_deref()), or_dash(model.variant.as_deref()));
        assert_eq!(identity, (family, variant), "{name} as {architecture}");
    }
}

#[test]
fn a_count_is_never_made_of_the_size_on_disk() {
    let mut model = Model::named("mixtral:8x7b");
    model.size_bytes = Some(26_000_000_000);

    let model = completed(model);

    assert_eq!((model.parameter_size.as_deref(), model.parameter_count), (Some("8x7b"), None));
}

#[test]
fn later_reports_replace_what_the_name_told() {
    let names = Names::builtin();
    let mut model = told("mistral:7b-q4_0");
    let first = model.clone();

    names.complete(&mut model);
    assert_eq!(model, first, "a second time changes nothing");

    model.reported.parameter_size = Some("7.2B".into());
    model.reported.quantization = Some("Q8_0".into());
    model.reported.family = Some("llama".into());
    names.complete(&mut model);
    let facts = [&model.parameter_size, &model.quantization, &model.family];
    assert_eq!(facts.map(Option::as_deref), [Some("7.2b"), Some("q8"), Some("llama")]);
    assert_eq!(model.parameter_count, Some(7_200_000_000));
}

#[test]
fn names_tell_the_format() {
    for (name, format) in [
        ("Qwen3-0.6B-Q8_0.gguf", "gguf"),
        ("hf.co/bartowski/Llama-3.2-3B-Instruct-GGUF:Q4_K_M", "gguf"),
        ("mlx-community/Llama-3.2-3B-Instruct-4bit", "mlx"),
        ("amd/Llama-3.2-1B-Instruct-awq-g128-int4-asym-fp16-onnx-hybrid", "onnx"),
        ("turboderp/Llama-3.1-8B-Instruct-exl2", "exl"),
        ("meta-llama/Llama-3.1-8B-Instruct", "-"),
    ] {
        assert_eq!(or_dash(told(name).format.as_deref()), format, "{name}");
    }
}

#[test]
fn capabilities_come_from_type_name_and_context_in_order() {
    assert_eq!(capabilities(&told("llama3.2")), ["text-generation"]);

    let mut coder = Model::named("Qwen/Qwen2.5-Coder-7B-Instruct");
    (coder.used_for, coder.context_length) = (Some(ModelUse::Text), Some(131_072));
    assert_eq!(
        capabilities(&completed(coder)),
        [
            "chat",
            "code-completion",
            "code-generation",
            "completion",
            "instruction-following",
            "long-context",
            "programming",
            "text-generation"
        ]
    );

    let vision = told("llama3.2-vision:11b");
    assert_eq!(vision.used_for, Some(ModelUse::Vision));
    assert_eq!(capabilities(&vision), ["image-understanding", "multimodal", "text-generation", "vision"]);
}

#[test]
fn what_a_listing_says_of_capabilities_is_kept_in_the_words_of_the_profile() {
    let profile = "
name: acme
routing: {prefixes: [acme]}
api: {paths: [/v1/chat/completions]}
listing:
  models: data
  fields:
    name: id
    capabilities:
      - { path: skills, values: { tool_use: tools, seeing: vision } }
      - { path: loud, values: { 'true': speech } }
";
    let source = ProfileSource { file: "acme.yaml".into(), text: profile.into() };
    let profiles = Profiles::load(&[source], &ProfileFilter::default()).unwrap().profiles;
    let acme = profiles.get(profiles.resolve("acme").unwrap()).unwrap();

    let body =
        br#"{"data": [{"id": "a", "skills": ["tool_use", "other", "seeing"], "loud": true}, {"id": "b"}]}"#;
    let models = acme.parse_listing(body).unwrap();

    assert_eq!(
        capabilities(&models[0]),
        ["image-understanding", "multimodal", "speech", "text-generation", "tools", "vision"]
    );
    assert_eq!(models[0].reported.capabilities.len(), 3);
    assert_eq!(capabilities(&models[1]), ["text-generation"]);
}

#[test]
fn capabilities_follow_what_a_model_turns_out_to_be_for() {
    let names = Names::builtin();
    let mut model = told("plain-model");
    assert_eq!(capabilities(&model), ["text-generation"]);

    (model.used_for, model.reported.capabilities) = (Some(ModelUse::Embeddings), vec!["matryoshka".into()]);
    names.complete(&mut model);

    assert_eq!(capabilities(&model), ["embeddings", "matryoshka", "similarity", "vector-search"]);
}

#[test]
fn an_embedding_model_generates_no_text_whatever_its_name_says() {
    for name in ["intfloat/e5-mistral-7b-instruct", "nomic-embed-code", "bge-m3", "qwen3-embedding:0.6b"] {
        let model = told(name);

        assert_eq!(model.used_for, Some(ModelUse::Embeddings), "{name}");
        assert_eq!(capabilities(&model), ["embeddings", "similarity", "vector-search"], "{name}");
    }
    assert_eq!(told("BAAI/bge-reranker-v2-m3").used_for, None, "a reranker makes no vectors");
}

#[test]
fn longer_contexts_are_called_longer() {
    for (tokens, told) in [
        (31_999, vec!["text-generation"]),
        (32_000, vec!["extended-context", "text-generation"]),
        (100_000, vec!["long-context", "text-generation"]),
        (1_000_000, vec!["long-context", "text-generation", "ultra-long-context"]),
    ] {
        let mut model = Model::named("plain");
        model.context_length = Some(tokens);
        assert_eq!(capabilities(&completed(model)), told, "{tokens}");
    }
}

#[test]
fn words_inside_words_are_no_capabilities() {
    assert_eq!(capabilities(&told("cross-encoder/some-decoder")), ["text-generation"]);
    assert_eq!(capabilities(&told("thinkingmachines/plain")), ["text-generation"], "a publisher is no skill");
}

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

#[test]
fn ten_thousand_names_take_less_than_a_second() {
    let names = Names::builtin();
    let table: Vec<_> = rows().map(|row| row[0]).collect();
    let listed: Vec<_> = table.iter().cycle().take(10_000).map(|name| Model::named(*name)).collect();

    let began = Instant::now();
    for mut model in listed {
        names.complete(&mut model);
    }

    // A build without optimisations is some twenty times slower.
    let bound = if cfg!(debug_assertions) { 20 } else { 1 };
    assert!(began.elapsed() < Duration::from_secs(bound), "took {:?}", began.elapsed());
}
