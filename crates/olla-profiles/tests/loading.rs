//! Loading profile files: what replaces what, what is refused and how it is said, what is merely obsolete.

#![expect(clippy::unwrap_used, reason = "a test stops where an assumption fails")]

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

#[test]
fn thirteen_kinds_are_shipped_without_an_obsolete_key() {
    let loaded = load(&[]).unwrap();

    let names: Vec<_> = loaded.profiles.iter().map(|p| &*p.name).collect();
    assert_eq!(
        names,
        [
            "anthropic",
            "docker-model-runner",
            "lemonade",
            "litellm",
            "llamacpp",
            "lm-studio",
            "lmdeploy",
            "ollama",
            "omlx",
            "openai-compatible",
            "sglang",
            "vllm",
            "vllm-mlx"
        ]
    );
    assert!(loaded.notices.is_empty());
    assert!(loaded.profiles.iter().enumerate().all(|(n, p)| p.id.position() == n));
}

#[test]
fn every_file_of_the_profile_folder_is_shipped_under_its_name() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/profiles");
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();

    let names: Vec<_> = Profiles::builtin().iter().map(|p| format!("{}.yaml", p.name)).collect();

    assert_eq!(files.iter().collect::<BTreeSet<_>>(), names.iter().collect());
}

#[test]
fn every_shipped_kind_can_be_recognised_and_is_checked_cheaply() {
    for profile in Profiles::builtin().iter() {
        assert!(profile.detection().paths().next().is_some(), "{} has no signature", profile.name);
        assert_eq!(profile.costly_health(&profile.health_path), None, "{}", profile.name);
    }
}

#[test]
fn names_and_prefixes_resolve_in_any_usual_spelling() {
    let profiles = Profiles::builtin();

    for (word, name) in [
        ("dmr", "docker-model-runner"),
        ("LMStudio", "lm-studio"),
        ("lm_studio", "lm-studio"),
        ("openai", "openai-compatible"),
        ("OpenAI_Compatible", "openai-compatible"),
        ("vllm-mlx", "vllm-mlx"),
    ] {
        assert_eq!(&*kind(&profiles, word).name, name, "{word}");
    }
    assert_eq!(profiles.resolve("auto"), None);
    assert_eq!(profiles.resolve("nothing"), None);
}

#[test]
fn url_segments_lead_to_kinds_as_they_are_written() {
    let profiles = Profiles::builtin();
    let of = |segment| profiles.by_prefix(segment).and_then(|id| profiles.get(id)).map(|p| &*p.name);

    assert_eq!(of("lm_studio"), Some("lm-studio"));
    assert_eq!(of("dmr"), Some("docker-model-runner"));
    assert_eq!(of("litellm"), Some("litellm"));
    assert_eq!(of("lite"), None);
    assert_eq!(of("docker-model-runner"), None, "a name is no URL segment unless it is a prefix");
    assert!(kind(&profiles, "openai").spans_openai_compatible);
    assert_eq!(profiles.iter().filter(|p| p.spans_openai_compatible).count(), 1);
}

#[test]
fn the_second_prefix_of_litellm_is_one_commented_line_away() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/profiles/litellm.yaml");
    let text = fs::read_to_string(shipped).unwrap();

    let loaded = load(&[&text.replace("# - lite\n", "- lite\n")]).unwrap();

    let id = loaded.profiles.by_prefix("lite").unwrap();
    assert_eq!(&*loaded.profiles.get(id).unwrap().name, "litellm");
}

