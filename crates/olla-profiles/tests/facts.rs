//! What servers tell of models besides listing them, as the real ones write it, read by the shipped profiles.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops where an assumption fails")]

use std::{fs, path::PathBuf};

use olla_core::{Abilities, Model, ModelUse};
use olla_profiles::{About, Details, InMemory, Presence, Profile, Profiles};

const YES: Option<bool> = Some(true);
const NO: Option<bool> = Some(false);

fn fixture(file: &str) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/listings/{file}.json"))).unwrap()
}

fn kind(name: &str) -> Profile {
    let profiles = Profiles::builtin();
    profiles.get(profiles.resolve(name).unwrap()).unwrap().clone()
}

/// The only question of a kind.
fn question(kind: &Profile) -> &Details {
    let [question] = kind.details() else { panic!("{} has one question", kind.name) };
    question
}

/// The model, after `answer` to the kind's question.
fn told(kind: &Profile, mut model: Model, answer: &[u8]) -> Model {
    let all = question(kind).read(answer).unwrap();
    let its_name = model.name.clone();
    for facts in all.iter().filter(|facts| facts.name().is_none_or(|name| *name == *its_name)) {
        facts.add_to(&mut model);
    }
    kind.complete(&mut model);
    model
}

fn named(kind: &str, name: &str, answer: &[u8]) -> Model {
    told(&self::kind(kind), Model::named(name), answer)
}

fn listed(kind: &str, body: &[u8]) -> Vec<Model> {
    self::kind(kind).parse_listing(body).unwrap()
}

/// Chat, images, tools, embeddings.
fn can(model: &Model) -> [Option<bool>; 4] {
    let Abilities { chat, images, tools, embeddings, .. } = model.abilities;
    [chat, images, tools, embeddings]
}

fn memory(kind: &str, body: &[u8]) -> InMemory {
    self::kind(kind).residency().unwrap().read(body).unwrap()
}

fn presence(memory: &InMemory, name: &str) -> String {
    match memory.presence(&Model::named(name)) {
        Presence::Loaded(residency) => format!(
            "loaded size={:?} vram={:?} until={:?} context={:?}",
            residency.size_bytes, residency.vram_bytes, residency.expires, residency.context_length
        ),
        Presence::Cold => "cold".into(),
        Presence::Unknown => "unknown".into(),
    }
}

