"""Codex itself, without a terminal, over an engine that only chats: one turn with its shell."""

import json
import os
import shutil
import subprocess

import pytest

from agent_engine import MODEL, AgentEngine
from olla import endpoint, static

WORD = "translated-and-back"
# As in docs/clients/codex.md.
CONFIG = """\
model = "{model}"
model_provider = "olla"
check_for_update_on_startup = false

[model_providers.olla]
name = "Olla"
base_url = "{url}/v1"
wire_api = "responses"
request_max_retries = 0

[analytics]
enabled = false
"""


def program() -> str | None:
    """Returns Codex: `OLLA_CODEX`, or `codex` in the path."""
    return os.environ.get("OLLA_CODEX") or shutil.which("codex")


@pytest.fixture
def engine():
    engine = AgentEngine([("exec_command", {"cmd": f"echo {WORD}"})])
    yield engine
    engine.stop()


@pytest.mark.skipif(program() is None, reason="Codex is not installed")
def test_a_turn_that_uses_the_shell_is_completed(start_olla, engine, tmp_path):
    olla = start_olla(static(
        endpoint("agent", "lmdeploy", engine.url, model_url="/v1/models", health_check_url="/health"),
    ))
    home, work = tmp_path / "codex", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    (home / "config.toml").write_text(CONFIG.format(model=MODEL, url=olla.url))

    ran = subprocess.run(
        # The sandbox needs rights that containers rarely have; the script runs nothing but `echo`.
        [program(), "exec", "--skip-git-repo-check", "--json", "--dangerously-bypass-approvals-and-sandbox",
         "Say the word with the shell."],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CODEX_HOME": str(home)},
        cwd=work, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr + olla.tail()
    events = [json.loads(line) for line in ran.stdout.splitlines()]
    items = [event["item"] for event in events if event["type"] == "item.completed"]
    [shell] = [item for item in items if item["type"] == "command_execution"]
    assert (shell["exit_code"], shell["aggregated_output"].strip()) == (0, WORD)
    [told] = [item["text"] for item in items if item["type"] == "agent_message"]
    assert told.startswith("The tools said:") and WORD in told
    assert events[-1]["type"] == "turn.completed" and events[-1]["usage"]["input_tokens"] == 40
    asked = next(body for body in engine.requests if any(m["role"] == "tool" for m in body["messages"]))
    assert asked["model"] == MODEL and len(asked["tools"]) > 5
