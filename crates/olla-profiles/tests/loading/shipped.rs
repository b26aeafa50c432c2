//! What is shipped: which kinds, what leads to them, and what is forwarded to each.

use super::*;

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
