"""Fixtures: the real backends, started once, and Olla in front of them."""

import pytest

import backends as real
import simulated
from olla import START_SECONDS, Olla, endpoint, static
from processes import eventually


@pytest.fixture(scope="session")
def backends(tmp_path_factory):
    """The real backends; nothing but the failover test stops one of them."""
    with real.running(tmp_path_factory.mktemp("backends")) as backends:
        yield backends


@pytest.fixture(scope="module")
def start_olla(tmp_path_factory):
    """Returns a function that starts an Olla with given settings; all of them stop with the module."""
    running = []

    def start(settings: dict, env: dict[str, str] | None = None) -> Olla:
        olla = Olla(tmp_path_factory.mktemp("olla"), settings, env)
        running.append(olla.start())
        return olla.wait_ready(START_SECONDS)

    yield start
    for olla in running:
        olla.stop()


@pytest.fixture(scope="session")
def olla(tmp_path_factory, backends):
    """An Olla with one LiteLLM and one llama.cpp, as most tests need it."""
    olla = Olla(tmp_path_factory.mktemp("olla"), static(
        endpoint("litellm-gateway", "litellm", backends.litellm.url, priority=75),
        endpoint("local-llamacpp", "llamacpp", backends.llamacpp.url, priority=100),
    ))
    try:
        yield all_up(olla.start().wait_ready(START_SECONDS))
    finally:
        olla.stop()


def all_up(olla: Olla) -> Olla:
    """Waits until every endpoint is healthy; one of them is enough to be ready."""
    def up() -> bool:
        endpoints = olla.get("/internal/status/endpoints").json()["endpoints"]
        return all(entry["status"] == "healthy" for entry in endpoints)

    eventually(START_SECONDS, up)
    return olla


@pytest.fixture(scope="session")
def chat_engine(tmp_path_factory):
    """A simulated engine that only chats."""
    engine = simulated.Engine("chatting", "lmdeploy", ["llama3.2:3b"], tmp_path_factory.mktemp("engine"))
    try:
        yield engine.start().wait_ready(simulated.START_SECONDS)
    finally:
        engine.stop()


@pytest.fixture(scope="module")
def over_chat(start_olla, chat_engine):
    """An Olla over that engine, with an alias that Claude Code would show."""
    return start_olla(static(
        endpoint("chatting", "lmdeploy", chat_engine.url), model_aliases={"claude-local": ["llama3.2:3b"]},
    ))


@pytest.fixture(scope="module")
def translating(start_olla, backends):
    """An Olla that passes no message on, so that what llama.cpp and LiteLLM say is always translated."""
    return all_up(start_olla(static(
        endpoint("translated", "llamacpp", backends.llamacpp.url),
        endpoint("gateway", "litellm", backends.litellm.url),
        translators={"anthropic": {"passthrough_enabled": False}},
    )))
