//! Model listings as the real servers write them, read by the shipped profiles.

#![expect(clippy::unwrap_used, reason = "a test stops where an assumption fails")]

use std::{fmt::Write as _, fs, path::PathBuf};

use olla_core::Model;
use olla_profiles::{ListingError, Profiles};

/// Reads `listings/<file>.json` with the profile of `kind`, one line a model.
fn read(kind: &str, file: &str) -> Vec<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/listings/{file}.json"));
    let models = parse(kind, &fs::read(path).unwrap()).unwrap();
    models.iter().map(facts).collect()
}

fn parse(kind: &str, body: &[u8]) -> Result<Vec<Model>, ListingError> {
    let profiles = Profiles::builtin();
    profiles.get(profiles.resolve(kind).unwrap()).unwrap().parse_listing(body)
}

/// Writes every fact that is known, so that a test sees one too many as well as one too few.
fn facts(model: &Model) -> String {
    let mut line = model.name.to_string();
    let texts = [
        ("arch", &model.reported.family),
        ("family", &model.family),
        ("variant", &model.variant),
        ("params", &model.parameter_size),
        ("quant", &model.quantization),
        ("format", &model.format),
        ("by", &model.publisher),
        ("parent", &model.parent),
        ("engine", &model.engine),
        ("about", &model.description),
        ("state", &model.state),
        ("modified", &model.modified),
        ("digest", &model.digest),
    ];
    for also in &model.also {
        write!(line, " also={also}").unwrap();
    }
    if let Some(used_for) = model.used_for {
        write!(line, " use={used_for:?}").unwrap();
    }
    for (name, text) in texts {
        if let Some(text) = text {
            write!(line, " {name}={text:.25}").unwrap();
        }
    }
    for (name, number) in [("size", model.size_bytes), ("context", model.context_length)] {
        if let Some(number) = number {
            write!(line, " {name}={number}").unwrap();
        }
    }
    line
}

#[test]
fn reads_ollama_tags_with_both_spellings_of_the_default_tag() {
    assert_eq!(
        read("ollama", "ollama"),
        [
            "llama3.2:latest also=llama3.2 arch=llama family=llama variant=3.2 params=3.2b quant=q4km \
             format=gguf by=meta modified=2026-03-02T09:14:55.12345 digest=a80c4f17acd55265feec403c7 size=2019393189 context=131072",
            "nomic-embed-text:v1.5 use=Embeddings arch=nomic-bert family=nomic-bert params=137m quant=f16 \
             format=gguf by=nomic-ai modified=2026-01-20T18:00:00Z digest=0a109f422b47e3a30ba2b10ec size=274302450",
            "gpt-oss:120b-cloud arch=gptoss family=gpt-oss params=116.8b quant=mxfp4 by=openai modified=2026-02-11T08:00:00Z \
             digest=569662207105 size=384",
        ]
    );
}

#[test]
fn reads_both_listings_of_lm_studio() {
    assert_eq!(
        read("lm-studio", "lm-studio"),
        [
            "qwen2.5-vl-7b-instruct use=Vision arch=qwen2_5_vl family=qwen variant=2.5 params=7b quant=4bit format=mlx by=mlx-community \
             state=not-loaded context=128000",
            "meta-llama-3.1-8b-instruct use=Text arch=llama family=llama variant=3.1 params=8b quant=q4km format=gguf by=lmstudio-community \
             state=loaded context=131072",
            "text-embedding-nomic-embed-text-v1.5 use=Embeddings arch=nomic-bert family=nomic-bert quant=q4 format=gguf \
             by=nomic-ai state=not-loaded context=2048",
        ]
    );
    assert_eq!(
        read("lm-studio", "lm-studio-v1"),
        [
            "google/gemma-3-4b use=Vision arch=gemma3 family=gemma variant=3 params=4b quant=q4 format=gguf by=google \
             size=3341231104 context=131072",
            "text-embedding-nomic-embed-text-v1.5 use=Embeddings arch=nomic-bert family=nomic-bert quant=f16 format=gguf \
             by=nomic-ai size=274290560 context=2048",
        ]
    );
}