#[test]
fn ollama_is_asked_about_each_model_with_its_name() {
    let ollama = kind("ollama");
    let question = question(&ollama);

    assert_eq!((question.about(), question.path()), (About::Each, "/api/show"));
    assert_eq!(question.body("a\"b").unwrap(), br#"{"model":"a\"b"}"#);
}

#[test]
fn a_complete_list_of_capabilities_denies_what_it_leaves_out() {
    let chat = named("ollama", "llama3.2:latest", &fixture("ollama-show"));
    let embedder = named("ollama", "nomic-embed-text", &fixture("ollama-show-embedding"));
    let seeing = named("ollama", "x", br#"{"capabilities": ["completion", "vision"]}"#);

    assert_eq!(can(&chat), [YES, NO, YES, None], "any model of Ollama makes embeddings");
    assert_eq!((chat.used_for, chat.reported.used_for), (Some(ModelUse::Text), None));
    assert_eq!(chat.reported.context_length, Some(131_072));
    assert_eq!(chat.parameter_size.as_deref(), Some("3.2b"));
    assert_eq!(can(&embedder), [NO, NO, NO, YES]);
    assert_eq!((embedder.used_for, embedder.context_length), (Some(ModelUse::Embeddings), Some(2048)));
    assert_eq!(can(&seeing), [YES, YES, NO, None]);
    assert_eq!(seeing.used_for, Some(ModelUse::Vision));
}

#[test]
fn a_model_thinks_where_a_list_of_capabilities_says_so() {
    let thinks = |answer: &[u8]| named("ollama", "deepseek-r1", answer).abilities.thinking;

    assert_eq!(thinks(br#"{"capabilities": ["completion", "thinking"]}"#), YES);
    assert_eq!(thinks(br#"{"capabilities": ["completion", "tools"]}"#), NO);
    assert_eq!(thinks(br#"{"capabilities": []}"#), None, "a name tells nothing");
}

#[test]
fn the_words_of_the_catalogue_agree_with_what_the_backend_tells() {
    let reasons = |name, answer: &[u8]| {
        named("ollama", name, answer).capabilities.iter().any(|word| &**word == "reasoning")
    };

    assert!(reasons("deepseek-r1", br#"{"capabilities": []}"#), "the name suggests it");
    assert!(!reasons("deepseek-r1", br#"{"capabilities": ["completion", "tools"]}"#));
    assert!(!reasons("llama3.2", br#"{"capabilities": []}"#));
    assert!(reasons("llama3.2", br#"{"capabilities": ["completion", "thinking"]}"#));
}

#[test]
fn a_list_of_capabilities_that_is_not_there_denies_nothing() {
    for answer in [&br#"{"details": {"family": "llama"}}"#[..], br#"{"capabilities": []}"#] {
        assert_eq!(can(&named("ollama", "phi4", answer)), [None; 4]);
    }
}

#[test]
fn a_name_does_not_overrule_what_was_reported() {
    let blind = named("ollama", "llava:7b", br#"{"capabilities": ["completion"]}"#);
    let guessed = named("ollama", "llava:7b", b"{}");

    assert_eq!((blind.used_for, blind.abilities.images), (Some(ModelUse::Text), NO));
    assert!(!blind.capabilities.contains(&"vision".into()));
    assert_eq!((guessed.used_for, guessed.abilities.images), (Some(ModelUse::Vision), YES));
    assert_eq!(guessed.reported.used_for, None);
}

#[test]
fn a_guess_says_yes_at_most() {
    for name in ["bge-m3", "llava", "phi4-32k"] {
        let model = listed("ollama", format!(r#"{{"models": [{{"name": "{name}"}}]}}"#).as_bytes()).remove(0);

        assert!(!can(&model).contains(&NO), "{name}: {:?}", model.abilities);
        assert_eq!((model.reported.used_for, model.reported.context_length), (None, None), "{name}");
    }
}

#[test]
fn completing_again_changes_nothing() {
    let ollama = kind("ollama");
    let model = told(&ollama, Model::named("llava"), &fixture("ollama-show"));
    let mut again = model.clone();

    ollama.complete(&mut again);

    assert_eq!(again, model);
}

#[test]
fn the_catalogue_words_follow_the_abilities() {
    let model = named("ollama", "m", br#"{"capabilities": ["completion", "vision", "tools"]}"#);

    assert!(model.capabilities.is_sorted());
    for word in ["vision", "tools", "text-generation"] {
        assert!(model.capabilities.iter().any(|known| **known == *word), "{word}: {:?}", model.capabilities);
    }
    let flagged = &listed("lm-studio", &fixture("lm-studio-v1-loaded"))[0];
    assert!(flagged.capabilities.contains(&"tools".into()));
}

#[test]
fn what_a_model_is_for_says_what_it_can_and_cannot_do() {
    let v0 = listed("lm-studio", &fixture("lm-studio"));
    let abilities: Vec<_> = v0.iter().map(can).collect();

    assert_eq!(abilities, [[YES, YES, None, NO], [YES, NO, YES, NO], [NO, NO, NO, YES]]);
    assert_eq!(v0[0].reported.used_for, Some(ModelUse::Vision));
    assert_eq!(v0[0].reported.context_length, Some(128_000));
}

#[test]
fn flags_of_lm_studio_say_yes_and_no() {
    let v1 = listed("lm-studio", &fixture("lm-studio-v1"));
    let abilities: Vec<_> = v1.iter().map(can).collect();
    assert_eq!(abilities, [[YES, YES, NO, NO], [NO, NO, NO, YES]]);

    let v1 = listed("lm-studio", &fixture("lm-studio-v1-loaded"));
    let abilities: Vec<_> = v1.iter().map(can).collect();
    assert_eq!(abilities, [[YES, NO, YES, NO], [YES, NO, NO, NO]]);
    assert_eq!(v1[0].used_for, Some(ModelUse::Text));
}

#[test]
fn llama_cpp_tells_of_its_only_model_and_a_router_of_none() {
    let llamacpp = kind("llamacpp");
    assert_eq!(question(&llamacpp).about(), About::Only);
    assert_eq!(question(&llamacpp).body("m"), None, "a GET asks");

    let single = listed("llamacpp", &fixture("llamacpp")).remove(0);
    let single = told(&llamacpp, single, &fixture("llamacpp-props"));
    assert_eq!((single.context_length, single.reported.context_length), (Some(8192), Some(8192)));
    assert_eq!(can(&single), [None, NO, None, None]);

    let mut one_of_router = Model::named("m");
    one_of_router.context_length = Some(4096);
    let routed = told(&llamacpp, one_of_router, &fixture("llamacpp-props-router"));
    assert_eq!((routed.context_length, can(&routed)), (Some(4096), [None; 4]));
}

#[test]
fn a_model_of_litellm_can_what_one_of_its_deployments_can() {
    let info = fixture("litellm-info");

    let twice = named("litellm", "gpt-4", &info);
    let embedder = named("litellm", "bedrock/amazon.titan-embed-text-v2", &info);
    let silent = named("litellm", "llama-70b", &info);
    let pattern = named("litellm", "openai/*", &info);

    assert_eq!(can(&twice), [YES, YES, YES, None]);
    assert_eq!(twice.reported.context_length, Some(128_000));
    assert_eq!(can(&embedder), [NO, NO, NO, YES]);
    assert_eq!(can(&silent), [None, NO, None, None]);
    assert_eq!(can(&pattern), [None; 4]);
    assert_eq!(kind("litellm").details()[0].read(&info).unwrap().len(), 4);
}

#[test]
fn omlx_tells_what_its_models_are_for() {
    let status = fixture("omlx-status");

    let text = named("omlx", "Qwen3-Coder-30B-A3B-Instruct-4bit", &status);
    let reranker = named("omlx", "bge-reranker", &status);

    assert_eq!(can(&text), [YES, NO, None, NO]);
    assert_eq!((text.context_length, text.size_bytes), (Some(131_072), Some(17_179_869_184)));
    assert_eq!(named("omlx", "Qwen3-VL-8B-4bit", &status).abilities.images, YES);
    assert_eq!(reranker.abilities.chat, NO);
}

#[test]
fn docker_model_runner_tells_what_the_list_of_openai_leaves_out() {
    let own = fixture("docker-model-runner-own");

    let chat = named("dmr", "ai/smollm2", &own);
    let silent = named("dmr", "ai/mxbai-embed-large:335M-F16", &own);

    assert_eq!((chat.family.as_deref(), chat.parameter_size.as_deref()), (Some("llama"), Some("362m")));
    assert_eq!((chat.quantization.as_deref(), chat.format.as_deref()), (Some("q4km"), Some("gguf")));
    assert!(chat.digest.is_some_and(|digest| digest.starts_with("sha256:354bf30d")));
    assert_eq!((chat.reported.context_length, silent.reported.context_length), (Some(8192), None));
    assert_eq!(silent.quantization.as_deref(), Some("f16"));
}

#[test]
fn labels_of_lemonade_tell_what_is_no_chat_model() {
    let body = br#"{"data": [{"id": "sd", "labels": ["image"]}, {"id": "e", "labels": ["embeddings"]},
        {"id": "g", "labels": ["hot", "vision"]}, {"id": "t", "labels": ["tool-calling"]}]}"#;

    let abilities: Vec<_> = listed("lemonade", body).iter().map(can).collect();

    let expected = [[NO, None, None, None], [NO, NO, NO, YES], [YES, YES, None, NO], [None, None, YES, None]];
    assert_eq!(abilities, expected);
}

#[test]
fn ollama_tells_what_is_loaded_and_the_rest_is_cold() {
    let memory = memory("ollama", &fixture("ollama-ps"));

    assert_eq!(
        presence(&memory, "llama3.2:latest"),
        "loaded size=Some(3621064704) vram=Some(3221225472) until=Some(\"2026-03-02T10:20:01.5+01:00\") context=Some(4096)"
    );
    assert_eq!(presence(&memory, "phi4:latest"), "cold");
    let mut short = Model::named("llama3.2");
    short.also.push("llama3.2:latest".into());
    assert!(matches!(memory.presence(&short), Presence::Loaded(_)), "any name of the model counts");
}

#[test]
fn both_lists_of_lm_studio_tell_what_is_loaded() {
    let v0 = memory("lm-studio", &fixture("lm-studio"));
    let v1 = memory("lm-studio", &fixture("lm-studio-v1-loaded"));

    assert_eq!(
        presence(&v0, "meta-llama-3.1-8b-instruct"),
        "loaded size=None vram=None until=None context=Some(4096)"
    );
    assert_eq!(presence(&v0, "qwen2.5-vl-7b-instruct"), "cold");
    assert_eq!(presence(&v0, "someone-else"), "unknown");
    assert_eq!(
        presence(&v1, "google/gemma-3-4b"),
        "loaded size=None vram=None until=None context=Some(8192)"
    );
    assert_eq!(presence(&v1, "qwen/qwen3-8b"), "cold");
}

#[test]
fn a_llama_cpp_router_tells_what_is_loaded_and_a_server_of_one_model_does_not() {
    let router = memory("llamacpp", &fixture("llamacpp-router"));
    let single = memory("llamacpp", &fixture("llamacpp"));

    assert!(presence(&router, "ggml-org/gemma-3-4b-it-GGUF:Q4_K_M").starts_with("loaded"));
    assert_eq!(presence(&router, "ggml-org/Qwen3-1.7B-GGUF"), "cold");
    assert_eq!(presence(&single, "Qwen3-0.6B-Q8_0.gguf"), "unknown");
}

#[test]
fn omlx_and_lemonade_tell_what_is_loaded() {
    let omlx = memory("omlx", &fixture("omlx-status"));
    let lemonade = memory("lemonade", &fixture("lemonade-health"));

    assert_eq!(
        presence(&omlx, "Qwen3-Coder-30B-A3B-Instruct-4bit"),
        "loaded size=Some(17500000000) vram=None until=None context=None"
    );
    assert_eq!(presence(&omlx, "bge-reranker"), "cold");
    assert_eq!(
        presence(&lemonade, "Gemma-3-4b-it-GGUF"),
        "loaded size=None vram=None until=None context=Some(8192)"
    );
    assert_eq!(presence(&lemonade, "Qwen3-0.6B-GGUF"), "cold");
}

#[test]
fn an_answer_in_another_shape_is_an_error() {
    let (litellm, ollama) = (kind("litellm"), kind("ollama"));

    assert!(question(&litellm).read(br#"{"error": "no key"}"#).is_err());
    assert!(question(&ollama).read(b"<html>").is_err());
    assert!(ollama.residency().unwrap().read(br#"{"data": []}"#).is_err());
    assert!(ollama.residency().unwrap().read(b"").is_err());
}