#[test]
fn inference_is_forwarded_and_administration_is_not() {
    let profiles = Profiles::builtin();
    let cases = [
        (
            "ollama",
            "/api/chat /api/embed /api/show /api/ps /v1/messages",
            "/api/delete /api/pull /api/push /api/create /api/copy /api/blobs/sha256:1",
        ),
        (
            "litellm",
            "/v1/chat/completions /chat/completions /v1/models/openai/gpt-4 /health /openai/deployments/gpt-4/chat/completions",
            "/key/generate /user/info /team/info /spend/calculate /model/new /config/update",
        ),
        (
            "vllm",
            "/v1/rerank /v1/audio/transcriptions /tokenize /pooling",
            "/sleep /wake_up /v1/load_lora_adapter /v1/unload_lora_adapter /reset_prefix_cache",
        ),
        (
            "sglang",
            "/generate /v1/embeddings",
            "/flush_cache /update_weights_from_disk /get_server_info /abort_request",
        ),
        (
            "llamacpp",
            "/completion /infill /props /slots /apply-template",
            "/slots/0 /models/load /lora-adapters",
        ),
        (
            "lm-studio",
            "/api/v0/models /api/v0/models/qwen /v1/responses",
            "/api/v1/models/load /api/v1/models/unload /api/v1/models/download",
        ),
        (
            "lemonade",
            "/api/v1/chat/completions /v1/chat/completions /api/chat",
            "/api/v1/pull /api/v1/delete /api/v1/load /api/v1/unload /api/delete",
        ),
        (
            "dmr",
            "/engines/v1/chat/completions /engines/llama.cpp/v1/embeddings /anthropic/v1/messages",
            "/models/create /engines/unload /engines/_configure",
        ),
        ("omlx", "/v1/messages/count_tokens /v1/rerank", "/v1/models/m/unload /v1/models/m/load"),
        ("lmdeploy", "/v1/encode /pooling", "/sleep /wakeup /update_weights"),
        ("vllm-mlx", "/v1/messages", "/admin"),
        ("openai", "/v1/images/generations /v1/moderations", "/v1/files /v1/fine_tuning/jobs"),
    ];
    for (name, allowed, refused) in cases {
        let profile = kind(&profiles, name);
        assert!(allowed.split(' ').all(|path| profile.allows(path)), "{name}: {allowed}");
        assert!(!refused.split(' ').any(|path| profile.allows(path)), "{name}: {refused}");
    }
}

#[test]
fn costly_health_paths_are_known_with_their_reason() {
    let profiles = Profiles::builtin();
    let litellm = kind(&profiles, "litellm");

    assert_eq!(litellm.health_path, "/health/liveliness");
    assert!(litellm.costly_health("/health").unwrap().contains("every configured model"));
    assert!(litellm.costly_health("/health/?x=1").is_some());
    assert_eq!(litellm.costly_health("/health/readiness"), None);
    assert_eq!(litellm.costly_health("/api/v1/health"), None);
    assert_eq!(kind(&profiles, "vllm").costly_health("/health"), None);
}