#[test]
fn reads_the_richer_of_the_two_arrays_of_llama_cpp() {
    assert_eq!(
        read("llamacpp", "llamacpp"),
        [
            "Qwen3-0.6B-Q8_0.gguf family=qwen variant=3 params=596m quant=q8 format=gguf by=alibaba modified=1764000000 size=633495552 context=40960"
        ]
    );
}

#[test]
fn reads_the_loading_state_of_a_llama_cpp_router() {
    assert_eq!(
        read("llamacpp", "llamacpp-router"),
        [
            "ggml-org/gemma-3-4b-it-GGUF:Q4_K_M family=gemma variant=3 params=4b quant=q4km format=gguf by=ggml-org state=loaded modified=1764000000 context=8192",
            "ggml-org/Qwen3-1.7B-GGUF family=qwen variant=3 params=1.7b format=gguf by=ggml-org state=unloaded modified=1764000000 context=32768",
        ]
    );
}

#[test]
fn reads_vllm_and_its_adapters() {
    assert_eq!(
        read("vllm", "vllm"),
        [
            "meta-llama/Llama-3.1-8B-Instruct family=llama variant=3.1 params=8b by=meta-llama modified=1764000000 context=32768",
            "sql-lora parent=meta-llama/Llama-3.1-8B-I modified=1764000000",
        ]
    );
}

#[test]
fn a_server_that_names_itself_is_not_the_publisher() {
    assert_eq!(
        read("vllm-mlx", "vllm-mlx"),
        [
            "mlx-community/Llama-3.2-3B-Instruct-4bit family=llama variant=3.2 params=3b quant=4bit format=mlx by=mlx-community modified=1764000000 context=131072"
        ]
    );
    assert_eq!(
        read("sglang", "sglang"),
        ["Qwen/Qwen3-30B-A3B family=qwen variant=3 params=30b by=Qwen modified=1764000000 context=40960"]
    );
    assert_eq!(
        read("lmdeploy", "lmdeploy"),
        [
            "internlm/internlm2_5-7b-chat family=internlm variant=2.5 params=7b by=internlm modified=1764000000 context=32768"
        ]
    );
    assert_eq!(
        read("omlx", "omlx"),
        [
            "Qwen3-Coder-30B-A3B-Instruct-4bit family=qwen variant=3 params=30b quant=4bit format=mlx by=alibaba modified=1764000000 context=262144"
        ]
    );
}

#[test]
fn reads_publisher_format_and_purpose_of_lemonade() {
    assert_eq!(
        read("lemonade", "lemonade"),
        [
            "Qwen3-0.6B-GGUF family=qwen variant=3 params=0.6b format=gguf by=unsloth parent=unsloth/Qwen3-0.6B-GGUF:Q engine=llamacpp state=available modified=1744173590 context=32768",
            "Gemma-3-4b-it-GGUF use=Vision family=gemma variant=3 params=4b format=gguf by=ggml-org parent=ggml-org/gemma-3-4b-it-GG engine=llamacpp state=available modified=1744173590 \
             context=8192",
            "Llama-3.2-1B-Instruct-Hybrid family=llama variant=3.2 params=1b format=onnx by=amd parent=amd/Llama-3.2-1B-Instruct engine=oga-hybrid modified=1744173590 context=131072",
        ]
    );
}

#[test]
fn reads_litellm_with_providers_from_the_names_and_keeps_wildcards() {
    assert_eq!(
        read("litellm", "litellm"),
        [
            "gpt-4 family=gpt variant=4 by=openai modified=1677610602 context=8192",
            "anthropic/claude-3-opus-20240229 use=Vision family=claude variant=3 by=anthropic modified=1677610602 context=200000",
            "openai/* by=openai modified=1677610602",
            "bedrock/amazon.titan-embed-text-v2 use=Embeddings family=titan-embed by=bedrock modified=1677610602",
            "llama-70b family=llama params=70b by=meta modified=1677610602",
        ]
    );
}

