"""Claude Code itself, without a terminal, over an engine that only chats: one turn with a tool."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from agent_engine import MODEL, SHELL, AgentEngine
from olla import endpoint, static

WORD = "translated-and-back"


def program() -> str | None:
    """Returns Claude Code: `OLLA_CLAUDE_CODE`, or `claude` in the path."""
    return os.environ.get("OLLA_CLAUDE_CODE") or shutil.which("claude")


@pytest.fixture
def engine():
    engine = AgentEngine(f"echo {WORD}")
    yield engine
    engine.stop()


@pytest.mark.skipif(program() is None, reason="Claude Code is not installed")
def test_a_turn_that_uses_a_tool_is_completed(start_olla, engine, tmp_path):
    olla = start_olla(static(
        endpoint("agent", "lmdeploy", engine.url, model_url="/v1/models", health_check_url="/health"),
    ))
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "SHELL": "/bin/bash", "IS_SANDBOX": "1",
        "ANTHROPIC_BASE_URL": f"{olla.url}/olla/anthropic", "ANTHROPIC_AUTH_TOKEN": "none",
        "ANTHROPIC_MODEL": MODEL, "ANTHROPIC_DEFAULT_HAIKU_MODEL": MODEL,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_TELEMETRY": "1", "DISABLE_AUTOUPDATER": "1",
        "DISABLE_ERROR_REPORTING": "1", "CLAUDE_CONFIG_DIR": str(tmp_path / "claude"),
        "CLAUDE_CODE_MAX_RETRIES": "0",
    }
    work = Path(tmp_path / "work")
    work.mkdir()

    ran = subprocess.run(
        [program(), "-p", "Say the word with the shell.", "--output-format", "json",
         "--allowedTools", f"{SHELL}(echo:*)"],
        env=environment, cwd=work, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr + olla.tail()
    told = json.loads(ran.stdout)
    assert told["is_error"] is False
    assert told["result"] == f"The tool said: {WORD}"
    [row] = olla.get("/internal/stats/translators").json()["translators"]
    assert row["translation_requests"] >= 2 and row["failed_requests"] == 0
    asked = next(body for body in engine.requests if any(m["role"] == "tool" for m in body["messages"]))
    assert asked["model"] == MODEL and len(asked["tools"]) > 5
