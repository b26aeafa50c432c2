//! What Olla answers itself for a kind, and what it refuses: the shipped profiles, and files that say it.

#![expect(clippy::unwrap_used, reason = "a test stops where an assumption fails")]

use olla_profiles::{ListShape, Profile, ProfileFilter, ProfileSource, Profiles};

const MINIMAL: &str = "name: acme\napi: {paths: [/x]}\n";

fn load(text: &str) -> Result<Profiles, Vec<String>> {
    let source = ProfileSource { file: "acme.yaml".into(), text: text.into() };
    let loaded = Profiles::load(&[source], &ProfileFilter::default());
    loaded
        .map(|loaded| loaded.profiles)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn kind<'p>(profiles: &'p Profiles, name: &str) -> &'p Profile {
    profiles.get(profiles.resolve(name).unwrap()).unwrap()
}

/// Says in a word what a kind is asked for at a path.
fn word(profile: &Profile, path: &str) -> &'static str {
    match profile.listing_at(path).map(|listing| listing.shape) {
        None => "forwarded",
        Some(ListShape::OpenAi(shape)) if shape.with_models => "openai and models",
        Some(ListShape::OpenAi(_)) => "openai",
        Some(ListShape::Anthropic) => "anthropic",
        Some(ListShape::OllamaTags) => "tags",
        Some(ListShape::OllamaPs) => "ps",
        Some(ListShape::LmStudioV0) => "v0",
        Some(ListShape::LmStudioV1) => "v1",
    }
}

#[test]
fn each_shipped_kind_answers_the_lists_that_its_servers_have() {
    let profiles = Profiles::builtin();

    for (name, path, expected) in [
        ("ollama", "/api/tags", "tags"),
        ("ollama", "/api/ps", "ps"),
        ("ollama", "/v1/models", "openai"),
        ("ollama", "/api/show", "forwarded"),
        ("ollama", "/api/version", "forwarded"),
        ("lmstudio", "/api/v0/models", "v0"),
        ("lmstudio", "/api/v0/models/google/gemma-3-4b", "v0"),
        ("lmstudio", "/api/v1/models", "v1"),
        ("lmstudio", "/api/v1/models/load", "forwarded"),
        ("lmstudio", "/v1/models", "openai"),
        ("lemonade", "/api/v1/models", "openai"),
        ("lemonade", "/v1/models", "openai"),
        ("lemonade", "/api/tags", "tags"),
        ("lemonade", "/api/ps", "ps"),
        ("dmr", "/engines/v1/models", "openai"),
        ("dmr", "/engines/llama.cpp/v1/models", "openai"),
        ("dmr", "/v1/models", "openai"),
        ("llamacpp", "/v1/models", "openai and models"),
        ("llamacpp", "/models", "openai and models"),
        ("litellm", "/models", "openai"),
        ("omlx", "/v1/models", "openai"),
        ("omlx", "/v1/models/status", "forwarded"),
        ("vllm", "/api/tags", "forwarded"),
    ] {
        assert_eq!(word(kind(&profiles, name), path), expected, "{name} {path}");
    }
    for profile in profiles.iter() {
        assert_ne!(word(profile, "/v1/models"), "forwarded", "{}", profile.name);
        assert_eq!(
            profile.own_shape(),
            profile.listing_at(path_of_list(profile)).map(|listing| listing.shape)
        );
    }
}

/// Where a kind lists its models, without the query.
fn path_of_list(profile: &Profile) -> &str {
    profile.listing_path.split('?').next().unwrap()
}

#[test]
fn managing_the_models_of_ollama_is_refused_with_a_reason() {
    let profiles = Profiles::builtin();
    let ollama = kind(&profiles, "ollama");

    for path in [
        "/api/pull",
        "/api/push",
        "/api/create",
        "/api/copy",
        "/api/delete",
        "/api/blobs/sha256:1",
        "/api/list",
    ] {
        assert!(ollama.refusal(path).is_some_and(|reason| reason.len() > 20), "{path}");
        assert!(!ollama.allows(path), "{path}");
    }
    assert_eq!([ollama.refusal("/api/show"), ollama.refusal("/api/chat")], [None; 2]);
}

#[test]
fn a_kind_that_says_nothing_lists_as_openai_does_if_it_speaks_that_dialect() {
    let silent = load(&format!("{MINIMAL}listing: openai\n")).unwrap();
    let speaking = load("name: acme\napi: {paths: [/x], openai_compatible: true}\n").unwrap();

    assert_eq!(word(kind(&silent, "acme"), "/v1/models"), "forwarded");
    assert_eq!(kind(&silent, "acme").own_shape(), None);
    assert_eq!(word(kind(&speaking, "acme"), "/v1/models"), "openai");
}

#[test]
fn an_older_file_of_a_shipped_kind_keeps_its_answers() {
    let older =
        load("name: ollama\napi: {paths: [/api/chat]}\nrequest: {response_format: ollama}\n").unwrap();
    let silenced =
        load("name: ollama\napi: {paths: [/api/chat]}\nlisting: ollama\nanswers: []\nrefuses: []\n");

    assert_eq!(word(kind(&older, "ollama"), "/api/tags"), "tags");
    assert!(kind(&older, "ollama").refusal("/api/pull").is_some());
    let silenced = silenced.unwrap();
    assert_eq!(word(kind(&silenced, "ollama"), "/api/tags"), "forwarded");
    assert_eq!(kind(&silenced, "ollama").refusal("/api/pull"), None);
}

#[test]
fn mistakes_are_named_with_what_was_meant() {
    let text = format!(
        "{MINIMAL}answers:
  - {{ path: /v1/models, shape: openal }}
  - {{ path: v1/models, shape: openai, extras: [max_model_length] }}
  - {{ path: /api/tags, shape: ollama-tags, owned_by: me }}
  - {{ path: /all/*, shape: openai }}
  - {{ shape: openai }}
refuses:
  - {{ paths: [/x/y] }}
"
    );

    let problems = load(&text).unwrap_err();

    for (problem, expected) in problems.iter().zip([
        "answers[0].shape: must be one of",
        "answers[1].path: path rule \"v1/models\" must begin with /",
        "answers[1].extras[0]: must be one of root, parent, max_model_len,",
        "answers[2].owned_by: is for the shapes of OpenAI only",
        "answers[3].path: must not end in /*",
        "answers[4]: needs a `path`",
        "refuses[0]: needs a `reason`",
    ]) {
        assert!(problem.contains(expected), "{problem:?} has no {expected:?}");
    }
    assert_eq!(problems.len(), 7, "{problems:#?}");
    assert!(problems[0].contains("openai"), "{}", problems[0]);
}