#[test]
fn reads_what_a_real_litellm_answered() {
    let lines = read("litellm", "litellm-captured");

    assert_eq!(lines.len(), 28);
    for line in [
        "gpt-4 family=gpt variant=4 by=openai modified=1677610602 context=8192",
        "bedrock/anthropic.claude-3-sonnet use=Vision family=claude variant=3 by=bedrock modified=1677610602 context=200000",
        "text-embedding-ada-002 use=Embeddings family=text-embedding by=openai modified=1677610602 context=8191",
        "groq/* by=groq modified=1677610602",
        "groq/openai/gpt-oss-120b family=gpt-oss params=120b by=groq modified=1677610602 context=131072",
    ] {
        assert!(lines.iter().any(|l| l == line), "{line} is not in {lines:#?}");
    }
}

#[test]
fn reads_what_a_real_llama_cpp_answered() {
    assert_eq!(
        read("llamacpp", "llamacpp-captured"),
        ["olla-tiny params=33k format=gguf modified=1795493956 size=131968 context=32768"]
    );
}

#[test]
fn other_names_of_a_model_are_kept_once() {
    let body = br#"{"data": [{"id": "a", "aliases": ["a", "b", "", 1]}]}"#;

    assert_eq!(facts(&parse("llamacpp", body).unwrap()[0]), "a also=b also=1 format=gguf");
}

#[test]
fn reads_docker_model_runner_and_plain_openai() {
    assert_eq!(
        read("dmr", "docker-model-runner"),
        [
            "ai/smollm2 also=ai/smollm2:latest family=smollm variant=2 by=huggingfacetb modified=1742816981 context=8192",
            "ai/mxbai-embed-large:335M-F16 use=Embeddings family=mxbai-embed params=335m quant=f16 by=mixedbread-ai modified=1742816981",
        ]
    );
    assert_eq!(
        read("openai", "openai-compatible"),
        [
            "gpt-4o-mini use=Vision family=gpt variant=4o by=system modified=1721172741 context=128000",
            "text-embedding-3-small use=Embeddings family=text-embedding by=system modified=1705948997",
            "acme/long-context by=acme context=65536",
        ]
    );
}

#[test]
fn an_empty_or_null_array_is_an_empty_list() {
    assert!(parse("ollama", br#"{"models": []}"#).unwrap().is_empty());
    assert!(parse("ollama", br#"{"models": null}"#).unwrap().is_empty());
}

#[test]
fn another_shape_is_an_error_that_says_what_was_expected() {
    let error = parse("ollama", br#"{"object": "list", "data": [{"id": "x"}]}"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"the model list has no array at "models"; it is an object with "object", "data""#
    );

    let error = parse("lmstudio", br#"{"error": "Unexpected endpoint or method. (GET /x)"}"#).unwrap_err();
    assert!(error.to_string().contains(r#"no array at "data" or "models""#), "{error}");

    assert!(matches!(parse("vllm", b"[]").unwrap_err(), ListingError::Shape { .. }));
    assert!(matches!(parse("vllm", b"<html>").unwrap_err(), ListingError::NotJson(_)));
    assert!(matches!(parse("vllm", b"").unwrap_err(), ListingError::NotJson(_)));
}

#[test]
fn wrong_types_in_optional_fields_leave_facts_unknown() {
    let body = br#"{"data": [
        {"id": "a", "created": "yesterday", "max_model_len": "long", "parent": {"x": 1}},
        {"id": "b", "created": 1.7e9, "max_model_len": -1, "owned_by": []},
        {"id": 7}, {"id": null}, {"id": {}}, {}, "text", null
    ]}"#;

    let models: Vec<_> = parse("vllm", body).unwrap().iter().map(facts).collect();

    assert_eq!(models, ["a modified=yesterday", "b modified=1700000000", "7"]);
}
