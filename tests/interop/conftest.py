"""Fixtures: the real backends, started once, and Olla in front of them."""

import pytest

import backends as real
from olla import START_SECONDS, Olla, endpoint, static


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
        yield olla.start().wait_ready(START_SECONDS)
    finally:
        olla.stop()