#[test]
fn a_file_adds_a_kind_with_defaults_for_all_it_leaves_out() {
    let loaded = load(&[MINIMAL]).unwrap();
    let acme = kind(&loaded.profiles, "acme");

    assert_eq!((&*acme.display_name, &*acme.listing_path, &*acme.health_path), ("acme", "/v1/models", "/"));
    assert_eq!(acme.name_value, "acme");
    assert!(!acme.openai_compatible && !acme.spans_openai_compatible && acme.first_byte_timeout.is_none());
    assert_eq!(acme.parse_listing(br#"{"data": [{"id": "m"}]}"#).unwrap()[0].name, "m".into());
    assert_eq!(loaded.profiles.iter().count(), 14);
}

#[test]
fn a_file_replaces_the_shipped_profile_of_its_name_whole() {
    let loaded = load(&["name: ollama\nrouting: {prefixes: [o]}\napi: {paths: [/api/chat]}\n"]).unwrap();
    let ollama = kind(&loaded.profiles, "ollama");

    assert!(ollama.allows("/api/chat") && !ollama.allows("/api/generate"));
    assert_eq!(loaded.profiles.by_prefix("ollama"), None);
    assert_eq!(ollama.listing_path, "/v1/models");
}

#[test]
fn a_replacement_keeps_what_older_files_could_not_say_unless_it_says_so() {
    let silent = "name: litellm\napi: {health_check_path: /health, paths: [/health]}\n";
    let outspoken =
        "name: litellm\napi: {paths: [/health]}\nhealth: {costly_paths: []}\ndetection: {signatures: []}\n";

    let kept = load(&[silent]).unwrap().profiles;
    let dropped = load(&[outspoken]).unwrap().profiles;

    assert!(kind(&kept, "litellm").costly_health("/health").is_some());
    assert!(kind(&kept, "litellm").detection().paths().count() > 0);
    assert!(kind(&dropped, "litellm").costly_health("/health").is_none());
    assert_eq!(kind(&dropped, "litellm").detection().paths().count(), 0);

    let silent = load(&["name: ollama\napi: {paths: [/api/chat]}\n"]).unwrap().profiles;
    let outspoken = load(&["name: ollama\napi: {paths: [/api/chat]}\ndetails: []\n\
         residency: {path: /mem, models: ., fields: {name: .}}\n"])
    .unwrap()
    .profiles;
    let asks = |profiles: &Profiles| {
        let ollama = kind(profiles, "ollama");
        (ollama.details().len(), ollama.residency().unwrap().path().unwrap().to_owned())
    };

    assert_eq!(asks(&silent), (1, "/api/ps".into()));
    assert_eq!(asks(&outspoken), (0, "/mem".into()));
}

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

#[test]
fn a_listing_can_be_borrowed_in_the_new_and_the_old_spelling() {
    for block in ["listing: lm_studio", "request: {response_format: lmstudio}"] {
        let loaded = load(&[&format!("{MINIMAL}{block}\n")]).unwrap();
        let models =
            kind(&loaded.profiles, "acme").parse_listing(br#"{"data":[{"id":"m","type":"vlm"}]}"#).unwrap();

        assert!(models[0].used_for.is_some(), "{block}");
    }
}

#[test]
fn all_mistakes_of_all_files_are_reported_with_file_line_and_key() {
    let first = "name: acme\nrouting:\n  prefix: [acme]\napi:\n  openai_compatible: maybe\n  paths:\n    - /ok\n    - v1/models\n    - /a*b\n";
    let second = "name: other\napi:\n  paths: [/x]\n  health_check_path: health\n  first_byte_timeout: soon\nlistings: {}\ndetection:\n  default_ports: [80, 99999]\n";

    let problems = load(&[first, second]).unwrap_err();

    let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            r#"0.yaml:3: routing.prefix: is not a key of a profile; did you mean "prefixes"?"#,
            r#"0.yaml:8: api.paths[1]: path rule "v1/models" must begin with /"#,
            r#"0.yaml:9: api.paths[2]: path rule "/a*b" has * inside a segment; a * stands for a whole segment"#,
            "0.yaml:5: api.openai_compatible: must be true or false, not a text",
            r#"1.yaml:6: listings: is not a key of a profile; did you mean "listing"?"#,
            "1.yaml:4: api.health_check_path: must be a path that begins with /",
            "1.yaml:5: api.first_byte_timeout: must be a duration such as 90s, 5m or 1h30m",
            "1.yaml:8: detection.default_ports[1]: must be a whole number in range",
        ]
    );
}

#[test]
fn a_file_that_says_nothing_useful_is_told_so() {
    assert_eq!(
        problems("{}"),
        ["0.yaml: needs `api.paths`: nothing else is forwarded", "0.yaml: needs a `name`"]
    );
    assert_eq!(problems("- 1"), ["0.yaml: must be a mapping, not a list"]);
    assert_eq!(problems("# nothing\n"), ["0.yaml: must be a mapping, not empty"]);
    assert!(problems("name: [").pop().unwrap().starts_with("0.yaml:"), "with the line of the syntax error");
    assert!(problems("a: 1\na: 2\n")[0].contains("duplicate"));
}

#[test]
fn names_and_prefixes_are_single_words_that_lead_nowhere_else() {
    for (line, suggestion) in [
        ("routing: {prefixes: [/litellm/]}", "did you mean \"litellm\"?"),
        ("routing: {prefixes: [proxy]}", "none of auto, proxy"),
        ("routing: {prefixes: ['a b']}", "one word"),
    ] {
        let told = problems(&format!("name: acme\napi: {{paths: [/x]}}\n{line}\n"));
        assert!(told.len() == 1 && told[0].contains(suggestion), "{told:?}");
    }
    assert!(problems("name: auto\napi: {paths: [/x]}\n")[0].contains("none of auto"));
}

#[test]
fn a_prefix_of_two_kinds_is_refused_naming_both() {
    let told = problems("name: acme\nrouting: {prefixes: [LM_Studio]}\napi: {paths: [/x]}\n");

    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("0.yaml:2: routing.prefixes: "), "{told:?}");
    assert!(told[0].ends_with("\"lm-studio\" already leads to \"lm-studio\" of lm-studio.yaml"), "{told:?}");
}

#[test]
fn two_files_of_the_same_name_are_refused() {
    let problems = load(&[MINIMAL, MINIMAL]).unwrap_err();

    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].to_string(), "1.yaml:1: name: \"acme\" is already defined by 0.yaml");
}

