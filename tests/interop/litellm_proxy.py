"""A real LiteLLM proxy whose models answer from its own mocks, so that no cloud is called."""

import os
import sys
from pathlib import Path

import yaml

from processes import Process, free_port

# The models of Olla's LiteLLM page, prefixes included, and the provider model behind each.
MODELS = {
    "gpt-4": "openai/gpt-4",
    "gpt-3.5-turbo": "openai/gpt-3.5-turbo",
    "claude-3-opus": "anthropic/claude-3-opus-20240229",
    "claude-3-sonnet": "anthropic/claude-3-sonnet-20240229",
    "claude-3-bedrock": "bedrock/anthropic.claude-3-sonnet",
    "gemini-pro": "gemini/gemini-pro",
    "llama-70b": "together_ai/meta-llama/Llama-3-70b-chat-hf",
    "openai/gpt-4": "openai/gpt-4",
    "anthropic/claude-3-opus-20240229": "anthropic/claude-3-opus-20240229",
    "bedrock/anthropic.claude-3-sonnet": "bedrock/anthropic.claude-3-sonnet",
}
# What each of them says when asked.
ANSWERS = {name: f"Hello from {name}" for name in MODELS}
EMBEDDING_MODEL = "text-embedding-ada-002"
EMBEDDING = [0.1, 0.2, 0.3]
# Model name -> the failure LiteLLM plays and the status it answers with.
FAILURES = {
    "too-long": ("litellm.ContextWindowExceededError", 400),
    "out-of-quota": ("litellm.RateLimitError", 429),
    "broken": ("litellm.InternalServerError", 500),
}
WILDCARD = "groq/*"
WILDCARD_ANSWER = "Hello from groq"
# A model of a provider that speaks Anthropic's dialect.
CLAUDE = "claude-simulated"
START_SECONDS = 120.0


def config(urls: dict[str, str]) -> dict:
    """Returns the LiteLLM configuration document; the URLs are those of providers, by their dialect."""
    def model(name: str, **params) -> dict:
        return {"model_name": name, "litellm_params": {"api_key": "none", **params}}

    models = [model(name, model=MODELS[name], mock_response=answer) for name, answer in ANSWERS.items()]
    models += [model(name, model=f"openai/{name}", mock_response=error) for name, (error, _) in FAILURES.items()]
    models += [
        model(EMBEDDING_MODEL, model=f"openai/{EMBEDDING_MODEL}", mock_response=EMBEDDING),
        model(WILDCARD, model=WILDCARD, mock_response=WILDCARD_ANSWER),
        model("weather", model="openai/weather", api_base=urls["openai"]),
        model("endless", model="openai/endless", api_base=urls["openai"]),
        model(CLAUDE, model=f"anthropic/{CLAUDE}", api_base=urls["anthropic"]),
    ]
    return {
        "model_list": models,
        "litellm_settings": {"num_retries": 0, "telemetry": False},
        # A model that fails on purpose must fail the same way each time.
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
    }


class LiteLlm(Process):
    """One LiteLLM process, open to everybody or behind a master key."""

    def __init__(self, name: str, directory: Path, urls: dict[str, str], *, master_key: str | None = None):
        file = directory / f"{name}.yaml"
        file.write_text(yaml.safe_dump(config(urls), sort_keys=False))
        port = free_port()
        program = str(Path(sys.executable).with_name("litellm"))
        super().__init__(
            [program, "--config", str(file), "--host", "127.0.0.1", "--port", str(port)],
            f"http://127.0.0.1:{port}", "/health/liveliness", directory / f"{name}.log",
            env=environment(master_key), cwd=directory,
        )
        self.port, self.master_key = port, master_key


def environment(master_key: str | None) -> dict[str, str]:
    """Returns an environment that keeps LiteLLM on this machine; it refuses to start open unless told so."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("LITELLM_")}
    env["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    if master_key is None:
        env["LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY"] = "true"
    else:
        env["LITELLM_MASTER_KEY"] = master_key
    return env
