//! The kinds of inference server an engine can imitate, and what tells them apart on the wire: the health path,
//! the path prefix of their OpenAI surface, extra response headers, and whether they speak Anthropic or Ollama.

use std::fmt;
use std::str::FromStr;

/// A kind of inference server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// Any server with the OpenAI surface and nothing else.
    #[default]
    OpenAi,
    /// Ollama: native `/api/*`, OpenAI and Anthropic surfaces.
    Ollama,
    /// LM Studio: native `/api/v0/models`, OpenAI and Anthropic surfaces.
    LmStudio,
    /// vLLM.
    Vllm,
    /// vLLM on Apple's MLX.
    VllmMlx,
    /// SGLang.
    Sglang,
    /// The server of llama.cpp.
    LlamaCpp,
    /// LMDeploy.
    LmDeploy,
    /// Lemonade: its OpenAI surface is below `/api/v1`.
    Lemonade,
    /// The LiteLLM gateway.
    LiteLlm,
    /// Docker Model Runner: its OpenAI surface is below `/engines`.
    DockerModelRunner,
    /// oMLX.
    Omlx,
}

/// The error for a name that is not a [`Kind`].
#[derive(Debug, thiserror::Error)]
#[error("unknown kind {name:?}; known kinds: {}", Kind::ALL.map(Kind::name).join(", "))]
pub struct UnknownKind {
    name: String,
}

// === impl Kind ===

impl Kind {
    /// Every kind, in the order of the command-line help.
    pub const ALL: [Kind; 12] = [
        Kind::OpenAi,
        Kind::Ollama,
        Kind::LmStudio,
        Kind::Vllm,
        Kind::VllmMlx,
        Kind::Sglang,
        Kind::LlamaCpp,
        Kind::LmDeploy,
        Kind::Lemonade,
        Kind::LiteLlm,
        Kind::DockerModelRunner,
        Kind::Omlx,
    ];

    /// Returns the name used on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::OpenAi => "openai",
            Kind::Ollama => "ollama",
            Kind::LmStudio => "lm-studio",
            Kind::Vllm => "vllm",
            Kind::VllmMlx => "vllm-mlx",
            Kind::Sglang => "sglang",
            Kind::LlamaCpp => "llamacpp",
            Kind::LmDeploy => "lmdeploy",
            Kind::Lemonade => "lemonade",
            Kind::LiteLlm => "litellm",
            Kind::DockerModelRunner => "docker-model-runner",
            Kind::Omlx => "omlx",
        }
    }

    /// Returns the path that a health check of this kind asks for.
    #[must_use]
    pub const fn health_path(self) -> &'static str {
        match self {
            Kind::Ollama => "/",
            Kind::OpenAi | Kind::LmStudio => "/v1/models",
            Kind::Vllm | Kind::VllmMlx | Kind::Sglang | Kind::LlamaCpp | Kind::LmDeploy | Kind::Omlx => {
                "/health"
            }
            Kind::Lemonade => "/api/v1/health",
            Kind::LiteLlm => "/health/liveliness",
            Kind::DockerModelRunner => "/engines/v1/models",
        }
    }

    /// Returns the path at which this kind lists its models.
    #[must_use]
    pub const fn listing_path(self) -> &'static str {
        match self {
            Kind::Ollama => "/api/tags",
            Kind::LmStudio => "/api/v0/models",
            Kind::Lemonade => "/api/v1/models",
            Kind::DockerModelRunner => "/engines/v1/models",
            Kind::OpenAi
            | Kind::Vllm
            | Kind::VllmMlx
            | Kind::Sglang
            | Kind::LlamaCpp
            | Kind::LmDeploy
            | Kind::LiteLlm
            | Kind::Omlx => "/v1/models",
        }
    }

    /// Header lines that only this kind sends.
    pub(crate) const fn header_lines(self) -> &'static str {
        match self {
            Kind::LlamaCpp => "server: llama.cpp\r\naccess-control-allow-origin: \r\n",
            Kind::Vllm | Kind::VllmMlx | Kind::Sglang | Kind::LmDeploy | Kind::Omlx => "server: uvicorn\r\n",
            Kind::LiteLlm => "server: uvicorn\r\nx-litellm-version: 1.106.0\r\n",
            Kind::LmStudio => "x-powered-by: Express\r\n",
            Kind::OpenAi | Kind::Ollama | Kind::Lemonade | Kind::DockerModelRunner => "",
        }
    }

    /// Returns what follows `/v1` in a path of this kind's OpenAI surface, or `None` for another path.
    pub(crate) fn openai_path(self, path: &str) -> Option<&str> {
        let tail = match self {
            Kind::DockerModelRunner => {
                let engines = path.strip_prefix("/engines")?;
                engines
                    .strip_prefix("/llama.cpp")
                    .or_else(|| engines.strip_prefix("/vllm"))
                    .unwrap_or(engines)
            }
            Kind::Lemonade => path.strip_prefix("/api").unwrap_or(path),
            Kind::LiteLlm => return Some(path.strip_prefix("/v1").unwrap_or(path)),
            Kind::OpenAi
            | Kind::Ollama
            | Kind::LmStudio
            | Kind::Vllm
            | Kind::VllmMlx
            | Kind::Sglang
            | Kind::LlamaCpp
            | Kind::LmDeploy
            | Kind::Omlx => path,
        };
        tail.strip_prefix("/v1")
    }

    /// The path of this kind's Anthropic messages, if it speaks that dialect.
    pub(crate) const fn messages_path(self) -> Option<&'static str> {
        match self {
            Kind::DockerModelRunner => Some("/anthropic/v1/messages"),
            Kind::Ollama
            | Kind::LmStudio
            | Kind::Vllm
            | Kind::VllmMlx
            | Kind::LlamaCpp
            | Kind::LiteLlm
            | Kind::Omlx => Some("/v1/messages"),
            Kind::OpenAi | Kind::Sglang | Kind::LmDeploy | Kind::Lemonade => None,
        }
    }

    /// Whether this kind can count the tokens of an Anthropic request.
    pub(crate) const fn counts_tokens(self) -> bool {
        matches!(self, Kind::LlamaCpp | Kind::LiteLlm | Kind::DockerModelRunner | Kind::Omlx)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = Kind::ALL.into_iter().find(|kind| kind.name() == name);
        known.ok_or_else(|| UnknownKind { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name() {
        for kind in Kind::ALL {
            assert_eq!(kind.name().parse::<Kind>().unwrap(), kind);
        }
        assert!("gpt".parse::<Kind>().unwrap_err().to_string().contains("docker-model-runner"));
    }

    #[test]
    fn prefixes_of_the_openai_surface_are_removed_where_the_kind_has_them() {
        assert_eq!(Kind::Vllm.openai_path("/v1/chat/completions"), Some("/chat/completions"));
        assert_eq!(Kind::Vllm.openai_path("/chat/completions"), None);
        assert_eq!(Kind::LiteLlm.openai_path("/chat/completions"), Some("/chat/completions"));
        assert_eq!(Kind::Lemonade.openai_path("/api/v1/models"), Some("/models"));
        assert_eq!(Kind::DockerModelRunner.openai_path("/engines/llama.cpp/v1/models"), Some("/models"));
        assert_eq!(Kind::DockerModelRunner.openai_path("/v1/models"), None);
    }
}
