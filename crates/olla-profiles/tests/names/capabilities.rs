//! What models can do, by their type, their name and their context.

use super::*;

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