#[test]
fn a_listing_that_cannot_work_is_refused() {
    for (block, complaint) in [
        ("listing: vlm", "did you mean \"vllm\"?"),
        ("listing: {fields: {name: id}}", "needs a `models`"),
        ("listing: {models: data}", "needs a `fields`"),
        ("listing: {models: data, fields: {}}", "needs a `name`"),
        ("listing: {models: data, fields: {name: a..b}}", "dotted path"),
        ("listing: {models: data, fields: {name: id, size: n}}", "did you mean \"size_bytes\"?"),
        ("listing: {models: data, fields: {name: {path: id, constant: x}}}", "either `path` or `constant`"),
        ("listing: {models: data, fields: {name: {constant: x, before: y}}}", "do nothing"),
        (
            "listing: {models: d, fields: {name: id, used_for: {path: t, values: {llm: chat}}}}",
            "one of text, vision",
        ),
        (
            "listing: {models: d, fields: {name: id, used_for: {constant: embedding}}}",
            "did you mean \"embeddings\"?",
        ),
        (
            "listing: {models: d, fields: {name: id, images: {path: t, values: {yes: 'yes'}}}}",
            "must be one of true, false",
        ),
        ("listing: {models: d, fields: {name: {constant: x, key: '*'}}}", "needs a `path`"),
        ("listing: {models: d, fields: {name: {path: id, key: ' '}}}", "key: must be a text"),
        ("listing: openai\nrequest: {response_format: openai}", "keep one"),
    ] {
        let told = problems(&format!("{MINIMAL}{block}\n"));
        assert!(told.len() == 1 && told[0].contains(complaint), "{block}: {told:?}");
        assert!(told[0].starts_with("0.yaml:4: listing"), "{told:?}");
    }
}

#[test]
fn a_question_that_cannot_be_asked_or_understood_is_refused() {
    let fields = "fields: {format: f}";
    for (question, complaint) in [
        ("{path: /x, fields: {format: f}}".to_owned(), "needs a `about`"),
        (format!("{{about: every, path: /x, name_at: m, {fields}}}"), "must be one of each, all, only"),
        (format!("{{about: onyl, path: /x, {fields}}}"), "did you mean \"only\"?"),
        (format!("{{about: only, {fields}}}"), "needs a `path`"),
        (format!("{{about: only, path: x, {fields}}}"), "must be a path that begins with /"),
        ("{about: only, path: /x}".to_owned(), "needs a `fields`"),
        (format!("{{about: each, path: /x, {fields}}}"), "needs a `name_at`"),
        (format!("{{about: only, path: /x, name_at: m, {fields}}}"), "is for questions about each model"),
        (format!("{{about: only, path: /x, models: m, {fields}}}"), "is for questions about all models"),
        ("{about: only, path: /x, fields: {name: n}}".to_owned(), "is for questions about all models"),
        (format!("{{about: all, path: /x, models: m, {fields}}}"), "needs a `name`"),
        ("{about: all, path: /x, fields: {name: n}}".to_owned(), "needs a `models`"),
        (format!("{{about: only, path: /x, {fields}, method: GET}}"), "is not a key of a profile"),
        (
            format!("{{about: only, path: /x, {fields}, capabilities_complete: true}}"),
            "needs `fields.capabilities`",
        ),
    ] {
        let told = problems(&format!("{MINIMAL}details: [{question}]\n"));
        assert!(told.len() == 1 && told[0].contains(complaint), "{question}: {told:?}");
        assert!(told[0].starts_with("0.yaml:4: details[0]"), "{told:?}");
    }
}

#[test]
fn a_residency_that_tells_nothing_is_refused() {
    for (residency, complaint) in [
        ("/api/ps", "must be a mapping"),
        ("{path: /x, fields: {name: n}}", "needs a `models`"),
        ("{path: /x, models: m}", "needs a `fields`"),
        ("{path: /x, models: m, fields: {}}", "needs a `name`"),
        ("{models: m, fields: {name: n}}", "needs `loaded`"),
        ("{path: /x, models: m, fields: {name: n, size_vram: s}}", "is not a key of a profile"),
        ("{models: m, fields: {name: n, loaded: {path: s, values: {on: loaded}}}}", "one of true, false"),
    ] {
        let told = problems(&format!("{MINIMAL}residency: {residency}\n"));
        assert!(told.iter().any(|told| told.contains(complaint)), "{residency}: {told:?}");
        assert!(told[0].starts_with("0.yaml:4: residency"), "{told:?}");
    }
}

