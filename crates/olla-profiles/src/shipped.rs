//! The profiles that are part of the program.

/// Embeds one file of `config/profiles`.
macro_rules! shipped {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../config/profiles/", $name)))
    };
}

/// File names and texts of the shipped profiles.
pub(crate) const SHIPPED: [(&str, &str); 13] = [
    shipped!("anthropic.yaml"),
    shipped!("docker-model-runner.yaml"),
    shipped!("lemonade.yaml"),
    shipped!("litellm.yaml"),
    shipped!("llamacpp.yaml"),
    shipped!("lm-studio.yaml"),
    shipped!("lmdeploy.yaml"),
    shipped!("ollama.yaml"),
    shipped!("omlx.yaml"),
    shipped!("openai-compatible.yaml"),
    shipped!("sglang.yaml"),
    shipped!("vllm.yaml"),
    shipped!("vllm-mlx.yaml"),
];
