"""Claude Code itself, without a terminal: turns with tools over an engine that only chats, and one that speaks messages."""

import json
import os
import shutil
import subprocess

import pytest

from agent_engine import MODEL, AgentEngine, results
from olla import endpoint, static

WORD = "translated-and-back"
SHELL = ("Bash", {"command": f"echo {WORD}", "description": "Says a word"})


def program() -> str | None:
    """Returns Claude Code: `OLLA_CLAUDE_CODE`, or `claude` in the path."""
    return os.environ.get("OLLA_CLAUDE_CODE") or shutil.which("claude")


pytestmark = pytest.mark.skipif(program() is None, reason="Claude Code is not installed")


class Turn:
    """One run of Claude Code, in an empty home and a directory of its own."""

    def __init__(self, olla, directory, *, base: str = "/olla/anthropic", retries: int = 0):
        # Everything that it says to other hosts than its base URL is switched off.
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(directory), "SHELL": "/bin/bash", "IS_SANDBOX": "1",
            "ANTHROPIC_BASE_URL": olla.url + base, "ANTHROPIC_AUTH_TOKEN": "none",
            "ANTHROPIC_MODEL": MODEL, "ANTHROPIC_DEFAULT_HAIKU_MODEL": MODEL,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_TELEMETRY": "1", "DISABLE_AUTOUPDATER": "1",
            "DISABLE_ERROR_REPORTING": "1", "CLAUDE_CONFIG_DIR": str(directory / "claude"),
            "CLAUDE_CODE_MAX_RETRIES": str(retries),
        }
        ran = subprocess.run(
            [program(), "-p", "Do what the script says.", "--output-format", "json",
             "--allowedTools", "Bash(echo:*)", "Read"],
            env=environment, cwd=directory, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=80,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr + olla.tail()
        told = json.loads(ran.stdout)
        assert told["is_error"] is False, told
        self.result = told["result"]
        [self.stats] = olla.get("/internal/stats/translators").json()["translators"]


@pytest.fixture
def engine():
    """Returns a function that starts an engine with a script."""
    started = []

    def start(*calls, **how) -> AgentEngine:
        started.append(AgentEngine(list(calls), **how))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def over(start_olla, engine, kind="lmdeploy"):
    """Returns an Olla over the engine; a kind that only chats, unless said otherwise."""
    return start_olla(static(
        endpoint("agent", kind, engine.url, model_url="/v1/models", health_check_url="/health"),
    ))


@pytest.mark.parametrize("base", ["/olla/anthropic", ""])
def test_a_turn_that_uses_a_tool_is_completed(start_olla, engine, tmp_path, base):
    script = engine(SHELL)

    turn = Turn(over(start_olla, script), tmp_path, base=base)

    assert turn.result == f"The tools said: {WORD}"
    assert turn.stats["translation_requests"] >= 2 and turn.stats["failed_requests"] == 0
    asked = next(body for body in script.requests if results(body))
    assert asked["model"] == MODEL and len(asked["tools"]) > 5


def test_tools_that_are_called_at_once_answer_each_for_itself(start_olla, engine, tmp_path):
    note = tmp_path / "note.txt"
    note.write_text("written down\n")
    script = engine(("Read", {"file_path": str(note)}), SHELL)

    turn = Turn(over(start_olla, script), tmp_path)

    assert "written down" in turn.result and turn.result.endswith(f"; {WORD}")
    asked = next(body for body in script.requests if results(body))
    [calls] = [message["tool_calls"] for message in asked["messages"] if message.get("tool_calls")]
    answered = [message["tool_call_id"] for message in asked["messages"] if message["role"] == "tool"]
    assert answered == [call["id"] for call in calls] == ["call_0", "call_1"]


@pytest.mark.parametrize("kind", ["lmdeploy", "vllm"])
def test_a_turn_goes_on_after_a_stream_that_broke_off(start_olla, engine, tmp_path, kind):
    script = engine(SHELL, cuts=1)

    turn = Turn(over(start_olla, script, kind), tmp_path, retries=3)

    assert turn.result == f"The tools said: {WORD}"
    asked = [body for body in script.requests if body.get("tools") and not results(body)]
    assert script.cuts <= 0 and len(asked) >= 2


def test_a_backend_that_speaks_messages_is_asked_as_it_is(start_olla, engine, tmp_path):
    script = engine(SHELL)

    turn = Turn(over(start_olla, script, "vllm"), tmp_path)

    assert turn.result == f"The tools said: {WORD}"
    assert turn.stats["passthrough_requests"] >= 2 and turn.stats["translation_requests"] == 0
    asked = next(body for body in script.requests if results(body))
    assert "system" in asked and all("input_schema" in tool for tool in asked["tools"] if "type" not in tool)