#[test]
fn a_signature_that_matches_everything_or_nothing_is_refused() {
    for (signature, complaint) in [
        ("{path: /x}", "at least one of"),
        ("{json: {path: a}}", "needs a `path`"),
        ("{path: /x, status: 1000}", "not an HTTP status"),
        ("{path: /x, header: {contains: a}}", "needs a `name`"),
        ("{path: /x, status: 200, body: a}", "did you mean \"body_contains\"?"),
        ("{path: /x, header: {name: 'a b'}}", "is not the name of a header"),
    ] {
        let told = problems(&format!("{MINIMAL}detection: {{signatures: [{signature}]}}\n"));
        assert!(told.len() == 1 && told[0].contains(complaint), "{signature}: {told:?}");
    }
}

#[test]
fn obsolete_keys_are_told_once_a_file_and_refuse_nothing() {
    let text =
        format!("{MINIMAL}version: '1.0'\ncharacteristics: {{timeout: 5m}}\ndetection: {{headers: [X-A]}}\n");

    let loaded = load(&[&text]).unwrap();

    assert_eq!(loaded.notices.len(), 1);
    let line = loaded.notices[0].to_string();
    assert!(line.starts_with("0.yaml: obsolete keys, ignored: version ("), "{line}");
    assert!(line.contains("detection.headers (detection.signatures)"), "{line}");
    assert!(!line.contains('\n') && !line.contains("characteristics.timeout"), "{line}");
}

#[test]
fn the_worked_example_of_the_manual_loads_and_works() {
    let manual =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/profiles.md")).unwrap();
    let example = manual.split("```yaml\n").skip(1).find(|block| block.starts_with("# acme.yaml")).unwrap();
    let listing = manual.split("```json\n").nth(1).unwrap();

    let loaded = load(&[example.split("```").next().unwrap()]).unwrap();

    let acme = kind(&loaded.profiles, "acme");
    let models = acme.parse_listing(listing.split("```").next().unwrap().as_bytes()).unwrap();
    assert!(loaded.notices.is_empty());
    assert_eq!(models[0].name, "falcon-3-10b".into());
    assert_eq!(models[0].used_for, Some(olla_core::ModelUse::Vision));
    assert_eq!(models[0].context_length, Some(32768));
    assert!(acme.costly_health("/selftest").is_some());
    assert_eq!(acme.details()[0].body("falcon-3-10b").unwrap(), br#"{"ref":"falcon-3-10b"}"#);
    assert_eq!(acme.residency().unwrap().path(), Some("/memory"));
    assert!(acme.listing_at("/catalogue/models/falcon-3-10b").is_some_and(|listing| listing.only.is_some()));
    assert!(acme.refusal("/models/falcon-3-10b/delete").is_some());
    assert_eq!(acme.detection().paths().collect::<Vec<_>>(), ["/about", "/about"]);
}

/// The files of an installed predecessor, where they are at hand.
fn originals() -> Vec<ProfileSource> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/original/profiles");
    let Ok(entries) = fs::read_dir(folder) else { return vec![] };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|f| source(&f.display().to_string(), &fs::read_to_string(f).unwrap())).collect()
}

