"""OpenCode itself, without a terminal, over an engine that only chats: one turn with a tool in each format it can speak."""

import json
import os
import shutil
import subprocess

import pytest

from agent_engine import MODEL, AgentEngine
from olla import endpoint, static

WORD = "there-and-back"
COMMAND = ("bash", {"command": f"echo {WORD}", "description": "Says a word"})
# The package with which OpenCode speaks, and the base URL that it takes.
PROVIDERS = [
    ("@ai-sdk/openai-compatible", "/v1"), ("@ai-sdk/anthropic", "/olla/anthropic/v1"), ("@ai-sdk/openai", "/v1"),
]


def program() -> str | None:
    """Returns OpenCode: `OLLA_OPENCODE`, or `opencode` in the path."""
    return os.environ.get("OLLA_OPENCODE") or shutil.which("opencode")


@pytest.fixture
def engine():
    engine = AgentEngine([COMMAND])
    yield engine
    engine.stop()


def settings(package: str, base_url: str) -> dict:
    """Returns an opencode.json, as the page shows it."""
    provider = {
        "npm": package, "name": "Olla", "options": {"baseURL": base_url, "apiKey": "none"},
        "models": {MODEL: {"name": "A model", "limit": {"context": 32768, "output": 8192}}},
    }
    return {
        "provider": {"olla": provider}, "model": f"olla/{MODEL}", "small_model": f"olla/{MODEL}",
        "autoupdate": False, "share": "disabled", "permission": {"bash": "allow"},
    }


@pytest.mark.skipif(program() is None, reason="OpenCode is not installed")
@pytest.mark.parametrize(("package", "base"), PROVIDERS, ids=[package for package, _ in PROVIDERS])
def test_a_turn_that_uses_a_tool_is_completed(start_olla, engine, tmp_path, package, base):
    olla = start_olla(static(
        endpoint("agent", "lmdeploy", engine.url, model_url="/v1/models", health_check_url="/health"),
    ))
    (tmp_path / "opencode.json").write_text(json.dumps(settings(package, olla.url + base)))
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "SHELL": "/bin/bash",
        "OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    }

    ran = subprocess.run(
        [program(), "run", "--format", "json", "Do what the script says."],
        env=environment, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=80,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr + olla.tail()
    parts = [json.loads(line)["part"] for line in ran.stdout.splitlines() if line.startswith("{")]
    assert [part["state"]["output"].strip() for part in parts if part["type"] == "tool"] == [WORD]
    assert [part["text"].strip() for part in parts if part["type"] == "text"] == [f"The tools said: {WORD}"]