#[test]
fn the_files_of_the_predecessor_load_and_work_unchanged() {
    let files = originals();
    if files.is_empty() {
        return;
    }
    let loaded = Profiles::load(&files, &ProfileFilter::default()).unwrap();

    assert_eq!(files.len(), 12);
    assert_eq!(loaded.notices.len(), 12, "one line a file");
    let shipped = Profiles::builtin();
    for profile in loaded.profiles.iter().filter(|profile| &*profile.name != "anthropic") {
        let ours = kind(&shipped, &profile.name);
        let listing_path = ours.listing_path.split('?').next().unwrap();
        assert_eq!(profile.listing_path, listing_path, "{}", profile.name);
        assert_eq!(profile.prefixes.iter().collect::<BTreeSet<_>>(), ours.prefixes.iter().collect());
        assert_eq!(profile.spans_openai_compatible, ours.spans_openai_compatible);
        assert!(profile.detection().paths().eq(ours.detection().paths()));
        assert!(profile.allows(&profile.listing_path), "{}", profile.name);
    }
    let litellm = kind(&loaded.profiles, "litellm");
    assert_eq!(litellm.health_path, "/health");
    assert!(litellm.costly_health(&litellm.health_path).is_some(), "the server can warn of it");
    assert!(!litellm.allows("/v1/responses"), "their list of paths is taken as it is");
    let lm_studio = kind(&loaded.profiles, "lmstudio");
    let models = lm_studio.parse_listing(br#"{"data":[{"id":"m","type":"embeddings"}]}"#).unwrap();
    assert_eq!(models[0].used_for, Some(olla_core::ModelUse::Embeddings));
}

#[test]
fn a_kind_speaks_the_formats_it_names_or_else_those_whose_paths_are_forwarded() {
    let profiles = Profiles::builtin();
    let spoken = |name: &str| -> Vec<&str> {
        kind(&profiles, name).formats().iter().map(|spoken| spoken.format.name()).collect()
    };

    assert_eq!(spoken("lm-studio"), ["chat", "messages", "responses"], "from its paths");
    assert_eq!(spoken("lmdeploy"), ["chat"]);
    assert_eq!(spoken("openai-compatible"), ["chat", "responses"]);
    for stateless in ["ollama", "llamacpp", "litellm"] {
        assert_eq!(spoken(stateless), ["chat", "messages"], "{stateless}");
    }
    assert_eq!(spoken("anthropic"), ["messages"]);
    let moved = kind(&profiles, "dmr").speaks(WireFormat::Messages).unwrap();
    assert_eq!(moved.path.as_deref(), Some("/anthropic/v1/messages"));
    assert_eq!(kind(&profiles, "vllm").speaks(WireFormat::Chat).unwrap().takes.enable_thinking, Some(true));
    assert_eq!(kind(&profiles, "anthropic").headers[0].1, "2023-06-01");
}

#[test]
fn older_files_say_whether_and_where_messages_are_spoken() {
    let file = |support: &str| {
        format!(
            "name: lm-studio\napi: {{paths: [/v1/chat/completions, /v1/messages], anthropic_support: {support}}}"
        )
    };
    for (support, expected) in [
        ("{enabled: false}", None),
        ("{enabled: true}", Some(None)),
        ("{enabled: true, messages_path: /a/messages}", Some(Some("/a/messages"))),
    ] {
        let loaded = load(&[&file(support)]).unwrap();
        let spoken = kind(&loaded.profiles, "lm-studio").speaks(WireFormat::Messages);
        assert_eq!(spoken.map(|spoken| spoken.path.as_deref()), expected, "{support}");
    }
}

#[test]
fn mistakes_in_formats_are_named() {
    let file =
        "name: x\napi:\n  paths: [/a]\n  formats: [chats, {format: messages, takes: {thoughts: x, topk: 1}}]";

    assert_eq!(
        problems(file),
        [
            r#"0.yaml:4: api.formats[0]: must be one of chat, messages, responses; did you mean "chat"?"#,
            r#"0.yaml:4: api.formats[1].takes.topk: is not a key of a profile; did you mean "top_k"?"#,
            "0.yaml:4: api.formats[1].takes.thoughts: must be one of reasoning_content, reasoning, \
             thinking_blocks, nowhere",
        ]
    );
}

#[test]
fn the_version_from_which_a_format_is_spoken_is_read_and_so_is_the_report_of_a_server() {
    let profiles = Profiles::builtin();
    let ollama = kind(&profiles, "ollama");

    let since = ollama.speaks(WireFormat::Messages).unwrap().since;
    let report = ollama.version_report().unwrap();

    assert_eq!(report.path(), "/api/version");
    assert!(
        report.read(br#"{"version":"0.13.9"}"#) < since && report.read(br#"{"version":"0.14.0"}"#) == since
    );
    assert_eq!(report.read(b"{}"), None);
}

#[test]
fn every_kind_with_a_first_version_of_messages_says_where_its_version_is_reported() {
    let profiles = Profiles::builtin();
    // The releases that brought /v1/messages, and the ones before them, as the servers write them.
    let releases = [
        ("llamacpp", r#"{"build_info":"b7186-3ce7a65c2"}"#, r#"{"build_info":"b7187-ff55414c4"}"#),
        ("ollama", r#"{"version":"0.13.5"}"#, r#"{"version":"0.14.0"}"#),
        ("sglang", r#"{"version":"0.5.8.post1"}"#, r#"{"version":"0.5.9"}"#),
        ("vllm", r#"{"version":"0.11.0"}"#, r#"{"version":"0.11.1"}"#),
    ];

    for (name, before, first) in releases {
        let kind = kind(&profiles, name);
        let since = kind.speaks(WireFormat::Messages).unwrap().since.unwrap();
        let report = kind.version_report().unwrap();

        assert!(report.read(before.as_bytes()).unwrap() < since, "{name}");
        assert_eq!(report.read(first.as_bytes()), Some(since), "{name}");
    }
}
